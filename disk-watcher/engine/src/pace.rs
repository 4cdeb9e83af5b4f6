//! When to measure next.
//!
//! A tree near its limit that can grow fast is looked at often, one far from it or at rest seldom. Three bounds
//! decide, the soonest wins:
//!
//! * the **ceiling**: so seldom that looking costs 1 % of a processor, but not more often than every 200 ms and
//!   not less often than every 15 s, however much it costs;
//! * the **fastest growth seen**, which must not carry the tree past its limit between two looks; at most 10 % of a
//!   processor are spent on that. It is believed less as it ages, half each minute, so that a tree which was filled
//!   quickly and then rests near its limit becomes cheap;
//! * a **growth never seen**, at the speed of memory, since a page cache takes writes so fast; at most 1 % of a
//!   processor is spent on that.
//!
//! No look follows another sooner than 20 ms.

use std::time::{Duration, Instant};

/// No look sooner than this after the last.
const SOONEST: Duration = Duration::from_millis(20);
/// A cheap tree is looked at as often as this, whatever its growth.
const RELAXED: Duration = Duration::from_millis(200);
/// No tree is looked at less often.
const LATEST: Duration = Duration::from_secs(15);
/// A wait of so many times the cost of a look spends 10 % of a processor.
const TENTH: u32 = 10;
/// A wait of so many times the cost of a look spends 1 % of a processor.
const HUNDREDTH: u32 = 100;
/// Growth in bytes per second that any tree is taken to be capable of.
const UNSEEN_GROWTH: f64 = (1u64 << 30) as f64;
/// The age at which a growth once seen is believed by half.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// One look at a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// When the look ended.
    pub(crate) at: Instant,
    /// How long it took.
    pub(crate) cost: Duration,
    /// The usage found.
    pub(crate) bytes: u64,
}

/// The pace of one tree. Has no clock of its own: every time is an argument.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    limit: Option<u64>,
    last: Option<Look>,
    /// In bytes per second, as believed at the time of `last`.
    growth: f64,
}

impl Pace {
    /// A pace for a tree with this limit in bytes, if it has one, that has not been looked at yet.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            last: None,
            growth: 0.0,
        }
    }

    /// Changes the limit; ask [`next`](Self::next) again afterwards.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Takes note of a look, and tells when the next is due.
    ///
    /// A look that is not later than the one before only replaces it, since no growth can be told from the two.
    pub(crate) fn observe(&mut self, look: Look) -> Instant {
        if let Some(last) = self.last {
            let between = look.at.saturating_duration_since(last.at).as_secs_f64();
            if between > 0.0 {
                let seen = look.bytes.saturating_sub(last.bytes) as f64 / between;
                let believed = self.growth * 0.5f64.powf(between / HALF_LIFE.as_secs_f64());
                self.growth = seen.max(believed);
            }
        }
        self.last = Some(look);
        look.at + self.wait(&look)
    }

    /// When the next look is due; `None`: at once, since there was none yet.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.last.map(|last| last.at + self.wait(&last))
    }

    /// The fastest growth seen, in bytes per second, as it is believed by now.
    pub(crate) fn growth(&self) -> f64 {
        self.growth
    }

    /// When the limit could be reached at that growth; `None` while it did not grow, or has no limit.
    pub(crate) fn by_growth_seen(&self) -> Option<Instant> {
        let (last, limit) = (self.last?, self.limit?);
        let full = time_to_grow(limit.saturating_sub(last.bytes), self.growth);
        last.at.checked_add(full.saturating_sub(last.cost))
    }

    /// Whether the next look is due before the ceiling, for the limit's sake.
    pub(crate) fn is_pressed(&self) -> bool {
        self.last
            .is_some_and(|last| self.wait(&last) < ceiling(last.cost))
    }

    fn wait(&self, last: &Look) -> Duration {
        let cheap = last.cost.saturating_mul(HUNDREDTH);
        let ceiling = ceiling(last.cost);
        let Some(limit) = self.limit else {
            return ceiling;
        };
        let left = limit.saturating_sub(last.bytes);
        // A look tells what was true when it began: it has to end before the limit can be reached.
        let until_full = |growth: f64| time_to_grow(left, growth).saturating_sub(last.cost);
        let by_seen = until_full(self.growth).max(last.cost.saturating_mul(TENTH));
        let by_unseen = until_full(UNSEEN_GROWTH).max(cheap);
        by_seen.min(by_unseen).max(SOONEST).min(ceiling)
    }
}

/// The longest wait after a look that cost so much.
fn ceiling(cost: Duration) -> Duration {
    cost.saturating_mul(HUNDREDTH).clamp(RELAXED, LATEST)
}

