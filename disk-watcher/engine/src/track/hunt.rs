//! Finding the other names of a file that got a further link.
//!
//! The kernel reports a link in the directory where it was made, not where the file had been known before, and there
//! it may be counted as a file with one link. Which directory that is nobody says: every listing of the tree is gone
//! through for the inode number, without looking at the files.

use std::collections::HashSet;

use super::listing;
use super::{NoTracking, Tracker};
use crate::TreeId;

/// So many entries may be gone through for each time that events are read: others may make links to their own files
/// all day long. What waits until then is counted twice.
const ENTRIES_EACH_TIME: i64 = 2_000;
/// What was not used is kept, up to here.
const MOST_ENTRIES_KEPT: i64 = 50_000;

/// How many entries may be gone through. A tree of more than that is gone through once, and nothing for a while then.
#[derive(Debug)]
pub(super) struct Allowance(i64);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(MOST_ENTRIES_KEPT)
    }

    /// Events are read.
    pub(super) fn renew(&mut self) {
        self.0 = (self.0 + ENTRIES_EACH_TIME).min(MOST_ENTRIES_KEPT);
    }
}

impl Tracker {
    /// Has the directories wait in which a file with several links is counted as one with a single link. `false`:
    /// there are none, as far as can be told now.
    pub(super) fn hunt(&mut self, tree: TreeId) -> Result<bool, NoTracking> {
        let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
        let file_system = tracked.file_system;
        let table = &self.table;
        tracked
            .suspects
            .retain(|link| table.names_of((file_system, link.ino)) < link.nlink);
        if tracked.suspects.is_empty() || self.allowance.0 <= 0 {
            return Ok(false);
        }
        let wanted: HashSet<u64> = tracked.suspects.drain(..).map(|link| link.ino).collect();
        let mut found = Vec::new();
        for at in self.table.of_tree(tracked.index) {
            let Some(directory) = self.table.get(at) else {
                continue;
            };
            let mut entries = 1;
            // A directory that cannot be read is looked at again for that reason alone.
            if let Ok(open) = listing::open(&tracked.mount, &directory.key.1) {
                let _ = listing::inodes(&open, &mut self.listing, |name, ino| {
                    entries += 1;
                    if wanted.contains(&ino) && !directory.has_link(name, ino) {
                        found.push((at, name.to_owned()));
                    }
                });
            }
            self.allowance.0 -= entries;
        }
        for (at, name) in &found {
            self.table.soil_file(*at, Some(name));
        }
        Ok(!found.is_empty())
    }
}
