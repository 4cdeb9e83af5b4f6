//! How much disk a container and its tasks may use.
//!
//! Mesos's `disk/du` isolator holds a container to the sum of the plain `disk` resources of its executor and of the
//! tasks that it runs (Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp). Two sources tell them: the
//! agent's state, and the agent's checkpoints. What our executor tells beside them is in [`crate::tasks`].

use std::collections::HashMap;

use mesos_proto::Bytes;

/// The limits within one run of an executor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunLimits {
    /// Of the container as a whole; `None`: it has no disk resource, and therefore no limit.
    pub(crate) container: Option<Bytes>,
    /// The share of each task that runs, by task id.
    pub(crate) tasks: HashMap<String, Option<Bytes>>,
}

impl RunLimits {
    /// From amounts in MB, as resources have them, the executor's own first. Thousandths of the parts are summed as
    /// Mesos does it, so that the sum is what its isolator would compare with.
    pub(crate) fn new(
        executor: Option<f64>,
        tasks: impl IntoIterator<Item = (String, Option<f64>)>,
    ) -> Self {
        let mut total = executor;
        let mut shares = HashMap::new();
        for (task_id, disk) in tasks {
            total = match (total, disk) {
                (Some(total), Some(disk)) => Some(((total + disk) * 1000.0).round() / 1000.0),
                (total, disk) => total.or(disk),
            };
            shares.insert(task_id, disk.map(Bytes::from_megabytes));
        }
        Self {
            container: total.map(Bytes::from_megabytes),
            tasks: shares,
        }
    }

    /// The limit of one task; `None` if it has none or is not known.
    pub(crate) fn task(&self, task_id: &str) -> Option<Bytes> {
        self.tasks.get(task_id).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_limit_is_the_sum_of_its_executors_disk_and_its_tasks() {
        let tasks = [
            ("a".to_owned(), Some(10.0)),
            ("b".to_owned(), Some(0.5)),
            ("c".to_owned(), None),
        ];
        let limits = RunLimits::new(Some(32.0), tasks);
        assert_eq!(
            limits.container,
            Some(Bytes::new(42 << 20)),
            "Mesos cuts fractions of a megabyte off"
        );
        assert_eq!(limits.task("a"), Some(Bytes::new(10 << 20)));
        assert_eq!(limits.task("c"), None);
        assert_eq!(limits.task("unheard of"), None);
    }

    #[test]
    fn without_any_disk_resource_there_is_no_limit() {
        assert_eq!(
            RunLimits::new(None, [("a".to_owned(), None)]).container,
            None
        );
        assert_eq!(
            RunLimits::new(None, [("a".to_owned(), Some(1.0))]).container,
            Some(Bytes::new(1 << 20))
        );
    }
}
