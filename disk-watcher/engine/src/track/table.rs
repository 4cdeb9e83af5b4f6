//! The directories of all trees, each with what lies in it, and the sums over each tree. Pure: what is true on disk
//! is told to it.
//!
//! A directory is known by its handle, wherever it is moved. It hangs below its parent, or it is the root of a tree,
//! or it is an orphan: gone from where it was, and not yet found elsewhere.

mod content;
mod large;

use std::collections::HashMap;
use std::ffi::CStr;

use super::links::{Inode, Links};
use super::sums::{Sum, Sums, TreeIndex};
use crate::sys::Handle;
pub(super) use content::{Content, Entry, Linked};
pub(super) use large::Files;

/// A directory's place in the table; used again when that directory is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct At(u32);

/// What a directory is known by.
pub(super) type Key = (u16, Handle);

/// What must be looked at again of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dirty {
    /// Its own attributes and its files.
    pub(super) files: bool,
    /// Which directories lie in it.
    pub(super) structure: bool,
    /// Its own attributes and some of its files, by name.
    pub(super) named: bool,
}

impl Dirty {
    pub(super) const ALL: Self = Self {
        files: true,
        structure: true,
        named: false,
    };
    pub(super) const FILES: Self = Self {
        structure: false,
        ..Self::ALL
    };

    pub(super) fn is_named_alone(self) -> bool {
        self.named && !self.files && !self.structure
    }
}

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) key: Key,
    pub(super) tree: TreeIndex,
    parent: Option<At>,
    first_child: Option<At>,
    previous: Option<At>,
    next: Option<At>,
    bytes: u64,
    inodes: u32,
    mounts: u32,
    unread: u32,
    /// What is mounted on directories in it.
    pub(super) directory_mounts: u32,
    /// Files with several links, unless all files are kept.
    linked: Box<[u64]>,
    /// Each file, where there are many.
    files: Option<Box<Files>>,
    pub(super) dirty: Dirty,
    /// In which queues of [`Later`](super::later::Later) it is, a bit each.
    pub(super) later: u8,
    pub(super) is_root: bool,
    /// How many reads of its tree in a row something had happened in it, up to which.
    busy: u8,
    busy_until: u32,
}

