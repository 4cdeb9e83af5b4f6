//! How much a file system has come to hold, as a hint that nothing in it can have grown.
//!
//! One `fstatfs` tells of all trees in a file system at once. What the file system holds grows when a tree in it does,
//! and a tree that is further from its limit than the file system has grown since the tree was looked at need not be
//! looked at. It is a hint and no proof: what others take away in the same moment hides what one adds. So it puts a
//! look off, but never beyond the longest time between two.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::TreeId;

/// What a file system holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::watch) struct Used {
    pub(in crate::watch) bytes: u64,
    pub(in crate::watch) inodes: u64,
}

/// What it came to hold since it was first read: never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grown {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
}

/// Growth in bytes per second that is taken to be possible from one moment to the next.
const UNSEEN_GROWTH: f64 = (1u64 << 30) as f64;
/// Inodes made in a second, likewise.
const UNSEEN_INODES: f64 = 200_000.0;
/// A file system is read no sooner again while it grows,
const SOONEST: Duration = Duration::from_millis(20);
/// and while it does not.
const SOONEST_AT_REST: Duration = Duration::from_millis(100);
/// And no later.
const LATEST: Duration = Duration::from_secs(1);
/// It grows if it did so within this time.
const RECENT: Duration = Duration::from_secs(5);
/// Less than this is what any system writes to its logs.
const NOISE: u64 = 1 << 20;

/// One file system, and which of its trees could have come to a limit by how much growth.
#[derive(Debug)]
pub(super) struct Growth {
    grown: Grown,
    last: Option<(Instant, Used)>,
    /// The fastest growth of bytes lately, in bytes per second.
    rate: f64,
    grew: Option<Instant>,
    next: Instant,
    bytes: BTreeSet<(u64, TreeId)>,
    inodes: BTreeSet<(u64, TreeId)>,
}

impl Growth {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            grown: Grown::default(),
            last: None,
            rate: 0.0,
            grew: None,
            next: now,
            bytes: BTreeSet::new(),
            inodes: BTreeSet::new(),
        }
    }

    /// What it grew by up to the last reading; `None` while it was not read.
    pub(super) fn grown(&self) -> Option<Grown> {
        self.last.map(|_| self.grown)
    }

    /// Begins anew, with nothing known of it.
    pub(super) fn restart(&mut self, now: Instant) {
        self.last = None;
        self.next = now;
    }

    /// When it is to be read next; `None` where no tree waits for it to grow.
    pub(super) fn next(&self) -> Option<Instant> {
        let anybody = !self.bytes.is_empty() || !self.inodes.is_empty() || self.last.is_none();
        anybody.then_some(self.next)
    }

    /// Takes note of a reading, and returns the trees that could have come to a limit by it, or could before the next.
    pub(super) fn read(&mut self, now: Instant, used: Used) -> Vec<TreeId> {
        if let Some((then, before)) = self.last {
            let more = used.bytes.saturating_sub(before.bytes);
            self.grown.bytes += more;
            self.grown.inodes += used.inodes.saturating_sub(before.inodes);
            let between = now.saturating_duration_since(then).as_secs_f64();
            if between > 0.0 {
                let seen = more as f64 / between;
                self.rate = seen.max(self.rate * 0.5f64.powf(between));
            }
            if more >= NOISE || self.rate >= NOISE as f64 {
                self.grew = Some(now);
            }
        }
        self.last = Some((now, used));
        let wait = self.wait(now);
        self.next = now + wait;
        let soon = (self.rate * wait.as_secs_f64()) as u64;
        let mut reached = up_to(&mut self.bytes, self.grown.bytes.saturating_add(soon));
        reached.extend(up_to(&mut self.inodes, self.grown.inodes));
        reached
    }

    /// Has a tree returned by [`read`](Self::read) once the file system has grown to that.
    pub(super) fn watch(
        &mut self,
        id: TreeId,
        bytes: Option<u64>,
        inodes: Option<u64>,
        now: Instant,
    ) {
        self.bytes.extend(bytes.map(|key| (key, id)));
        self.inodes.extend(inodes.map(|key| (key, id)));
        if let Some((then, _)) = self.last {
            self.next = self.next.min(then + self.wait(now));
        }
    }

    /// Takes that back.
    pub(super) fn forget(&mut self, id: TreeId, bytes: Option<u64>, inodes: Option<u64>) {
        if let Some(key) = bytes {
            self.bytes.remove(&(key, id));
        }
        if let Some(key) = inodes {
            self.inodes.remove(&(key, id));
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        let first = |keys: &BTreeSet<(u64, TreeId)>| keys.first().map(|(key, _)| *key);
        let until = |key: Option<u64>, grown: u64, rate: f64| {
            key.map_or(LATEST, |key| {
                Duration::from_secs_f64((key.saturating_sub(grown) as f64 / rate).min(1e6))
            })
        };
        let bytes = until(
            first(&self.bytes),
            self.grown.bytes,
            UNSEEN_GROWTH.max(self.rate * 2.0),
        );
        let inodes = until(first(&self.inodes), self.grown.inodes, UNSEEN_INODES);
        let grows = self
            .grew
            .is_some_and(|then| now.saturating_duration_since(then) < RECENT);
        let soonest = if grows { SOONEST } else { SOONEST_AT_REST };
        bytes.min(inodes).clamp(soonest, LATEST)
    }
}

/// Takes out those whose key is this or less.
fn up_to(keys: &mut BTreeSet<(u64, TreeId)>, grown: u64) -> Vec<TreeId> {
    let mut reached = Vec::new();
    while let Some((key, id)) = keys.first().copied()
        && key <= grown
    {
        keys.pop_first();
        reached.push(id);
    }
    reached
}
