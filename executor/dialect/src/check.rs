//! Checks as a framework asks for them: defaults filled in, nonsense refused (Mesos: docs/health-checks.md).

use std::time::Duration;

use crate::Program;

/// One check of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Names it in messages: `health check`, `check`, or the name that the framework gave.
    pub name: String,
    /// What its outcome means.
    pub role: Role,
    /// How it looks.
    pub probe: Probe,
    /// From the task's start to the first look.
    pub delay: Duration,
    /// From the end of one look to the begin of the next.
    pub interval: Duration,
    /// How long one look may take; none is without limit, as Mesos's 0 means.
    pub timeout: Option<Duration>,
    /// From the task's start: failures in it count for nothing until the first success.
    pub grace_period: Duration,
    /// So many failures in a row make the task unhealthy; none never does.
    pub consecutive_failures: Option<u32>,
}

/// What a check's outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `TaskInfo.health_check` and more of the kind: `healthy` in updates, and the end of an unhealthy task.
    Health,
    /// Holds TASK_RUNNING's `healthy` back until it has succeeded once, and never ends a task.
    Readiness,
    /// `TaskInfo.check`: `check_status` in updates, and nothing else.
    General,
}

/// How a check looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Runs a program in the task's sandbox; its exit status is the answer.
    Command {
        /// What to run.
        program: Program,
        /// Set over the task's own environment.
        environment: Vec<(String, String)>,
    },
    /// Asks by HTTP; the answer's status counts.
    Http(HttpProbe),
    /// Connects.
    Tcp {
        /// Where to.
        target: Target,
    },
}

/// A GET request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// By TLS.
    pub https: bool,
    /// Whether the certificate must be valid for the target. Mesos's own executors never look.
    pub verify: bool,
    /// Where to.
    pub target: Target,
    /// Begins with a slash; holds the query, too.
    pub path: String,
    /// Sent beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// The statuses that mean success; when empty, 200 to 399 do.
    pub statuses: Vec<u32>,
}

/// The address that a network check goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// An address or a name; 127.0.0.1 unless the framework said otherwise.
    pub host: String,
    /// The port.
    pub port: u16,
}
