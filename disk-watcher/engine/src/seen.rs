//! Which inodes have been counted, so that each is counted once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::FileId;
use crate::attributes::Attributes;

/// So many directories are remembered, some 40 MB. Of a tree with more, those that are met last can be met twice.
const MOST_DIRECTORIES: usize = 1 << 20;

/// So many files with a single link are remembered where they are at all.
const MOST_FILES: usize = 1 << 20;

/// The inodes counted so far.
#[derive(Debug)]
pub(crate) struct Seen {
    inodes: Mutex<HashSet<FileId>>,
    /// `None` where the same directory may lie in several places, by mounts.
    directories: Option<Mutex<HashSet<Directory>>>,
    /// Whether files with a single link and directories can be met twice: when several roots overlap.
    everything: bool,
    /// Whether files with a single link are remembered, since they may be moved or linked while they are looked for.
    single: bool,
}

/// With when it was made: an inode number is soon given to another.
type Directory = (FileId, Option<(i64, u32)>);

impl Seen {
    /// For one root. A file with a single link lies in one place. A directory does, too, but whoever moves it about
    /// while it is walked must not have it counted in each place, nor keep the walk from ending.
    ///
    /// `cross_mounts`: as in [`Options`](crate::Options).
    pub(crate) fn within_one_root(cross_mounts: bool) -> Self {
        Self {
            inodes: Mutex::default(),
            directories: (!cross_mounts).then(Mutex::default),
            everything: false,
            single: false,
        }
    }

    /// For one root, and so that a file counts once, too, that is moved from one directory to another while the tree is
    /// walked, or has a second link for a moment. So many files are remembered, some 40 MB. For a walk that a verdict
    /// rests on.
    pub(crate) fn within_one_root_strictly(cross_mounts: bool) -> Self {
        Self {
            single: true,
            ..Self::within_one_root(cross_mounts)
        }
    }

    /// For several roots, any of which may lie inside another.
    pub(crate) fn across_roots() -> Self {
        Self {
            inodes: Mutex::default(),
            directories: None,
            everything: true,
            single: false,
        }
    }

    /// Whether this is the first time that the file is met.
    pub(crate) fn is_first(&self, file: &Attributes) -> bool {
        if !self.everything {
            if file.is_dir {
                return self.is_first_directory(file);
            }
            if file.nlink < 2 && !self.single {
                return true;
            }
        }
        let mut inodes = self.inodes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.single && file.nlink < 2 && inodes.len() >= MOST_FILES {
            return !inodes.contains(&file.id);
        }
        inodes.insert(file.id)
    }

    fn is_first_directory(&self, directory: &Attributes) -> bool {
        let Some(directories) = &self.directories else {
            return true;
        };
        let key = (directory.id, directory.born);
        let mut directories = directories.lock().unwrap_or_else(PoisonError::into_inner);
        if directories.len() < MOST_DIRECTORIES {
            directories.insert(key)
        } else {
            !directories.contains(&key)
        }
    }
}
