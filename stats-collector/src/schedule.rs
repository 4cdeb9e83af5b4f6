//! When there is a turn.
//!
//! ```text
//!   steps of the clock   |----------|----------|----------|----------|
//!   turns                   ^          ^          ^          ^          each the host's own phase into its step
//!   a turn that overruns    [==============]      ^                     the one that was missed is counted, not made up for
//! ```
//!
//! Agents of a cluster differ in their phase, so that their collectors do not reach carbon all at once. The wall clock
//! says which step it is, the monotonic one how long something took: when the first is set anew, by however much, the
//! next turn comes within one interval, and no step has two turns.

use std::time::{Duration, Instant, SystemTime};

/// A clock that was set differs by so much at least from one that went on by itself.
const STEP: f64 = 1.0;

/// What time it is, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since the epoch.
    pub(crate) wall: Duration,
    /// Since any fixed moment.
    pub(crate) monotonic: Duration,
}

impl Moment {
    /// Now.
    pub(crate) fn now(since: Instant) -> Self {
        Self {
            // A clock before 1970 is as good as one that stands still there.
            wall: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
            monotonic: since.elapsed(),
        }
    }
}

/// What precedes a turn that is to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Due {
    /// How many turns were left out since the last one began.
    pub(crate) skipped: u64,
    /// By how many seconds the wall clock was set since then: forward, or back where it is negative.
    pub(crate) clock_step: Option<f64>,
}

/// Says when to begin; ask it [`Schedule::wait`], sleep that long, and ask whether to [`Schedule::begin`].
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    phase: Duration,
    /// When the last turn began.
    begun: Option<Moment>,
    /// The last step that needs no turn any more.
    settled: Option<u128>,
}

impl Schedule {
    /// A turn each interval, this far into it. The first one comes at once.
    ///
    /// # Panics
    /// If the interval is zero.
    pub(crate) fn new(interval: Duration, phase: Duration) -> Self {
        assert!(!interval.is_zero(), "an interval of no time");
        Self {
            interval,
            phase,
            begun: None,
            settled: None,
        }
    }

    /// How long to sleep.
    pub(crate) fn wait(&self, now: Moment) -> Duration {
        if self.settled == Some(self.step(now)) {
            graphite::until_next(now.wall, self.interval, self.phase)
        } else {
            Duration::ZERO
        }
    }

    /// Whether a turn is to begin now. It is not, if the clock was set back meanwhile or the sleep ended early.
    pub(crate) fn begin(&mut self, now: Moment) -> Option<Due> {
        let step = self.step(now);
        if self.settled == Some(step) {
            return None;
        }
        self.settled = Some(step);
        let due = self
            .begun
            .map_or_else(Due::default, |begun| self.since(begun, now));
        self.begun = Some(now);
        Some(due)
    }

    /// A turn has ended: those that should have begun meanwhile never will.
    pub(crate) fn end(&mut self, now: Moment) {
        self.settled = Some(self.step(now));
    }

    /// Steps begin where turns do.
    fn step(&self, now: Moment) -> u128 {
        now.wall.saturating_sub(self.phase).as_nanos() / self.interval.as_nanos()
    }

