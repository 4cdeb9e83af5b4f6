//! One task, from LAUNCH to its last acknowledgement.
//!
//! ```text
//!   Launching --started--> Running --kill, limit, time, health--> Killing --ended--> CleaningUp --clean--> AwaitingAck
//!     |  ^ | \------ started, kill came before ------------------>/  ^ \deadline: kill by force             ^
//!     |  | |  \------------------------ ended ---------------------------------------->/                    |
//!     |  | \--------------------------- start failed -------------------------------------------------------/
//!     v  |release                                                                                           |
//!    Held ---------------------------- start failed --------------------------------------------------------/
//!       \------ kill: back to Launching, cancelled
//! ```
//!
//! Happy path: Launching, Running, CleaningUp, AwaitingAck; a member of a group is Held in between until all of them are.
//! TERM then KILL is a deadline that passes, not a sleeping task. The first cause wins: a task that was told to die and
//! then breaks a limit was killed, a task that broke a limit and is then told to die failed. Its checks look while it is
//! Running and at no other time. Only [`crate::Core`] drives this machine; the table in [`Task::on`] names every state
//! with every input.

mod over;

use std::time::Duration;

use dialect::{Options, Request};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{CheckStatusInfo, KillPolicy, TaskId, TaskState};

use crate::checks::{CheckEffect, Checks, Look};
use crate::event::{Ended, Limitation, Probed, StartFailure};
use crate::time::{Instant, Now};
pub(crate) use over::{Cause, Over};

/// A task that the agent launched and whose terminal update is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) task_id: TaskId,
    /// The grace of its own kill policy, or of its options.
    pub(crate) grace: Option<Duration>,
    /// The number of its group, in which all start or none does.
    pub(crate) group: Option<u64>,
    options: Options,
    /// `TaskInfo.max_completion_time`.
    time_limit: Option<Duration>,
    wanted_checks: Vec<dialect::Check>,
    /// What it runs without, to be told with its first TASK_RUNNING.
    pub(crate) lacks: Option<String>,
    checks: Checks,
    /// The state that was reported last, and when it was new, in seconds since the epoch.
    reported: (TaskState, f64),
    state: State,
    cause: Option<Cause>,
    /// When SIGTERM was sent.
    asked_at: Option<Instant>,
    /// How long it had taken no notice of SIGTERM when SIGKILL was sent.
    ignored_for: Option<Duration>,
}

#[derive(Debug)]
enum State {
    /// The sandbox is being made. `kill` is the grace of a kill that came meanwhile.
    Launching { kill: Option<Duration> },
    /// The sandbox is made, and the rest of the group is waited for.
    Held,
    /// At `until` its time is over.
    Running { until: Option<Instant> },
    /// Told to end. At `until` by force; after that the same again, should it still be there.
    Killing { until: Instant },
    /// Ended and reaped; what it left on the host is being removed, until `until` at the longest.
    CleaningUp { ended: Ended, until: Instant },
    /// The terminal update is in the ledger.
    AwaitingAck,
}

/// What can come to a task.
#[derive(Debug)]
pub(crate) enum Input {
    Prepared,
    /// The whole group is prepared.
    Release,
    Started,
    StartFailed(StartFailure),
    Limited(Limitation),
    Probed(usize, Probed),
    Ended(Ended),
    CleanedUp,
    /// End it, by force after this long.
    Kill(Duration, Cause),
    /// The time is now this; something may be due.
    Deadline,
}

