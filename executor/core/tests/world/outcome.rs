//! What the agent and the host have seen when all is over.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use executor_core::Outcome;
use mesos_proto::v1::{TaskState, TaskStatus};

use super::World;
use super::messages::rank;

impl World {
    pub(crate) fn is_complete(&self) -> bool {
        self.outcome == Some(Outcome::Complete)
    }

    /// The distinct updates as the agent first got them.
    pub(crate) fn received_order(&self) -> Vec<Bytes> {
        let mut order = Vec::new();
        for uuid in self
            .received
            .iter()
            .filter_map(|status| status.uuid.clone())
        {
            if !order.contains(&uuid) {
                order.push(uuid);
            }
        }
        order
    }

    pub(crate) fn terminal_uuids(&self, task: &str) -> BTreeSet<Bytes> {
        let of_task = self
            .received
            .iter()
            .filter(|status| status.task_id.value == task);
        of_task
            .filter(|status| rank(status) == 3)
            .filter_map(|s| s.uuid.clone())
            .collect()
    }

    pub(crate) fn state_ranks(&self, task: &str) -> Vec<u8> {
        let mut seen = BTreeSet::new();
        let of_task = self
            .received
            .iter()
            .filter(|status| status.task_id.value == task);
        of_task
            .filter(|status| seen.insert(status.uuid.clone()))
            // What checks find is told while the task runs on, and it may run again.
            .filter(|status| status.state() != TaskState::TaskRunning || status.reason.is_none())
            .filter(|status| !status.message().starts_with("restarted ("))
            .map(rank)
            .collect()
    }

    /// How often a uuid came with another content than the first time.
    pub(crate) fn changed_statuses(&self) -> usize {
        let mut first: BTreeMap<&Bytes, &TaskStatus> = BTreeMap::new();
        let mut changed = 0;
        for status in &self.received {
            if let Some(uuid) = &status.uuid {
                changed += usize::from(*first.entry(uuid).or_insert(status) != status);
            }
        }
        changed
    }

    pub(crate) fn never_started(&self) -> Vec<String> {
        self.delivered
            .difference(&self.host.ever_started)
            .cloned()
            .collect()
    }

    /// Whether an update said this.
    pub(crate) fn has_told(&self, text: &str) -> bool {
        self.received
            .iter()
            .any(|status| status.message().contains(text))
    }

    /// The end alone, without what led to it, so that many fit into memory.
    pub(crate) fn forget_the_way(mut self) -> Self {
        self.log = Vec::new();
        self.journal = Vec::new();
        self
    }

    /// Whether a task that was launched together with this one has ended otherwise than well.
    pub(crate) fn is_in_a_broken_group(&self, id: &str) -> bool {
        let mut groups = self.groups.iter();
        let group = groups.find(|group| group.iter().any(|one| one == id));
        let mates: Vec<&String> = group.into_iter().flatten().collect();
        self.received.iter().any(|status| {
            let failed = rank(status) == 3 && status.state() != TaskState::TaskFinished;
            failed && mates.contains(&&status.task_id.value)
        })
    }

    pub(crate) fn unreaped(&self) -> Vec<String> {
        self.host
            .started
            .difference(&self.host.cleaned)
            .cloned()
            .collect()
    }
}