    fn since(&self, begun: Moment, now: Moment) -> Due {
        let passed = now.monotonic.saturating_sub(begun.monotonic).as_secs_f64();
        let shown = now.wall.as_secs_f64() - begun.wall.as_secs_f64();
        let clock_step = Some(shown - passed).filter(|step| step.abs() >= STEP);
        let intervals = passed / self.interval.as_secs_f64();
        let missed = match clock_step {
            // A clock that was set makes one wait longer by up to an interval, in which no turn was missed.
            Some(_) => intervals.ceil() - 2.0,
            None => intervals.round() - 1.0,
        };
        Due {
            // What is negative becomes zero, and no machine is up for longer than an integer holds.
            skipped: missed as u64,
            clock_step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that does nothing else, and the clocks that it goes by, which are moved by hand.
    struct World {
        schedule: Schedule,
        now: Moment,
        /// Of each turn: when by the wall clock in milliseconds, and what preceded it.
        turns: Vec<(u128, Due)>,
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Turns every 10 s, 3 s into each; it is a round time and 3 s.
    fn world() -> World {
        let mut world = World {
            schedule: Schedule::new(millis(10_000), millis(3_000)),
            now: Moment {
                wall: millis(1_000_003_000),
                monotonic: millis(77),
            },
            turns: Vec::new(),
        };
        world.wake(0);
        world
    }

    impl World {
        fn pass(&mut self, by: Duration) {
            self.now.wall += by;
            self.now.monotonic += by;
        }

        /// Wakes up, and takes a turn of so many milliseconds if there is to be one.
        fn wake(&mut self, takes: u64) {
            if let Some(due) = self.schedule.begin(self.now) {
                self.turns.push((self.now.wall.as_millis(), due));
                self.pass(millis(takes));
                self.schedule.end(self.now);
            }
        }

        /// Sleeps as long as it should, then wakes up.
        fn go_on(&mut self, takes: u64) {
            let wait = self.schedule.wait(self.now);
            assert!(wait <= millis(10_000), "{wait:?}");
            self.pass(wait);
            self.wake(takes);
        }

        fn times(&self) -> Vec<u128> {
            self.turns
                .iter()
                .map(|(at, _)| at - 1_000_000_000)
                .collect()
        }

        fn last(&self) -> Due {
            self.turns.last().unwrap().1
        }
    }

    #[test]
    fn the_first_turn_comes_at_once_and_the_others_at_their_phase() {
        let mut world = World {
            schedule: Schedule::new(millis(10_000), millis(3_000)),
            now: Moment {
                wall: millis(1_000_007_500),
                monotonic: millis(0),
            },
            turns: Vec::new(),
        };
        for _ in 0..4 {
            world.go_on(20);
        }
        assert_eq!(world.times(), [7_500, 13_000, 23_000, 33_000]);
        assert!(world.turns.iter().all(|(_, due)| *due == Due::default()));
    }

    #[test]
    fn a_turn_that_overruns_costs_those_that_it_ran_into_and_none_is_made_up_for() {
        let mut world = world();
        world.go_on(25_000);
        world.go_on(20);
        assert_eq!(world.times(), [3_000, 13_000, 43_000]);
        assert_eq!(world.last().skipped, 2);
        world.go_on(20);
        assert_eq!(world.times().last(), Some(&53_000));
        assert_eq!(world.last(), Due::default());
    }

    #[test]
    fn a_turn_of_almost_an_interval_costs_none() {
        let mut world = world();
        world.go_on(9_900);
        world.go_on(9_900);
        world.go_on(20);
        assert_eq!(world.times(), [3_000, 13_000, 23_000, 33_000]);
        assert_eq!(world.last().skipped, 0);
    }

    #[test]
    fn a_sleep_that_ends_early_or_late_makes_no_turn_too_many() {
        let mut world = world();
        world.pass(millis(9_990));
        world.wake(20);
        assert_eq!(world.times(), [3_000]);
        world.go_on(20);
        world.pass(millis(9_980 + 400));
        world.wake(20);
        world.go_on(20);
        assert_eq!(world.times(), [3_000, 13_000, 23_400, 33_000]);
        assert!(world.turns.iter().all(|(_, due)| *due == Due::default()));
    }

    #[test]
    fn a_machine_that_stood_still_counts_what_it_missed() {
        let mut world = world();
        world.pass(millis(35_000));
        world.wake(20);
        assert_eq!(world.last().skipped, 3);
    }

    #[test]
    fn a_clock_that_is_set_forward_is_told_and_counts_as_no_turn_missed() {
        let mut world = world();
        let wait = world.schedule.wait(world.now);
        world.now.wall += millis(3_600_000);
        world.pass(wait);
        world.wake(20);
        assert_eq!(world.times(), [3_000, 3_613_000]);
        let due = world.last();
        assert_eq!((due.skipped, due.clock_step), (0, Some(3600.0)));
        world.go_on(20);
        assert_eq!(world.times().last(), Some(&3_623_000));
        assert_eq!(world.last(), Due::default());
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_within_an_interval() {
        for back in [4_000, 10_000, 100_000, 3_600_000] {
            let mut world = world();
            let wait = world.schedule.wait(world.now);
            world.now.wall -= millis(back);
            world.pass(wait);
            world.wake(20);
            // What it woke up for may have had its turn already; then it is the next.
            while world.turns.len() < 2 {
                world.go_on(20);
            }
            let due = world.last();
            assert_eq!(due.skipped, 0, "{back}");
            let step = due.clock_step.unwrap();
            assert!(
                (step + back as f64 / 1000.0).abs() < 0.001,
                "{back}: {step}"
            );
            assert!(world.now.monotonic <= millis(20_200), "{back}");
            world.go_on(20);
            assert_eq!(world.last(), Due::default(), "{back}");
            assert_eq!(world.turns.last().unwrap().0 % 10_000, 3_000, "{back}");
        }
    }

    #[test]
    fn a_clock_that_is_set_in_the_middle_of_a_turn_makes_it_neither_late_nor_early() {
        for (step, sign) in [(3_600_000, 1.0), (3_600_000, -1.0)] {
            let mut world = world();
            world.pass(millis(10_000));
            assert_eq!(world.schedule.begin(world.now), Some(Due::default()));
            if sign > 0.0 {
                world.now.wall += millis(step);
            } else {
                world.now.wall -= millis(step);
            }
            world.pass(millis(20));
            world.schedule.end(world.now);
            world.go_on(20);
            let due = world.last();
            assert_eq!((due.skipped, due.clock_step), (0, Some(3600.0 * sign)));
        }
    }

    #[test]
    fn a_clock_before_its_time_is_as_good_as_any() {
        let mut schedule = Schedule::new(millis(10_000), millis(3_000));
        let now = Moment {
            wall: Duration::ZERO,
            monotonic: millis(5),
        };
        assert!(schedule.begin(now).is_some());
        schedule.end(now);
        assert_eq!(schedule.begin(now), None);
        assert_eq!(schedule.wait(now), millis(3_000));
    }
}
