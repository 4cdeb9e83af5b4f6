//! The way a task is made to end: what comes before SIGTERM, and how long each of it may take.
//!
//! ```text
//!   kill                                                            SIGTERM          SIGKILL
//!    |-- before_stop --|-- deregister --|-- drain --| signal of choice |---------------|
//!    |<------------------- front -------------------->                                 |
//!    |<------------------------------------ the kill's grace ------------------------->|
//! ```
//!
//! SIGKILL comes when the grace is over, in any case. The signals keep their time at the end of it, or half of the grace
//! when that is less; what does not fit is taken from what comes first: hooks are cut off or not begun, draining is shorter.

use std::time::Duration;

use dialect::{Life, Stop, StopSignal};

use crate::hook::Moment;
use crate::time::Instant;

/// What SIGTERM gets of a grace that is long enough.
const TERM_SHARE: Duration = Duration::from_secs(2);

/// A hook for which less time is left is not begun.
pub(super) const SHORTEST_HOOK: Duration = Duration::from_millis(200);

/// One step of the way to SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Hook(Moment),
    Drain,
    Signal(StopSignal),
}

/// When the front is over, and when everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    front: Instant,
    pub(super) kill: Instant,
}

impl Times {
    pub(super) fn of(stop: &Stop, grace: Duration, now: Instant) -> Self {
        let signals = match stop.signal {
            Some(_) => TERM_SHARE.saturating_add(stop.signal_wait),
            None => TERM_SHARE,
        };
        Self {
            front: now.plus(grace - signals.min(grace / 2)),
            kill: now.plus(grace),
        }
    }

    /// Both, or what a later kill makes of them: it can only shorten.
    pub(super) fn or_sooner(self, other: Self) -> Self {
        Self {
            front: self.front.min(other.front),
            kill: self.kill.min(other.kill),
        }
    }

    /// When `step` is over that begins now; none when there is no time for it.
    pub(super) fn until(&self, step: Step, life: &Life, now: Instant) -> Option<Instant> {
        let until = match step {
            Step::Hook(moment) => {
                let wanted = moment.hook_of(life)?.timeout;
                let until = now.plus(wanted).min(self.front);
                return (until.since(now) >= SHORTEST_HOOK.min(wanted)).then_some(until);
            }
            Step::Drain => now.plus(life.stop.drain).min(self.front),
            Step::Signal(_) => self.terminate(life, now),
        };
        (until > now).then_some(until)
    }

    /// When `step`, which had until then, is over now that the times are these.
    pub(super) fn cut(&self, step: Step, until: Instant, life: &Life, now: Instant) -> Instant {
        match step {
            Step::Hook(_) | Step::Drain => until.min(self.front),
            Step::Signal(_) => until.min(self.terminate(life, now)),
        }
    }

    /// When SIGTERM comes after a signal of choice that is sent now.
    fn terminate(&self, life: &Life, now: Instant) -> Instant {
        let left = self.kill.since(now);
        now.plus(life.stop.signal_wait.min(left - TERM_SHARE.min(left / 2)))
    }
}

/// All steps that a task asks for, in their order.
pub(super) fn steps(life: &Life) -> Vec<Step> {
    let hooks = [Moment::BeforeStop, Moment::Deregister].into_iter();
    let hooks = hooks.filter(|moment| moment.hook_of(life).is_some());
    let drain = (!life.stop.drain.is_zero()).then_some(Step::Drain);
    let signal = life.stop.signal.map(Step::Signal);
    hooks.map(Step::Hook).chain(drain).chain(signal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialect::{Hook, Program};

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn at(time: f64) -> Instant {
        Instant(seconds(time))
    }

    fn hook(timeout: f64) -> Hook {
        Hook {
            program: Program::Shell("true".into()),
            environment: Vec::new(),
            timeout: seconds(timeout),
            must_succeed: false,
        }
    }

    fn life() -> Life {
        let mut life = Life::default();
        life.hooks.before_stop = Some(hook(10.0));
        life.stop.deregister = Some(hook(0.1));
        life.stop.drain = seconds(5.0);
        life.stop.signal = Some(StopSignal::Quit);
        life.stop.signal_wait = seconds(3.0);
        life
    }

    const HOOK: Step = Step::Hook(Moment::BeforeStop);

    #[test]
    fn the_steps_are_those_that_are_asked_for_in_their_order() {
        assert_eq!(steps(&Life::default()), []);
        let expected = [
            HOOK,
            Step::Hook(Moment::Deregister),
            Step::Drain,
            Step::Signal(StopSignal::Quit),
        ];
        assert_eq!(steps(&life()), expected);
    }

    #[test]
    fn a_grace_that_is_long_enough_gives_every_step_what_it_asks_for() {
        let life = life();
        let times = Times::of(&life.stop, seconds(60.0), at(0.0));
        assert_eq!(times.until(HOOK, &life, at(0.0)), Some(at(10.0)));
        assert_eq!(times.until(Step::Drain, &life, at(10.0)), Some(at(15.0)));
        let signal = Step::Signal(StopSignal::Quit);
        assert_eq!(times.until(signal, &life, at(15.0)), Some(at(18.0)));
        assert_eq!(times.kill, at(60.0));
    }

    #[test]
    fn what_does_not_fit_is_cut_from_the_front() {
        let life = life();
        // Five seconds are the signals', seven are left.
        let times = Times::of(&life.stop, seconds(12.0), at(0.0));
        assert_eq!(times.until(HOOK, &life, at(0.0)), Some(at(7.0)));
        assert_eq!(times.until(Step::Drain, &life, at(7.0)), None);
        let signal = Step::Signal(StopSignal::Quit);
        assert_eq!(times.until(signal, &life, at(7.0)), Some(at(10.0)));
    }

    #[test]
    fn of_a_short_grace_half_is_the_signals() {
        let life = life();
        let times = Times::of(&life.stop, seconds(1.0), at(0.0));
        assert_eq!(times.until(HOOK, &life, at(0.0)), Some(at(0.5)));
        let signal = Step::Signal(StopSignal::Quit);
        assert_eq!(times.until(signal, &life, at(0.5)), Some(at(0.75)));
    }

    #[test]
    fn a_hook_is_not_begun_for_next_to_nothing_unless_it_asks_for_no_more() {
        let life = life();
        let times = Times::of(&life.stop, seconds(0.3), at(0.0));
        assert_eq!(times.until(HOOK, &life, at(0.0)), None);
        let quick = Step::Hook(Moment::Deregister);
        assert_eq!(times.until(quick, &life, at(0.0)), Some(at(0.1)));
        assert_eq!(times.until(quick, &life, at(0.1)), None);
    }

    #[test]
    fn a_later_kill_shortens_and_never_lengthens() {
        let stop = life().stop;
        let times = Times::of(&stop, seconds(60.0), at(0.0));
        let sooner = Times::of(&stop, seconds(10.0), at(1.0));
        assert_eq!(times.or_sooner(sooner), sooner);
        assert_eq!(sooner.or_sooner(times), sooner);
    }
}
