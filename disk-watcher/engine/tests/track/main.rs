//! Change tracking agrees with GNU du, whatever happens in a tree.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod basics;
mod hostile;
mod image;
mod large;
mod parked;
mod random;
#[path = "../tree/mod.rs"]
mod tree;
mod views;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use disk_engine::{FileId, NoTracking, Options, Tracker, TreeId, Usage, measure, open_root};
use image::{du, settle};

/// One tracked tree.
pub(crate) struct Tracked {
    tracker: Tracker,
    id: TreeId,
    path: PathBuf,
}

impl Tracked {
    pub(crate) fn new(path: &Path) -> Self {
        let mut tracker = Tracker::start().unwrap();
        let id = add(&mut tracker, path, &[]).unwrap();
        Self {
            tracker,
            id,
            path: path.to_owned(),
        }
    }

    pub(crate) fn usage(&mut self) -> Usage {
        self.tracker.drain().unwrap();
        self.tracker.read(self.id).unwrap()
    }

    /// Asserts that it says what du says, by looking at what has changed alone.
    #[track_caller]
    pub(crate) fn assert_agrees(&mut self, after: &str) {
        settle(&self.path);
        let usage = self.usage();
        assert_eq!(usage.bytes, du(&self.path), "after {after}");
        let walked = measure(open_root(&self.path).unwrap().as_fd(), &Options::default());
        assert_eq!(usage.inodes, walked.unwrap().inodes, "after {after}");
    }
}

/// Has a tracker take a tree in.
pub(crate) fn add(
    tracker: &mut Tracker,
    path: &Path,
    exclude: &[FileId],
) -> Result<TreeId, NoTracking> {
    let id = TreeId::unused();
    let root = open_root(path).unwrap();
    tracker.add(id, root.as_fd(), exclude)?;
    Ok(id)
}
