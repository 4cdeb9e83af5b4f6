//! Finding the other names of a file that got a further link.
//!
//! The kernel reports a link in the directory where it was made, not where the file had been known before, and there
//! it may be counted as a file with one link. Which directory that is nobody says: every listing of the tree is gone
//! through for the inode number, without looking at the files.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::listing;
use super::table::Dirty;
use super::{NoTracking, Tracker};
use crate::TreeId;

/// A tree is hunted through for at most one part in so many of the time: others may make links to their own files all
/// day long. What waits until then is counted twice.
const SHARE: u32 = 20;

/// When a tree was last gone through, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hunt {
    ended: Instant,
    took: Duration,
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
        let is_too_soon = |last: Hunt| last.ended.elapsed() < last.took * SHARE;
        if tracked.suspects.is_empty() || tracked.last_hunt.is_some_and(is_too_soon) {
            return Ok(false);
        }
        let began = Instant::now();
        let wanted: HashSet<u64> = tracked.suspects.drain(..).map(|link| link.ino).collect();
        let mut found = Vec::new();
        for at in self.table.of_tree(tracked.index) {
            let Some(directory) = self.table.get(at) else {
                continue;
            };
            let mut is_here = false;
            // A directory that cannot be read is looked at again for that reason alone.
            if let Ok(open) = listing::open(&tracked.mount, &directory.key.1) {
                let _ = listing::inodes(&open, &mut self.listing, |ino| {
                    is_here |= wanted.contains(&ino) && !directory.has_link(ino);
                });
            }
            if is_here {
                found.push(at);
            }
        }
        for at in &found {
            let files = Dirty {
                files: true,
                structure: false,
            };
            self.table.soil(*at, files);
        }
        tracked.last_hunt = Some(Hunt {
            ended: Instant::now(),
            took: began.elapsed(),
        });
        Ok(!found.is_empty())
    }
}
