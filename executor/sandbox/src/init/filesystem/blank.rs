//! Something empty, to lay over what is to be hidden.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, mkdirat};

use super::kernel::directory;
use super::mounts::{self, Bans};
use super::open_on_host;
use super::tree::{NAME, Tree};

const ALL_MAY_READ: Mode = Mode::from_bits_truncate(0o444);
const ALL_MAY_ENTER: Mode = Mode::from_bits_truncate(0o555);

/// A directory and a file with nothing in them, which nobody can write to.
pub(super) struct Blank {
    pub(super) directory: OwnedFd,
    pub(super) file: OwnedFd,
}

impl Blank {
    /// Lays a small file system over `/proc`, where it is covered in its turn, and takes them from there.
    pub(super) fn lay(root: &Tree) -> Result<Blank, Errno> {
        // A `/proc` that is only covered is there again for a task of root that unmounts what covers it, and the
        // host's shows the executor's environment. It goes with the old root. As often as it goes: mounts can be stacked.
        let old_root = open_on_host(Path::new("/proc"))?;
        while mounts::shift(&directory(root, "proc")?, &old_root).is_ok() {}
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mounts::lay(
            "tmpfs",
            &directory(root, "proc")?,
            flags,
            "mode=555,size=64k",
        )?;
        let itself = directory(root, "proc")?;
        mkdirat(&itself, "directory", ALL_MAY_ENTER)?;
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        openat(&itself, "file", new, ALL_MAY_READ)?;
        // So is what is bound from there.
        mounts::ban(&itself, Bans::WRITING)?;
        Ok(Blank {
            directory: openat(&itself, "directory", NAME, Mode::empty())?,
            file: openat(&itself, "file", NAME, Mode::empty())?,
        })
    }
}
