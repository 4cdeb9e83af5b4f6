//! One task, from LAUNCH to its last acknowledgement.
//!
//! ```text
//!   Launching --started--> Running --kill, limit--> Killing --ended--> CleaningUp --clean--> AwaitingAck
//!      |  \------ started, kill came before ------->/  ^ \deadline: kill by force            ^
//!      |          \------------------- ended ------------------------>/                      |
//!      \----------------------------- start failed ------------------------------------------/
//! ```
//!
//! Happy path: Launching, Running, CleaningUp, AwaitingAck. TERM then KILL is a deadline that passes, not a sleeping
//! task. The first cause wins: a task that was told to die and then breaks a limit was killed, a task that broke a
//! limit and is then told to die failed. Only [`crate::Core`] drives this machine; the table in [`Task::on`] names
//! every state with every input.

use std::time::Duration;

use mesos_proto::TaskInfo;
use mesos_proto::v1::{KillPolicy, TaskId};

use crate::event::{Ended, Limitation, StartFailure};
use crate::time::Instant;

/// A task that the agent launched and whose terminal update is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) task_id: TaskId,
    /// The grace of its own kill policy.
    pub(crate) grace: Option<Duration>,
    state: State,
    cause: Option<Cause>,
}

#[derive(Debug)]
enum State {
    /// The sandbox is being made. `kill` is the grace of a kill that came meanwhile.
    Launching {
        kill: Option<Duration>,
    },
    Running,
    /// Told to end. At `until` by force; after that the same again, should it still be there.
    Killing {
        until: Instant,
    },
    /// Ended and reaped; what it left on the host is being removed, until `until` at the longest.
    CleaningUp {
        ended: Ended,
        until: Instant,
    },
    /// The terminal update is in the ledger.
    AwaitingAck,
}

/// Why a task is made to end.
#[derive(Debug)]
pub(crate) enum Cause {
    /// KILL, or the executor's shutdown.
    Killed,
    /// A broken limit.
    Limited(Limitation),
}

/// What can come to a task.
#[derive(Debug)]
pub(crate) enum Input {
    Started,
    StartFailed(StartFailure),
    Limited(Limitation),
    Ended(Ended),
    CleanedUp,
    /// End it, by force after this long.
    Kill(Duration),
    /// The time is now this; something may be due.
    Deadline,
}

/// What a task asks for.
#[derive(Debug)]
pub(crate) enum Effect {
    Running,
    Killing,
    /// Do not start it, if that is still to be had.
    CancelLaunch,
    Terminate,
    KillTree,
    CleanUp,
    Overdue(&'static str),
    Ignored(&'static str),
    /// The terminal update is due, this is how the task ended.
    Over(Over),
}

/// How a task ended.
#[derive(Debug)]
pub(crate) enum Over {
    NotStarted(StartFailure),
    KilledBeforeStart,
    Ended(Ended, Option<Cause>),
}

/// How long a task's processes may outlive their SIGKILL before it is sent again.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Task {
    /// A task whose launch was asked for.
    pub(crate) fn launching(info: &TaskInfo) -> Self {
        Self::of(info, State::Launching { kill: None })
    }

    /// A task that is never started: its terminal update is all there will be.
    pub(crate) fn never_started(info: &TaskInfo) -> Self {
        Self::of(info, State::AwaitingAck)
    }

    fn of(info: &TaskInfo, state: State) -> Self {
        Self {
            task_id: info.task_id.clone(),
            grace: info.kill_policy.as_ref().and_then(grace_of),
            state,
            cause: None,
        }
    }

    /// The terminal update was produced and only its acknowledgement is missing.
    pub(crate) fn awaits_ack(&self) -> bool {
        matches!(self.state, State::AwaitingAck)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Killing { until } | State::CleaningUp { until, .. } => Some(until),
            State::Launching { .. } | State::Running | State::AwaitingAck => None,
        }
    }

