//! Looks for what left its project: the owner of a file may take it out, where nothing forbids it.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use crate::FileId;
use crate::quota::visit::{Entry, visit};
use crate::quota::{ProjectId, project_of};

/// What a tree's files say of their project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Files and directories that were looked at.
    pub looked_at: u64,
    /// Those that are not in the project, and directories that do not pass it on. Their usage is not in the project's.
    pub strayed: u64,
    /// One of those, below the root; empty for the root itself.
    pub example: Option<PathBuf>,
    /// What could not be asked: links, FIFOs, sockets and devices.
    pub cannot_be_asked: u64,
    /// Whether some were not looked at: they cannot be opened, were moved about, or are more than was allowed.
    pub is_incomplete: bool,
}

/// Looks at each file of the tree below the directory `root`, which is to be of project `id`, but not at the directories
/// in `exclude` nor at what is mounted there; at `most` entries in all. It opens every regular file, which takes about
/// five times as long as measuring the tree: for once in a while.
///
/// [`assign()`](crate::quota::assign()) fetches those back that are of no project now; those that are of another's stay.
///
/// # Errors
/// When the root cannot be read.
pub fn audit(
    root: BorrowedFd<'_>,
    id: ProjectId,
    exclude: &[FileId],
    most: Option<u64>,
) -> io::Result<Audit> {
    let mut audit = Audit::default();
    let visited = visit(
        root,
        exclude,
        most.unwrap_or(u64::MAX),
        &mut |path, entry| audit.look(id, path, entry),
    )?;
    audit.is_incomplete |= visited.unfinished > 0 || visited.over_budget;
    Ok(audit)
}

impl Audit {
    fn look(&mut self, id: ProjectId, path: &dyn Fn() -> PathBuf, entry: Entry<'_>) {
        let (file, is_directory) = match entry {
            Entry::Directory(file) => (file, true),
            Entry::File(file) => (file, false),
            Entry::Other => return self.cannot_be_asked += 1,
            Entry::Unreadable(_) => return self.is_incomplete = true,
        };
        let Ok(found) = project_of(file) else {
            self.is_incomplete = true;
            return;
        };
        self.looked_at += 1;
        if found.project != Some(id) || (is_directory && !found.inherits) {
            self.strayed += 1;
            self.example.get_or_insert_with(path);
        }
    }
}
