//! Comparing what is known with what is there, and saying by how much it was off.

use super::table::{At, Dirty, Key};
use super::{NoTracking, Tracker};
use crate::TreeId;

/// By how much the sum of a tree was off, in directories that the kernel had reported nothing of: stores through a
/// mapping that is still there, blocks that the file system moved by itself, hard links made elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// What was found less what was known.
    pub bytes: i64,
    /// Directories in which there was a difference.
    pub directories: u64,
}

/// How far a comparison has come.
#[derive(Debug)]
pub(super) struct Progress {
    rest: Vec<At>,
    drift: Drift,
}

impl Tracker {
    /// Looks again at directories of a tree that nothing has happened in, until so many entries were looked at, and
    /// puts right what is wrong. The next call goes on from there; the one that comes to the end tells the drift of
    /// the whole. What changes meanwhile is no drift.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn reconcile(&mut self, tree: TreeId, entries: u64) -> Result<Option<Drift>, NoTracking> {
        self.drain()?;
        self.read(tree)?;
        let done = self.compare(tree, entries);
        if done.is_err() {
            self.remove(tree);
        }
        done
    }

    fn compare(&mut self, tree: TreeId, entries: u64) -> Result<Option<Drift>, NoTracking> {
        let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
        let index = tracked.index;
        let mut progress = tracked.progress.take().unwrap_or_else(|| Progress {
            rest: self.table.of_tree(index),
            drift: Drift::default(),
        });
        let mut differences: Vec<(Key, u64, u64)> = Vec::new();
        let mut looked_at = 0;
        while looked_at < entries
            && let Some(at) = progress.rest.pop()
        {
            let Some(directory) = self.table.get(at) else {
                continue;
            };
            if directory.tree != index || directory.dirty != Dirty::default() {
                continue;
            }
            let key = directory.key;
            let before = self.table.sum(index).bytes;
            looked_at += self.look(tree, at, Dirty::ALL)?.entries + 1;
            while let Some((below, dirty)) = self.table.next(index) {
                looked_at += self.look(tree, below, dirty)?.entries + 1;
            }
            self.table.bury_orphans();
            let after = self.table.sum(index).bytes;
            if after != before {
                differences.push((key, before, after));
            }
        }
        // What was reported in the meantime is an ordinary change.
        self.drain()?;
        for (key, before, after) in differences {
            let directory = self.table.find(&key).and_then(|at| self.table.get(at));
            if directory.is_some_and(|found| found.dirty == Dirty::default()) {
                progress.drift.bytes += after.cast_signed() - before.cast_signed();
                progress.drift.directories += 1;
            }
        }
        if progress.rest.is_empty() {
            return Ok(Some(progress.drift));
        }
        if let Some(tracked) = self.trees.get_mut(&tree) {
            tracked.progress = Some(progress);
        }
        Ok(None)
    }
}
