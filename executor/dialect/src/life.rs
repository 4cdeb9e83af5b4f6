//! The life of a task beside its program: hooks around it, the way it is stopped, and whether it is started again.

use std::time::Duration;

use crate::Program;

/// What a task asks for of its life. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// What is run around its program.
    pub hooks: Hooks,
    /// How it is made to end.
    pub stop: Stop,
    /// Whether it is started again when it has ended.
    pub restart: Restart,
}

/// What is run around a task's program, in its sandbox, as its user, within its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Before the program is executed, each time.
    pub before_start: Option<Hook>,
    /// When the program runs, beside it, each time.
    pub after_start: Option<Hook>,
    /// When the task is told to end, beside it, as the first step.
    pub before_stop: Option<Hook>,
    /// When nothing of the task runs any more, each time.
    pub after_stop: Option<Hook>,
}

/// One command at one moment of a task's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What to run.
    pub program: Program,
    /// Set over the task's own environment.
    pub environment: Vec<(String, String)>,
    /// When this is over the hook has failed, and all of its processes are killed.
    pub timeout: Duration,
    /// Its failure makes the task TASK_FAILED; otherwise it is only told.
    pub must_succeed: bool,
}

/// How a task is made to end: its hook before the stop, deregistering, draining, a signal of its choice, SIGTERM, SIGKILL.
/// All of it lies within the grace of the kill; what does not fit is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Takes the task out of whatever leads work to it.
    pub deregister: Option<Hook>,
    /// How long it is left alone after that, to finish what it has begun.
    pub drain: Duration,
    /// Sent before SIGTERM.
    pub signal: Option<StopSignal>,
    /// From that signal to SIGTERM.
    pub signal_wait: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            deregister: None,
            drain: Duration::ZERO,
            signal: None,
            signal_wait: Duration::from_secs(2),
        }
    }
}

/// A signal that begins the end of a task instead of SIGTERM. It goes to the process group of the task's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGHUP
    Hangup,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
    /// SIGUSR1
    User1,
    /// SIGUSR2
    User2,
}

/// Whether, how often and how soon a task's program is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// After which ends.
    pub policy: RestartPolicy,
    /// How often in a row; none is without limit.
    pub most: Option<u32>,
    /// From an end to the first new start; doubled with each further one in a row.
    pub backoff: Duration,
    /// What the doubling stops at.
    pub longest_backoff: Duration,
    /// A run of this length begins a new row: the next restart is the first again.
    pub reset_after: Duration,
    /// A broken limit (memory, disk) is a failure like any other, instead of the end.
    pub on_limit: bool,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::Never,
            most: None,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            reset_after: Duration::from_secs(600),
            on_limit: false,
        }
    }
}

/// After which ends a task's program is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// After none.
    #[default]
    Never,
    /// When it ended by a signal or with a status that is no success code, or was ended for its health.
    OnFailure,
    /// Whenever it ended by itself.
    Always,
}
