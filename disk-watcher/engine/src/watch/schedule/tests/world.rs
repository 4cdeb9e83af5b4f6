//! Trees that grow, looks that take their time, and a clock that is moved by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::US;
use crate::TreeId;
use crate::watch::schedule::{Bounds, Found, Hint, Schedule, Turn, Used};

/// A tree in the simulated world.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) dev: u64,
    pub(super) bounds: Bounds,
    pub(super) bytes: f64,
    /// Bytes per second, from that second on.
    pub(super) rate: f64,
    pub(super) from: f64,
    pub(super) cost: Duration,
    /// What it writes is found by a look in full alone.
    pub(super) untold: bool,
    /// A look at it never ends.
    pub(super) hangs: bool,
}

impl Tree {
    pub(super) fn idle(bytes: u64, limit: u64) -> Self {
        Self {
            dev: 1,
            bounds: Bounds {
                hard: Some(limit),
                ..Bounds::default()
            },
            bytes: bytes as f64,
            rate: 0.0,
            from: 0.0,
            cost: 100 * US,
            untold: false,
            hangs: false,
        }
    }

    pub(super) fn writer(bytes: u64, limit: u64, rate: u64, from: f64) -> Self {
        Self {
            rate: rate as f64,
            from,
            ..Self::idle(bytes, limit)
        }
    }

    pub(super) fn at(&self, seconds: f64) -> u64 {
        (self.bytes + self.rate * (seconds - self.from).max(0.0)) as u64
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) looks: u32,
    /// Those in full.
    pub(super) doubted: u32,
    pub(super) last: Duration,
    pub(super) longest_gap: Duration,
    /// What the tree held when a look first ended that found it beyond its limit.
    pub(super) caught: Option<u64>,
}

pub(super) struct World {
    pub(super) schedule: Schedule,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) trees: BTreeMap<TreeId, Tree>,
    pub(super) seen: BTreeMap<TreeId, Seen>,
    pub(super) looking: BTreeSet<(Instant, TreeId, u64, Instant, bool)>,
    pub(super) spent: Duration,
    pub(super) reads: u32,
    pub(super) hint: Hint,
    /// What others in the file system take away each second.
    pub(super) taken_away: f64,
}

impl World {
    pub(super) fn new(budget: f64, trees: impl IntoIterator<Item = Tree>) -> (Self, Vec<TreeId>) {
        Self::with(budget, Hint::FileSystem, trees)
    }

    pub(super) fn with(
        budget: f64,
        hint: Hint,
        trees: impl IntoIterator<Item = Tree>,
    ) -> (Self, Vec<TreeId>) {
        let start = Instant::now();
        let mut world = Self {
            schedule: Schedule::new(start, budget, 2),
            start,
            now: start,
            trees: BTreeMap::new(),
            seen: BTreeMap::new(),
            looking: BTreeSet::new(),
            spent: Duration::ZERO,
            reads: 0,
            hint,
            taken_away: 0.0,
        };
        let ids = trees.into_iter().map(|tree| world.add(tree)).collect();
        (world, ids)
    }

    pub(super) fn add(&mut self, tree: Tree) -> TreeId {
        let id = TreeId::unused();
        self.schedule
            .add(self.now, id, tree.dev, self.hint, tree.bounds);
        self.schedule.tells(self.now, 1);
        self.schedule.tells(self.now, 2);
        self.seen.insert(
            id,
            Seen {
                last: self.now - self.start,
                ..Seen::default()
            },
        );
        self.trees.insert(id, tree);
        id
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    pub(super) fn used(&self, dev: u64) -> Used {
        let at = self.seconds();
        let held: u64 = self
            .trees
            .values()
            .filter(|t| t.dev == dev)
            .map(|t| t.at(at))
            .sum();
        Used {
            bytes: (1u64 << 50) + held - (self.taken_away * at) as u64,
            inodes: 1_000,
        }
    }

    pub(super) fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        let mut turns_without_time = 0;
        while self.now < end {
            for dev in self.schedule.to_read(self.now) {
                self.reads += 1;
                let used = self.used(dev);
                self.schedule.read(self.now, dev, Some(used));
            }
            while let Some(turn) = self.schedule.take(self.now) {
                self.begin(turn);
            }
            let ends = self.looking.first().map(|(at, ..)| *at);
            let next = self
                .schedule
                .next()
                .into_iter()
                .chain(ends)
                .min()
                .unwrap_or(end);
            turns_without_time = if next <= self.now {
                turns_without_time + 1
            } else {
                0
            };
            assert!(turns_without_time < 3, "the schedule keeps its driver busy");
            self.now = next.clamp(self.now, end);
            while let Some((at, id, bytes, begun, missed)) = self.looking.first().copied()
                && at <= self.now
            {
                self.looking.pop_first();
                self.finish(id, bytes, begun, missed);
            }
        }
    }

    pub(super) fn begin(&mut self, turn: Turn) {
        let id = turn.tree;
        let tree = &self.trees[&id];
        let missed = tree.untold && !turn.doubted;
        let bytes = tree.at(if missed { 0.0 } else { self.seconds() });
        self.seen.get_mut(&id).unwrap().doubted += u32::from(turn.doubted);
        if !tree.hangs {
            self.looking
                .insert((self.now + tree.cost, id, bytes, self.now, missed));
        }
    }

    pub(super) fn finish(&mut self, id: TreeId, bytes: u64, begun: Instant, missed: bool) {
        let tree = &self.trees[&id];
        self.spent += tree.cost;
        let now = self.now - self.start;
        let seen = self.seen.get_mut(&id).unwrap();
        seen.looks += 1;
        seen.longest_gap = seen.longest_gap.max(now - seen.last);
        seen.last = now;
        if tree.bounds.hard.is_some_and(|limit| bytes > limit) && seen.caught.is_none() {
            seen.caught = Some(tree.at(now.as_secs_f64()));
        }
        let found = Found {
            taken: begun,
            took: tree.cost,
            cost: tree.cost,
            bytes,
            inodes: 10,
            sure: !missed,
        };
        self.schedule.done(self.now, id, Some(found));
    }

    pub(super) fn looks(&self) -> u32 {
        self.seen.values().map(|seen| seen.looks).sum()
    }

    pub(super) fn longest_gap(&self, ids: &[TreeId]) -> Duration {
        ids.iter()
            .map(|id| self.seen[id].longest_gap)
            .max()
            .unwrap()
    }

    pub(super) fn beyond(&self, id: TreeId) -> u64 {
        self.seen[&id].caught.expect("caught") - self.trees[&id].bounds.hard.unwrap()
    }
}
