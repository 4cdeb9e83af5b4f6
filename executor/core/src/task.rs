//! One task, from LAUNCH to its last acknowledgement.
//!
//! ```text
//!   Launching --started--> Running --kill, health--> Stopping --SIGTERM--> Killing --ended--> AfterStop --> CleaningUp
//!     |  ^ | ^                | \---- limit, time: by force ----------------->/ ^ \deadline: by force           |  |
//!     |  | | |                \------------------- ended ---------------------|-------------->/                 |  |
//!     |  | | \---- its wait is over ---- Backoff <----- restart policy -------|----------------------- clean ---/  |
//!     |  | |                                \---- kill, time ---> AwaitingAck |                         clean      |
//!     |  | |---- started, kill came before ---------------------------------->/                           v        |
//!     |  | \---- start failed ------------------------------------------------------------------->  AwaitingAck <--/
//!     v  |release                                                                                         ^
//!    Held ------ start failed ----------------------------------------------------------------------------/
//!       \------ kill: back to Launching, cancelled
//! ```
//!
//! Happy path: Launching, Running, CleaningUp, AwaitingAck; a member of a group is Held in between until all of them are.
//! Stopping has the steps of `stop`, AfterStop is there for a hook alone, Backoff for a restart policy: a task that asks
//! for none of them is never there. TERM then KILL is a deadline that passes, not a sleeping task. The first cause wins: a
//! task that was told to die and then breaks a limit was killed, a task that broke a limit and is then told to die failed.
//! Its checks look while it is Running and at no other time. Only [`crate::Core`] drives this machine; the table in
//! [`Task::step`] names every state with every input.

mod after;
mod ending;
mod hooks;
mod over;
mod runs;
mod stop;
mod table;

use std::time::Duration;

use dialect::{Allowed, Hook, Life, Options, Request, Restart, StopSignal};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{CheckStatusInfo, KillPolicy, TaskId, TaskState};

use crate::checks::{Checks, Look};
use crate::event::{CommandEnd, Ended, Limitation, Probed, StartFailure};
use crate::hook::Moment;
use crate::time::{Instant, Now};
pub(crate) use over::{Cause, Over};
pub(crate) use runs::Runs;
use stop::{Step, Times};

/// A task that the agent launched and whose terminal update is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) task_id: TaskId,
    /// The grace of its own kill policy, or of its options.
    pub(crate) grace: Option<Duration>,
    /// The number of its group, in which all start or none does.
    pub(crate) group: Option<u64>,
    options: Options,
    /// What may be asked and done by MESSAGE.
    pub(crate) allowed: Allowed,
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
    life: Life,
    runs: Runs,
    /// The time of all runs together is over then.
    time_is_over: Option<Instant>,
    /// How the last run ended, and how that is told, while the next one is on its way.
    last: Option<(Ended, String)>,
    /// The hook that runs, and the time that it was given.
    hook: Option<(Moment, Duration)>,
    /// No hook runs after this.
    hooks_by: Option<Instant>,
    /// What went wrong with hooks, and was not told yet.
    troubles: Vec<String>,
    /// Hooks and looks of checks that were called off and are not answered yet.
    unanswered: usize,
}

