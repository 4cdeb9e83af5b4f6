//! Updates as they were received.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::{TaskState, TaskStatus};

/// One status update as it was received.
#[derive(Clone, Debug)]
pub struct Update {
    /// When it was received.
    pub at: SystemTime,
    /// How long that was after the scheduler was made.
    pub elapsed: Duration,
    /// The task's id.
    pub task: String,
    /// The state.
    pub state: TaskState,
    /// Who speaks.
    pub source: Option<Source>,
    /// The reason.
    pub reason: Option<Reason>,
    /// The message, empty when there is none.
    pub message: String,
    /// The update's id, the same in each repetition; empty when it wants no acknowledgement.
    pub uuid: Bytes,
    /// All of it.
    pub status: TaskStatus,
}

impl Update {
    pub(super) fn new(status: TaskStatus, elapsed: Duration) -> Self {
        Self {
            at: SystemTime::now(),
            elapsed,
            task: status.task_id.value.clone(),
            state: TaskState::try_from(status.state).unwrap_or(TaskState::TaskUnknown),
            source: status
                .source
                .and_then(|source| Source::try_from(source).ok()),
            reason: status
                .reason
                .and_then(|reason| Reason::try_from(reason).ok()),
            message: status.message.clone().unwrap_or_default(),
            uuid: status.uuid.clone().unwrap_or_default(),
            status,
        }
    }
}

/// One line: a message is cut after its first.
impl fmt::Display for Update {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:8.3}s {} {} {} {} {}",
            self.elapsed.as_secs_f64(),
            self.task,
            self.state.as_str_name(),
            self.source.map_or("-", |source| source.as_str_name()),
            self.reason.map_or("-", |reason| reason.as_str_name()),
            self.message.lines().next().unwrap_or_default()
        )
    }
}
