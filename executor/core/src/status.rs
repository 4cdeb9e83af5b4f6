//! The fields of a status update.

use bytes::Bytes;
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::{TaskId, TaskResourceLimitation, TaskState, TaskStatus};

use crate::config::Config;
use crate::event::{CommandEnd, Fault, LimitKind};
use crate::task::{Cause, Over};
use crate::time::Now;

/// What differs from one update to another.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) state: TaskState,
    pub(crate) reason: Option<Reason>,
    pub(crate) message: Option<String>,
    pub(crate) limitation: Option<TaskResourceLimitation>,
}

impl Report {
    /// A state that needs no words.
    pub(crate) fn of(state: TaskState) -> Self {
        Self {
            state,
            reason: None,
            message: None,
            limitation: None,
        }
    }

    fn because(state: TaskState, reason: Option<Reason>, message: String) -> Self {
        Self {
            state,
            reason,
            message: Some(message),
            limitation: None,
        }
    }

    /// The end of a task whose executor was killed: nothing outlives that, and nobody saw how it ended.
    pub(crate) fn executor_killed() -> Self {
        Self::because(
            TaskState::TaskFailed,
            Some(Reason::ExecutorTerminated),
            "The executor was killed, and the task's processes with it".to_owned(),
        )
    }

    /// The terminal report of a task that ended like this. The texts are those of Mesos's command executor
    /// (src/launcher/executor.cpp) and of its isolators.
    pub(crate) fn terminal(over: Over) -> Self {
        match over {
            Over::NotStarted(failure) => match failure.fault {
                Fault::Framework => Self::because(
                    TaskState::TaskError,
                    Some(Reason::TaskInvalid),
                    failure.message,
                ),
                Fault::Task => Self::because(TaskState::TaskFailed, None, failure.message),
                Fault::Host => Self::because(
                    TaskState::TaskFailed,
                    Some(Reason::ContainerLaunchFailed),
                    failure.message,
                ),
            },
            Over::KilledBeforeStart => Self::because(
                TaskState::TaskKilled,
                Some(Reason::TaskKilledDuringLaunch),
                "Killed before the command was started".to_owned(),
            ),
            Over::Ended(ended, cause) => {
                let message = format!("Command {}", ended.description);
                match cause {
                    None if ended.exit == CommandEnd::Exited(0) => {
                        Self::because(TaskState::TaskFinished, None, message)
                    }
                    None => Self::because(TaskState::TaskFailed, None, message),
                    // Also when it exited with status 0 on the way (Mesos: src/launcher/executor.cpp, `reaped`).
                    Some(Cause::Killed) => Self::because(TaskState::TaskKilled, None, message),
                    Some(Cause::Limited(limitation)) => Self {
                        state: TaskState::TaskFailed,
                        reason: Some(match limitation.kind {
                            LimitKind::Memory => Reason::ContainerLimitationMemory,
                            LimitKind::Disk => Reason::ContainerLimitationDisk,
                        }),
                        message: Some(limitation.message),
                        limitation: Some(TaskResourceLimitation {
                            resources: limitation.resources,
                        }),
                    },
                }
            }
        }
    }

    /// The update itself. `agent_id` stays unset: the agent fills it, and drops an update that names another without
    /// a word (Mesos: src/slave/slave.cpp, `Slave::statusUpdate`).
    pub(crate) fn into_status(
        self,
        task_id: TaskId,
        config: &Config,
        uuid: Bytes,
        now: Now,
    ) -> TaskStatus {
        TaskStatus {
            task_id,
            state: self.state.into(),
            message: self.message,
            source: Some(Source::Executor.into()),
            reason: self.reason.map(Into::into),
            executor_id: Some(config.executor_id.clone()),
            timestamp: Some(now.unix),
            uuid: Some(uuid),
            limitation: self.limitation,
            ..Default::default()
        }
    }
}