/// How long `bytes` last at `growth` bytes per second.
fn time_to_grow(bytes: u64, growth: f64) -> Duration {
    Duration::try_from_secs_f64(bytes as f64 / growth).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn wait(pace: &mut Pace, look: Look) -> Duration {
        pace.observe(look) - look.at
    }

    fn look_at(start: Instant, at: Duration, bytes: u64, cost: Duration) -> Look {
        Look {
            at: start + at,
            bytes,
            cost,
        }
    }

    #[test]
    fn the_first_look_is_due_at_once() {
        assert_eq!(Pace::new(Some(MIB)).next(), None);
    }

    #[test]
    fn a_small_idle_tree_far_from_its_limit_is_looked_at_every_200_ms() {
        let mut pace = Pace::new(Some(10_000 * MIB));
        let look = look_at(
            Instant::now(),
            Duration::ZERO,
            MIB,
            Duration::from_micros(100),
        );
        assert_eq!(wait(&mut pace, look), Duration::from_millis(200));
    }

    #[test]
    fn a_tree_without_a_limit_is_looked_at_for_one_percent_of_a_processor() {
        let look = look_at(
            Instant::now(),
            Duration::ZERO,
            MIB,
            Duration::from_millis(62),
        );
        assert_eq!(
            wait(&mut Pace::new(None), look),
            Duration::from_millis(6_200)
        );
    }

    #[test]
    fn a_fast_writer_near_the_limit_is_looked_at_every_20_ms() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(100 * MIB));
        let cost = Duration::from_micros(100);
        pace.observe(look_at(start, Duration::ZERO, 0, cost));
        let look = look_at(start, Duration::from_millis(200), 98 * MIB, cost);
        assert_eq!(wait(&mut pace, look), Duration::from_millis(20));
    }

    #[test]
    fn a_tree_that_rests_near_its_limit_becomes_cheap() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(100 * MIB));
        let cost = Duration::from_millis(5);
        pace.observe(look_at(start, Duration::ZERO, 0, cost));
        let filled = look_at(start, Duration::from_secs(1), 99 * MIB, cost);
        assert_eq!(
            wait(&mut pace, filled),
            Duration::from_millis(50),
            "10 % of a processor at first"
        );
        let rested = look_at(start, Duration::from_secs(3_600), 99 * MIB, cost);
        assert_eq!(
            wait(&mut pace, rested),
            Duration::from_millis(500),
            "1 % an hour later"
        );
    }

    #[test]
    fn a_changed_limit_changes_the_next_look() {
        let mut pace = Pace::new(Some(10_000 * MIB));
        let look = look_at(
            Instant::now(),
            Duration::ZERO,
            50 * MIB,
            Duration::from_micros(50),
        );
        pace.observe(look);
        pace.set_limit(Some(51 * MIB));
        assert_eq!(pace.next(), Some(look.at + Duration::from_millis(20)));
    }

    #[test]
    fn two_samples_of_the_same_instant_say_nothing_of_growth() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(100_000 * MIB));
        pace.observe(look_at(start, Duration::ZERO, 0, Duration::ZERO));
        let look = look_at(start, Duration::ZERO, 90_000 * MIB, Duration::ZERO);
        assert_eq!(wait(&mut pace, look), Duration::from_millis(200));
    }

    proptest! {
        #[test]
        fn the_wait_keeps_its_bounds_whatever_is_seen(
            looks in prop::collection::vec((0u64..100_000, any::<u64>(), 0u64..60_000_000), 1..50),
            limit in prop::option::of(any::<u64>()),
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(limit);
            let mut at = Duration::ZERO;
            for (later_ms, bytes, cost_us) in looks {
                at += Duration::from_millis(later_ms);
                let cost = Duration::from_micros(cost_us);
                let look = look_at(start, at, bytes, cost);
                let wait = wait(&mut pace, look);
                prop_assert!(wait >= SOONEST && wait <= LATEST);
                prop_assert!(wait >= (cost * TENTH).min(LATEST), "at most 10 % of a processor");
                prop_assert!(wait <= (cost * HUNDREDTH).max(RELAXED));
                prop_assert_eq!(pace.next(), Some(look.at + wait));
            }
        }

        #[test]
        fn an_idle_tree_never_costs_more_than_one_percent(
            bytes in any::<u64>(), limit in any::<u64>(), cost_us in 0u64..150_000, looks in 1usize..20,
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(Some(limit));
            let cost = Duration::from_micros(cost_us);
            let mut at = Duration::ZERO;
            for _ in 0..looks {
                let wait = wait(&mut pace, look_at(start, at, bytes, cost));
                prop_assert!(wait >= cost * HUNDREDTH);
                at += wait + cost;
            }
        }

        #[test]
        fn a_steady_writer_is_caught_before_it_is_far_past_its_limit(
            speed_mib in 1u64..1_000, limit_mib in 1u64..100_000, cost_us in 10u64..100_000,
        ) {
            let start = Instant::now();
            let speed = (speed_mib * MIB) as f64;
            let mut pace = Pace::new(Some(limit_mib * MIB));
            let cost = Duration::from_micros(cost_us);
            let mut at = cost;
            let (mut bytes, mut looks) = (0, 0);
            while bytes <= limit_mib * MIB {
                // What a look finds is what was there when it began.
                bytes = ((at - cost).as_secs_f64() * speed) as u64;
                looks += 1;
                at = pace.observe(look_at(start, at, bytes, cost)) - start + cost;
            }
            // The first look knows no speed; every later one keeps within the soonest that its cost allows.
            let unaware = (cost * HUNDREDTH).max(RELAXED).min(LATEST);
            let aware = (cost * TENTH).max(SOONEST) + cost * 2;
            let allowed = if looks > 2 { aware } else { unaware + cost * 2 };
            let past = (bytes - limit_mib * MIB) as f64 / speed;
            prop_assert!(past <= allowed.as_secs_f64() * 1.01 + 0.001, "{past} s past after {looks} looks");
        }
    }
}