    /// Takes one input in. `clean_up` is how long removing its leavings may take.
    pub(crate) fn on(&mut self, input: Input, now: Instant, clean_up: Duration) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, State::AwaitingAck);
        let (next, effects) = self.step(state, input, now, clean_up);
        self.state = next;
        effects
    }

    fn step(
        &mut self,
        state: State,
        input: Input,
        now: Instant,
        clean_up: Duration,
    ) -> (State, Vec<Effect>) {
        match (state, input) {
            (State::Launching { kill: None }, Input::Started) => {
                (State::Running, vec![Effect::Running])
            }
            // TASK_KILLING was sent when the kill came: RUNNING after it would be a step back.
            (State::Launching { kill: Some(grace) }, Input::Started) => begin_kill(grace, now),
            (State::Launching { kill: None }, Input::StartFailed(failure)) => (
                State::AwaitingAck,
                vec![Effect::Over(Over::NotStarted(failure))],
            ),
            (State::Launching { kill: Some(_) }, Input::StartFailed(_)) => (
                State::AwaitingAck,
                vec![Effect::Over(Over::KilledBeforeStart)],
            ),
            (State::Launching { kill: None }, Input::Kill(grace)) => {
                self.cause = Some(Cause::Killed);
                (
                    State::Launching { kill: Some(grace) },
                    vec![Effect::Killing, Effect::CancelLaunch],
                )
            }
            (State::Launching { kill: Some(old) }, Input::Kill(grace)) => {
                let kill = Some(old.min(grace));
                (State::Launching { kill }, vec![])
            }
            // The end overtook the start: a command can be over before its launch was reported.
            (
                State::Launching { .. } | State::Running | State::Killing { .. },
                Input::Ended(ended),
            ) => {
                let until = now.plus(clean_up);
                (State::CleaningUp { ended, until }, vec![Effect::CleanUp])
            }
            (State::Launching { kill }, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                let kill = Some(kill.unwrap_or_default());
                (State::Launching { kill }, vec![])
            }

            (State::Running, Input::Kill(grace)) => {
                self.cause = Some(Cause::Killed);
                let (state, mut effects) = begin_kill(grace, now);
                effects.insert(0, Effect::Killing);
                (state, effects)
            }
            (State::Running, Input::Limited(limitation)) => {
                self.cause = Some(Cause::Limited(limitation));
                begin_kill(Duration::ZERO, now)
            }

            // A later kill only shortens what is left.
            (State::Killing { until }, Input::Kill(grace)) => {
                if now.plus(grace) >= until {
                    (State::Killing { until }, vec![])
                } else if grace.is_zero() {
                    begin_kill(Duration::ZERO, now)
                } else {
                    let until = now.plus(grace);
                    (State::Killing { until }, vec![])
                }
            }
            (State::Killing { .. }, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                begin_kill(Duration::ZERO, now)
            }
            (State::Killing { until }, Input::Deadline) if now >= until => {
                begin_kill(Duration::ZERO, now)
            }

            (State::CleaningUp { ended, .. }, Input::CleanedUp) => self.over(ended),
            (State::CleaningUp { ended, until }, Input::Deadline) if now >= until => {
                let (state, mut effects) = self.over(ended);
                effects.insert(0, Effect::Overdue("removing its cgroup and mounts"));
                (state, effects)
            }

            // Nothing is due yet, or the task is past caring.
            (state, Input::Deadline) => (state, vec![]),
            (state @ (State::CleaningUp { .. } | State::AwaitingAck), Input::Kill(_)) => {
                (state, vec![])
            }
            (state @ (State::CleaningUp { .. } | State::AwaitingAck), Input::Limited(_)) => {
                (state, vec![])
            }
            // The clean-up was overdue and is done after all.
            (State::AwaitingAck, Input::CleanedUp) => (State::AwaitingAck, vec![]),

            // What the edges never say in these states.
            (
                state @ (State::Running
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Started | Input::StartFailed(_),
            ) => (state, vec![Effect::Ignored("it was started before")]),
            (state @ (State::CleaningUp { .. } | State::AwaitingAck), Input::Ended(_)) => {
                (state, vec![Effect::Ignored("it had ended before")])
            }
            (
                state @ (State::Launching { .. } | State::Running | State::Killing { .. }),
                Input::CleanedUp,
            ) => (state, vec![Effect::Ignored("it has not ended")]),
        }
    }

    /// The terminal update's time has come. A limit that was only found at the end counts unless something else had
    /// been made the cause before.
    fn over(&mut self, mut ended: Ended) -> (State, Vec<Effect>) {
        let found = ended.limitation.take().map(Cause::Limited);
        let cause = self.cause.take().or(found);
        (
            State::AwaitingAck,
            vec![Effect::Over(Over::Ended(ended, cause))],
        )
    }
}

/// The grace period of a kill policy that has one. A negative one is over at once.
pub(crate) fn grace_of(policy: &KillPolicy) -> Option<Duration> {
    let grace = policy.grace_period.as_ref()?;
    Some(Duration::from_nanos(
        u64::try_from(grace.nanoseconds).unwrap_or(0),
    ))
}

/// SIGTERM and a deadline; without grace, force at once.
fn begin_kill(grace: Duration, now: Instant) -> (State, Vec<Effect>) {
    if grace.is_zero() {
        let until = now.plus(KILL_AGAIN_AFTER);
        (State::Killing { until }, vec![Effect::KillTree])
    } else {
        let until = now.plus(grace);
        (State::Killing { until }, vec![Effect::Terminate])
    }
}
