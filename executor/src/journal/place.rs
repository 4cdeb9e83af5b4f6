//! The executor's own directory, `.mesos-sandbox-executor` in its sandbox, and the journal in it.
//!
//! Tasks may own that sandbox. The directory is the executor's alone; everything is opened by one name relative to a
//! handle, no link is followed, and what is not as the executor would have made it is not touched.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, geteuid, unlinkat};

/// The directory's name in the sandbox.
pub(crate) use task_figures::DIRECTORY;

const JOURNAL: &str = "journal";
/// What is to become the journal.
const NEXT: &str = "journal.next";

const OWN: Mode = Mode::S_IRWXU;
const OWN_FILE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("{attempt} {}: {source}", .path.display())]
    Refused {
        attempt: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is not as this executor makes it: {what}", .path.display())]
    Planted { path: PathBuf, what: &'static str },
}

/// The directory, wherever it may be moved, and how to call it in messages.
pub(crate) struct Place {
    sandbox: OwnedFd,
    handle: OwnedFd,
    device: u64,
    path: PathBuf,
}

impl Place {
    /// Makes the directory if it is not there.
    pub(crate) fn open(sandbox: &Path) -> Result<Self, PlaceError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path = sandbox.join(DIRECTORY);
        let handle = open(sandbox, flags, Mode::empty()).map_err(refused("open", sandbox))?;
        let device = fstat(&handle).map_err(refused("look at", sandbox))?.st_dev;
        match mkdirat(&handle, DIRECTORY, OWN) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(refused("create", &path)(errno)),
        }
        let sandbox = handle;
        let handle =
            openat(&sandbox, DIRECTORY, flags, Mode::empty()).map_err(refused("open", &path))?;
        let found = fstat(&handle).map_err(refused("look at", &path))?;
        check(&found, SFlag::S_IFDIR, device, &path)?;
        Ok(Self {
            sandbox,
            handle,
            device,
            path,
        })
    }

    pub(super) fn journal_path(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// Opens the journal for reading and appending; an empty one if there is none.
    pub(super) fn journal(&self) -> Result<File, PlaceError> {
        self.file(JOURNAL, OFlag::empty())
    }

    /// A new, empty file, which [`Place::put_in_place`] makes the journal.
    pub(super) fn next(&self) -> Result<File, PlaceError> {
        self.remove_file(NEXT)?;
        self.file(NEXT, OFlag::O_EXCL)
    }

    pub(super) fn put_in_place(&self) -> Result<(), PlaceError> {
        self.rename(NEXT, JOURNAL)?;
        fsync(self.handle.as_fd()).map_err(refused("replace", &self.journal_path()))
    }

    /// Removes the journal, and the directory if nothing else is in it.
    pub(super) fn remove(&self) -> Result<(), PlaceError> {
        for name in [NEXT, JOURNAL] {
            self.remove_file(name)?;
        }
        self.remove_if_empty()
    }

    /// Removes the directory, if nothing is in it.
    pub(crate) fn remove_if_empty(&self) -> Result<(), PlaceError> {
        match unlinkat(&self.sandbox, DIRECTORY, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(refused("remove", &self.path)(errno)),
        }
    }

    /// The directory itself.
    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove_file(&self, name: &str) -> Result<(), PlaceError> {
        match unlinkat(&self.handle, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(refused("remove", &self.path.join(name))(errno)),
        }
    }

    /// One file takes the place of another.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        renameat(&self.handle, from, &self.handle, to)
            .map_err(refused("replace", &self.path.join(to)))
    }

    /// Opens a file for reading and appending; an empty one is made if there is none.
    pub(crate) fn file(&self, name: &str, more: OFlag) -> Result<File, PlaceError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDWR
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            // A pipe in its place must not hold us up.
            | OFlag::O_NONBLOCK
            | more;
        let file = openat(&self.handle, name, flags, OWN_FILE).map_err(refused("open", &path))?;
        let found = fstat(&file).map_err(refused("look at", &path))?;
        check(&found, SFlag::S_IFREG, self.device, &path)?;
        if found.st_nlink != 1 {
            return Err(planted(&path, "it has another name as well"));
        }
        Ok(File::from(file))
    }
}

fn check(found: &FileStat, kind: SFlag, device: u64, path: &Path) -> Result<(), PlaceError> {
    if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT != kind {
        return Err(planted(path, "it is something else"));
    }
    if found.st_uid != geteuid().as_raw() {
        return Err(planted(path, "it belongs to somebody else"));
    }
    if found.st_mode & 0o077 != 0 {
        return Err(planted(path, "others may use it"));
    }
    if found.st_dev != device {
        return Err(planted(path, "it is on another file system"));
    }
    Ok(())
}

fn planted(path: &Path, what: &'static str) -> PlaceError {
    PlaceError::Planted {
        path: path.to_owned(),
        what,
    }
}

fn refused(attempt: &'static str, path: &Path) -> impl FnOnce(Errno) -> PlaceError {
    let path = path.to_owned();
    move |errno| PlaceError::Refused {
        attempt,
        path,
        source: errno.into(),
    }
}
