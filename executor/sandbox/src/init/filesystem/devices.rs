//! A minimal `/dev`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknodat};
use nix::unistd::symlinkat;

use super::super::failed_at;
use super::hidden::Covers;
use super::kernel::{directory, is_mounted};
use super::mounts::{self, Bans};
use super::open_on_host;
use super::private::Private;
use super::tree::{NAME, Tree};
use crate::filesystem::Shm;
use crate::report::{Failure, Step};

/// What programs expect: name, major and minor number (Linux: Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

const SHM: &str = "/dev/shm";

/// Lays it, unless the root `is_tasks` and has one. It is one of `covers`, so that volumes can still be put there.
pub(super) fn lay(
    root: &Tree,
    is_tasks: bool,
    shm: Shm,
    private: &mut Private<'_>,
    covers: &mut Covers,
) -> Result<(), Failure> {
    let at = |step| failed_at(step, "/dev");
    let target = directory(root, "dev").map_err(at(Step::Mount))?;
    if is_tasks && is_mounted(root, &target).map_err(at(Step::Mount))? {
        // The agent's, with devices that the task was given.
        return Ok(());
    }
    mounts::lay("tmpfs", &target, MsFlags::MS_NOSUID, "mode=755,size=64k")
        .map_err(at(Step::Mount))?;
    let dev = directory(root, "dev").map_err(at(Step::Mount))?;
    for device in DEVICES {
        make(&dev, device).map_err(failed_at(Step::MakeDevice, in_dev(device.0)))?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name).map_err(failed_at(Step::MakeDevice, in_dev(name)))?;
    }
    let terminals = subdirectory(&dev, "pts");
    terminals
        .and_then(|target| lay_terminals(&target))
        .map_err(failed_at(Step::Mount, in_dev("pts")))?;
    let target = subdirectory(&dev, "shm").map_err(failed_at(Step::Mount, SHM))?;
    match shm {
        Shm::Sandbox => {
            let reopen = || openat(&dev, "shm", NAME, Mode::empty());
            private.lay("shm", &target, Path::new(SHM), reopen)?;
        }
        Shm::Memory { bytes } => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mounts::lay("tmpfs", &target, flags, &format!("mode=1777,size={bytes}"))
                .map_err(failed_at(Step::Mount, SHM))?;
        }
    }
    covers.keep(dev);
    Ok(())
}

fn in_dev(name: &str) -> PathBuf {
    Path::new("/dev").join(name)
}

fn subdirectory(dev: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    mkdirat(dev, name, Mode::from_bits_truncate(0o755))?;
    openat(dev, name, NAME | OFlag::O_DIRECTORY, Mode::empty())
}

fn make(dev: &OwnedFd, (name, major, minor): (&str, u64, u64)) -> Result<(), Errno> {
    let open_to_all = Mode::from_bits_truncate(0o666);
    let device = makedev(major, minor);
    match mknodat(dev, name, SFlag::S_IFCHR, open_to_all, device) {
        // Where devices cannot be made, as by root of a user namespace, the host's are good enough.
        Err(Errno::EPERM) => {
            let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            openat(dev, name, new, open_to_all)?;
            let open = || openat(dev, name, NAME, Mode::empty());
            mounts::bind(&open_on_host(&in_dev(name))?, &open()?)?;
            // The device can be written to all the same, but not given another mode.
            mounts::ban(&open()?, Bans::WRITING)
        }
        outcome => outcome,
    }
}

fn lay_terminals(target: &OwnedFd) -> Result<(), Errno> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // Terminals belong to the group `tty`, which is 5 wherever there is one. A user namespace may not have it.
    let terminals = "newinstance,ptmxmode=0666,mode=620";
    match mounts::lay("devpts", target, flags, &format!("{terminals},gid=5")) {
        Err(Errno::EINVAL) => mounts::lay("devpts", target, flags, terminals),
        outcome => outcome,
    }
}
