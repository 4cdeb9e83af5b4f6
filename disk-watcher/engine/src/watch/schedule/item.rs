//! One tree of a [`Schedule`](super::Schedule).

use std::time::{Duration, Instant};

use super::budget::Weight;
use super::growth::Grown;
use crate::TreeId;
use crate::pace::{Look, Pace};

/// No tree rests for longer.
const LATEST: Duration = Duration::from_secs(15);
/// How much sooner some trees are looked at than others.
const SPREAD: Duration = Duration::from_secs(3);
/// No tree is looked at sooner again.
pub(super) const SOONEST: Duration = Duration::from_millis(20);
/// A tree beyond its limit is looked at so often, if that is cheap, to see whether it recovers.
const RECOVERING: Duration = Duration::from_millis(200);
/// A look that is expected to take this long is a long one.
const LONG: Duration = Duration::from_millis(200);

/// What tells, without a look, that a tree cannot have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::watch) enum Hint {
    /// Nothing does.
    Nothing,
    /// Its file system has not grown; see [`Schedule::read`](super::Schedule::read).
    FileSystem,
    /// Nobody has said that it was touched; see [`Schedule::touched`](super::Schedule::touched).
    Touches,
}

/// The limits that a tree may come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::watch) struct Bounds {
    pub(in crate::watch) soft: Option<u64>,
    pub(in crate::watch) hard: Option<u64>,
    pub(in crate::watch) inodes: Option<u64>,
}

impl Bounds {
    pub(super) fn none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn over(&self, found: &Found) -> bool {
        self.hard.is_some_and(|limit| found.bytes > limit)
            || self.inodes.is_some_and(|limit| found.inodes > limit)
    }

    /// The next limit in bytes that it may come to.
    pub(super) fn next(&self, bytes: u64) -> Option<u64> {
        [self.soft, self.hard]
            .into_iter()
            .flatten()
            .filter(|limit| *limit >= bytes)
            .min()
    }
}

/// What a look found.
#[derive(Clone, Copy, Debug)]
pub(in crate::watch) struct Found {
    /// When it began.
    pub(in crate::watch) taken: Instant,
    /// How long it took.
    pub(in crate::watch) took: Duration,
    /// Processor time.
    pub(in crate::watch) cost: Duration,
    pub(in crate::watch) bytes: u64,
    pub(in crate::watch) inodes: u64,
    /// Whether it looked at everything. What is told of changes misses some: those of a mapping, and of a write that
    /// has not returned.
    pub(in crate::watch) sure: bool,
}

/// A look that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::watch) struct Turn {
    pub(in crate::watch) tree: TreeId,
    /// It could have come to a limit.
    pub(in crate::watch) urgent: bool,
    /// And that since the last look that was [`sure`](Found::sure), so that this one has to be.
    pub(in crate::watch) doubted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Resting,
    Waiting,
    Ready,
    Looking { hanging: bool, long: bool },
}

/// A look before the latest time for one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sooner {
    pub(super) at: Instant,
    pub(super) weight: Weight,
    /// It is not worth the while if nothing has changed by then.
    pub(super) if_changed: bool,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) dev: u64,
    pub(super) hint: Hint,
    pub(super) bounds: Bounds,
    pub(super) state: State,
    pub(super) removed: bool,
    /// For what sake the look was asked for.
    pub(super) asked: Weight,
    /// Somebody asked for a look while one was under way.
    pub(super) again: Option<Weight>,
    pub(super) touched: bool,
    pub(super) pace: Pace,
    pub(super) last: Option<Found>,
    /// What its file system had grown by before the last look.
    pub(super) seen: Option<Grown>,
    /// The same before the last sure look, and what that found.
    sure: Option<(u64, u64)>,
    /// What its file system will have grown by when a look that is not sure is not enough any more.
    pub(super) doubt: Option<u64>,
    /// Where it is in its file system's order of growth.
    pub(super) keys: (Option<u64>, Option<u64>),
    /// Its place in the order of time, and what is to be then: a look at the latest, and maybe one before.
    pub(super) wake: Instant,
    pub(super) latest: Instant,
    pub(super) sooner: Option<Sooner>,
    pub(super) not_before: Instant,
    /// What the budget has paid for the look under way, and what earlier ones cost beyond that.
    pub(super) paid: Duration,
    pub(super) debt: Duration,
}

impl Item {
    pub(super) fn new(now: Instant, dev: u64, hint: Hint, bounds: Bounds) -> Self {
        Self {
            dev,
            hint,
            bounds,
            state: State::Resting,
            removed: false,
            asked: Weight::Routine,
            again: None,
            touched: true,
            pace: Pace::new(None),
            last: None,
            seen: None,
            sure: None,
            doubt: None,
            keys: (None, None),
            wake: now,
            latest: now,
            sooner: None,
            not_before: now,
            paid: Duration::ZERO,
            debt: Duration::ZERO,
        }
    }

    pub(super) fn long(&self) -> bool {
        self.last.is_some_and(|last| last.took >= LONG)
    }

    /// Whether the look that begins now has to be a sure one.
    pub(super) fn is_doubted(&self) -> bool {
        let grown = self.seen.map(|seen| seen.bytes);
        self.doubt
            .zip(grown)
            .is_some_and(|(doubt, grown)| grown >= doubt)
    }

    /// Takes note of a look, and decides how long to rest.
    pub(super) fn note(&mut self, now: Instant, found: Found, tells: bool, id: TreeId) {
        self.last = Some(found);
        let limit = self.bounds.next(found.bytes);
        self.pace.set_limit(limit);
        if found.sure || self.sure.is_none() {
            self.sure = self.seen.map(|seen| (seen.bytes, found.bytes));
        }
        self.doubt = self
            .sure
            .zip(limit)
            .map(|((grown, held), limit)| grown + limit.saturating_sub(held));
        let paced = self.pace.observe(Look {
            at: found.taken + found.took,
            cost: found.cost,
            bytes: found.bytes,
        });
        // A slow disk is not to be kept busy either.
        self.not_before = now + SOONEST.max(found.cost * 10).max(found.took);
        self.latest = found.taken + LATEST - SPREAD.mul_f64(id.spread());
        let sooner = |at, weight| Sooner {
            at,
            weight,
            if_changed: false,
        };
        let polled = self.hint == Hint::Nothing
            || (self.hint == Hint::FileSystem && (!tells || self.seen.is_none()));
        self.sooner = if self.bounds.over(&found) {
            let wait = (found.cost * 100).clamp(RECOVERING, LATEST);
            Some(sooner(now + wait, Weight::Routine))
        } else if self.bounds.none() {
            None
        } else if polled || (self.hint == Hint::Touches && self.touched) {
            Some(sooner(paced, self.pressing()))
        } else if self.hint == Hint::FileSystem {
            self.pace.by_growth_seen().map(|then| Sooner {
                if_changed: true,
                ..sooner(then.max(self.not_before), Weight::Urgent)
            })
        } else {
            None
        };
    }

    /// Whether its pace is for the sake of its limit, or just because it is cheap.
    pub(super) fn pressing(&self) -> Weight {
        if self.pace.is_pressed() {
            Weight::Urgent
        } else {
            Weight::Routine
        }
    }
}
