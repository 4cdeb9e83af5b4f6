//! Files, directories and links below one directory, made without following anything that stands there.
//!
//! Not kept from crossing mounts: whatever is mounted in a task's sandbox is the task's own, and this process has no
//! more rights than the task.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::budget::{Budget, BudgetError};
use crate::inside::Inside;

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// Of directories on the way to a file, less the umask.
const DIRECTORY_MODE: u32 = 0o755;
/// Begins the names under which files grow.
const TEMPORARY: &str = ".fetching";
/// How many of those names may be taken already.
const TEMPORARIES: u32 = 1000;

/// Why something could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A directory on the way could not be opened; `ENOTDIR` and `ELOOP` are the kernel's words for a link there.
    #[error("enter directory '{path}': {source}")]
    Enter {
        /// Below the sandbox.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something could not be made.
    #[error("create '{path}': {source}")]
    Create {
        /// Below the sandbox.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("write '{path}': {source}")]
    Write {
        /// Below the sandbox.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file could not be made executable, or could not be given its time.
    #[error("set the attributes of '{path}': {source}")]
    Attributes {
        /// Below the sandbox.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A name is that of the directory itself.
    #[error("the sandbox itself is no file")]
    Root,
    /// There is no room.
    #[error("{0}")]
    Budget(#[from] BudgetError),
}

/// One directory that everything is made below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'fd> {
    root: BorrowedFd<'fd>,
}

impl<'fd> Place<'fd> {
    pub(crate) fn new(root: BorrowedFd<'fd>) -> Self {
        Self { root }
    }

    /// A new file for `path`, under a temporary name as yet. `mode` is lessened by the umask, as that of any file a
    /// program creates.
    pub(crate) fn create(
        &self,
        path: &Inside,
        mode: u32,
        budget: &mut Budget,
    ) -> Result<Growing, PlaceError> {
        let (parents, name) = path.split_last().ok_or(PlaceError::Root)?;
        let parent = self.enter(parents, budget)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for number in 0..TEMPORARIES {
            let temporary = format!("{TEMPORARY}.{number}");
            match rustix::fs::openat(
                &parent,
                temporary.as_str(),
                flags,
                Mode::from_raw_mode(mode & 0o777),
            ) {
                Err(Errno::EXIST) => {}
                Err(errno) => {
                    return Err(PlaceError::Create {
                        path: path.to_string(),
                        source: errno.into(),
                    });
                }
                Ok(file) => {
                    return Ok(Growing {
                        parent,
                        temporary: Some(temporary),
                        name: name.to_owned(),
                        path: path.to_string(),
                        file: file.into(),
                        length: 0,
                    });
                }
            }
        }
        Err(PlaceError::Create {
            path: path.to_string(),
            source: Errno::EXIST.into(),
        })
    }

    /// A directory, unless there is one already. Its owner may always enter and change it.
    pub(crate) fn directory(
        &self,
        path: &Inside,
        mode: u32,
        budget: &mut Budget,
    ) -> Result<(), PlaceError> {
        let Some((parents, name)) = path.split_last() else {
            return Ok(());
        };
        let parent = self.enter(parents, budget)?;
        make(&parent, name, mode | 0o700, budget, &|| path.to_string())?;
        open(&parent, name, &|| path.to_string()).map(drop)
    }

    /// A symbolic link in the place of whatever file has its name. It may lead anywhere: nothing here follows it.
    pub(crate) fn symlink(
        &self,
        path: &Inside,
        target: &OsStr,
        budget: &mut Budget,
    ) -> Result<(), PlaceError> {
        let (parents, name) = path.split_last().ok_or(PlaceError::Root)?;
        let parent = self.enter(parents, budget)?;
        budget.entry()?;
        let create = |errno: Errno| PlaceError::Create {
            path: path.to_string(),
            source: errno.into(),
        };
        make_room(&parent, name).map_err(create)?;
        rustix::fs::symlinkat(target, &parent, name).map_err(create)
    }

    /// One more name for the file `existing`, which is also below this directory.
    pub(crate) fn hard_link(
        &self,
        path: &Inside,
        existing: &Inside,
        budget: &mut Budget,
    ) -> Result<(), PlaceError> {
        let (parents, name) = path.split_last().ok_or(PlaceError::Root)?;
        let parent = self.enter(parents, budget)?;
        let (from_parents, from_name) = existing.split_last().ok_or(PlaceError::Root)?;
        let from = self.enter(from_parents, budget)?;
        if path == existing {
            return Ok(());
        }
        let create = |errno: Errno| PlaceError::Create {
            path: path.to_string(),
            source: errno.into(),
        };
        make_room(&parent, name).map_err(create)?;
        // Without AT_SYMLINK_FOLLOW a link is linked, not what it leads to.
        rustix::fs::linkat(&from, from_name, &parent, name, AtFlags::empty()).map_err(create)
    }

    /// Opens the directory at the end of `components`, making those that lack.
    fn enter(&self, components: &[OsString], budget: &mut Budget) -> Result<OwnedFd, PlaceError> {
        let shown = |depth: usize| {
            let path: Vec<_> = components[..=depth]
                .iter()
                .map(|c| c.as_encoded_bytes().escape_ascii().to_string())
                .collect();
            path.join("/")
        };
        let mut directory = self
            .root
            .try_clone_to_owned()
            .map_err(|source| PlaceError::Enter {
                path: ".".to_owned(),
                source,
            })?;
        for (depth, name) in components.iter().enumerate() {
            make(&directory, name, DIRECTORY_MODE, budget, &|| shown(depth))?;
            directory = open(&directory, name, &|| shown(depth))?;
        }
        Ok(directory)
    }
}

fn open(parent: &OwnedFd, name: &OsStr, shown: &dyn Fn() -> String) -> Result<OwnedFd, PlaceError> {
    rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()).map_err(|errno| PlaceError::Enter {
        path: shown(),
        source: errno.into(),
    })
}

/// Makes a directory, unless the name is taken.
fn make(
    parent: &OwnedFd,
    name: &OsStr,
    mode: u32,
    budget: &mut Budget,
    shown: &dyn Fn() -> String,
) -> Result<(), PlaceError> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(mode & 0o777)) {
        Ok(()) => budget.entry().map_err(|error| {
            // Best effort, as the error is told anyway.
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
            error.into()
        }),
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(PlaceError::Create {
            path: shown(),
            source: errno.into(),
        }),
    }
}