impl Directory {
    /// Whether this name was found in it, or any of the same file where names are not kept, and that the file has others.
    pub(super) fn has_link(&self, name: &CStr, ino: u64) -> bool {
        match &self.files {
            Some(files) => files.has_link(name, ino),
            None => self.linked.contains(&ino),
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.files.is_some()
    }

    /// How many files it had with one link, and itself.
    pub(super) fn inodes(&self) -> u32 {
        self.inodes
    }

    fn links(&self) -> Vec<u64> {
        match &self.files {
            Some(files) => files.links().collect(),
            None => self.linked.to_vec(),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    directories: Vec<Option<Directory>>,
    free: Vec<At>,
    by_key: HashMap<Key, At>,
    links: Links,
    sums: Sums,
    orphans: Vec<(At, Key)>,
    /// Directories to look at again, by tree. May name some that no longer need it.
    waiting: HashMap<TreeIndex, Vec<At>>,
    /// Files of large directories.
    kept: usize,
    /// Large directories that are no longer.
    released: Vec<Key>,
}

impl Table {
    pub(super) fn find(&self, key: &Key) -> Option<At> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, at: At) -> Option<&Directory> {
        self.directories.get(at.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut Directory> {
        self.directories.get_mut(at.0 as usize)?.as_mut()
    }

    pub(super) fn sum(&self, tree: TreeIndex) -> Sum {
        self.sums.of(tree)
    }

    pub(super) fn directories(&self) -> usize {
        self.by_key.len()
    }

    /// How many directories and files with several links there are: what memory is needed for.
    pub(super) fn size(&self) -> usize {
        self.by_key.len() + self.links.len()
    }

    /// A directory that nothing is known of but where it is; it waits to be looked at.
    pub(super) fn insert(&mut self, key: Key, tree: TreeIndex, parent: Option<At>) -> At {
        let directory = Directory {
            key,
            tree,
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            bytes: 0,
            inodes: 0,
            mounts: 0,
            unread: 0,
            directory_mounts: 0,
            linked: Box::default(),
            files: None,
            dirty: Dirty::default(),
            later: 0,
            is_root: parent.is_none(),
            busy: 0,
            busy_until: 0,
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.directories.push(None);
            // A slot takes more than a hundred bytes: there are never four thousand million.
            At(self.directories.len() as u32 - 1)
        });
        self.directories[at.0 as usize] = Some(directory);
        self.by_key.insert(key, at);
        if let Some(parent) = parent {
            self.attach(at, parent);
        }
        self.soil(at, Dirty::ALL);
        at
    }

    /// Makes a known directory the root of a tree of its own. Tells what it lay in.
    pub(super) fn make_root(&mut self, at: At, tree: TreeIndex) -> Option<Key> {
        let parent = self.get(at)?.parent;
        let outer = parent
            .and_then(|parent| self.get(parent))
            .map(|parent| parent.key);
        self.detach(at);
        self.get_mut(at)?.is_root = true;
        self.give(at, tree);
        outer
    }

    /// Something happened in a directory: it waits to be looked at.
    pub(super) fn soil(&mut self, at: At, dirty: Dirty) {
        let Some(directory) = self.get_mut(at) else {
            return;
        };
        let was_clean = directory.dirty == Dirty::default();
        directory.dirty.files |= dirty.files;
        directory.dirty.structure |= dirty.structure;
        directory.dirty.named |= dirty.named;
        let tree = directory.tree;
        if was_clean {
            self.waiting.entry(tree).or_default().push(at);
        }
    }

    /// Every directory of a tree waits.
    pub(super) fn soil_all(&mut self, tree: TreeIndex) {
        for at in self.of_tree(tree) {
            self.soil(at, Dirty::ALL);
        }
    }

    pub(super) fn of_tree(&self, tree: TreeIndex) -> Vec<At> {
        let all = self.directories.iter().enumerate();
        all.filter(|(_, directory)| directory.as_ref().is_some_and(|found| found.tree == tree))
            .map(|(at, _)| At(at as u32))
            .collect()
    }

    /// How many directories of a tree wait.
    pub(super) fn waiting(&self, tree: TreeIndex) -> usize {
        self.waiting.get(&tree).map_or(0, Vec::len)
    }

    /// Trees of which a directory waits.
    pub(super) fn waiting_trees(&self) -> impl Iterator<Item = TreeIndex> {
        self.waiting.keys().copied()
    }

    /// The next directory of a tree to look at, and for what. It is clean from here on.
    pub(super) fn next(&mut self, tree: TreeIndex) -> Option<(At, Dirty)> {
        loop {
            let waiting = self.waiting.get_mut(&tree)?;
            let Some(at) = waiting.pop() else {
                self.waiting.remove(&tree);
                return None;
            };
            // The slot may be another directory's by now, or the directory in another tree.
            if let Some(directory) = self.get_mut(at)
                && directory.tree == tree
                && directory.dirty != Dirty::default()
            {
                return Some((at, std::mem::take(&mut directory.dirty)));
            }
        }
    }

    /// Counts that something had happened in a directory when its tree was read for that time. Whether that was so
    /// many times in a row now.
    pub(super) fn is_busy(&mut self, at: At, reads: u32, times: u8) -> bool {
        let Some(directory) = self.get_mut(at) else {
            return false;
        };
        if directory.busy_until.wrapping_add(1) == reads {
            directory.busy = directory.busy.saturating_add(1);
        } else if directory.busy_until != reads {
            directory.busy = 1;
        }
        directory.busy_until = reads;
        let is_busy = directory.busy >= times;
        if is_busy {
            directory.busy = 0;
        }
        is_busy
    }

    /// How many names of an inode are known, in all trees.
    pub(super) fn names_of(&self, inode: Inode) -> u64 {
        self.links.names(inode)
    }

    pub(super) fn set_directory_mounts(&mut self, at: At, mounts: u32) {
        let Some(directory) = self.get_mut(at) else {
            return;
        };
        let old = std::mem::replace(&mut directory.directory_mounts, mounts);
        let tree = directory.tree;
        let sum = self.sums.at(tree);
        sum.mounts = sum.mounts - u64::from(old) + u64::from(mounts);
    }

    /// A directory that is known was found in `parent`: it hangs there from now on, with all below it.
    pub(super) fn adopt(&mut self, at: At, parent: At) {
        let (Some(directory), Some(new)) = (self.get(at), self.get(parent)) else {
            return;
        };
        if directory.parent == Some(parent) || directory.is_root || at == parent {
            return;
        }
        let tree = new.tree;
        // What was seen at different moments may say that each lies in the other: what lay between is found again.
        let mut above = parent;
        while let Some(next) = self.get(above).and_then(|found| found.parent) {
            if next == at {
                self.orphan(above);
                break;
            }
            above = next;
        }
        self.detach(at);
        self.attach(at, parent);
        self.give(at, tree);
    }

    pub(super) fn children(&self, at: At) -> Vec<At> {
        let mut children = Vec::new();
        let mut next = self.get(at).and_then(|found| found.first_child);
        while let Some(child) = next {
            children.push(child);
            next = self.get(child).and_then(|found| found.next);
        }
        children
    }

    /// A directory is no longer where it was.
    pub(super) fn orphan(&mut self, at: At) {
        if let Some(key) = self.get(at).map(|found| found.key) {
            self.detach(at);
            self.orphans.push((at, key));
        }
    }

    /// The same, if it is still there.
    pub(super) fn orphan_from(&mut self, at: At, parent: At) {
        if self
            .get(at)
            .is_some_and(|found| found.parent == Some(parent))
        {
            self.orphan(at);
        }
    }

    /// Forgets the orphans that nobody has adopted, with all below them.
    pub(super) fn bury_orphans(&mut self) {
        for (at, key) in std::mem::take(&mut self.orphans) {
            let is_alone = |found: &Directory| found.parent.is_none() && !found.is_root;
            if self
                .get(at)
                .is_some_and(|found| found.key == key && is_alone(found))
            {
                self.remove_below(at);
            }
        }
    }

    /// A directory is gone; the directories that were in it may be elsewhere.
    pub(super) fn remove_alone(&mut self, at: At) {
        for child in self.children(at) {
            self.orphan(child);
        }
        self.remove_below(at);
    }

    /// Forgets a directory and all below it.
    pub(super) fn remove_below(&mut self, at: At) {
        self.detach(at);
        let mut doomed = vec![at];
        while let Some(at) = doomed.pop() {
            doomed.extend(self.children(at));
            let was_large = self.empty(at).is_some();
            self.set_directory_mounts(at, 0);
            if let Some(directory) = self.directories[at.0 as usize].take() {
                if was_large {
                    self.released.push(directory.key);
                }
                self.by_key.remove(&directory.key);
                self.free.push(at);
            }
        }
    }

    /// Forgets a tree, orphans and all.
    pub(super) fn forget_tree(&mut self, tree: TreeIndex, root: At) {
        self.remove_below(root);
        self.bury_orphans();
        self.waiting.remove(&tree);
    }

    fn attach(&mut self, at: At, parent: At) {
        let Some(above) = self.get_mut(parent) else {
            return;
        };
        let first = above.first_child.replace(at);
        if let Some(next) = first.and_then(|first| self.get_mut(first)) {
            next.previous = Some(at);
        }
        if let Some(directory) = self.get_mut(at) {
            directory.parent = Some(parent);
            directory.previous = None;
            directory.next = first;
        }
    }

    fn detach(&mut self, at: At) {
        let Some(directory) = self.get_mut(at) else {
            return;
        };
        let parent = directory.parent.take();
        let (previous, next) = (directory.previous.take(), directory.next.take());
        if let Some(next) = next.and_then(|next| self.get_mut(next)) {
            next.previous = previous;
        }
        match previous {
            Some(previous) => {
                if let Some(previous) = self.get_mut(previous) {
                    previous.next = next;
                }
            }
            None => {
                if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
                    parent.first_child = next;
                }
            }
        }
    }

    /// A directory and all below it are another tree's from now on.
    fn give(&mut self, at: At, tree: TreeIndex) {
        let mut moving = vec![at];
        while let Some(at) = moving.pop() {
            let Some(directory) = self.get_mut(at) else {
                continue;
            };
            let old = std::mem::replace(&mut directory.tree, tree);
            if old == tree {
                return;
            }
            let (bytes, inodes) = (directory.bytes, u64::from(directory.inodes));
            let mounts = u64::from(directory.mounts) + u64::from(directory.directory_mounts);
            let unread = u64::from(directory.unread);
            let (file_system, linked) = (directory.key.0, directory.links());
            if directory.dirty != Dirty::default() {
                self.waiting.entry(tree).or_default().push(at);
            }
            self.sums.subtract(old, bytes, inodes);
            self.sums.add(tree, bytes, inodes);
            self.sums.at(old).mounts -= mounts;
            self.sums.at(old).unread -= unread;
            self.sums.at(tree).mounts += mounts;
            self.sums.at(tree).unread += unread;
            for ino in linked {
                self.links
                    .give((file_system, ino), old, tree, &mut self.sums);
            }
            moving.extend(self.children(at));
        }
    }
}
