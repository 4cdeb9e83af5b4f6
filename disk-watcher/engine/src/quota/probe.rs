//! Whether a file system counts by project, and how it is asked.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::attributes;
use crate::quota::device::{self, Device};
use crate::quota::{ProjectId, ProjectLimits, ProjectUsage};
use crate::sys::quota::{self as sys, ACCOUNTING, Channel, ENFORCEMENT};

/// Statfs types (Linux: include/uapi/linux/magic.h).
const XFS: u64 = 0x5846_5342;
const EXT4: u64 = 0xef53;
const OVERLAY: u64 = 0x794c_7630;

/// So many directories are climbed in search of one that stays. A sandbox lies some ten below its file system's root.
const CLIMB: usize = 64;

/// The project quotas of one file system.
#[derive(Debug)]
pub struct ProjectQuota {
    kind: QuotaKind,
    device: u64,
    way: Way,
    is_enforced: bool,
}

/// A file system whose project quotas are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Refuses what is beyond a limit with `ENOSPC`, whoever writes.
    Xfs,
    /// Refuses it with `EDQUOT`, but not to a process with `CAP_SYS_RESOURCE`.
    Ext4,
}

/// How the file system is named to the kernel.
#[derive(Debug)]
enum Way {
    Descriptor(OwnedFd),
    Device(CString),
}

/// Why a file system's project quotas are not used.
#[derive(Debug, thiserror::Error)]
pub enum NoQuota {
    /// Neither XFS nor ext4.
    #[error("the file system is neither XFS nor ext4 but of type {magic:#x}")]
    OtherFileSystem {
        /// As `statfs(2)` tells it.
        magic: u64,
    },
    /// An overlay counts nothing itself.
    #[error("the file system is an overlay, which has no quotas of its own")]
    Overlay,
    /// It is of the right kind but does not count by project.
    #[error(
        "usage by project is not counted: {}",
        match kind {
            QuotaKind::Xfs => "mount it with prjquota (for the root file system rootflags=prjquota)",
            QuotaKind::Ext4 => "it takes the features quota and project, and to be mounted with prjquota",
        }
    )]
    AccountingOff {
        /// The file system.
        kind: QuotaKind,
    },
    /// It counts, but not for this process.
    #[error("the kernel does not let this process read project quotas: it takes CAP_SYS_ADMIN")]
    NotPermitted,
    /// A kernel before Linux 5.14, which must be given the device, and there is none to be found.
    #[error("no block device {major}:{minor} is in sight, by which this kernel has to be asked")]
    NoDevice {
        /// Of the file system's device.
        major: u32,
        /// Of the file system's device.
        minor: u32,
    },
    /// The kernel refused for no reason that is known here.
    #[error("cannot {attempt}")]
    Refused {
        /// What was asked of it.
        attempt: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// What was asked of a file system's quotas in vain.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// A usage.
    #[error("cannot read the usage of project {id}")]
    Read {
        /// Whose.
        id: ProjectId,
        /// What the kernel said.
        source: io::Error,
    },
    /// Limits.
    #[error("cannot set the limits of project {id}")]
    Set {
        /// Whose.
        id: ProjectId,
        /// What the kernel said.
        source: io::Error,
    },
    /// A soft limit above its hard one.
    #[error("the soft limit of project {id} lies above its hard limit")]
    UpsideDown {
        /// Whose.
        id: ProjectId,
    },
    /// The file system counts but does not hold anybody to limits.
    #[error(
        "the file system counts by project, but limits are not enforced: mount it with prjquota"
    )]
    NotEnforced,
}

