//! Processor time, shared out among the trees that wait to be looked at.
//!
//! Each pays for its own looks, before them: what the last one cost, and what that one had cost more than was paid. The
//! budget of a moment goes to all that wait, by weight, and what nobody needs is saved for a while. So a tree of
//! millions of files is looked at seldom, and those beside it do not wait for it. (This is weighted fair queueing: a
//! clock that runs at the rate of the budget divided by the weights of those who wait, and for each the time on that
//! clock at which it has paid.)

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::TreeId;

/// What the budget gives in this time can be saved.
const SAVED_AT_MOST: Duration = Duration::from_secs(10);

/// A time on the clock of those who wait: processor seconds for each unit of weight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tag(f64);

impl Eq for Tag {}

impl Ord for Tag {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Tag {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How much of what is shared out a tree gets, beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It is looked at since its turn has come.
    Routine,
    /// It could have come to a limit.
    Urgent,
}

impl Weight {
    fn value(self) -> f64 {
        match self {
            Self::Routine => 1.0,
            Self::Urgent => 8.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    tag: Tag,
    weight: Weight,
}

#[derive(Debug)]
pub(super) struct Budget {
    /// In processors.
    rate: f64,
    /// In processor seconds.
    saved: f64,
    /// The clock of those who wait, and when it was read.
    clock: f64,
    at: Instant,
    weights: f64,
    order: BTreeSet<(Tag, TreeId)>,
    waiting: HashMap<TreeId, Waiting>,
    /// Those who have paid since it was asked.
    paid: Vec<TreeId>,
}

impl Budget {
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        Self {
            rate,
            saved: rate * SAVED_AT_MOST.as_secs_f64(),
            clock: 0.0,
            at: now,
            weights: 0.0,
            order: BTreeSet::new(),
            waiting: HashMap::new(),
            paid: Vec::new(),
        }
    }

    /// Has a tree wait until `need` is paid for it. One that waits already waits no longer for that.
    ///
    /// Returns whether it was paid at once, from what is saved: which no tree takes more than half of.
    pub(super) fn wait(
        &mut self,
        now: Instant,
        id: TreeId,
        need: Duration,
        weight: Weight,
    ) -> bool {
        self.advance(now);
        if let Some(before) = self.waiting.get(&id).copied() {
            if before.weight < weight {
                let left = (before.tag.0 - self.clock) * before.weight.value();
                self.leave(id);
                self.join(id, left, weight);
            }
            return false;
        }
        let need = need.as_secs_f64();
        if need <= self.saved / 2.0 {
            self.saved -= need;
            return true;
        }
        self.join(id, need, weight);
        false
    }

    fn join(&mut self, id: TreeId, need: f64, weight: Weight) {
        let tag = Tag(self.clock + need / weight.value());
        self.weights += weight.value();
        self.order.insert((tag, id));
        self.waiting.insert(id, Waiting { tag, weight });
    }

    /// Has it wait no longer. What it has paid so far is lost.
    pub(super) fn leave(&mut self, id: TreeId) {
        self.paid.retain(|paid| *paid != id);
        if let Some(gone) = self.waiting.remove(&id) {
            self.order.remove(&(gone.tag, id));
            self.weights -= gone.weight.value();
            if self.waiting.is_empty() {
                self.weights = 0.0;
            }
        }
    }

    /// Gives back what a look did not cost.
    pub(super) fn refund(&mut self, unspent: Duration) {
        self.saved = (self.saved + unspent.as_secs_f64()).min(self.most());
    }

    /// Those who have paid by now.
    pub(super) fn paid(&mut self, now: Instant) -> Vec<TreeId> {
        self.advance(now);
        std::mem::take(&mut self.paid)
    }

    /// The time up to which everything is settled.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// When the next will have paid.
    pub(super) fn next(&self) -> Option<Instant> {
        if !self.paid.is_empty() {
            return Some(self.at);
        }
        let (tag, _) = self.order.first()?;
        Some(self.at + seconds((tag.0 - self.clock) * self.weights / self.rate))
    }

    fn most(&self) -> f64 {
        self.rate * SAVED_AT_MOST.as_secs_f64()
    }

    fn advance(&mut self, now: Instant) {
        let mut left = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.at = self.at.max(now);
        while let Some((tag, id)) = self.order.first().copied() {
            let to_first = (tag.0 - self.clock) * self.weights;
            // A clock of nanoseconds cannot wake anybody more exactly than this.
            if to_first > left + 1e-9 * self.rate {
                self.clock += left / self.weights;
                return;
            }
            left = (left - to_first).max(0.0);
            self.clock = tag.0;
            self.leave(id);
            self.paid.push(id);
        }
        self.saved = (self.saved + left).min(self.most());
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget of a tenth of a processor that has nothing saved.
    fn poor(now: Instant) -> Budget {
        Budget {
            saved: 0.0,
            ..Budget::new(0.1, now)
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_saved_pays_at_once() {
        let now = Instant::now();
        let mut budget = Budget::new(0.1, now);
        assert!(budget.wait(now, TreeId::unused(), 500 * MS, Weight::Routine));
        assert!(
            !budget.wait(now, TreeId::unused(), 500 * MS, Weight::Routine),
            "half of what is left is less"
        );
    }

    #[test]
    fn one_that_waits_alone_has_all_of_the_budget() {
        let now = Instant::now();
        let mut budget = poor(now);
        let id = TreeId::unused();
        assert!(!budget.wait(now, id, 10 * MS, Weight::Routine));
        assert_eq!(budget.next(), Some(now + 100 * MS));
        assert_eq!(budget.paid(now + 99 * MS), []);
        assert_eq!(budget.paid(now + 100 * MS), [id]);
        assert_eq!(budget.next(), None);
    }

    #[test]
    fn a_dear_tree_does_not_hold_up_a_cheap_one() {
        let now = Instant::now();
        let mut budget = poor(now);
        let (dear, cheap) = (TreeId::unused(), TreeId::unused());
        budget.wait(now, dear, 10_000 * MS, Weight::Urgent);
        budget.wait(now, cheap, MS, Weight::Routine);
        assert_eq!(
            budget.next(),
            Some(now + 90 * MS),
            "a ninth of a tenth of a processor"
        );
        assert_eq!(budget.paid(now + 90 * MS), [cheap]);
    }

    #[test]
    fn one_that_becomes_urgent_keeps_what_it_has_paid() {
        let now = Instant::now();
        let mut budget = poor(now);
        let (first, second) = (TreeId::unused(), TreeId::unused());
        budget.wait(now, first, 10 * MS, Weight::Routine);
        budget.wait(now, second, 10 * MS, Weight::Routine);
        // Each has paid half.
        budget.wait(now + 100 * MS, second, 10 * MS, Weight::Urgent);
        let next = budget.next().unwrap() - now;
        assert_eq!(next.as_micros(), 156_250, "5 ms at eight ninths");
        assert_eq!(budget.paid(now + next), [second]);
    }

    #[test]
    fn one_that_left_is_not_paid_for() {
        let now = Instant::now();
        let mut budget = poor(now);
        let (gone, here) = (TreeId::unused(), TreeId::unused());
        budget.wait(now, gone, MS, Weight::Routine);
        budget.wait(now, here, MS, Weight::Routine);
        budget.leave(gone);
        assert_eq!(budget.paid(now + 10 * MS), [here]);
    }
}
