//! What checks find, told no faster than the agent takes it.
//!
//! A check may fail a hundred times a second, for hours while the agent is away, and each failure is an update. The agent
//! passes a task's updates on one after the other, each when the scheduler has acknowledged the last (Mesos:
//! src/status_update_manager/status_update_manager_process.hpp), so that more of them in line would tell nobody anything
//! sooner, and would grow without end. The last finding is never lost: it takes the place of those before it.

use mesos_proto::v1::TaskId;

use super::Core;
use crate::status::Report;
use crate::task::Task;
use crate::time::Now;

/// How many unacknowledged updates a task may have before further findings wait.
const MOST_IN_LINE: usize = 4;

impl Core {
    /// Makes an update about a running task, or keeps it until the agent has acknowledged others.
    pub(super) fn tell(&mut self, now: Now, task_id: &TaskId, report: Report) {
        if self.ledger.waiting_of(task_id) < MOST_IN_LINE {
            self.update(now, task_id, report);
        } else {
            self.withheld.insert(task_id.value.clone(), report);
        }
    }

    /// An update of this task is out of the way.
    pub(super) fn tell_withheld(&mut self, now: Now, task_id: &TaskId) {
        let Some(report) = self.withheld.remove(&task_id.value) else {
            return;
        };
        // Every later update says what its checks have found, too.
        if self.tasks.get(&task_id.value).is_some_and(Task::is_running) {
            self.tell(now, task_id, report);
        }
    }
}