#[derive(Debug)]
enum State {
    /// The sandbox is being made. `kill` is the grace of a kill that came meanwhile.
    Launching { kill: Option<Duration> },
    /// The sandbox is made, and the rest of the group is waited for.
    Held,
    /// At `until` its time is over.
    Running { until: Option<Instant> },
    /// Told to end, and on the way to SIGTERM: this step is over at `until`.
    Stopping {
        step: Step,
        until: Instant,
        times: Times,
    },
    /// SIGTERM was sent. At `until` by force; after that the same again, should it still be there.
    Killing { until: Instant },
    /// Ended and reaped; its hook for that runs, until `until` at the longest.
    AfterStop { ended: Ended, until: Instant },
    /// What it left on the host is being removed, until `until` at the longest; with `aside`, all but what another run
    /// needs.
    CleaningUp {
        ended: Ended,
        until: Instant,
        aside: bool,
    },
    /// Started again at `until`.
    Backoff { ended: Ended, until: Instant },
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
    Hooked(Moment, Probed),
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
    /// It runs: what is to be told beside that.
    Running(Option<String>),
    /// TASK_RUNNING again, for what a health check found.
    Health(Option<String>),
    /// TASK_RUNNING again, for what a check found.
    CheckStatus(Option<String>),
    Killing,
    /// Do not start it, if that is still to be had.
    CancelLaunch,
    StopSignal(StopSignal),
    Terminate,
    KillTree,
    CleanUp,
    /// Clean up, but for what another run needs.
    PutAside,
    /// It is started again after this long, since the last run ended like that.
    WillRestart(Duration, String),
    Relaunch,
    Hook(Moment, Box<Hook>, Duration),
    CancelHook(Moment),
    /// A hook failed, or was not run.
    HookFailed(String),
    /// A hook failed that the task cannot do without: it is to end.
    Broken(String),
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

impl Task {
    /// A task whose launch was asked for.
    pub(crate) fn launching(info: &TaskInfo, request: &Request, group: Option<u64>) -> Self {
        Self {
            grace: grace_of_task(info).or(request.options.kill_grace),
            group,
            options: request.options.clone(),
            life: request.life.clone(),
            runs: Runs::of(request.life.restart.clone()),
            allowed: request.messages,
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
            allowed: Allowed::default(),
            time_limit: info.max_completion_time.as_ref().map(length_of),
            wanted_checks: Vec::new(),
            lacks: None,
            checks: Checks::new(&[], Instant::default()),
            reported: (TaskState::TaskStaging, 0.0),
            state: State::AwaitingAck,
            cause: None,
            asked_at: None,
            ignored_for: None,
            life: Life::default(),
            runs: Runs::of(Restart::default()),
            time_is_over: None,
            last: None,
            hook: None,
            hooks_by: None,
            troubles: Vec::new(),
            unanswered: 0,
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

    /// What it is started again for, and how often it was.
    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What went wrong with its hooks, and was not told yet.
    pub(crate) fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Whether a command that ends like this has done what it should.
    pub(crate) fn is_success(&self, exit: CommandEnd) -> bool {
        match exit {
            CommandEnd::Exited(status) => self.options.success_codes.contains(&status),
            CommandEnd::Signalled(_) | CommandEnd::Unknown => false,
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Killing { until }
            | State::AfterStop { until, .. }
            | State::CleaningUp { until, .. } => Some(until),
            State::Running { until } => until.into_iter().chain(self.checks.next_deadline()).min(),
            State::Stopping { until, times, .. } => Some(until.min(times.kill)),
            State::Backoff { until, .. } => {
                // What was called off keeps it waiting; its answer is an event of its own.
                let until = (self.unanswered == 0).then_some(until);
                until.into_iter().chain(self.time_is_over).min()
            }
            State::Launching { .. } | State::Held | State::AwaitingAck => None,
        }
    }

    /// Takes one input in. `clean_up` is how long removing its leavings may take.
    pub(crate) fn on(&mut self, input: Input, now: Instant, clean_up: Duration) -> Vec<Effect> {
        let state = std::mem::replace(&mut self.state, State::AwaitingAck);
        let (next, mut effects) = self.step(state, input, now, clean_up);
        self.state = next;
        if !self.is_running() {
            let under_way = self.checks.stop();
            self.unanswered += under_way.len();
            effects.splice(0..0, under_way.into_iter().map(Effect::CancelProbe));
        }
        if !self.state.has_a_hook() {
            effects.splice(0..0, self.call_off());
        }
        effects
    }
}

impl State {
    /// Whether a hook may be under way.
    fn has_a_hook(&self) -> bool {
        match self {
            Self::Running { .. } | Self::AfterStop { .. } => true,
            Self::Stopping { step, .. } => matches!(step, Step::Hook(_)),
            Self::Launching { .. }
            | Self::Held
            | Self::Killing { .. }
            | Self::CleaningUp { .. }
            | Self::Backoff { .. }
            | Self::AwaitingAck => false,
        }
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
