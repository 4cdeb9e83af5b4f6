//! Which directory has which project: one small file each in a directory that all processes of a host share.
//!
//! A record is written beside its place and moved there, so that there is either none or a whole one, whenever a writer
//! is killed. Whoever changes anything holds the lock, which goes with the process that held it.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use crate::FileId;
use crate::quota::ProjectId;

const LOCK: &str = "lock";
/// What is being written has this name, of which there is one: there is one writer.
const UNFINISHED: &str = "unfinished";
/// More than a record has: a path may have 4096 bytes.
const LONGEST: u64 = 8 * 1024;
/// Nobody holds the lock for longer than a walk through all records takes.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// What went wrong with the records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The directory cannot be made or opened.
    #[error("cannot use {path:?} for records of projects")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others than this user could write there.
    #[error("{path:?} is not this user's alone, as records of projects must be")]
    NotOwn {
        /// The directory.
        path: PathBuf,
    },
    /// The lock is held by somebody who does not give it back.
    #[error("{path:?} is locked by another process")]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// A file of the directory cannot be read, written or removed.
    #[error("cannot {attempt} {path:?}")]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory that is to have a project cannot be looked at.
    #[error("cannot tell which directory is to have a project")]
    Root {
        /// What the kernel said.
        source: io::Error,
    },
}

/// A directory that has a project, recognised whatever became of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: FileId,
    /// When it was made, in nanoseconds since 1970, where the file system knows: another one may have its inode number
    /// later.
    pub(super) created: i128,
}

impl Identity {
    pub(super) fn of(directory: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        Self::at(directory, Path::new(""), AtFlags::EMPTY_PATH)
    }

    fn at(directory: BorrowedFd<'_>, path: &Path, flags: AtFlags) -> rustix::io::Result<Self> {
        let flags = flags | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        let found = rustix::fs::statx(directory, path, flags, wanted)?;
        let born = &found.stx_btime;
        Ok(Self {
            id: FileId {
                dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
                ino: found.stx_ino,
            },
            created: i128::from(born.tv_sec) * 1_000_000_000 + i128::from(born.tv_nsec),
        })
    }
}

/// What is on record of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directory: Identity,
    /// Where it was.
    pub(super) path: PathBuf,
}

impl Record {
    pub(super) fn of(root: BorrowedFd<'_>) -> Result<Self, RecordsError> {
        let error = |source| RecordsError::Root { source };
        Ok(Self {
            directory: Identity::of(root).map_err(|errno| error(errno.into()))?,
            path: fs::read_link(format!("/proc/self/fd/{}", root.as_raw_fd())).map_err(error)?,
        })
    }

    /// Whether the directory is no longer where it was.
    pub(super) fn is_gone(&self) -> bool {
        match Identity::at(CWD, &self.path, AtFlags::empty()) {
            Ok(found) => found != self.directory,
            Err(errno) => matches!(
                errno,
                rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP
            ),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Identity { id, created } = self.directory;
        let mut bytes = format!("{} {} {created}\n", id.dev, id.ino).into_bytes();
        // Last, since it may hold anything.
        bytes.extend(self.path.as_os_str().as_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (first, path) = bytes.split_at(end);
        let mut numbers = std::str::from_utf8(first).ok()?.split(' ');
        let record = Self {
            directory: Identity {
                id: FileId {
                    dev: numbers.next()?.parse().ok()?,
                    ino: numbers.next()?.parse().ok()?,
                },
                created: numbers.next()?.parse().ok()?,
            },
            path: OsString::from_vec(path[1..].to_vec()).into(),
        };
        numbers.next().is_none().then_some(record)
    }
}

/// The directory of records.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
}

/// The records, locked: nobody else changes them while this lives.
#[derive(Debug)]
pub(super) struct Locked<'r> {
    records: &'r Records,
    /// The lock goes with it.
    _lock: File,
}

