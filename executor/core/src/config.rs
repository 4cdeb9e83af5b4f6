//! What the core must know before the first event.

use std::time::Duration;

use mesos_proto::v1::{ExecutorId, FrameworkId};

use crate::command_task::CommandTask;

/// The executor's identity and its time limits. [`Config::new`] has Mesos's own defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Goes into every call.
    pub framework_id: FrameworkId,
    /// Goes into every call.
    pub executor_id: ExecutorId,
    /// Whether the agent recovers this executor after a restart (`MESOS_CHECKPOINT`). Without it a lost connection
    /// means shutdown.
    pub checkpoint: bool,
    /// How long to look for a lost agent before giving up (`MESOS_RECOVERY_TIMEOUT`).
    pub recovery_timeout: Duration,
    /// No wait between two attempts to subscribe is longer (`MESOS_SUBSCRIPTION_BACKOFF_MAX`): a recovered agent
    /// waits just that long for its executors (Mesos: src/slave/slave.cpp, `executor_reregistration_timeout`).
    pub subscription_backoff_max: Duration,
    /// How long one attempt may take from SUBSCRIBE to SUBSCRIBED.
    pub subscribe_timeout: Duration,
    /// How long to go on trying when there was never a connection and no recovery: the agent's own patience with an
    /// executor that does not register (Mesos: docs/configuration/agent.md, `executor_registration_timeout`).
    pub registration_timeout: Duration,
    /// From SHUTDOWN to the agent's destroying the container (`MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD`).
    pub shutdown_grace_period: Duration,
    /// From SIGTERM to SIGKILL for a task without a kill policy (Mesos: src/slave/constants.hpp, 3 s).
    pub kill_grace_period: Duration,
    /// How long an acknowledgement is waited for when nothing else is left to do (Mesos: src/launcher/executor.cpp,
    /// 60 s). Some never come: the framework is gone, or the agent has forgotten the task.
    pub acknowledgement_timeout: Duration,
    /// How long to stay after the last task, for a framework that launches the next one into the same executor.
    pub idle_timeout: Duration,
    /// How long the connection for calls may be idle before a HEARTBEAT goes over it: whether its answer comes, the edge
    /// watches.
    pub heartbeat_interval: Duration,
    /// How long the stream may be silent. The agent sends HEARTBEAT every half an hour (Mesos: src/slave/constants.hpp,
    /// `DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL`).
    pub stream_patience: Duration,
    /// The executor's own arguments, its name first: a framework may have put a task's command there.
    pub arguments: Vec<String>,
    /// In the place of Mesos's command executor: there is one task, and its command is all that is run.
    pub command_task: Option<CommandTask>,
    /// How long a task's clean-up may hold its terminal update back, and a killed task may stay unreaped.
    pub clean_up_timeout: Duration,
}

impl Config {
    /// Mesos's defaults for an executor of these ids.
    pub fn new(framework_id: FrameworkId, executor_id: ExecutorId) -> Self {
        Self {
            framework_id,
            executor_id,
            checkpoint: false,
            recovery_timeout: Duration::from_secs(15 * 60),
            subscription_backoff_max: Duration::from_secs(2),
            subscribe_timeout: Duration::from_secs(5),
            registration_timeout: Duration::from_secs(60),
            shutdown_grace_period: Duration::from_secs(5),
            kill_grace_period: Duration::from_secs(3),
            acknowledgement_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(10),
            stream_patience: Duration::from_secs(61 * 60),
            arguments: Vec::new(),
            command_task: None,
            clean_up_timeout: Duration::from_secs(10),
        }
    }
}
