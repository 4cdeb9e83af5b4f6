//! Directories to look at again some time after something happened in them.
//!
//! A file system settles what was written when nobody is told any more: XFS takes back what it had allocated ahead of
//! an appending writer, ext4 adds blocks for the map of a file of many pieces when it writes them down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::table::{At, Key, Table};

/// How long after the last look: soon after a close, after the first writing down, and after the last.
const DELAYS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(9),
    Duration::from_secs(290),
];

/// When each of them is due. A directory is in each queue once at the most.
#[derive(Debug, Default)]
pub(super) struct Later {
    queues: [VecDeque<(Instant, At, Key)>; DELAYS.len()],
}

impl Later {
    /// Something happened in a directory.
    pub(super) fn remember(&mut self, table: &mut Table, at: At, now: Instant) {
        self.queue(table, at, 0, now);
    }

    /// Has those wait that are due.
    pub(super) fn soil_due(&mut self, table: &mut Table, now: Instant) {
        for stage in 0..DELAYS.len() {
            while let Some((due, at, key)) = self.queues[stage].front().copied()
                && due <= now
            {
                self.queues[stage].pop_front();
                let Some(directory) = table.get_mut(at).filter(|found| found.key == key) else {
                    continue;
                };
                directory.later &= !(1 << stage);
                table.soil_later(at, stage);
                self.queue(table, at, stage + 1, now);
            }
        }
    }

    fn queue(&mut self, table: &mut Table, at: At, stage: usize, now: Instant) {
        let (Some(queue), Some(directory)) = (self.queues.get_mut(stage), table.get_mut(at)) else {
            return;
        };
        if directory.later & (1 << stage) == 0 {
            directory.later |= 1 << stage;
            queue.push_back((now + DELAYS[stage], at, directory.key));
        }
    }
}
