//! Looking again at the directories of a tree that wait for it.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;

use super::listing::{self, Found, Refusal};
use super::table::{At, Content, Dirty};
use super::{NoTracking, Tracker};
use crate::{TreeId, Usage, attributes};

/// What a look at a directory came to.
pub(super) struct Looked {
    pub(super) entries: u64,
    pub(super) is_readable: bool,
}

impl Tracker {
    /// What a tree holds, after looking again at those of its directories in which something happened up to the last
    /// [drain](Self::drain).
    ///
    /// # Errors
    /// When the root is gone, or changes of this tree cannot all be known any longer. It is forgotten then.
    pub fn read(&mut self, tree: TreeId) -> Result<Usage, NoTracking> {
        let done = self.read_waiting(tree);
        if done.is_err() {
            self.remove(tree);
        }
        done?;
        self.usage(tree)
    }

    fn usage(&self, tree: TreeId) -> Result<Usage, NoTracking> {
        let tracked = self.trees.get(&tree).ok_or(NoTracking::NotTracked)?;
        let sum = self.table.sum(tracked.index);
        let mut usage = Usage {
            bytes: sum.bytes,
            inodes: sum.inodes,
            mounts_skipped: sum.mounts,
            ..Usage::default()
        };
        if sum.unread > 0 {
            usage.gaps().unread = sum.unread;
        }
        Ok(usage)
    }

    fn read_waiting(&mut self, tree: TreeId) -> Result<(), NoTracking> {
        let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
        tracked.reads = tracked.reads.wrapping_add(1);
        let (index, file_system) = (tracked.index, tracked.file_system);
        let mount = tracked.mount.clone();
        // The kernel tells that a directory is gone when nobody holds it any more, and we hold this one.
        if attributes::of(tracked.mount.fd.as_fd()).is_ok_and(|root| root.nlink == 0) {
            return Err(NoTracking::RootGone);
        }
        let mut unreadable = Vec::new();
        loop {
            while let Some((at, dirty)) = self.table.next(index) {
                if !self.look(tree, at, dirty)?.is_readable {
                    unreadable.push(at);
                }
            }
            self.table.bury_orphans();
            if !self.hunt(tree)? {
                break;
            }
        }
        self.unmark_released(file_system, &mount);
        for at in unreadable {
            self.table.soil(at, Dirty::ALL); // for the next time
        }
        Ok(())
    }

    /// Looks at one directory.
    pub(super) fn look(
        &mut self,
        tree: TreeId,
        at: At,
        dirty: Dirty,
    ) -> Result<Looked, NoTracking> {
        let mut looked = Looked {
            entries: 0,
            is_readable: true,
        };
        let tracked = self.trees.get(&tree).ok_or(NoTracking::NotTracked)?;
        let (mount, reads) = (tracked.mount.clone(), tracked.reads);
        let Some(directory) = self.table.get(at) else {
            return Ok(looked);
        };
        let (handle, is_root) = (directory.key.1, directory.is_root);
        let found = match listing::open(&mount, &handle) {
            Ok(open) => {
                if dirty.is_named_alone()
                    && let Some(names) = self.look_at_named(tree, at, &open)?
                {
                    looked.entries = names;
                    return Ok(looked);
                }
                self.list(at, &open, &mount, dirty.structure, reads)
            }
            Err(refusal) => Err(refusal),
        };
        match found {
            Ok(found) => {
                let Found {
                    content,
                    directories,
                    directory_mounts,
                    entries,
                    files,
                    is_cut: _,
                } = found;
                looked.entries = entries;
                let unknown = self.table.fill(at, content, files);
                let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
                tracked.suspects.extend(unknown);
                if dirty.structure {
                    self.table.set_directory_mounts(at, directory_mounts);
                    self.arrange(tree, at, &directories)?;
                }
            }
            Err(Refusal::Gone) if is_root => return Err(NoTracking::RootGone),
            Err(Refusal::Gone) => self.table.remove_alone(at),
            Err(Refusal::Subvolume) => return Err(NoTracking::Subvolume),
            Err(Refusal::Unreadable(_)) => {
                let content = Content {
                    unread: 1,
                    ..Content::default()
                };
                self.table.fill(at, content, None);
                looked.is_readable = false;
            }
        }
        Ok(looked)
    }

    /// Has the directories that were found in one hang below it, and those that were not found no longer.
    fn arrange(
        &mut self,
        tree: TreeId,
        at: At,
        directories: &[(crate::Handle, u64)],
    ) -> Result<(), NoTracking> {
        let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
        tracked.reads = tracked.reads.wrapping_add(1);
        let (index, file_system) = (tracked.index, tracked.file_system);
        let mut missing: HashSet<At> = self.table.children(at).into_iter().collect();
        let mut inner = HashMap::new();
        for (handle, ino) in directories {
            let tracked = self.trees.get(&tree).ok_or(NoTracking::NotTracked)?;
            if tracked.exclude.contains(ino) {
                continue;
            }
            let key = (file_system, *handle);
            match self.table.find(&key) {
                Some(root) if self.table.get(root).is_some_and(|found| found.is_root) => {
                    inner.insert(root, key);
                }
                Some(child) => {
                    missing.remove(&child);
                    self.table.adopt(child, at);
                }
                None if self.table.size() >= self.bounds.size => {
                    let directories = self.bounds.size;
                    return Err(NoTracking::TooManyDirectories { directories });
                }
                None => {
                    self.table.insert(key, index, Some(at));
                }
            }
        }
        for child in missing {
            self.table.orphan_from(child, at);
        }
        if !inner.is_empty() {
            let outer = self.table.get(at).map(|found| found.key);
            for tracked in self.trees.values_mut() {
                if inner.contains_key(&tracked.root) {
                    tracked.outer = outer;
                }
            }
        }
        Ok(())
    }
}
