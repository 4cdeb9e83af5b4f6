//! The directory of one destination's spool, held by a handle, for this process alone.
//!
//! ```text
//!   <directory>/                      of all destinations: SpoolConfig::directory
//!     graphite.example.com:2003/      0700, named by a SpoolName
//!       lock                          locked while a process has the spool
//!       0000000000000001.points       segments, the oldest has the lowest number
//! ```

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::SpoolName;

const LOCK: &str = "lock";
const EXTENSION: &str = ".points";
const OF_DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// `NONBLOCK` so that a pipe in a segment's place is not waited for.
const OF_FILE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Why a spool's directory, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// The system refused.
    #[error("{attempt} {}: {source}", .path.display())]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Others could put files of theirs into it.
    #[error("{} belongs to another user, or others may write to it", .path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("{} is in use by another process", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It was removed, or replaced, since it was opened.
    #[error("{} was removed or replaced", .path.display())]
    Gone {
        /// The directory.
        path: PathBuf,
    },
}

/// An open directory of segments.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
    identity: (u64, u64),
    /// Its lock goes with it.
    _lock: File,
}

/// What lies in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The numbers of what is called like a segment, sorted.
    pub(crate) segments: Vec<u64>,
    /// Names of what else there is, sorted.
    pub(crate) foreign: Vec<String>,
}

impl Directory {
    /// Opens the spool of this name, and makes it, and the directory of all spools, if need be.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub(crate) fn open(all: &Path, name: &SpoolName) -> Result<Self, DirectoryError> {
        let parent = open_own(CWD, all, all)?;
        let path = all.join(name.as_str());
        let handle = open_own(&parent, Path::new(name.as_str()), &path)?;
        // Whatever it was made with: nobody else's business.
        let system = |attempt| failed(attempt, &path);
        rustix::fs::fchmod(&handle, Mode::RWXU).map_err(system("restrict"))?;
        let identity = identity(&rustix::fs::fstat(&handle).map_err(system("look at"))?);
        let lock = lock(&handle, &path)?;
        Ok(Self {
            path,
            handle,
            identity,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to this directory. What is written to a removed one is lost.
    ///
    /// # Errors
    /// [`DirectoryError::Gone`] if not.
    pub(crate) fn check(&self) -> Result<(), DirectoryError> {
        let there = rustix::fs::lstat(&self.path);
        if there.is_ok_and(|stat| identity(&stat) == self.identity) {
            return Ok(());
        }
        Err(DirectoryError::Gone {
            path: self.path.clone(),
        })
    }

    pub(crate) fn list(&self) -> Result<Listing, DirectoryError> {
        let mut listing = Listing::default();
        let directory = Dir::read_from(&self.handle).map_err(failed("read", &self.path))?;
        for entry in directory {
            let entry = entry.map_err(failed("read", &self.path))?;
            let name = entry.file_name().to_string_lossy();
            match number(&name) {
                Some(number) => listing.segments.push(number),
                None if matches!(&*name, "." | ".." | LOCK) => {}
                None => listing.foreign.push(name.into_owned()),
            }
        }
        listing.segments.sort_unstable();
        listing.foreign.sort_unstable();
        Ok(listing)
    }

    /// Makes a segment, which must not be there, to be written and read.
    pub(crate) fn create(&self, number: u64) -> Result<File, DirectoryError> {
        let flags = OF_FILE | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = rustix::fs::openat(
            &self.handle,
            file_name(number),
            flags,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(failed("make", &self.path_of(number)))?;
        Ok(File::from(file))
    }

    /// Opens a segment to be read, and cut.
    pub(crate) fn open_segment(&self, number: u64) -> Result<File, DirectoryError> {
        let path = self.path_of(number);
        let file = rustix::fs::openat(
            &self.handle,
            file_name(number),
            OF_FILE | OFlags::RDWR,
            Mode::empty(),
        )
        .map_err(failed("open", &path))?;
        let stat = rustix::fs::fstat(&file).map_err(failed("look at", &path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(failed("open", &path)(source));
        }
        Ok(File::from(file))
    }

    /// Removes a segment. One that is gone is removed.
    pub(crate) fn remove(&self, number: u64) -> Result<(), DirectoryError> {
        match rustix::fs::unlinkat(&self.handle, file_name(number), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", &self.path_of(number))(errno)),
        }
    }

    /// Makes sure that files made and removed are so after a loss of power.
    pub(crate) fn sync(&self) -> Result<(), DirectoryError> {
        rustix::fs::fsync(&self.handle).map_err(failed("sync", &self.path))
    }

    /// Where a segment lies, for messages.
    pub(crate) fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(file_name(number))
    }
}

/// The spools in `all` that belong to none of these destinations, by their directories' names,
/// sorted. Without a directory there are none.
///
/// # Errors
/// [`DirectoryError::System`] if it cannot be read.
pub(crate) fn orphans(all: &Path, known: &[SpoolName]) -> Result<Vec<String>, DirectoryError> {
    let handle = match rustix::fs::open(all, OF_DIRECTORY, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(failed("open", all)(errno)),
    };
    let mut orphans = Vec::new();
    for entry in Dir::read_from(&handle).map_err(failed("read", all))? {
        let entry = entry.map_err(failed("read", all))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name == "." || name == ".." || known.iter().any(|known| known.as_str() == name);
        if !ours && entry.file_type() == FileType::Directory {
            orphans.push(name);
        }
    }
    orphans.sort_unstable();
    Ok(orphans)
}

/// Opens a directory of ours, and makes it if it is not there. `path` is for messages.
fn open_own(
    parent: impl rustix::fd::AsFd,
    name: &Path,
    path: &Path,
) -> Result<OwnedFd, DirectoryError> {
    match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        // A read-only file system may have it all the same.
        Err(Errno::ROFS) => {}
        Err(errno) => return Err(failed("make", path)(errno)),
    }
    let handle = rustix::fs::openat(&parent, name, OF_DIRECTORY, Mode::empty())
        .map_err(failed("open", path))?;
    let stat = rustix::fs::fstat(&handle).map_err(failed("look at", path))?;
    let others_write = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if stat.st_uid != geteuid().as_raw() || others_write {
        return Err(DirectoryError::NotOurs {
            path: path.to_owned(),
        });
    }
    Ok(handle)
}

fn lock(handle: &OwnedFd, path: &Path) -> Result<File, DirectoryError> {
    let flags = OF_FILE | OFlags::RDWR | OFlags::CREATE;
    let file = rustix::fs::openat(handle, LOCK, flags, Mode::RUSR | Mode::WUSR)
        .map_err(failed("open", &path.join(LOCK)))?;
    let file = File::from(file);
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
    }
}

fn failed<E: Into<io::Error>>(attempt: &'static str, path: &Path) -> impl Fn(E) -> DirectoryError {
    move |source| DirectoryError::System {
        attempt,
        path: path.to_owned(),
        source: source.into(),
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn file_name(number: u64) -> String {
    format!("{number:016x}{EXTENSION}")
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    // There is one way to write each, and always room for more.
    (file_name(number) == name && number < u64::MAX / 2).then_some(number)
}