impl ProjectQuota {
    /// Whether the file system that holds `root`, an open directory, counts by project. To be asked anew when it may
    /// have changed: quotas can be switched on and off while it is mounted.
    ///
    /// What is kept open is a directory as near to the file system's root as can be reached, so that a sandbox does not
    /// stay on disk when it is removed.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(root: BorrowedFd<'_>) -> Result<Self, NoQuota> {
        let kind = kind_of(root)?;
        let device = attributes::of(root)
            .map_err(|errno| refused("look at the root", errno))?
            .id
            .dev;
        let directory = top_of(root, device).map_err(|errno| refused("open the root", errno))?;
        let by_descriptor = Way::Descriptor(directory);
        let (way, state) = match sys::state(by_descriptor.channel()) {
            Ok(state) => (by_descriptor, state),
            // Before Linux 5.14, or by a filter of system calls; or there are no quotas, which the other way tells, too.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                Self::by_device(device, kind)?
            }
            Err(source) => return Err(refuse("ask for the state of quotas", source)),
        };
        if state & ACCOUNTING == 0 {
            return Err(NoQuota::AccountingOff { kind });
        }
        let quota = Self {
            kind,
            device,
            way,
            is_enforced: state & ENFORCEMENT != 0,
        };
        match sys::get(quota.way.channel(), 0) {
            Ok(_) => Ok(quota),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(quota),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(NoQuota::NotPermitted),
            Err(source) => Err(refuse("read a project's usage", source)),
        }
    }

    fn by_device(device: u64, kind: QuotaKind) -> Result<(Way, u16), NoQuota> {
        let path = match device::find(device) {
            Ok(Device::At(path)) => path,
            // An XFS on a device that nobody can name: there may be quotas that cannot be reached.
            Ok(Device::OutOfSight) => {
                return Err(NoQuota::NoDevice {
                    major: rustix::fs::major(device),
                    minor: rustix::fs::minor(device),
                });
            }
            Err(source) => return Err(refuse("read /proc/self/mountinfo", source)),
        };
        let way = Way::Device(path);
        match sys::state(way.channel()) {
            Ok(state) => Ok((way, state)),
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
                Err(NoQuota::AccountingOff { kind })
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(NoQuota::NotPermitted),
            Err(source) => Err(refuse("ask for the state of quotas", source)),
        }
    }

    /// Which file system it is.
    pub fn kind(&self) -> QuotaKind {
        self.kind
    }

    /// `st_dev` of every file that it counts.
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Whether limits are enforced, and not usage counted alone.
    pub fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// What a project uses now: one system call, however many files there are.
    ///
    /// # Errors
    /// When the kernel refuses; quotas may have been switched off.
    pub fn usage(&self, id: ProjectId) -> Result<ProjectUsage, QuotaError> {
        match sys::get(self.way.channel(), id.get()) {
            Ok(found) => Ok(found.into()),
            // XFS knows nothing of an id that nothing was ever counted for.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(ProjectUsage::default()),
            Err(source) => Err(QuotaError::Read { id, source }),
        }
    }

    /// Has the kernel hold a project to `limits`, which take the place of those it had. What is used already stays.
    ///
    /// # Errors
    /// When they make no sense, are not enforced here, or the kernel refuses.
    pub fn set_limits(&self, id: ProjectId, limits: ProjectLimits) -> Result<(), QuotaError> {
        if limits.are_upside_down() {
            return Err(QuotaError::UpsideDown { id });
        }
        if !self.is_enforced && limits != ProjectLimits::NONE {
            return Err(QuotaError::NotEnforced);
        }
        sys::set_limits(self.way.channel(), id.get(), limits.raw())
            .map_err(|source| QuotaError::Set { id, source })
    }

    /// The first project from `from` on that the file system knows anything of, a limit or a file: to go through all
    /// of them. One that has neither any more may still be known.
    ///
    /// # Errors
    /// As [`usage`](Self::usage).
    pub fn next_known(
        &self,
        from: ProjectId,
    ) -> Result<Option<(ProjectId, ProjectUsage)>, QuotaError> {
        match sys::get_next(self.way.channel(), from.get()) {
            Ok(found) => Ok(ProjectId::new(found.id).map(|id| (id, found.into()))),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(QuotaError::Read { id: from, source }),
        }
    }

    /// The same, asked by the device as kernels before 5.14 have to be.
    ///
    /// # Errors
    /// When there is no such device in sight, or the kernel refuses.
    pub fn asked_by_device(&self) -> Result<Self, NoQuota> {
        let (way, state) = Self::by_device(self.device, self.kind)?;
        Ok(Self {
            kind: self.kind,
            device: self.device,
            way,
            is_enforced: state & ENFORCEMENT != 0,
        })
    }
}

impl Way {
    fn channel(&self) -> Channel<'_> {
        match self {
            Self::Descriptor(file) => Channel::Descriptor(file.as_fd()),
            Self::Device(path) => Channel::Device(path),
        }
    }
}

fn kind_of(root: BorrowedFd<'_>) -> Result<QuotaKind, NoQuota> {
    let found =
        rustix::fs::fstatfs(root).map_err(|errno| refused("look at the file system", errno))?;
    match u64::try_from(found.f_type).unwrap_or_default() {
        XFS => Ok(QuotaKind::Xfs),
        EXT4 => Ok(QuotaKind::Ext4),
        OVERLAY => Err(NoQuota::Overlay),
        magic => Err(NoQuota::OtherFileSystem { magic }),
    }
}

/// A directory on `device`, as far above `root` as there is a way, within bounds.
pub(crate) fn top_of(root: BorrowedFd<'_>, device: u64) -> rustix::io::Result<OwnedFd> {
    const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    let mut here = rustix::fs::openat(root, c".", FLAGS, Mode::empty())?;
    let mut id = attributes::of(here.as_fd())?.id;
    for _ in 0..CLIMB {
        // A directory that may not be searched ends the way, as another file system does.
        let Ok(above) = rustix::fs::openat(&here, c"..", FLAGS, Mode::empty()) else {
            break;
        };
        match attributes::of(above.as_fd()) {
            Ok(found) if found.id.dev == device && found.id != id => {
                (here, id) = (above, found.id);
            }
            _ => break,
        }
    }
    Ok(here)
}

fn refused(attempt: &'static str, errno: rustix::io::Errno) -> NoQuota {
    refuse(attempt, errno.into())
}

fn refuse(attempt: &'static str, source: io::Error) -> NoQuota {
    NoQuota::Refused { attempt, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_file_system_of_another_kind_is_named_by_its_type() {
        let proc = File::open("/proc").unwrap();
        let why = ProjectQuota::probe(proc.as_fd()).unwrap_err();
        assert!(
            matches!(why, NoQuota::OtherFileSystem { magic: 0x9fa0 }),
            "{why:?}"
        );
        assert_eq!(
            why.to_string(),
            "the file system is neither XFS nor ext4 but of type 0x9fa0"
        );
    }

    #[test]
    fn what_is_kept_open_is_not_the_directory_that_was_asked_about() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let deep = directory.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let root = File::open(&deep).unwrap();
        let id = |file: BorrowedFd<'_>| attributes::of(file).unwrap().id;
        let top = top_of(root.as_fd(), id(root.as_fd()).dev).unwrap();
        assert_eq!(id(top.as_fd()), id(File::open("/dev/shm").unwrap().as_fd()));
    }
}
