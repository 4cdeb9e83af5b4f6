//! A tree as those who look at it need it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::tree::{Processes, Tree, TreeId};
use crate::{FileId, Stop};

/// So many cgroups below one are looked into. A task that may make cgroups could make more.
const MOST_CGROUPS: usize = 1_000;

#[derive(Debug)]
pub(super) struct Subject {
    pub(super) id: TreeId,
    root: OwnedFd,
    /// `None` where the kernel does not tell.
    pub(super) file: Option<FileId>,
    pub(super) inside: Option<TreeId>,
    pub(super) exclude: Vec<FileId>,
    pub(super) processes: Processes,
    pub(super) cross_mounts: bool,
    /// Said when nobody wants to know any more what it holds.
    pub(super) stop: Stop,
}

impl Subject {
    pub(super) fn new(id: TreeId, tree: Tree) -> Self {
        Self {
            id,
            file: FileId::of(&tree.root).ok(),
            root: tree.root,
            inside: tree.inside,
            exclude: tree.exclude,
            processes: tree.processes,
            cross_mounts: tree.cross_mounts,
            stop: Stop::default(),
        }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The device of its root; 0, which is none, where that cannot be told.
    pub(super) fn dev(&self) -> u64 {
        self.file.map_or(0, |file| file.dev)
    }

    /// The processes that may hold deleted files of it; `None` where they are not to be looked for.
    pub(super) fn pids(&self) -> Option<Vec<u32>> {
        match &self.processes {
            Processes::Nobody => None,
            Processes::List(list) => Some(list()),
            Processes::Cgroup(path) => Some(pids_below(path)),
        }
    }
}

/// The processes in a cgroup and in those below it. What is gone by the time that it is looked at has none.
fn pids_below(top: &Path) -> Vec<u32> {
    let mut pids = Vec::new();
    let mut left = vec![top.to_owned()];
    let mut seen = 0;
    while let Some(cgroup) = left.pop() {
        seen += 1;
        if let Ok(text) = fs::read_to_string(cgroup.join("cgroup.procs")) {
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        if seen < MOST_CGROUPS {
            left.extend(below(&cgroup).unwrap_or_default());
        }
    }
    pids
}

fn below(cgroup: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_of_the_cgroups_below_are_found_too() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("cgroup.procs"), "1\n22\n").unwrap();
        fs::write(dir.path().join("a/b/cgroup.procs"), "333\n").unwrap();
        let mut pids = pids_below(dir.path());
        pids.sort_unstable();
        assert_eq!(pids, [1, 22, 333]);
    }

    #[test]
    fn a_cgroup_that_is_gone_has_no_processes() {
        assert_eq!(pids_below(Path::new("/nonexistent/cgroup")), []);
    }
}
