//! The tasks of one run of an executor, by the directories that are theirs.
//!
//! A task's directory has the task's id for a name, unless the id makes no name or was used before. Then mesos-sandbox-executor
//! tells whose it is, in a file that the framework's user can write to: what it says is believed of that executor's own
//! directories alone, and of their limits only where nobody else tells.

use mesos_proto::Bytes;
use task_figures::{Report, Task};

use crate::limits::RunLimits;

/// What is known of the tasks of one run.
#[derive(Debug, Default)]
pub(crate) struct RunTasks {
    limits: RunLimits,
    /// Those that the executor publishes, if it does.
    published: Vec<Task>,
}

impl RunTasks {
    /// Of these limits, and a report that counts when it is fresh at this time, in seconds since the epoch.
    pub(crate) fn new(limits: RunLimits, report: Option<Report>, now_secs: f64) -> Self {
        let fresh = report.filter(|report| report.is_fresh(now_secs));
        Self {
            limits,
            published: fresh.map_or_else(Vec::new, |report| report.tasks),
        }
    }

    /// The limit of the container as a whole.
    pub(crate) fn container_limit(&self) -> Option<Bytes> {
        self.limits.container
    }

    /// The id of the task that has the directory of this name, as its executor says.
    pub(crate) fn published_id(&self, directory: &str) -> Option<&str> {
        self.publishes(directory).map(|task| task.task_id.as_str())
    }

    /// The id of the task that has the directory of this name now, if any has.
    pub(crate) fn id<'a>(&'a self, directory: &'a str) -> Option<&'a str> {
        if let Some(id) = self.published_id(directory) {
            return Some(id);
        }
        // The directory of a task that used this id before.
        let moved = |task: &Task| task.task_id == directory && task.directory.is_some();
        (!self.published.iter().any(moved)).then_some(directory)
    }

    /// The limit of the task that has the directory of this name now; `None` if there is none or it is not known.
    pub(crate) fn limit(&self, directory: &str) -> Option<Bytes> {
        let told = self.limits.task(self.id(directory)?);
        told.or_else(|| {
            let limit = self.publishes(directory)?.disk?.limit_bytes?;
            Some(Bytes::new(limit))
        })
    }

    fn publishes(&self, directory: &str) -> Option<&Task> {
        let has_it = |task: &&Task| task.directory.as_deref() == Some(directory);
        self.published.iter().find(has_it)
    }
}

#[cfg(test)]
mod tests {
    use task_figures::DiskUse;

    use super::*;

    const NOW: f64 = 1000.0;

    /// A report of tasks with these ids, directories and limits.
    fn report(tasks: &[(&str, Option<&str>, Option<u64>)]) -> Report {
        let mut report = Report::at(NOW);
        let tasks = tasks.iter().map(|(task_id, directory, limit)| Task {
            task_id: (*task_id).to_owned(),
            directory: directory.map(str::to_owned),
            disk: Some(DiskUse {
                used_bytes: 1,
                limit_bytes: *limit,
                ..DiskUse::default()
            }),
            ..Task::default()
        });
        report.tasks = tasks.collect();
        report
    }

    fn limits(tasks: &[(&str, f64)]) -> RunLimits {
        let tasks = tasks.iter();
        RunLimits::new(
            None,
            tasks.map(|(id, disk)| ((*id).to_owned(), Some(*disk))),
        )
    }

    fn megabytes(limit: Option<Bytes>) -> Option<u64> {
        limit.map(|limit| limit.as_u64() >> 20)
    }

    #[test]
    fn a_directory_of_another_name_than_its_tasks_has_the_limit_that_the_agent_tells_of_the_task() {
        let report = report(&[("web/1", Some("web_1~0"), Some(99 << 20))]);
        let tasks = RunTasks::new(limits(&[("web/1", 10.0)]), Some(report), NOW);
        assert_eq!(tasks.id("web_1~0"), Some("web/1"));
        assert_eq!(megabytes(tasks.limit("web_1~0")), Some(10));
    }

    #[test]
    fn where_nobody_else_tells_a_limit_the_executors_own_is_shown() {
        let report = report(&[("t", Some("t"), Some(5 << 20)), ("u", Some("u"), None)]);
        let tasks = RunTasks::new(RunLimits::default(), Some(report), NOW);
        assert_eq!(megabytes(tasks.limit("t")), Some(5));
        assert_eq!(tasks.limit("u"), None);
        assert_eq!(tasks.limit("v"), None);
    }

    #[test]
    fn an_id_used_again_has_its_limit_on_the_new_directory_and_not_on_the_old() {
        let report = report(&[("t", Some("t.1"), None)]);
        let tasks = RunTasks::new(limits(&[("t", 10.0)]), Some(report), NOW);
        assert_eq!(megabytes(tasks.limit("t.1")), Some(10));
        assert_eq!((tasks.id("t"), tasks.limit("t")), (None, None));
    }

    #[test]
    fn without_a_fresh_report_a_directory_is_its_names() {
        let old = report(&[("t", Some("t.1"), Some(1))]);
        let tasks = RunTasks::new(limits(&[("t", 10.0)]), Some(old), NOW + 1000.0);
        assert_eq!(megabytes(tasks.limit("t")), Some(10));
        assert_eq!(tasks.limit("t.1"), None);
    }

    #[test]
    fn a_task_in_the_executors_own_sandbox_has_no_directory() {
        let report = report(&[("t", None, Some(1))]);
        let tasks = RunTasks::new(limits(&[("t", 10.0)]), Some(report), NOW);
        assert_eq!(megabytes(tasks.limit("t")), Some(10));
    }
}
