//! Puts a whole tree into a project, while others write to it.
//!
//! Each directory is put into the project before it is listed. From then on the kernel refuses to move or link into it
//! what is of no project (`EXDEV`), and what is made in it is of the project: so what it is found to hold is all that it
//! can hold, and nothing slips by. A directory that is moved from under the visit is found by another one.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::quota::ProjectId;
use crate::quota::project::{project_of, set_project};
use crate::quota::visit::{Entry, visit};
use crate::{FileId, Unread};

/// So often the tree is gone through when directories are moved meanwhile.
const VISITS: usize = 3;

/// What became of a tree's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Files and directories that are in the project now.
    pub in_project: u64,
    /// Those of them that were not before.
    pub taken: u64,
    /// Links, FIFOs, sockets and devices, which no kernel before 6.17 puts anywhere: those that were there before count
    /// to no project, those to come are of it.
    pub cannot_be_taken: u64,
    /// Files and directories of other projects, which are left alone.
    pub of_others: u64,
    /// Files and directories that could not be opened or put into the project.
    pub refused: u64,
    /// One of those.
    pub example: Option<Unread>,
    /// Directories that were moved about all the time, below which not everything was seen.
    pub unfinished: u64,
}

impl Assigned {
    /// Whether the project's usage is that of the tree, but for links and the like.
    pub fn is_whole(&self) -> bool {
        self.refused == 0 && self.unfinished == 0 && self.of_others == 0
    }
}

/// Why a tree was not put into a project at all.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// Its root is of another project: of Mesos's disk/xfs, or of an administrator's.
    #[error("the directory is of project {other} already")]
    OfAnother {
        /// Whose it is.
        other: ProjectId,
    },
    /// Its root cannot be read.
    #[error("cannot read the directory")]
    Read {
        /// What the kernel said.
        source: io::Error,
    },
    /// Its root cannot be put into the project.
    #[error("cannot put the directory into project {id}")]
    Set {
        /// The project.
        id: ProjectId,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Puts the directory `root` and what is below it into project `id`, but what is in other projects already, the
/// directories in `exclude`, and what is mounted there. May be done again, and finishes what was interrupted at any point.
///
/// # Errors
/// When the root itself cannot be put there; then nothing was done.
pub fn assign(
    root: BorrowedFd<'_>,
    id: ProjectId,
    exclude: &[FileId],
) -> Result<Assigned, AssignError> {
    let mut taken = 0;
    let mut visits = 0;
    loop {
        let mut taker = Taker {
            id,
            assigned: Assigned::default(),
            at_root: None,
        };
        let visited = visit(root, exclude, u64::MAX, &mut |path, entry| {
            taker.take(path, entry);
        })
        .map_err(|errno| AssignError::Read {
            source: errno.into(),
        })?;
        if let Some(error) = taker.at_root {
            return Err(error);
        }
        visits += 1;
        taken += taker.assigned.taken;
        if visited.unfinished == 0 || visits == VISITS {
            return Ok(Assigned {
                taken,
                unfinished: visited.unfinished,
                ..taker.assigned
            });
        }
    }
}

struct Taker {
    id: ProjectId,
    assigned: Assigned,
    /// Why the root was not taken.
    at_root: Option<AssignError>,
}

impl Taker {
    fn take(&mut self, path: &dyn Fn() -> PathBuf, entry: Entry<'_>) {
        if self.at_root.is_some() {
            return;
        }
        let (file, is_directory) = match entry {
            Entry::Directory(file) => (file, true),
            Entry::File(file) => (file, false),
            Entry::Other => return self.assigned.cannot_be_taken += 1,
            Entry::Unreadable(errno) => return self.refused(path(), errno.into()),
        };
        let found = match project_of(file) {
            Ok(found) => found,
            Err(source) => return self.not_set(path(), source),
        };
        let is_there = found.project == Some(self.id) && (found.inherits || !is_directory);
        match found.project {
            _ if is_there => self.assigned.in_project += 1,
            Some(other) if other != self.id => self.of_another(path(), other),
            _ => match set_project(file, self.id, is_directory) {
                Ok(()) => {
                    self.assigned.taken += 1;
                    self.assigned.in_project += 1;
                }
                Err(source) => self.not_set(path(), source),
            },
        }
    }

    fn of_another(&mut self, path: PathBuf, other: ProjectId) {
        if path.as_os_str().is_empty() {
            self.at_root = Some(AssignError::OfAnother { other });
        } else {
            self.assigned.of_others += 1;
        }
    }

    fn not_set(&mut self, path: PathBuf, source: io::Error) {
        if path.as_os_str().is_empty() {
            self.at_root = Some(AssignError::Set {
                id: self.id,
                source,
            });
        } else {
            self.refused(path, source);
        }
    }

    fn refused(&mut self, path: PathBuf, source: io::Error) {
        if source.raw_os_error() == Some(Errno::NOENT.raw_os_error()) {
            return;
        }
        self.assigned.refused += 1;
        self.assigned.example.get_or_insert(Unread {
            path,
            errno: source.raw_os_error().unwrap_or_default(),
        });
    }
}
