//! Which project a file belongs to.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::BorrowedFd;

use crate::sys::quota::{self as sys, XFLAG_PROJINHERIT};

/// A project: what a file system counts together, and holds to one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(NonZeroU32);

impl ProjectId {
    /// `None` for 0, which is the kernel's word for no project.
    pub const fn new(id: u32) -> Option<Self> {
        match NonZeroU32::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// As the kernel has it.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a file says of projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its own project; `None` is none.
    pub project: Option<ProjectId>,
    /// Of a directory: what is created in it is of its project, and what is of another cannot be moved into it.
    pub inherits: bool,
}

/// The project of an open file or directory. Not of an `O_PATH` descriptor (`EBADF`), nor of anything else: a link, a
/// FIFO or a device cannot be asked.
///
/// # Errors
/// What the kernel says: `ENOTTY` of a file system that knows no projects.
pub fn project_of(file: BorrowedFd<'_>) -> io::Result<Membership> {
    let found = sys::attributes(file)?;
    Ok(Membership {
        project: ProjectId::new(found.project),
        inherits: found.xflags & XFLAG_PROJINHERIT != 0,
    })
}

/// Puts an open file or directory into a project; a directory then passes it on to what is created in it.
pub(super) fn set_project(
    file: BorrowedFd<'_>,
    id: ProjectId,
    is_directory: bool,
) -> io::Result<()> {
    let mut attributes = sys::attributes(file)?;
    attributes.project = id.get();
    if is_directory {
        attributes.xflags |= XFLAG_PROJINHERIT;
    }
    sys::set_attributes(file, &attributes)
}
