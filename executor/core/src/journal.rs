//! What outlives the executor: its records, in the order they came about.
//!
//! [`crate::Action::Record`] hands each to the edge that writes the file. [`crate::Core::recover`] takes a file's records
//! in again, and [`crate::Core::snapshot`] gives the few that matter, for a file that has grown too long.

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::v1::{TaskId, TaskStatus};

use crate::ledger::is_terminal;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A task was launched. It is alive until a terminal update of it.
    Task(Box<TaskInfo>),
    /// An update was made.
    Update(Box<TaskStatus>),
    /// The agent has taken an update, or will never take it. For the task it was the first of all, if the journal knows
    /// none before.
    Acknowledged {
        /// The update's task.
        task_id: TaskId,
        /// The update.
        uuid: Bytes,
    },
}

impl Record {
    /// Whether losing this record in a crash of the host would lose the end of a task: it must have reached the disk
    /// itself, not only the kernel, before the call that depends on it.
    pub fn wants_sync(&self) -> bool {
        match self {
            Self::Update(status) => is_terminal(status),
            Self::Task(_) | Self::Acknowledged { .. } => false,
        }
    }
}
