//! Which inodes have been counted, so that each is counted once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::FileId;
use crate::attributes::Attributes;

/// The inodes counted so far.
#[derive(Debug)]
pub(crate) struct Seen {
    inodes: Mutex<HashSet<FileId>>,
    /// Whether files with a single link and directories can be met twice: when several roots overlap.
    everything: bool,
}

impl Seen {
    /// For one root: only files with several links can be met twice.
    pub(crate) fn within_one_root() -> Self {
        Self {
            inodes: Mutex::default(),
            everything: false,
        }
    }

    /// For several roots, any of which may lie inside another.
    pub(crate) fn across_roots() -> Self {
        Self {
            inodes: Mutex::default(),
            everything: true,
        }
    }

    /// Whether this is the first time that the file is met.
    pub(crate) fn is_first(&self, file: &Attributes) -> bool {
        if !self.everything && (file.is_dir || file.nlink < 2) {
            return true;
        }
        self.inodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file.id)
    }
}
