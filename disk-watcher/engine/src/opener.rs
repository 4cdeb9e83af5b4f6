//! Opens directories one name at a time below a directory already open, never through a link, and out of the tree
//! never.
//!
//! `openat2` (Linux 5.6) lets the kernel refuse links and mounts. Where it is missing, or a seccomp filter answers
//! for it, `openat` with `O_NOFOLLOW` opens the one component and the mount is compared afterwards.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::attributes::{self, Attributes};

/// What this process may use to open directories of one tree; found out once, at its root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener {
    openat2: bool,
    /// `O_NOATIME` saves the file system a write for each directory read, but only its owner and root may ask so.
    noatime: bool,
    cross_mounts: bool,
    /// The root's device and mount, to compare with where the kernel does not.
    root_dev: u64,
    root_mount: Option<u64>,
}

/// Why a directory was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Removed, or replaced by something else, since it was listed.
    Vanished,
    /// Something is mounted there.
    Mount,
    /// This process has too many descriptors open.
    OutOfDescriptors,
    /// Anything else: it cannot be read.
    Unreadable(Errno),
}

impl Refusal {
    /// To tell of in a message.
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Vanished => Errno::NOENT,
            Self::Mount => Errno::XDEV,
            Self::OutOfDescriptors => Errno::MFILE,
            Self::Unreadable(errno) => errno,
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::STALE | Errno::NOTDIR | Errno::LOOP => Self::Vanished,
            Errno::XDEV => Self::Mount,
            Errno::MFILE | Errno::NFILE => Self::OutOfDescriptors,
            other => Self::Unreadable(other),
        }
    }
}

impl Opener {
    /// Opens `root`, a directory, for listing, and learns what works on the way.
    pub(crate) fn probe(
        root: BorrowedFd<'_>,
        attributes: &Attributes,
        cross_mounts: bool,
    ) -> Result<(Self, OwnedFd), Errno> {
        let mut opener = Self {
            openat2: true,
            noatime: true,
            cross_mounts,
            root_dev: attributes.id.dev,
            root_mount: attributes
                .mount
                .or_else(|| attributes::mount_from_proc(root)),
        };
        // EPERM comes both from O_NOATIME on another user's directory and from a seccomp filter on openat2: try all
        // four, the best first.
        let mut refused = Errno::NOSYS;
        for (openat2, noatime) in [(true, true), (true, false), (false, true), (false, false)] {
            opener.openat2 = openat2;
            opener.noatime = noatime;
            match opener.raw(root, c".", opener.listing()) {
                Ok(fd) => return Ok((opener, fd)),
                Err(errno @ (Errno::PERM | Errno::NOSYS)) => refused = errno,
                Err(errno) => return Err(errno),
            }
        }
        Err(refused)
    }

    /// Opens the directory `name` in `parent` for listing, and tells its attributes.
    pub(crate) fn open(
        &self,
        parent: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<(OwnedFd, Attributes), Refusal> {
        let opened = match self.raw(parent, name, self.listing()) {
            Err(Errno::PERM) if self.noatime => {
                self.raw(parent, name, self.listing() - OFlags::NOATIME)
            }
            other => other,
        };
        let fd = opened?;
        let attributes = attributes::of(fd.as_fd())?;
        if self.kernel_keeps_to_the_mount() || self.is_on_the_roots_mount(fd.as_fd(), &attributes) {
            Ok((fd, attributes))
        } else {
            Err(Refusal::Mount)
        }
    }

    /// A handle to open the children of directory `name` with, not to list it.
    pub(crate) fn pass_through(
        &self,
        parent: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<OwnedFd, Errno> {
        self.raw(parent, name, PASS_THROUGH)
    }

    /// The directory above `dir`, wherever that is by now: the caller must check its identity before it opens
    /// anything below.
    pub(crate) fn above(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(dir, c"..", PASS_THROUGH, Mode::empty())
    }

    /// Whether a file found by name is one mounted over another, as far as the kernel tells.
    pub(crate) fn is_on_another_mount(&self, attributes: &Attributes) -> bool {
        // Devices are not compared: on an overlay they differ between a directory and its files.
        !self.cross_mounts
            && matches!((attributes.mount, self.root_mount), (Some(own), Some(root)) if own != root)
    }

    fn listing(&self) -> OFlags {
        let flags = OFlags::RDONLY
            | OFlags::DIRECTORY
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK;
        if self.noatime {
            flags | OFlags::NOATIME
        } else {
            flags
        }
    }

    fn raw(&self, dir: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !self.openat2 {
            return rustix::fs::openat(dir, name, flags, Mode::empty());
        }
        let mut resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        if !self.cross_mounts {
            resolve |= ResolveFlags::NO_XDEV;
        }
        rustix::fs::openat2(dir, name, flags, Mode::empty(), resolve)
    }

    fn kernel_keeps_to_the_mount(&self) -> bool {
        self.openat2 || self.cross_mounts
    }

    fn is_on_the_roots_mount(&self, dir: BorrowedFd<'_>, attributes: &Attributes) -> bool {
        match (
            attributes
                .mount
                .or_else(|| attributes::mount_from_proc(dir)),
            self.root_mount,
        ) {
            (Some(own), Some(root)) => own == root,
            // Neither statx nor /proc: a bind mount from the same device goes unseen, as with `du -x`.
            _ => attributes.id.dev == self.root_dev,
        }
    }

    /// The same without `openat2`, as before Linux 5.6.
    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        Self {
            openat2: false,
            ..self
        }
    }
}

const PASS_THROUGH: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::path::Path;

    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    use nix::sched::{CloneFlags, unshare};

    /// What opening `name` in `root` comes to, with `openat2` and without.
    fn attempts(root: &Path, name: &CStr, cross_mounts: bool) -> [Option<Refusal>; 2] {
        let handle = File::open(root).unwrap();
        let found = attributes::of(handle.as_fd()).unwrap();
        let (opener, fd) = Opener::probe(handle.as_fd(), &found, cross_mounts).unwrap();
        [opener, opener.without_openat2()].map(|opener| opener.open(fd.as_fd(), name).err())
    }

    #[test]
    fn links_files_and_absent_names_count_as_vanished() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("directory", dir.path().join("link")).unwrap();
        for name in [c"file", c"link", c"absent"] {
            assert_eq!(
                attempts(dir.path(), name, false),
                [Some(Refusal::Vanished); 2]
            );
        }
        assert_eq!(attempts(dir.path(), c"directory", false), [None; 2]);
    }

    #[test]
    fn mounts_are_refused_unless_they_may_be_crossed() {
        // A mount namespace of this thread alone, which ends with it.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["other", "bound", "tmpfs"] {
            fs::create_dir(path(name)).unwrap();
        }
        let none = None::<&str>;
        mount(
            Some(&path("other")),
            &path("bound"),
            none,
            MsFlags::MS_BIND,
            none,
        )
        .unwrap();
        mount(
            Some("tmpfs"),
            &path("tmpfs"),
            Some("tmpfs"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        let kept_out = [c"bound", c"tmpfs"].map(|name| attempts(dir.path(), name, false));
        let let_in = [c"bound", c"tmpfs"].map(|name| attempts(dir.path(), name, true));
        for name in ["bound", "tmpfs"] {
            umount2(&path(name), MntFlags::MNT_DETACH).unwrap();
        }
        assert_eq!(kept_out, [[Some(Refusal::Mount); 2]; 2]);
        assert_eq!(let_in, [[None; 2]; 2]);
    }
}
