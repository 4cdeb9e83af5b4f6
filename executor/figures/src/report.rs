//! A report: written whole, or read and bounded.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DiskUse, Usage, VolumeUse};

/// What a key means changes with it.
const VERSION: u32 = 1;

/// More tasks than any executor has.
const MOST_TASKS: usize = 10_000;

/// A report is written at least once a minute while there are tasks; what is older was left by an executor that is gone.
const OLDEST_SECS: f64 = 180.0;

/// What one executor publishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    version: u32,
    /// When the tasks were looked at, in seconds since the epoch.
    pub time: f64,
    /// Whose it says it is; who reads it knows that by the place in which it was.
    #[serde(default)]
    pub framework_id: String,
    /// Likewise.
    #[serde(default)]
    pub executor_id: String,
    /// Likewise.
    #[serde(default)]
    pub container_id: String,
    /// Those that run.
    #[serde(deserialize_with = "a_bounded_number")]
    pub tasks: Vec<Task>,
}

/// One task of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Any text.
    pub task_id: String,
    /// The name, below `tasks` of the executor's sandbox, of the directory that is the task's sandbox, which is not always
    /// its id; not there when that is the executor's own sandbox. Any text: to be compared with names that were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u64,
    /// Of its present run.
    #[serde(default)]
    pub usage: Usage,
    /// Not there before its directory was measured for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskUse>,
    /// Those of its persistent volumes that were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeUse>,
}

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum NoReport {
    /// It is no JSON, or has other values than a report.
    #[error("read a report of tasks: {0}")]
    Broken(serde_json::Error),
    /// Of a version that this one does not know.
    #[error("read a report of tasks: version {0} is unknown")]
    Version(u32),
}

impl Report {
    /// An empty one, of tasks that were looked at at this time, in seconds since the epoch.
    pub fn at(time: f64) -> Self {
        Self {
            version: VERSION,
            time,
            framework_id: String::new(),
            executor_id: String::new(),
            container_id: String::new(),
            tasks: Vec::new(),
        }
    }

    /// One line, with its end.
    pub fn line(&self) -> Vec<u8> {
        // Texts and numbers alone: it cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a report. It takes no more memory than some times that of the text, and no more tasks than any executor has.
    ///
    /// # Errors
    /// See [`NoReport`].
    pub fn parse(text: &[u8]) -> Result<Self, NoReport> {
        let report: Self = serde_json::from_slice(text).map_err(NoReport::Broken)?;
        match report.version {
            VERSION => Ok(report),
            other => Err(NoReport::Version(other)),
        }
    }

    /// Whether its executor is there at this time, in seconds since the epoch.
    pub fn is_fresh(&self, now_secs: f64) -> bool {
        (now_secs - self.time).abs() < OLDEST_SECS
    }
}

/// Counted while they are read: a task takes more room than its text.
fn a_bounded_number<'de, D: Deserializer<'de>>(tasks: D) -> Result<Vec<Task>, D::Error> {
    struct Tasks;

    impl<'de> Visitor<'de> for Tasks {
        type Value = Vec<Task>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST_TASKS} tasks")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Task>, A::Error> {
            let mut tasks = Vec::new();
            while let Some(task) = sequence.next_element()? {
                if tasks.len() == MOST_TASKS {
                    return Err(A::Error::invalid_length(MOST_TASKS + 1, &self));
                }
                tasks.push(task);
            }
            Ok(tasks)
        }
    }

    tasks.deserialize_seq(Tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiskSource;

    const TEXT: &str = r#"{"version":1,"time":1000.5,"executor_id":"e","news":7,"tasks":[
        {"task_id":"web/1","directory":"web_1","restarts":2,"usage":{"cpu_seconds":1.5,"memory_bytes":4096,"mood":"good"},
         "disk":{"used_bytes":512,"age_seconds":3.0,"source":"by_guess"},
         "volumes":[{"id":"v","disk":{"used_bytes":1,"age_seconds":0.5,"deleted_bytes":2,"source":"quota"}}]}]}"#;

    #[test]
    fn what_is_known_is_taken_and_the_rest_passed_over() {
        let report = Report::parse(TEXT.as_bytes()).unwrap();
        let task = Task {
            task_id: "web/1".to_owned(),
            directory: Some("web_1".to_owned()),
            restarts: 2,
            usage: Usage {
                cpu_seconds: Some(1.5),
                memory_bytes: Some(4096),
                ..Usage::default()
            },
            disk: Some(DiskUse {
                used_bytes: 512,
                age_seconds: 3.0,
                source: Some(DiskSource::Unknown),
                ..DiskUse::default()
            }),
            volumes: vec![VolumeUse {
                id: "v".to_owned(),
                disk: DiskUse {
                    used_bytes: 1,
                    age_seconds: 0.5,
                    deleted_bytes: Some(2),
                    source: Some(DiskSource::Quota),
                    ..DiskUse::default()
                },
            }],
        };
        assert_eq!((report.time, report.executor_id.as_str()), (1000.5, "e"));
        assert_eq!(report.tasks, [task]);
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut report = Report::parse(TEXT.as_bytes()).unwrap();
        report.tasks.push(Task::default());
        let line = report.line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(Report::parse(&line).unwrap(), report);
    }

    #[test]
    fn what_is_no_report_is_refused_however_it_is_wrong() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"version":2,"time":1,"tasks":[]}"#,
            r#"{"version":1,"time":1e999,"tasks":[]}"#,
            r#"{"version":1,"time":1,"tasks":[{"task_id":7}]}"#,
            r#"{"version":1,"time":1,"tasks":[{"task_id":"t","restarts":-1}]}"#,
            r#"{"version":1,"time":1,"tasks":[{"task_id":"t","usage":{"memory_bytes":"much"}}]}"#,
        ] {
            assert!(Report::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn more_tasks_than_any_executor_has_are_refused() {
        let with = |count: usize| {
            let tasks = vec![r#"{"task_id":"t"}"#; count].join(",");
            Report::parse(format!(r#"{{"version":1,"time":1,"tasks":[{tasks}]}}"#).as_bytes())
        };
        assert_eq!(with(MOST_TASKS).unwrap().tasks.len(), MOST_TASKS);
        assert!(with(MOST_TASKS + 1).is_err());
    }

    /// Every report that differs in one byte, or is cut short.
    #[test]
    fn a_report_that_is_changed_anywhere_is_read_or_refused() {
        for at in 0..TEXT.len() {
            let mut bytes = TEXT.as_bytes().to_vec();
            for byte in [0, b'"', b'9', b'-', b'[', b'{', b',', 0xff] {
                bytes[at] = byte;
                if let Ok(report) = Report::parse(&bytes) {
                    assert!(report.time.is_finite());
                }
            }
            assert!(Report::parse(&TEXT.as_bytes()[..at]).is_err());
        }
    }

    #[test]
    fn a_report_of_another_time_is_not_fresh_before_or_after() {
        let report = Report::at(1000.0);
        assert!(report.is_fresh(1010.0) && report.is_fresh(990.0));
        assert!(!report.is_fresh(2000.0) && !report.is_fresh(0.0));
    }
}
