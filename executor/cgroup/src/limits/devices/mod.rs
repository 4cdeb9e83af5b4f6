//! Which devices a task may open, however it comes by a node of them.

mod program;
mod v1;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::Place;
use crate::degraded::{Degraded, Limit, Why};
use crate::version::Version;
use crate::{Error, sys};

/// A device by its numbers (stat(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Of its driver.
    pub major: u32,
    /// Which of the driver's.
    pub minor: u32,
}

impl Device {
    /// As the kernel writes it: `8:0`.
    pub(crate) fn parse(text: &str) -> Option<Device> {
        let (major, minor) = text.split_once(':')?;
        Some(Device {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// The devices that a task may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Devices {
    /// Whatever its file system and its rights allow.
    #[default]
    Any,
    /// None but these; no node of any other can be opened, and none at all be made but by a rule that says so.
    Only(Vec<DeviceRule>),
}

/// One device, or all of a driver's, that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// Its kind.
    pub kind: DeviceKind,
    /// Of its driver.
    pub major: u32,
    /// Which of the driver's; `None` is each.
    pub minor: Option<u32>,
    /// May be opened for reading.
    pub read: bool,
    /// May be opened for writing.
    pub write: bool,
    /// Nodes of it may be made (mknod(2)), which takes `CAP_MKNOD` as well.
    pub make: bool,
}

/// The two name spaces of device numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// `c` of ls(1).
    Character,
    /// `b` of ls(1).
    Block,
}

impl DeviceRule {
    /// A character device to read and write.
    const fn character(major: u32, minor: Option<u32>) -> DeviceRule {
        DeviceRule {
            kind: DeviceKind::Character,
            major,
            minor,
            read: true,
            write: true,
            make: false,
        }
    }
}

/// What every Linux program may take for granted (Linux: Documentation/admin-guide/devices.txt), as
/// container runtimes have it but for mknod: null, zero, full, random, urandom, tty, ptmx, and
/// pseudo terminals.
const STANDARD: [DeviceRule; 8] = [
    DeviceRule::character(1, Some(3)),
    DeviceRule::character(1, Some(5)),
    DeviceRule::character(1, Some(7)),
    DeviceRule::character(1, Some(8)),
    DeviceRule::character(1, Some(9)),
    DeviceRule::character(5, Some(0)),
    DeviceRule::character(5, Some(2)),
    DeviceRule::character(136, None),
];

impl Devices {
    /// Those that touch nothing of the host: null, zero, full, random, urandom, the task's own
    /// terminal, and pseudo terminals; and `more`.
    pub fn standard(more: impl IntoIterator<Item = DeviceRule>) -> Devices {
        Devices::Only(STANDARD.into_iter().chain(more).collect())
    }
}

/// Holds a task to `devices`.
pub(super) fn write(
    devices: &Devices,
    place: Place<'_>,
    degraded: &mut Vec<Degraded>,
) -> Result<(), Error> {
    let outcome = match place.version {
        Version::V1 => v1::write(devices, place),
        Version::V2 => write_v2(devices, place),
    };
    match outcome {
        // Whoever is not root may not; and there are kernels without it.
        Err(error) if is_not_to_be_had(&error) => degraded.push(Degraded {
            limit: Limit::Devices,
            why: Why::Refused(error.errno()),
        }),
        outcome => outcome?,
    }
    Ok(())
}

fn is_not_to_be_had(error: &Error) -> bool {
    let answers = [Errno::EPERM, Errno::EACCES, Errno::EINVAL, Errno::ENOSYS];
    answers.iter().any(|errno| *errno as i32 == error.errno())
}

fn write_v2(devices: &Devices, place: Place<'_>) -> Result<(), Error> {
    let refused = |source| Error::DeviceProgram {
        path: place.directory.to_owned(),
        source,
    };
    let cgroup = File::open(place.directory).map_err(refused)?;
    match devices {
        Devices::Only(rules) => {
            let program = sys::load_device_program(&program::of(rules)).map_err(refused)?;
            sys::attach_device_program(cgroup.as_fd(), program.as_fd()).map_err(refused)
        }
        Devices::Any if place.is_new => Ok(()),
        Devices::Any => match sys::detach_device_program(cgroup.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(refused),
        },
    }
}
