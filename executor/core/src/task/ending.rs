//! Making a task end: the steps of its stop sequence, SIGTERM, SIGKILL.

use std::time::Duration;

use super::runs::End;
use super::stop::{Step, Times, steps};
use super::{Cause, Effect, State, Task};
use crate::time::Instant;

/// How long a task's processes may outlive their SIGKILL before it is sent again.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A hook is ended by its edge when its time is over. An edge that does not say so within this is not waited for.
pub(super) const TELLING: Duration = Duration::from_millis(250);

impl Task {
    /// A task that runs is told to end.
    pub(super) fn end(
        &mut self,
        grace: Duration,
        cause: Cause,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        let grace = self.for_processes(grace, &cause, now);
        let end = End::of(&cause);
        if end == End::Final {
            self.runs.forbid();
        }
        self.cause = Some(cause);
        // One that will run again is not being killed, to those who watch.
        let mut effects = match self.runs.go_on_after(end) {
            true => vec![],
            false => vec![Effect::Killing],
        };
        let (state, more) = if grace.is_zero() {
            effects.extend(self.skip_all());
            self.kill_now(now)
        } else {
            self.next_step(None, Times::of(&self.life.stop, grace, now), now)
        };
        effects.extend(more);
        (state, effects)
    }

    /// A task that is on the way to SIGTERM is told to end once more.
    pub(super) fn end_sooner(
        &mut self,
        (step, until, times): (Step, Instant, Times),
        grace: Duration,
        cause: &Cause,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        let grace = self.for_processes(grace, cause, now);
        let mut effects = self.end_for_good(cause);
        if grace.is_zero() {
            if let Step::Hook(moment) = step {
                effects.push(self.tell_of(format!("{moment} was cut off")));
            }
            let (state, more) = self.kill_now(now);
            effects.extend(more);
            return (state, effects);
        }
        let times = times.or_sooner(Times::of(&self.life.stop, grace, now));
        let until = times.cut(step, until, &self.life, now);
        (State::Stopping { step, until, times }, effects)
    }

    /// A task that is made to end for a reason that another run would follow: none does.
    pub(super) fn end_for_good(&mut self, cause: &Cause) -> Vec<Effect> {
        let goes_on = self.cause.as_ref().map(End::of);
        let went_on = goes_on.is_some_and(|end| self.runs.go_on_after(end));
        if End::of(cause) != End::Final {
            return vec![];
        }
        self.runs.forbid();
        match went_on {
            true => vec![Effect::Killing],
            false => vec![],
        }
    }

    /// The step's time is over.
    pub(super) fn step_is_over(
        &mut self,
        step: Step,
        times: Times,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        let mut effects = match step {
            Step::Hook(moment) => vec![self.tell_of(format!("{moment} was cut off"))],
            Step::Drain | Step::Signal(_) => vec![],
        };
        let (state, more) = self.next_step(Some(step), times, now);
        effects.extend(more);
        (state, effects)
    }

    /// The first step behind `last` that the task asks for and that there is time for; behind all of them SIGTERM.
    pub(super) fn next_step(
        &mut self,
        last: Option<Step>,
        times: Times,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        let mut effects = Vec::new();
        let steps = steps(&self.life);
        let done = steps.iter().position(|step| Some(*step) == last);
        for step in steps.into_iter().skip(done.map_or(0, |place| place + 1)) {
            let Some(mut until) = times.until(step, &self.life, now) else {
                if let Step::Hook(moment) = step {
                    effects.push(self.skip(moment));
                }
                continue;
            };
            match step {
                Step::Hook(moment) => {
                    effects.extend(self.begin_hook(moment, until.since(now)));
                    until = until.plus(TELLING);
                }
                Step::Drain => {}
                Step::Signal(signal) => effects.push(Effect::StopSignal(signal)),
            }
            return (State::Stopping { step, until, times }, effects);
        }
        let (state, more) = self.terminate(times.kill.since(now), now);
        effects.extend(more);
        (state, effects)
    }

    /// SIGTERM and a deadline; without grace, force at once.
    pub(super) fn terminate(&mut self, grace: Duration, now: Instant) -> (State, Vec<Effect>) {
        if grace.is_zero() {
            return self.kill_now(now);
        }
        let until = now.plus(grace);
        self.asked_at = Some(now);
        (State::Killing { until }, vec![Effect::Terminate])
    }

    /// The grace was over at `until`.
    pub(super) fn force(&mut self, until: Instant, now: Instant) -> (State, Vec<Effect>) {
        if let Some(asked_at) = self.asked_at.take() {
            self.ignored_for = Some(until.since(asked_at));
        }
        self.kill_now(now)
    }

    /// By force.
    pub(super) fn kill_now(&self, now: Instant) -> (State, Vec<Effect>) {
        let until = now.plus(KILL_AGAIN_AFTER);
        (State::Killing { until }, vec![Effect::KillTree])
    }

    /// What of a grace the processes get: when the executor itself goes, its hook after the stop must be through by then,
    /// and has up to a quarter of the time.
    pub(super) fn for_processes(
        &mut self,
        grace: Duration,
        cause: &Cause,
        now: Instant,
    ) -> Duration {
        if !matches!(cause, Cause::ShutDown(_)) {
            return grace;
        }
        let by = now.plus(grace);
        self.hooks_by = Some(self.hooks_by.map_or(by, |earlier| earlier.min(by)));
        let hook = self.life.hooks.after_stop.as_ref();
        hook.map_or(grace, |hook| grace - hook.timeout.min(grace / 4))
    }
}
