//! What an executor takes over from one before it that was killed, by way of the journal.

use mesos_proto::TaskInfo;

use super::Core;
use crate::journal::Record;
use crate::ledger::is_terminal;
use crate::status::Report;
use crate::task::Task;
use crate::time::{Instant, Now};

impl Core {
    /// Takes the records of an earlier executor in, before anything else happens: what it had not delivered is delivered
    /// under the same uuids and in the same order. A task that it left running has ended with it, and is reported as
    /// failed.
    pub fn recover(&mut self, now: Now, records: Vec<Record>) {
        for record in records {
            self.replay(now.at, record);
        }
        let left: Vec<(TaskInfo, bool)> = self
            .ledger
            .tasks()
            .map(|(info, over)| (info.clone(), over))
            .collect();
        for (info, over) in left {
            self.ever_launched = true;
            let task_id = info.task_id.clone();
            self.tasks
                .insert(task_id.value.clone(), Task::never_started(&info));
            if !over {
                self.update(now, &task_id, Report::executor_killed());
            }
        }
    }

    /// The few records that matter, in place of all that [`crate::Action::Record`] has handed over so far. Only when
    /// every action has been polled.
    pub fn snapshot(&self) -> Vec<Record> {
        self.ledger.records()
    }

    fn replay(&mut self, now: Instant, record: Record) {
        match record {
            Record::Task(info) => {
                self.finished.remove(&info.task_id.value);
                self.ledger.record_task(*info);
            }
            // It is in the journal: nothing waits for its record.
            Record::Update(status) => self.ledger.record_update(*status, 0, now),
            Record::Acknowledged { task_id, uuid } => {
                match self.ledger.acknowledge(&task_id, &uuid) {
                    Some(status) if is_terminal(&status) => {
                        self.finished.insert(task_id.value, status);
                    }
                    Some(_) => {}
                    // A journal that was made short tells only that there was one.
                    None => self.ledger.first_acknowledgement(&task_id, &uuid),
                }
            }
        }
    }
}
