//! What the agent has not acknowledged.
//!
//! An update is recorded here before it is sent and stays until its acknowledgement; a task stays until the first
//! acknowledgement of any of its updates, also while its updates are being sent again: the agent drops a task that is
//! still staging and absent from `unacknowledged_tasks` (Mesos: src/slave/slave.cpp, `Slave::subscribe`).

use std::collections::VecDeque;

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::call;
use mesos_proto::v1::{TaskId, TaskState, TaskStatus};

use crate::journal::Record;
use crate::time::Instant;

/// The unacknowledged tasks and updates, both in the order they came about.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    tasks: VecDeque<Launched>,
    updates: VecDeque<Recorded>,
}

/// A task whose terminal update is not acknowledged.
#[derive(Debug)]
struct Launched {
    info: TaskInfo,
    /// The update that the agent acknowledged last.
    acknowledged: Option<Bytes>,
}

#[derive(Debug)]
struct Recorded {
    status: TaskStatus,
    /// Its number in the journal.
    record: u64,
    /// The connection that carried it last, in its SUBSCRIBE or as a call.
    carried_by: Option<u64>,
    /// Since when its acknowledgement is due.
    since: Instant,
}

impl Ledger {
    pub(crate) fn record_task(&mut self, task: TaskInfo) {
        self.tasks.push_back(Launched {
            info: task,
            acknowledged: None,
        });
    }

    /// Records an update that nothing has carried yet; `record` is its number in the journal.
    pub(crate) fn record_update(&mut self, status: TaskStatus, record: u64, now: Instant) {
        self.updates.push_back(Recorded {
            status,
            record,
            carried_by: None,
            since: now,
        });
    }

    /// Everything, for the SUBSCRIBE of connection `attempt`.
    pub(crate) fn subscribe(&mut self, attempt: u64) -> call::Subscribe {
        call::Subscribe {
            unacknowledged_tasks: self
                .tasks
                .iter()
                .filter(|task| task.acknowledged.is_none())
                .map(|task| task.info.clone())
                .collect(),
            unacknowledged_updates: self
                .updates
                .iter_mut()
                .map(|one| one.carry(attempt))
                .collect(),
        }
    }

    /// The updates, in order, that connection `attempt` has not carried yet, each with its number in the journal.
    pub(crate) fn unsent(&mut self, attempt: u64) -> Vec<(call::Update, u64)> {
        self.updates
            .iter_mut()
            .filter(|one| one.carried_by != Some(attempt))
            .map(|one| (one.carry(attempt), one.record))
            .collect()
    }

    /// Takes an acknowledgement in. Returns the update that it was for; none when it is not, or no longer, here.
    pub(crate) fn acknowledge(&mut self, task_id: &TaskId, uuid: &[u8]) -> Option<TaskStatus> {
        let status = self.remove(uuid, |status| status.task_id == *task_id)?;
        self.first_acknowledgement(task_id, uuid);
        Some(status)
    }

    /// The agent knows this task, by whichever update.
    pub(crate) fn first_acknowledgement(&mut self, task_id: &TaskId, uuid: &[u8]) {
        for task in &mut self.tasks {
            if task.info.task_id == *task_id {
                task.acknowledged = Some(Bytes::copy_from_slice(uuid));
            }
        }
    }

    /// Forgets an update that the agent will never take.
    pub(crate) fn discard(&mut self, uuid: &[u8]) -> Option<TaskStatus> {
        self.remove(uuid, |_| true)
    }

    fn remove(&mut self, uuid: &[u8], also: impl Fn(&TaskStatus) -> bool) -> Option<TaskStatus> {
        let place = self
            .updates
            .iter()
            .position(|one| one.status.uuid.as_deref() == Some(uuid) && also(&one.status))?;
        let status = self.updates.remove(place)?.status;
        if is_terminal(&status) {
            self.tasks
                .retain(|task| task.info.task_id != status.task_id);
        }
        Some(status)
    }

