//! Another root directory for the task: that of an image. Its content is as hostile as the task, so nothing in it is
//! touched before the process is inside of it and its links lead nowhere else.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::{chdir, pivot_root};

use super::failed_at;
use crate::report::{Failure, Step};

/// What programs expect in `/dev`: name, major and minor number (Linux: Documentation/admin-guide/devices.txt).
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

/// What of `/proc` is the host's and nothing for a task to write to (Mesos: src/linux/fs.cpp).
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

const QUIET: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

/// Makes `root` this process's `/`, with all that is mounted below it, and with a `/proc` of its own, and a `/sys`
/// and `/dev` where there are none. The old root is gone afterwards. Needs root's rights, and the mounts above not to be shared.
pub(super) fn enter(root: &Path) -> Result<(), Failure> {
    let none = None::<&str>;
    let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
    unshare(CloneFlags::CLONE_NEWNS)
        // Only what is mounted can become the root.
        .and_then(|()| mount(Some(root), root, none, recursive, none))
        .and_then(|()| chdir(root))
        // The old root comes to lie over the new one, and is taken away from there.
        .and_then(|()| pivot_root(".", "."))
        .and_then(|()| umount2(".", MntFlags::MNT_DETACH))
        .and_then(|()| chdir("/"))
        .map_err(failed_at(Step::EnterRoot, root))?;

    umask(Mode::empty());
    // The agent's shows the processes of another namespace, if it has mounted one.
    special("proc", "/proc", QUIET, "")?;
    if !is_mounted("/sys")? {
        special("sysfs", "/sys", QUIET | MsFlags::MS_RDONLY, "")?;
    }
    // The agent's may hold devices that the task was given.
    if !is_mounted("/dev")? {
        devices()?;
    }
    for path in READ_ONLY {
        let fixed = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | QUIET;
        let outcome = mount(Some(path), path, none, recursive, none)
            .and_then(|()| mount(Some(path), path, none, fixed, none));
        match outcome {
            // Not every kernel has all of them.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(failed_at(Step::EnterRoot, path)(errno)),
        }
    }
    Ok(())
}

fn devices() -> Result<(), Failure> {
    special("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755")?;
    let open_to_all = Mode::from_bits_truncate(0o666);
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        mknod(&path, SFlag::S_IFCHR, open_to_all, makedev(major, minor))
            .map_err(failed_at(Step::EnterRoot, path))?;
    }
    for (name, target) in LINKS {
        let path = Path::new("/dev").join(name);
        symlink(target, &path)
            .map_err(|error| errno(&error))
            .map_err(failed_at(Step::EnterRoot, path))?;
    }
    let no_programs = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let terminals = "newinstance,ptmxmode=0666,mode=620,gid=5";
    special("devpts", "/dev/pts", no_programs, terminals)?;
    special("tmpfs", "/dev/shm", QUIET, "mode=1777")
}

/// Whether something of another file system than the root's is at `path`.
fn is_mounted(path: &str) -> Result<bool, Failure> {
    let device = |path: &str| match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.dev())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed_at(Step::EnterRoot, path)(errno(&error))),
    };
    let there = device(path)?;
    Ok(there.is_some() && there != device("/")?)
}

fn special(kind: &str, path: &str, flags: MsFlags, data: &str) -> Result<(), Failure> {
    // An image need not have the directory.
    fs::create_dir_all(path)
        .map_err(|error| errno(&error))
        .and_then(|()| mount(Some(kind), path, Some(kind), flags, Some(data)))
        .map_err(failed_at(Step::EnterRoot, path))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
