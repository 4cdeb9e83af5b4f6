//! The tasks that are here, for whoever wants to know what they use while the driver goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mesos_proto::v1::TaskId;
use task_figures::Task;
use tokio::sync::Notify;

use super::launch::Belongings;
use super::usage;
use crate::logs::locked;

/// Shared by the host, which keeps it, and its readers.
#[derive(Clone, Default)]
pub(crate) struct Roll(Arc<Shared>);

#[derive(Default)]
struct Shared {
    tasks: Mutex<BTreeMap<String, Entry>>,
    entered: Notify,
}

#[derive(Clone)]
struct Entry {
    belongings: Arc<Belongings>,
    /// How often it was started again.
    restarts: u64,
}

impl Roll {
    /// A task runs, perhaps again.
    pub(super) fn enter(&self, task_id: &TaskId, belongings: &Arc<Belongings>) {
        let mut roll = locked(&self.0.tasks);
        let before = roll.get(&task_id.value);
        let entry = Entry {
            belongings: Arc::clone(belongings),
            restarts: before.map_or(0, |before| before.restarts + 1),
        };
        roll.insert(task_id.value.clone(), entry);
        self.0.entered.notify_one();
    }

    /// A task is over.
    pub(super) fn leave(&self, task_id: &TaskId) {
        locked(&self.0.tasks).remove(&task_id.value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.0.tasks).is_empty()
    }

    /// What there is of each.
    pub(super) fn entries(&self) -> Vec<(TaskId, Arc<Belongings>)> {
        let roll = locked(&self.0.tasks);
        let entries = roll.iter();
        entries
            .map(|(id, entry)| {
                let task_id = TaskId { value: id.clone() };
                (task_id, Arc::clone(&entry.belongings))
            })
            .collect()
    }

    /// Waits for a task that comes, or has come since the last time.
    pub(crate) async fn entered(&self) {
        self.0.entered.notified().await;
    }

    /// Looks at every task. Blocks, the longer the more there are.
    pub(crate) fn samples(&self) -> Vec<Task> {
        // Held for a moment only: reading takes its time.
        let roll = locked(&self.0.tasks).clone();
        let samples = roll.into_iter().map(|(task_id, entry)| {
            let Entry {
                belongings,
                restarts,
            } = entry;
            Task {
                task_id,
                directory: belongings.name.clone(),
                restarts,
                // The cgroup of a task that ends meanwhile is gone, and nothing is known of it any more.
                usage: usage::of(&belongings).unwrap_or_default(),
                disk: belongings.disk.last(),
                volumes: belongings.disk.volumes(),
            }
        });
        samples.collect()
    }
}
