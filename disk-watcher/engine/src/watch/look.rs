//! One look at one tree.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use super::event::{Amount, Breach};
use super::sample::{Sample, Source};
use super::tree::{Limits, Tree, TreeId};
use crate::{Error, FileId, Options, measure};

/// A tree as those who look at it need it.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) id: TreeId,
    root: OwnedFd,
    /// The device of its root; 0 where that cannot be told.
    pub(super) dev: u64,
    exclude: Vec<FileId>,
    cross_mounts: bool,
}

impl Subject {
    pub(super) fn new(id: TreeId, tree: Tree) -> Self {
        let dev = FileId::of(&tree.root).map_or(0, |id| id.dev);
        Self {
            id,
            root: tree.root,
            dev,
            exclude: tree.exclude,
            cross_mounts: tree.cross_mounts,
        }
    }

    /// Looks at it once, and a second time if the first finds a breach: a file that was renamed from one directory to
    /// another in the middle of a walk is counted twice.
    pub(super) fn look(
        &self,
        limits: &Limits,
        threads: usize,
        max_entries: Option<u64>,
    ) -> Result<(Sample, Option<Breach>), Error> {
        let options = Options {
            cross_mounts: self.cross_mounts,
            exclude: self.exclude.clone(),
            max_entries,
            max_threads: threads,
            ..Options::default()
        };
        let first = self.walk(&options)?;
        if self.breach(limits, &first).is_none() {
            return Ok((first, None));
        }
        let second = self.walk(&options)?;
        let breach = self.breach(limits, &second);
        Ok((second, breach))
    }

    fn walk(&self, options: &Options) -> Result<Sample, Error> {
        let taken = Instant::now();
        let usage = measure(self.root.as_fd(), options)?;
        Ok(Sample {
            usage,
            deleted: None,
            source: Source::Walk,
            taken,
            cost: taken.elapsed(),
        })
    }

    fn breach(&self, limits: &Limits, sample: &Sample) -> Option<Breach> {
        let bytes = limits.hard.filter(|limit| sample.usage.exceeds(*limit));
        let inodes = limits.inodes.filter(|limit| sample.usage.inodes > *limit);
        let (of, limit) = match (bytes, inodes) {
            (Some(limit), _) => (Amount::Bytes, limit),
            (None, Some(limit)) => (Amount::Inodes, limit),
            (None, None) => return None,
        };
        Some(Breach {
            tree: self.id,
            of,
            sample: sample.clone(),
            limit,
            counts_deleted: limits.count_deleted,
            growth: None,
            largest: Vec::new(),
            confirmed: true,
        })
    }
}
