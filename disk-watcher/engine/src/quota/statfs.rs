//! A project's usage for those who may not read quotas: what `statfs(2)` says in a directory of the project.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::StatFs;

use crate::quota::project_of;

/// What a directory of a project says of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatfsUsage {
    /// Bytes in use; where they are the limit, at least so many.
    pub bytes: u64,
    /// The limit: the soft one where there are two. Files may be written beyond a soft limit, and are not seen here.
    pub limit: u64,
}

impl StatfsUsage {
    /// Whether more may be in use than [`bytes`](Self::bytes) says.
    pub fn is_lower_bound(&self) -> bool {
        self.bytes >= self.limit
    }
}

/// The usage of the project of `directory`, to anybody who can open it: XFS and ext4 tell of a project as if it were a
/// file system, when the directory passes its project on and there is a limit. `elsewhere` is a directory on the same
/// file system that is of no project, to tell that from the file system itself; `None` when there is nothing to tell.
///
/// # Errors
/// When the file systems cannot be looked at.
pub fn usage_by_statfs(
    directory: BorrowedFd<'_>,
    elsewhere: BorrowedFd<'_>,
) -> io::Result<Option<StatfsUsage>> {
    let is_of_project = project_of(directory)
        .is_ok_and(|membership| membership.inherits && membership.project.is_some());
    if !is_of_project {
        return Ok(None);
    }
    let project = rustix::fs::fstatfs(directory)?;
    let whole = rustix::fs::fstatfs(elsewhere)?;
    Ok(compare(&project, &whole))
}

fn compare(project: &StatFs, whole: &StatFs) -> Option<StatfsUsage> {
    if project.f_blocks >= whole.f_blocks {
        return None;
    }
    let block = u64::try_from(project.f_bsize).ok()?;
    let used = project.f_blocks.saturating_sub(project.f_bfree);
    Some(StatfsUsage {
        bytes: used.saturating_mul(block),
        limit: project.f_blocks.saturating_mul(block),
    })
}
