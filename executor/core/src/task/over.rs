//! Why a task is made to end, and how it ended.

use std::time::Duration;

use mesos_proto::v1::TaskState;

use crate::event::{Ended, Limitation, StartFailure};

/// Why a task is made to end.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// KILL.
    Killed,
    /// The executor's own end, and why that.
    ShutDown(&'static str),
    /// A broken limit.
    Limited(Limitation),
    /// Its `max_completion_time`.
    TooLong(Duration),
    /// Its health checks, and what they found.
    Unhealthy(String),
    /// A hook that the task cannot do without, and what went wrong with it.
    Hook(String),
    /// Another member of its group has come to this end.
    Member { task: String, state: TaskState },
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    NotStarted(StartFailure),
    /// Before it was started.
    Stopped(Cause),
    Ended(Ended, Option<Cause>),
}
