//! From one run of a task to the next, or to its terminal update.

use std::time::Duration;

use super::ending::TELLING;
use super::runs::End;
use super::stop::SHORTEST_HOOK;
use super::{Cause, Effect, Over, State, Task};
use crate::checks::Checks;
use crate::event::{Ended, StartFailure};
use crate::hook::Moment;
use crate::time::Instant;

impl Task {
    /// Its program runs.
    pub(super) fn run(&mut self, now: Instant) -> (State, Vec<Effect>) {
        self.checks = Checks::new(&self.wanted_checks, now);
        self.runs.begin(now);
        if self.time_is_over.is_none() {
            self.time_is_over = self.time_limit.map(|limit| now.plus(limit));
        }
        let last = self.last.take().map(|(_, how)| self.runs.tell(&how));
        // The first time alone: it is the same each time.
        let lacks = self.lacks.take().filter(|_| last.is_none());
        let lacks = lacks.map(|lacks| format!("The task runs with {lacks}"));
        let told = last.into_iter().chain(lacks);
        let told: Vec<String> = told.chain(self.troubles.drain(..)).collect();
        let told = (!told.is_empty()).then(|| told.join("\n"));
        let mut effects = vec![Effect::Running(told)];
        let moment = Moment::AfterStart;
        if let Some(timeout) = moment.hook_of(&self.life).map(|hook| hook.timeout) {
            effects.extend(self.begin_hook(moment, timeout));
        }
        let until = self.time_is_over;
        (State::Running { until }, effects)
    }

    /// Its program does not run.
    pub(super) fn not_started(&mut self, failure: StartFailure) -> (State, Vec<Effect>) {
        let over = match (self.cause.take(), self.last.take()) {
            (Some(cause), Some((ended, _))) => Over::Ended(ended, Some(cause)),
            (Some(cause), None) => Over::Stopped(cause),
            (None, _) => Over::NotStarted(failure),
        };
        (State::AwaitingAck, vec![Effect::Over(over)])
    }

    /// Nothing of it runs any more.
    pub(super) fn ended(
        &mut self,
        ended: Ended,
        now: Instant,
        clean_up: Duration,
    ) -> (State, Vec<Effect>) {
        self.runs.end(now);
        let moment = Moment::AfterStop;
        let mut skipped = None;
        if let Some(wanted) = moment.hook_of(&self.life).map(|hook| hook.timeout) {
            let left = self.hooks_by.map_or(wanted, |by| by.since(now));
            let timeout = wanted.min(left);
            if timeout >= SHORTEST_HOOK.min(wanted) {
                let effects = self.begin_hook(moment, timeout);
                let until = now.plus(timeout).plus(TELLING);
                return (State::AfterStop { ended, until }, effects);
            }
            skipped = Some(self.skip(moment));
        }
        let (state, mut effects) = self.clean_up(ended, now, clean_up);
        effects.splice(0..0, skipped);
        (state, effects)
    }

    /// The hook after its stop takes too long, or there is no time for it any more.
    pub(super) fn cut_after_stop(
        &mut self,
        ended: Ended,
        now: Instant,
        clean_up: Duration,
    ) -> (State, Vec<Effect>) {
        let told = self.tell_of(format!("{} was cut off", Moment::AfterStop));
        let (state, mut effects) = self.clean_up(ended, now, clean_up);
        effects.insert(0, told);
        (state, effects)
    }

    pub(super) fn clean_up(
        &mut self,
        ended: Ended,
        now: Instant,
        clean_up: Duration,
    ) -> (State, Vec<Effect>) {
        let aside = self.goes_on_after(&ended, now);
        let effect = match aside {
            true => Effect::PutAside,
            false => Effect::CleanUp,
        };
        let until = now.plus(clean_up);
        let state = State::CleaningUp {
            ended,
            until,
            aside,
        };
        (state, vec![effect])
    }

    /// Nothing of the run is left on the host, but with `aside` what another one needs.
    pub(super) fn cleaned_up(
        &mut self,
        ended: Ended,
        aside: bool,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        if !aside || !self.goes_on_after(&ended, now) {
            return self.over(ended, aside);
        }
        let wait = self.runs.wait();
        let effect = Effect::WillRestart(wait, self.how(&ended));
        let until = now.plus(wait);
        (State::Backoff { ended, until }, vec![effect])
    }

    /// It waits to be started again; perhaps it need not any more.
    pub(super) fn waited(
        &mut self,
        ended: Ended,
        until: Instant,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        if self.time_is_over.is_some_and(|at| now >= at) {
            self.cause = self.time_limit.map(Cause::TooLong);
            return self.over(ended, true);
        }
        if now < until || self.unanswered > 0 {
            return (State::Backoff { ended, until }, vec![]);
        }
        self.runs.again();
        let how = self.how(&ended);
        self.last = Some((ended, how));
        self.cause = None;
        self.asked_at = None;
        self.ignored_for = None;
        (State::Launching { kill: None }, vec![Effect::Relaunch])
    }

    /// A run that is over was to be followed by another one: it is not, and this is why.
    pub(super) fn end_between_runs(&mut self, cause: Cause, ended: &Ended) {
        if End::of(&cause) != End::Final {
            return;
        }
        let went_on = self.runs.go_on_after(self.end_of(ended));
        self.runs.forbid();
        if went_on && self.cause.is_none() {
            self.cause = Some(cause);
        }
    }

    /// The terminal update's time has come. A limit that was only found at the end counts unless something else had
    /// been made the cause before. What was put `aside` is not needed any more.
    pub(super) fn over(&mut self, mut ended: Ended, aside: bool) -> (State, Vec<Effect>) {
        let found = ended.limitation.take().map(Cause::Limited);
        let cause = self.cause.take().or(found);
        let mut effects = match aside {
            true => vec![Effect::CleanUp],
            false => vec![],
        };
        effects.push(Effect::Over(Over::Ended(ended, cause)));
        (State::AwaitingAck, effects)
    }

    fn goes_on_after(&self, ended: &Ended, now: Instant) -> bool {
        self.runs.go_on_after(self.end_of(ended)) && self.time_is_over.is_none_or(|at| now < at)
    }

    fn end_of(&self, ended: &Ended) -> End {
        match (&self.cause, &ended.limitation) {
            (Some(cause), _) => End::of(cause),
            (None, Some(_)) => End::Limit,
            (None, None) if self.is_success(ended.exit) => End::Success,
            (None, None) => End::Failure,
        }
    }

    /// How the last run ended, for whoever is told of the next.
    fn how(&self, ended: &Ended) -> String {
        match (&self.cause, &ended.limitation) {
            (Some(Cause::Limited(limitation)), _) | (None, Some(limitation)) => {
                let first = limitation.message.lines().next();
                first.unwrap_or_default().to_owned()
            }
            (Some(Cause::Unhealthy(why) | Cause::Hook(why)), _) => {
                format!("{}: {why}", ended.description)
            }
            (Some(_), _) | (None, None) => ended.description.clone(),
        }
    }
}