impl Records {
    /// Makes the directory if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, RecordsError> {
        let error = |source| RecordsError::Directory {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(error)?;
        let found = fs::symlink_metadata(path).map_err(error)?;
        let is_own = found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o022 == 0;
        if !is_own {
            return Err(RecordsError::NotOwn {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(super) fn lock(&self) -> Result<Locked<'_>, RecordsError> {
        let path = self.path.join(LOCK);
        let error = |source| RecordsError::File {
            attempt: "lock",
            path: path.clone(),
            source,
        };
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(error)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(error(source)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(RecordsError::Locked { path }),
            }
        }
        Ok(Locked {
            records: self,
            _lock: lock,
        })
    }

    /// What is on record of one id; `None` if nothing is, or nothing that can be understood. A record is whole at any
    /// time: this takes no lock.
    pub(super) fn find(&self, id: ProjectId) -> Result<Option<Record>, RecordsError> {
        match self.read(id) {
            Err(RecordsError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            found => found,
        }
    }

    fn read(&self, id: ProjectId) -> Result<Option<Record>, RecordsError> {
        let path = self.path(id);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .map_err(|source| RecordsError::File {
                attempt: "read",
                path,
                source,
            })?;
        Ok(Record::parse(&bytes))
    }

    fn path(&self, id: ProjectId) -> PathBuf {
        self.path.join(id.to_string())
    }
}

impl Locked<'_> {
    /// Every id on record. `None` for a record that cannot be understood: somebody may have the id.
    pub(super) fn all(&self) -> Result<Vec<(ProjectId, Option<Record>)>, RecordsError> {
        let directory = &self.records.path;
        let error = |source| RecordsError::File {
            attempt: "list",
            path: directory.clone(),
            source,
        };
        let mut all = Vec::new();
        for entry in fs::read_dir(directory).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            if let Some(id) = id.and_then(ProjectId::new) {
                all.push((id, self.records.read(id)?));
            }
        }
        all.sort_by_key(|(id, _)| *id);
        Ok(all)
    }

    pub(super) fn write(&self, id: ProjectId, record: &Record) -> Result<(), RecordsError> {
        let unfinished = self.records.path.join(UNFINISHED);
        let path = self.records.path(id);
        let written = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(&record.to_bytes()))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| RecordsError::File {
            attempt: "write",
            path,
            source,
        })
    }

    pub(super) fn remove(&self, id: ProjectId) -> Result<(), RecordsError> {
        let path = self.records.path(id);
        fs::remove_file(&path).map_err(|source| RecordsError::File {
            attempt: "remove",
            path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    fn id(number: u32) -> ProjectId {
        ProjectId::new(number).unwrap()
    }

    fn record_of(path: &Path) -> Record {
        Record::of(File::open(path).unwrap().as_fd()).unwrap()
    }

    #[test]
    fn a_directory_is_gone_when_it_is_removed_replaced_or_a_link() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sandbox");
        fs::create_dir(&path).unwrap();
        let record = record_of(&path);
        assert!(!record.is_gone());
        fs::rename(&path, place.path().join("moved")).unwrap();
        assert!(record.is_gone());
        std::os::unix::fs::symlink("moved", &path).unwrap();
        assert!(record.is_gone());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(record.is_gone());
    }

    #[test]
    fn what_was_left_unfinished_is_no_record_and_is_written_over() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::open(&place.path().join("a/b")).unwrap();
        let record = record_of(place.path());
        fs::write(place.path().join("a/b").join(UNFINISHED), "12 ").unwrap();
        let locked = records.lock().unwrap();
        assert_eq!(locked.all().unwrap(), []);
        locked.write(id(7), &record).unwrap();
        assert_eq!(locked.all().unwrap(), [(id(7), Some(record))]);
        locked.remove(id(7)).unwrap();
        assert_eq!(locked.all().unwrap(), []);
    }

    #[test]
    fn an_id_whose_record_makes_no_sense_stays_taken() {
        let place = tempfile::tempdir().unwrap();
        let records = Records::open(place.path()).unwrap();
        fs::write(place.path().join("9"), "nonsense").unwrap();
        assert_eq!(records.lock().unwrap().all().unwrap(), [(id(9), None)]);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = Records::open(place.path()).unwrap_err();
        assert!(matches!(error, RecordsError::NotOwn { .. }), "{error:?}");
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            dev in any::<u64>(), ino in any::<u64>(), created in any::<i64>(),
            path in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let record = Record {
                directory: Identity { id: FileId { dev, ino }, created: created.into() },
                path: OsString::from_vec(path).into(),
            };
            prop_assert_eq!(Record::parse(&record.to_bytes()), Some(record));
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(record) = Record::parse(&bytes) {
                prop_assert!(Record::parse(&record.to_bytes()).is_some());
            }
        }
    }
}
