//! What to measure and how far to go.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::attributes;

/// Identity of a file: the device that holds it and its inode number there.
///
/// A path can be renamed or replaced by whoever writes to a sandbox; this pair cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

impl FileId {
    /// The identity of an open file, directory or `O_PATH` descriptor.
    ///
    /// # Errors
    /// When the kernel refuses to tell, for example because the server of a network file system is gone.
    pub fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(attributes::of(file.as_fd())?.id)
    }
}

/// A word that ends walks early, whoever they are for: they listen before each entry. A clone is the same word.
///
/// A walk that waits for the server of a network file system does not hear it before that answers.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends every walk with this word; those that begin later end at once.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether that has been said.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Count what is mounted inside the tree, too, as `du` without `-x` does. Off by default: a volume mounted into
    /// a sandbox has a price of its own.
    pub cross_mounts: bool,
    /// Directories left out together with everything below them.
    pub exclude: Vec<FileId>,
    /// Stop after so many entries and report a lower bound, so that a tree of millions of files cannot keep the
    /// walk busy. `None`: no end.
    pub max_entries: Option<u64>,
    /// At most so many threads walk a large tree, and more than there are processors only where they wait for a disk.
    /// Small trees are walked by the calling thread alone. 0 means 1.
    pub max_threads: usize,
    /// Ends the walk early, with a lower bound.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cross_mounts: false,
            exclude: Vec::new(),
            max_entries: None,
            max_threads: 4,
            stop: Stop::default(),
        }
    }
}
