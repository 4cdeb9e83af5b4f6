//! The fields of a status update.

mod terminal;
mod text;

use bytes::Bytes;
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::{
    CheckStatusInfo, ContainerId, ContainerStatus, ExecutorId, Label, Labels, TaskId,
    TaskResourceLimitation, TaskState, TaskStatus,
};

use crate::task::Task;
use crate::time::Now;

/// What differs from one update of a task to another.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) state: TaskState,
    pub(crate) message: Option<String>,
    reason: Option<Reason>,
    limitation: Option<TaskResourceLimitation>,
    /// What must outlast a reconciliation, which has neither message nor reason: few and short, as the master keeps them.
    labels: Vec<(&'static str, String)>,
}

/// What an update says beside its report.
#[derive(Debug)]
pub(crate) struct Circumstances {
    pub(crate) task_id: TaskId,
    pub(crate) executor_id: ExecutorId,
    pub(crate) container_id: Option<ContainerId>,
    pub(crate) healthy: Option<bool>,
    pub(crate) check_status: Option<CheckStatusInfo>,
    pub(crate) uuid: Bytes,
    pub(crate) now: Now,
}

impl Report {
    /// A state that needs no words.
    pub(crate) fn of(state: TaskState) -> Self {
        Self {
            state,
            message: None,
            reason: None,
            limitation: None,
            labels: Vec::new(),
        }
    }

    /// A task runs: for the first time, or again. What there is to tell is in the message.
    pub(crate) fn running(message: Option<String>, task: &Task) -> Self {
        Self {
            message: message.map(|message| text::tame(&message)),
            ..Self::of(TaskState::TaskRunning)
        }
        .with_restarts(task)
    }

    /// How often the task was started again, if it was.
    fn with_restarts(mut self, task: &Task) -> Self {
        let restarts = task.runs().restarts();
        if restarts > 0 {
            self.labels.push(("restarts", restarts.to_string()));
        }
        self
    }

    fn because(state: TaskState, reason: Option<Reason>, message: String) -> Self {
        Self {
            reason,
            message: Some(message),
            ..Self::of(state)
        }
    }

    /// A task that runs on, with something new about its health (Mesos: docs/task-state-reasons.md).
    pub(crate) fn health(message: Option<String>) -> Self {
        Self {
            reason: Some(Reason::TaskHealthCheckStatusUpdated),
            message,
            ..Self::of(TaskState::TaskRunning)
        }
    }

    /// A task that runs on, with something new in its check (Mesos: docs/task-state-reasons.md).
    pub(crate) fn check_status(message: Option<String>) -> Self {
        Self {
            reason: Some(Reason::TaskCheckStatusUpdated),
            message,
            ..Self::of(TaskState::TaskRunning)
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

    /// The update itself. `agent_id` stays unset: the agent fills it, and drops an update that names another without
    /// a word (Mesos: src/slave/slave.cpp, `Slave::statusUpdate`). Of the container only the id is named: the agent adds
    /// the rest.
    pub(crate) fn into_status(self, about: Circumstances) -> TaskStatus {
        let labels = self.labels.into_iter().map(|(key, value)| Label {
            key: format!("{LABEL_PREFIX}{key}"),
            value: Some(value),
        });
        let labels: Vec<Label> = labels.collect();
        TaskStatus {
            task_id: about.task_id,
            state: self.state.into(),
            message: self.message,
            source: Some(Source::Executor.into()),
            reason: self.reason.map(Into::into),
            executor_id: Some(about.executor_id),
            timestamp: Some(about.now.unix),
            uuid: Some(about.uuid),
            healthy: about.healthy,
            check_status: about.check_status,
            labels: (!labels.is_empty()).then_some(Labels { labels }),
            container_status: about.container_id.map(|id| ContainerStatus {
                container_id: Some(id),
                ..Default::default()
            }),
            limitation: self.limitation,
            ..Default::default()
        }
    }
}

/// Begins the keys of all labels that this executor sets.
const LABEL_PREFIX: &str = "mesos-sandbox-executor.";