    /// Tasks whose terminal update was not made, or is not acknowledged, and whether it was made.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&TaskInfo, bool)> {
        self.tasks.iter().map(|task| {
            let id = &task.info.task_id;
            let mut updates = self.updates.iter().map(|one| &one.status);
            let over = updates.any(|status| status.task_id == *id && is_terminal(status));
            (&task.info, over)
        })
    }

    /// The records that a journal needs to hold, and no more, for a ledger like this one to come of them.
    pub(crate) fn records(&self) -> Vec<Record> {
        let tasks = self.tasks.iter().flat_map(|task| {
            let known = task.acknowledged.clone().map(|uuid| Record::Acknowledged {
                task_id: task.info.task_id.clone(),
                uuid,
            });
            std::iter::once(Record::Task(Box::new(task.info.clone()))).chain(known)
        });
        let updates = self.updates.iter();
        tasks
            .chain(updates.map(|one| Record::Update(Box::new(one.status.clone()))))
            .collect()
    }

    /// A new connection carries everything: the patience with every acknowledgement begins again.
    pub(crate) fn renew(&mut self, now: Instant) {
        for one in &mut self.updates {
            one.since = now;
        }
    }

    /// How many updates wait for their acknowledgement.
    pub(crate) fn waiting(&self) -> usize {
        self.updates.len()
    }

    /// How many of them are of this task.
    pub(crate) fn waiting_of(&self, task_id: &TaskId) -> usize {
        let updates = self.updates.iter();
        updates.filter(|one| one.status.task_id == *task_id).count()
    }

    /// Since when the newest of them has been waiting.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.updates.iter().map(|one| one.since).max()
    }
}

pub(crate) fn is_terminal(status: &TaskStatus) -> bool {
    TaskState::try_from(status.state).is_ok_and(TaskState::is_terminal)
}

impl Recorded {
    fn carry(&mut self, attempt: u64) -> call::Update {
        self.carried_by = Some(attempt);
        call::Update {
            status: self.status.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesos_proto::v1::{AgentId, TaskInfoFields};

    fn task(id: &str) -> TaskInfo {
        TaskInfo::from(TaskInfoFields {
            name: id.into(),
            task_id: TaskId { value: id.into() },
            agent_id: AgentId { value: "a".into() },
            ..Default::default()
        })
    }

    fn update(id: &str, uuid: u8) -> TaskStatus {
        TaskStatus {
            task_id: TaskId { value: id.into() },
            uuid: Some(Bytes::copy_from_slice(&[uuid; 16])),
            ..Default::default()
        }
    }

    fn id(value: &str) -> TaskId {
        TaskId {
            value: value.into(),
        }
    }

    #[test]
    fn a_task_stays_until_the_first_acknowledgement_of_any_of_its_updates() {
        let mut ledger = Ledger::default();
        ledger.record_task(task("a"));
        ledger.record_task(task("b"));
        ledger.record_update(update("a", 1), 1, Instant::default());
        ledger.record_update(update("a", 2), 1, Instant::default());
        assert_eq!(ledger.subscribe(1).unacknowledged_tasks.len(), 2);
        assert!(ledger.acknowledge(&id("a"), &[1; 16]).is_some());
        let call = ledger.subscribe(2);
        assert_eq!(call.unacknowledged_tasks.len(), 1);
        assert_eq!(call.unacknowledged_tasks[0].task_id.value, "b");
        assert_eq!(call.unacknowledged_updates.len(), 1);
    }

    #[test]
    fn only_what_a_connection_has_not_carried_is_sent_on_it_and_in_order() {
        let mut ledger = Ledger::default();
        ledger.record_update(update("a", 1), 1, Instant::default());
        ledger.subscribe(7);
        ledger.record_update(update("a", 2), 1, Instant::default());
        ledger.record_update(update("b", 3), 1, Instant::default());
        let uuids = |updates: Vec<(call::Update, u64)>| -> Vec<u8> {
            updates
                .iter()
                .map(|(u, _)| u.status.uuid.as_ref().unwrap()[0])
                .collect()
        };
        assert_eq!(uuids(ledger.unsent(7)), [2, 3]);
        assert_eq!(uuids(ledger.unsent(7)), [0_u8; 0]);
        assert_eq!(uuids(ledger.unsent(8)), [1, 2, 3]);
    }

    #[test]
    fn an_acknowledgement_that_fits_no_update_changes_nothing() {
        let mut ledger = Ledger::default();
        ledger.record_task(task("a"));
        ledger.record_update(update("a", 1), 1, Instant::default());
        assert!(ledger.acknowledge(&id("a"), &[9; 16]).is_none());
        assert!(ledger.acknowledge(&id("b"), &[1; 16]).is_none());
        assert_eq!(ledger.waiting(), 1);
        assert_eq!(ledger.subscribe(1).unacknowledged_tasks.len(), 1);
    }
}