/// Removes the file or link of this name; a directory stays and is an error.
fn make_room(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A file that is being written. It is removed when dropped, unless it was finished.
#[derive(Debug)]
pub(crate) struct Growing {
    parent: OwnedFd,
    temporary: Option<String>,
    name: OsString,
    path: String,
    file: File,
    length: u64,
}

impl Growing {
    /// Appends, when there is room for it.
    pub(crate) fn write(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<(), PlaceError> {
        let length = self.length + bytes.len() as u64;
        budget.grow(self.length, length)?;
        self.file
            .write_all(bytes)
            .map_err(|source| PlaceError::Write {
                path: self.path.clone(),
                source,
            })?;
        self.length = length;
        Ok(())
    }

    /// Lets everybody execute it (Mesos: `chmodExecutable` in src/launcher/fetcher.cpp).
    pub(crate) fn make_executable(&self) -> Result<(), PlaceError> {
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o755)).map_err(|errno| {
            PlaceError::Attributes {
                path: self.path.clone(),
                source: errno.into(),
            }
        })
    }

    /// Sets the time of its last change, in seconds since 1970.
    pub(crate) fn set_time(&self, seconds: u64) -> Result<(), PlaceError> {
        let Ok(tv_sec) = i64::try_from(seconds) else {
            return Ok(()); // a time that no clock shows is no time
        };
        let time = Timespec { tv_sec, tv_nsec: 0 };
        rustix::fs::futimens(
            &self.file,
            &Timestamps {
                last_access: time,
                last_modification: time,
            },
        )
        .map_err(|errno| PlaceError::Attributes {
            path: self.path.clone(),
            source: errno.into(),
        })
    }

    /// Gives it its name, in the place of whatever file has it. The handle is at the file's end.
    pub(crate) fn finish(mut self) -> Result<(File, u64), PlaceError> {
        let create = |source: io::Error| PlaceError::Create {
            path: self.path.clone(),
            source,
        };
        let file = self.file.try_clone().map_err(create)?;
        if let Some(temporary) = &self.temporary {
            rustix::fs::renameat(&self.parent, temporary.as_str(), &self.parent, &self.name)
                .map_err(|errno| create(errno.into()))?;
            self.temporary = None;
        }
        Ok((file, self.length))
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The failure that led here is being reported; a second one has nobody to tell.
            let _ = rustix::fs::unlinkat(&self.parent, temporary.as_str(), AtFlags::empty());
        }
    }
}