/// What a task asks for.
#[derive(Debug)]
pub(crate) enum Effect {
    /// It is ready, and held.
    Prepared,
    Release,
    Running,
    /// TASK_RUNNING again, for what a health check found.
    Health(Option<String>),
    /// TASK_RUNNING again, for what a check found.
    CheckStatus(Option<String>),
    Killing,
    /// Do not start it, if that is still to be had.
    CancelLaunch,
    Terminate,
    KillTree,
    CleanUp,
    Probe(Look),
    CancelProbe(usize),
    Overdue(&'static str),
    Ignored(&'static str),
    /// A check failed, which changes nothing.
    Spared(String),
    /// A health check wants the task to end.
    Unhealthy(String),
    /// The terminal update is due, this is how the task ended.
    Over(Over),
}

/// How long a task's processes may outlive their SIGKILL before it is sent again.
const KILL_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Task {
    /// A task whose launch was asked for.
    pub(crate) fn launching(info: &TaskInfo, request: &Request, group: Option<u64>) -> Self {
        Self {
            grace: grace_of_task(info).or(request.options.kill_grace),
            group,
            options: request.options.clone(),
            wanted_checks: request.checks.clone(),
            checks: Checks::new(&request.checks, Instant::default()),
            state: State::Launching { kill: None },
            ..Self::never_started(info)
        }
    }

    /// A task that is never started: its terminal update is all there will be.
    pub(crate) fn never_started(info: &TaskInfo) -> Self {
        Self {
            task_id: info.task_id.clone(),
            grace: grace_of_task(info),
            group: None,
            options: Options::default(),
            time_limit: info.max_completion_time.as_ref().map(length_of),
            wanted_checks: Vec::new(),
            lacks: None,
            checks: Checks::new(&[], Instant::default()),
            reported: (TaskState::TaskStaging, 0.0),
            state: State::AwaitingAck,
            cause: None,
            asked_at: None,
            ignored_for: None,
        }
    }

    /// The terminal update was produced and only its acknowledgement is missing.
    pub(crate) fn awaits_ack(&self) -> bool {
        matches!(self.state, State::AwaitingAck)
    }

    /// Its processes are there, and nobody has told them to end.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// What its health checks have found, for every update.
    pub(crate) fn healthy(&self) -> Option<bool> {
        self.checks.healthy()
    }

    /// What its check has found, for every update.
    pub(crate) fn check_status(&self) -> Option<CheckStatusInfo> {
        self.checks.check_status()
    }

    /// An update with this state was made.
    pub(crate) fn told(&mut self, state: TaskState, now: Now) {
        if self.reported.0 != state {
            self.reported = (state, now.unix);
        }
    }

    /// The state that was reported last, and when it was new, in seconds since the epoch.
    pub(crate) fn reported(&self) -> (TaskState, f64) {
        self.reported
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// How long it had taken no notice of SIGTERM when it was ended by force, if it had to be.
    pub(crate) fn ignored_for(&self) -> Option<Duration> {
        self.ignored_for
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Killing { until } | State::CleaningUp { until, .. } => Some(until),
            State::Running { until } => until.into_iter().chain(self.checks.next_deadline()).min(),
            State::Launching { .. } | State::Held | State::AwaitingAck => None,
        }
    }

    /// Takes one input in. `clean_up` is how long removing its leavings may take.
    pub(crate) fn on(&mut self, input: Input, now: Instant, clean_up: Duration) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, State::AwaitingAck);
        let (next, mut effects) = self.step(state, input, now, clean_up);
        self.state = next;
        if !self.is_running() {
            let under_way = self.checks.stop().into_iter();
            effects.splice(0..0, under_way.map(Effect::CancelProbe));
        }
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
            (State::Launching { kill: None }, Input::Started) => {
                self.checks = Checks::new(&self.wanted_checks, now);
                let until = self.time_limit.map(|limit| now.plus(limit));
                (State::Running { until }, vec![Effect::Running])
            }
            // TASK_KILLING was sent when the kill came: RUNNING after it would be a step back.
            (State::Launching { kill: Some(grace) }, Input::Started) => self.begin_kill(grace, now),
            (State::Launching { .. } | State::Held, Input::StartFailed(failure)) => {
                let over = match self.cause.take() {
                    Some(cause) => Over::Stopped(cause),
                    None => Over::NotStarted(failure),
                };
                (State::AwaitingAck, vec![Effect::Over(over)])
            }
            (State::Launching { kill: None } | State::Held, Input::Kill(grace, cause)) => {
                self.cause = Some(cause);
                (
                    State::Launching { kill: Some(grace) },
                    vec![Effect::Killing, Effect::CancelLaunch],
                )
            }
            (State::Launching { kill: Some(old) }, Input::Kill(grace, _)) => {
                let kill = Some(old.min(grace));
                (State::Launching { kill }, vec![])
            }
            // The end overtook the start: a command can be over before its launch was reported.
            (
                State::Launching { .. }
                | State::Held
                | State::Running { .. }
                | State::Killing { .. },
                Input::Ended(ended),
            ) => {
                let until = now.plus(clean_up);
                (State::CleaningUp { ended, until }, vec![Effect::CleanUp])
            }
            // Already what is fetched for a task counts toward its quota.
            (State::Launching { .. } | State::Held, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                let kill = Some(Duration::ZERO);
                (State::Launching { kill }, vec![Effect::CancelLaunch])
            }

            (State::Running { .. }, Input::Kill(grace, cause)) => self.end(grace, cause, now),
            (State::Running { .. }, Input::Limited(limitation)) => {
                self.cause = Some(Cause::Limited(limitation));
                self.begin_kill(Duration::ZERO, now)
            }
            (State::Running { until: Some(at) }, Input::Deadline) if now >= at => {
                self.cause = self.time_limit.map(Cause::TooLong);
                self.begin_kill(Duration::ZERO, now)
            }
            (State::Running { until }, Input::Deadline) => {
                let looks = self.checks.due(now).into_iter();
                (State::Running { until }, looks.map(Effect::Probe).collect())
            }
            (State::Running { until }, Input::Probed(check, outcome)) => {
                self.probed(until, check, &outcome, now)
            }

            // A later kill only shortens what is left.
            (State::Killing { until }, Input::Kill(grace, _)) => {
                if now.plus(grace) >= until {
                    (State::Killing { until }, vec![])
                } else if grace.is_zero() {
                    self.force(now, now)
                } else {
                    let until = now.plus(grace);
                    (State::Killing { until }, vec![])
                }
            }
            (State::Killing { .. }, Input::Limited(limitation)) => {
                self.cause.get_or_insert(Cause::Limited(limitation));
                self.begin_kill(Duration::ZERO, now)
            }
            (State::Killing { until }, Input::Deadline) if now >= until => self.force(until, now),

            (State::CleaningUp { ended, .. }, Input::CleanedUp) => self.over(ended),
            (State::CleaningUp { ended, until }, Input::Deadline) if now >= until => {
                let (state, mut effects) = self.over(ended);
                effects.insert(0, Effect::Overdue("removing its cgroup and mounts"));
                (state, effects)
            }

            // Nothing is due yet, or the task is past caring.
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Deadline,
            ) => (state, vec![]),
            (
                state @ (State::CleaningUp { .. } | State::AwaitingAck),
                Input::Kill(..) | Input::Limited(_),
            ) => (state, vec![]),
            // The answer to a probe that was cancelled.
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Probed(..),
            ) => (state, vec![]),
            // The clean-up was overdue and is done after all.
            (State::AwaitingAck, Input::CleanedUp) => (State::AwaitingAck, vec![]),

            // What neither edges nor the core ever say in these states.
            (
                state @ (State::Launching { .. }
                | State::Running { .. }
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Release,
            )
            | (state @ State::Held, Input::Prepared | Input::Started) => {
                (state, vec![Effect::Ignored("it comes out of turn")])
            }
            (
                state @ (State::Running { .. }
                | State::Killing { .. }
                | State::CleaningUp { .. }
                | State::AwaitingAck),
                Input::Prepared | Input::Started | Input::StartFailed(_),
            ) => (state, vec![Effect::Ignored("it was started before")]),
            (state @ (State::CleaningUp { .. } | State::AwaitingAck), Input::Ended(_)) => {
                (state, vec![Effect::Ignored("it had ended before")])
            }
            (
                state @ (State::Launching { .. }
                | State::Held
                | State::Running { .. }
                | State::Killing { .. }),
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

    /// A task that runs is told to end.
    fn end(&mut self, grace: Duration, cause: Cause, now: Instant) -> (State, Vec<Effect>) {
        self.cause = Some(cause);
        let (state, mut effects) = self.begin_kill(grace, now);
        effects.insert(0, Effect::Killing);
        (state, effects)
    }

    /// SIGTERM and a deadline; without grace, force at once.
    fn begin_kill(&mut self, grace: Duration, now: Instant) -> (State, Vec<Effect>) {
        if grace.is_zero() {
            let until = now.plus(KILL_AGAIN_AFTER);
            (State::Killing { until }, vec![Effect::KillTree])
        } else {
            let until = now.plus(grace);
            self.asked_at = Some(now);
            (State::Killing { until }, vec![Effect::Terminate])
        }
    }

    /// The grace was over at `until`.
    fn force(&mut self, until: Instant, now: Instant) -> (State, Vec<Effect>) {
        if let Some(asked_at) = self.asked_at.take() {
            self.ignored_for = Some(until.since(asked_at));
        }
        self.begin_kill(Duration::ZERO, now)
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

fn grace_of_task(info: &TaskInfo) -> Option<Duration> {
    info.kill_policy.as_ref().and_then(grace_of)
}

/// The grace period of a kill policy that has one.
pub(crate) fn grace_of(policy: &KillPolicy) -> Option<Duration> {
    policy.grace_period.as_ref().map(length_of)
}

/// A negative length of time is over at once.
fn length_of(length: &mesos_proto::v1::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(length.nanoseconds).unwrap_or(0))
}
