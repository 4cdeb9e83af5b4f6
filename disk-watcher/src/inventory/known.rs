//! What is known of an executor, whoever tells it: the agent, or what the agent has written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Framework;
use crate::limits::{RunLimits, Volume};

/// An executor that runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) framework: Arc<Framework>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) limits: RunLimits,
    /// The persistent volumes of the executor and of its tasks, sorted, each once.
    pub(crate) volumes: Vec<Volume>,
    /// By id.
    pub(crate) tasks: BTreeMap<String, KnownTask>,
    /// Its container, where somebody has told of it; before that it is the executor's newest run.
    pub(crate) container_id: Option<String>,
    /// The container's first process, in the agent's pid namespace.
    pub(crate) pid: Option<u32>,
}

/// A task that its executor runs, or is about to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KnownTask {
    pub(crate) labels: Vec<(String, String)>,
    /// The nested container that is this task's alone; the ids below the executor's container, from the outermost on.
    pub(crate) nested: Vec<String>,
    /// The first process of that container.
    pub(crate) pid: Option<u32>,
}

impl Known {
    /// The task that has the whole container: that of a command executor, which has its id (Mesos: src/slave/slave.cpp).
    pub(crate) fn only_task(&self, executor_id: &str) -> Option<&str> {
        let (task_id, task) = self.tasks.first_key_value()?;
        let is_alone = self.tasks.len() == 1 && task.nested.is_empty() && task_id == executor_id;
        is_alone.then_some(task_id)
    }
}
