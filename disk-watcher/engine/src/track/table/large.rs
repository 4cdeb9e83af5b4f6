//! What is known of each file of a large directory, so that one that changes is looked at alone.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::hash::BuildHasher;

use super::{At, Content, Dirty, Entry, Key, Linked, Table};

/// Names that wait are worth as many looks; of more than this part of a directory it is listed whole.
const PART: usize = 16;
/// So many wait in any directory.
const FEW: usize = 32;

/// Names of files to look at.
#[derive(Debug, Default)]
struct Names {
    few: HashSet<CString>,
    /// There were too many: all files.
    all: bool,
}

impl Names {
    fn insert(&mut self, name: &CStr, most: usize) {
        if !self.all && !self.few.contains(name) {
            self.few.insert(name.to_owned());
            self.shorten(most);
        }
    }

    fn extend(&mut self, others: &Self, most: usize) {
        self.all |= others.all;
        self.few.extend(others.few.iter().cloned());
        self.shorten(most);
    }

    fn shorten(&mut self, most: usize) {
        self.all |= self.few.len() > most;
        if self.all {
            self.few = HashSet::new();
        }
    }
}

/// The files of a large directory.
#[derive(Debug, Default)]
pub(in crate::track) struct Files {
    /// Bytes of the directory itself.
    own: u64,
    hasher: RandomState,
    /// By a hash of the name. Its key is secret, so that nobody can choose two names of the same hash.
    entries: HashMap<u64, Entry>,
    waiting: Names,
    /// To be looked at again some time after they changed, by queue.
    later: [Names; 3],
}

impl Files {
    pub(in crate::track) fn of_directory(own: u64) -> Self {
        Self {
            own,
            ..Self::default()
        }
    }

    pub(in crate::track) fn keep(&mut self, name: &CStr, entry: Entry) {
        self.entries.insert(self.hasher.hash_one(name), entry);
    }

    pub(in crate::track) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_link(&self, name: &CStr, ino: u64) -> bool {
        let entry = self.entries.get(&self.hasher.hash_one(name));
        matches!(entry, Some(Entry::Linked(link)) if link.ino == ino)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = u64> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Linked(link) => Some(link.ino),
            _ => None,
        })
    }

    /// Takes over from what was known before what is to be looked at later.
    pub(super) fn follow(&mut self, before: Option<&mut Self>, queued: u8) {
        match before {
            Some(before) => self.later = std::mem::take(&mut before.later),
            None => {
                for (stage, names) in self.later.iter_mut().enumerate() {
                    names.all = queued & (1 << stage) != 0; // names were not told until now
                }
            }
        }
    }

    fn most_names(&self) -> usize {
        (self.entries.len() / PART).max(FEW)
    }
}

impl Table {
    /// Something happened to a file, or to the directory itself.
    pub(in crate::track) fn soil_file(&mut self, at: At, name: Option<&CStr>) {
        if let Some(files) = self.get_mut(at).and_then(|found| found.files.as_mut())
            && let Some(name) = name
        {
            let most = files.most_names();
            files.waiting.insert(name, most);
            files.later[0].insert(name, most);
        }
        self.soil_waiting(at);
    }

    /// The time has come to look again at what changed in a directory a while ago.
    pub(in crate::track) fn soil_later(&mut self, at: At, stage: usize) {
        match self.get_mut(at).and_then(|found| found.files.as_mut()) {
            Some(files) => {
                let most = files.most_names();
                let names = std::mem::take(&mut files.later[stage]);
                files.waiting.extend(&names, most);
                if let Some(next) = files.later.get_mut(stage + 1) {
                    next.extend(&names, most);
                }
                self.soil_waiting(at);
            }
            None => self.soil(at, Dirty::FILES),
        }
    }

    fn soil_waiting(&mut self, at: At) {
        let files = self.get(at).and_then(|found| found.files.as_ref());
        let all = files.is_none_or(|files| files.waiting.all);
        let dirty = Dirty {
            files: all,
            named: !all,
            ..Dirty::default()
        };
        self.soil(at, dirty);
    }

    /// The names of files to look at in a directory; `None` if it is not large.
    pub(in crate::track) fn take_names(&mut self, at: At) -> Option<HashSet<CString>> {
        let files = self.get_mut(at)?.files.as_mut()?;
        Some(std::mem::take(&mut files.waiting).few)
    }

    /// How many files are kept of a directory.
    pub(in crate::track) fn files(&self, at: At) -> usize {
        let files = self.get(at).and_then(|found| found.files.as_ref());
        files.map_or(0, |files| files.len())
    }

    /// How many files are kept, of all large directories.
    pub(in crate::track) fn kept(&self) -> usize {
        self.kept
    }

    /// What was found of some files of a large directory, and of itself, takes the place of what was known; `None` for
    /// a name that is no longer a file's. Returns the same as [`fill`](Self::fill).
    pub(in crate::track) fn amend(
        &mut self,
        at: At,
        own: u64,
        found: impl IntoIterator<Item = (CString, Option<Entry>)>,
    ) -> Vec<Linked> {
        let Some(directory) = self.get_mut(at) else {
            return Vec::new();
        };
        let Some(mut files) = directory.files.take() else {
            return Vec::new();
        };
        let (mut less, mut more) = (Content::default(), Content::default());
        less.bytes = std::mem::replace(&mut files.own, own);
        more.bytes = own;
        let before = files.len();
        for (name, entry) in found {
            let hash = files.hasher.hash_one(name.as_c_str());
            let old = match entry {
                Some(entry) => files.entries.insert(hash, entry),
                None => files.entries.remove(&hash),
            };
            old.into_iter().for_each(|entry| less.count(entry));
            entry.into_iter().for_each(|entry| more.count(entry));
        }
        let after = files.len();
        directory.files = Some(files);
        directory.bytes = directory.bytes - less.bytes + more.bytes;
        directory.inodes = directory.inodes - less.inodes + more.inodes;
        directory.mounts = directory.mounts - less.mounts + more.mounts;
        directory.unread = directory.unread - less.unread + more.unread;
        let (tree, file_system) = (directory.tree, directory.key.0);
        self.kept = self.kept - before + after;
        let known: HashSet<u64> = less.linked.iter().map(|link| link.ino).collect();
        let mut unknown = self.enter(tree, file_system, more);
        unknown.retain(|link| !known.contains(&link.ino));
        let links = less.linked.iter().map(|link| link.ino).collect();
        less.linked.clear();
        self.withdraw(tree, file_system, &less, links);
        unknown
    }

    /// Large directories that are no longer, or not known any more: nothing of their files is to be told.
    pub(in crate::track) fn take_released(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.released)
    }

    /// Large directories are ordinary ones from now on. What is reported of their files goes unheard.
    pub(in crate::track) fn forget_files(&mut self) {
        for directory in self.directories.iter_mut().flatten() {
            if let Some(files) = directory.files.take() {
                directory.linked = files.links().collect();
            }
        }
        self.kept = 0;
    }
}
