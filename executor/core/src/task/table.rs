//! Every state with every input.

use std::time::Duration;

use super::{Cause, Effect, Input, State, Task};
use crate::checks::CheckEffect;
use crate::event::Probed;
use crate::hook::Moment;
use crate::time::Instant;

impl Task {
    pub(super) fn step(
        &mut self,
        state: State,
        input: Input,
        now: Instant,
        clean_up: Duration,
    ) -> (State, Vec<Effect>) {
        match (state, input) {
            (State::Launching { kill: None }, Input::Prepared) => {
                (State::Held, vec![Effect::Prepared])
            }
            // Its cancellation is on its way, and always comes in time.
            (State::Launching { kill: Some(grace) }, Input::Prepared) => {
                (State::Launching { kill: Some(grace) }, vec![])
            }
            (State::Held, Input::Release) => {
                (State::Launching { kill: None }, vec![Effect::Release])
            }
            (State::Launching { kill: None }, Input::Started) => self.run(now),
            // TASK_KILLING was sent when the kill came: RUNNING after it would be a step back. Nobody was told that it
            // runs: there is nothing to deregister or to drain.
            (State::Launching { kill: Some(grace) }, Input::Started) => self.terminate(grace, now),
            (State::Launching { .. } | State::Held, Input::StartFailed(failure)) => {
                self.not_started(failure)
            }
            (State::Launching { kill: None } | State::Held, Input::Kill(grace, cause)) => {
                let grace = self.for_processes(grace, &cause, now);
                self.runs.forbid();
                self.cause = Some(cause);
                (
                    State::Launching { kill: Some(grace) },
                    vec![Effect::Killing, Effect::CancelLaunch],
                )
            }
            (State::Launching { kill: Some(old) }, Input::Kill(grace, cause)) => {
                let grace = self.for_processes(grace, &cause, now);
                let kill = Some(old.min(grace));
                (State::Launching { kill }, vec![])
            }
            // The end overtook the start: a command can be over before its launch was reported.
            (
                State::Launching { .. }
                | State::Held
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Killing { .. },
                Input::Ended(ended),
            ) => self.ended(ended, now, clean_up),
            // Already what is fetched for a task counts toward its quota.
            (State::Launching { .. } | State::Held, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                self.runs.forbid();
                let kill = Some(Duration::ZERO);
                (State::Launching { kill }, vec![Effect::CancelLaunch])
            }

            (State::Running { .. }, Input::Kill(grace, cause)) => self.end(grace, cause, now),
            (State::Running { .. }, Input::Limited(limitation)) => {
                self.cause = Some(Cause::Limited(limitation));
                self.kill_now(now)
            }
            (State::Running { until: Some(at) }, Input::Deadline) if now >= at => {
                self.cause = self.time_limit.map(Cause::TooLong);
                self.kill_now(now)
            }
            (State::Running { until }, Input::Deadline) => {
                let looks = self.checks.due(now).into_iter();
                (State::Running { until }, looks.map(Effect::Probe).collect())
            }
            (State::Running { until }, Input::Probed(check, outcome)) => {
                self.probed(until, check, &outcome, now)
            }
            (State::Running { until }, Input::Hooked(moment, outcome)) => {
                let effects = self.hooked(moment, &outcome).unwrap_or_default();
                (State::Running { until }, effects)
            }

            // A later kill only shortens what is left.
            (State::Stopping { step, until, times }, Input::Kill(grace, cause)) => {
                self.end_sooner((step, until, times), grace, &cause, now)
            }
            (State::Killing { until }, Input::Kill(grace, cause)) => {
                let grace = self.for_processes(grace, &cause, now);
                let mut effects = self.end_for_good(&cause);
                if now.plus(grace) >= until {
                    return (State::Killing { until }, effects);
                }
                let (state, more) = match grace.is_zero() {
                    true => self.force(now, now),
                    false => (
                        State::Killing {
                            until: now.plus(grace),
                        },
                        vec![],
                    ),
                };
                effects.extend(more);
                (state, effects)
            }
            (State::Stopping { .. } | State::Killing { .. }, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                self.kill_now(now)
            }
            (State::Stopping { times, .. }, Input::Deadline) if now >= times.kill => {
                self.kill_now(now)
            }
            (State::Stopping { step, until, times }, Input::Deadline) if now >= until => {
                self.step_is_over(step, times, now)
            }
            (State::Stopping { step, until, times }, Input::Hooked(moment, outcome)) => {
                match self.hooked(moment, &outcome) {
                    Some(mut effects) => {
                        let (state, more) = self.next_step(Some(step), times, now);
                        effects.extend(more);
                        (state, effects)
                    }
                    None => (State::Stopping { step, until, times }, vec![]),
                }
            }
            (State::Killing { until }, Input::Deadline) if now >= until => self.force(until, now),

            (State::AfterStop { ended, until }, Input::Hooked(moment, outcome)) => {
                match self.hooked(moment, &outcome) {
                    Some(mut effects) => {
                        let (state, more) = self.clean_up(ended, now, clean_up);
                        effects.extend(more);
                        (state, effects)
                    }
                    None => (State::AfterStop { ended, until }, vec![]),
                }
            }
            (State::AfterStop { ended, until }, Input::Deadline) if now >= until => {
                self.cut_after_stop(ended, now, clean_up)
            }
            (State::AfterStop { ended, until }, Input::Kill(grace, cause)) => {
                self.end_between_runs(cause, &ended);
                let until = until.min(now.plus(grace));
                match until > now {
                    true => (State::AfterStop { ended, until }, vec![]),
                    false => self.cut_after_stop(ended, now, clean_up),
                }
            }
            (State::AfterStop { ended, .. }, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                self.cut_after_stop(ended, now, clean_up)
            }

            (State::CleaningUp { ended, aside, .. }, Input::CleanedUp) => {
                self.cleaned_up(ended, aside, now)
            }
            (
                State::CleaningUp {
                    ended,
                    until,
                    aside,
                },
                Input::Deadline,
            ) if now >= until => {
                let (state, mut effects) = self.over(ended, aside);
                effects.insert(0, Effect::Overdue("removing its cgroup and mounts"));
                (state, effects)
            }
            (
                State::CleaningUp {
                    ended,
                    until,
                    aside,
                },
                Input::Kill(_, cause),
            ) => {
                self.end_between_runs(cause, &ended);
                let state = State::CleaningUp {
                    ended,
                    until,
                    aside,
                };
                (state, vec![])
            }

            (State::Backoff { ended, .. }, Input::Kill(_, cause)) => {
                self.cause = Some(cause);
                self.over(ended, true)
            }
            (State::Backoff { ended, until }, Input::Deadline) => self.waited(ended, until, now),
            (State::Backoff { ended, until }, Input::Probed(..)) => {
                self.answered();
                self.waited(ended, until, now)
            }
            (State::Backoff { ended, until }, Input::Hooked(moment, outcome)) => {
                self.hooked(moment, &outcome);
                self.waited(ended, until, now)
            }

            // One that is run before the start, and that the task can do without.
            (
                state @ (State::Launching { .. } | State::Held),
                Input::Hooked(Moment::BeforeStart, outcome),
            ) => (state, self.failed_before_start(&outcome)),

            // Nothing is due yet, or the task is past caring.
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::AfterStop { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Deadline,
            ) => (state, vec![]),
            (
                state @ (State::CleaningUp { .. } | State::Backoff { .. } | State::AwaitingAck),
                Input::Limited(_),
            )
            | (state @ State::AwaitingAck, Input::Kill(..)) => (state, vec![]),
            // The answer to what was called off.
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::AfterStop { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Probed(..),
            )
            | (
                state @ (State::Launching { .. }
                | State::Held
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Hooked(..),
            ) => {
                self.answered();
                (state, vec![])
            }
            // The clean-up was overdue and is done after all, or was told of twice.
            (state @ (State::AwaitingAck | State::Backoff { .. }), Input::CleanedUp) => {
                (state, vec![])
            }

            // What neither edges nor the core ever say in these states.
            (
                state @ (State::Launching { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::AfterStop { .. }
                | State::CleaningUp { .. }
                | State::Backoff { .. }
                | State::AwaitingAck),
                Input::Release,
            )
            | (state @ State::Held, Input::Prepared | Input::Started) => {
                (state, vec![Effect::Ignored("it comes out of turn")])
            }
            (
                state @ (State::Running { .. }
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::AfterStop { .. }
                | State::CleaningUp { .. }
                | State::Backoff { .. }
                | State::AwaitingAck),
                Input::Prepared | Input::Started | Input::StartFailed(_),
            ) => (state, vec![Effect::Ignored("it was started before")]),
            (
                state @ (State::AfterStop { .. }
                | State::CleaningUp { .. }
                | State::Backoff { .. }
                | State::AwaitingAck),
                Input::Ended(_),
            ) => (state, vec![Effect::Ignored("it had ended before")]),
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::AfterStop { .. }),
                Input::CleanedUp,
            ) => (state, vec![Effect::Ignored("it has not ended")]),
        }
    }

    /// What a look of a check leads to.
    fn probed(
        &mut self,
        until: Option<Instant>,
        check: usize,
        outcome: &Probed,
        now: Instant,
    ) -> (State, Vec<Effect>) {
        let found = self.checks.probed(now, check, outcome).into_iter();
        let effects = found.map(|found| match found {
            CheckEffect::Health { message, .. } => Effect::Health(message),
            CheckEffect::Status { message } => Effect::CheckStatus(message),
            CheckEffect::Spared { message } => Effect::Spared(message),
            CheckEffect::Unhealthy { message } => Effect::Unhealthy(message),
        });
        (State::Running { until }, effects.collect())
    }
}
