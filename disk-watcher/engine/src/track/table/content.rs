//! What was found in a directory, and how it is counted.

use std::collections::HashSet;

use super::{At, Files, Table};
use crate::track::sums::TreeIndex;

/// What was found in one directory, but for the directories in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::track) struct Content {
    /// Bytes of the directory itself and of its files with one link.
    pub(in crate::track) bytes: u64,
    /// The directory and its files with one link.
    pub(in crate::track) inodes: u32,
    /// Names of files with several links.
    pub(in crate::track) linked: Vec<Linked>,
    /// What is mounted on files.
    pub(in crate::track) mounts: u32,
    /// Entries that could not be looked at.
    pub(in crate::track) unread: u32,
}

impl Content {
    pub(in crate::track) fn count(&mut self, entry: Entry) {
        match entry {
            Entry::Single { bytes } => {
                self.bytes += bytes;
                self.inodes += 1;
            }
            Entry::Linked(link) => self.linked.push(link),
            Entry::Mounted => self.mounts += 1,
            Entry::Unread => self.unread += 1,
        }
    }
}

/// What was found under one name, unless that is a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::track) enum Entry {
    /// A file with one link.
    Single {
        bytes: u64,
    },
    Linked(Linked),
    /// Something is mounted on it.
    Mounted,
    /// It could not be looked at.
    Unread,
}

/// A name of a file with several links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::track) struct Linked {
    pub(in crate::track) ino: u64,
    pub(in crate::track) bytes: u64,
    /// How many names it has, wherever.
    pub(in crate::track) nlink: u64,
}

impl Table {
    /// What was found in a directory takes the place of what was known, with each of its files if it is large. Returns
    /// the files with several links that the tree had no name of: another name may be counted as a file with one link.
    pub(in crate::track) fn fill(
        &mut self,
        at: At,
        content: Content,
        files: Option<Box<Files>>,
    ) -> Vec<Linked> {
        let Some(directory) = self.get_mut(at) else {
            return Vec::new();
        };
        let known: HashSet<u64> = directory.links().into_iter().collect();
        let mut before = self.empty(at);
        let kept = files.as_ref().map_or(0, |files| files.len());
        let Some(directory) = self.get_mut(at) else {
            return Vec::new();
        };
        let key = directory.key;
        match files {
            Some(mut files) => {
                files.follow(before.as_deref_mut(), directory.later);
                directory.files = Some(files);
            }
            None => directory.linked = content.linked.iter().map(|link| link.ino).collect(),
        }
        directory.bytes = content.bytes;
        directory.inodes = content.inodes;
        directory.mounts = content.mounts;
        directory.unread = content.unread;
        let (tree, is_large) = (directory.tree, directory.is_large());
        self.kept += kept;
        if before.is_some() && !is_large {
            self.released.push(key);
        }
        let mut unknown = self.enter(tree, key.0, content);
        unknown.retain(|link| !known.contains(&link.ino));
        unknown
    }

    /// Counts what was found. Returns the files with several links that the tree had no name of.
    pub(super) fn enter(
        &mut self,
        tree: TreeIndex,
        file_system: u16,
        content: Content,
    ) -> Vec<Linked> {
        self.sums.add(tree, content.bytes, content.inodes.into());
        let sum = self.sums.at(tree);
        sum.mounts += u64::from(content.mounts);
        sum.unread += u64::from(content.unread);
        let mut linked = content.linked;
        linked.retain(|link| {
            let inode = (file_system, link.ino);
            self.links.hold(inode, link.bytes, tree, &mut self.sums)
        });
        linked
    }

    /// Takes what was counted out again.
    pub(super) fn withdraw(
        &mut self,
        tree: TreeIndex,
        file_system: u16,
        content: &Content,
        links: Vec<u64>,
    ) {
        self.sums
            .subtract(tree, content.bytes, content.inodes.into());
        let sum = self.sums.at(tree);
        sum.mounts -= u64::from(content.mounts);
        sum.unread -= u64::from(content.unread);
        for ino in links {
            self.links.release((file_system, ino), tree, &mut self.sums);
        }
    }

    /// Takes what is known of a directory's content out of the sums, and returns what was kept of its files.
    pub(super) fn empty(&mut self, at: At) -> Option<Box<Files>> {
        let directory = self.get_mut(at)?;
        let (tree, file_system) = (directory.tree, directory.key.0);
        let known = Content {
            bytes: std::mem::take(&mut directory.bytes),
            inodes: std::mem::take(&mut directory.inodes),
            mounts: std::mem::take(&mut directory.mounts),
            unread: std::mem::take(&mut directory.unread),
            linked: Vec::new(),
        };
        let links = directory.links();
        directory.linked = Box::default();
        let files = directory.files.take();
        self.kept -= files.as_ref().map_or(0, |files| files.len());
        self.withdraw(tree, file_system, &known, links);
        files
    }
}
