//! What to measure and how far to go.

use std::io;
use std::os::fd::AsFd;

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
    /// At most so many threads walk a large tree, and never more than there are processors. Small trees are walked
    /// by the calling thread alone. 0 means 1.
    pub max_threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cross_mounts: false,
            exclude: Vec::new(),
            max_entries: None,
            max_threads: 4,
        }
    }
}
