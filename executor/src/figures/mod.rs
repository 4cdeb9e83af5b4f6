//! What tasks use, published for other programs on this host: in a file, and on a socket for who wants it fresh. Both are in
//! the executor's own directory in its sandbox, and nobody but its user gets at them.
//!
//! Both have one object, in JSON on one line:
//!
//! ```json
//! { "version": 1, "time": 1795291431.25, "framework_id": "...", "executor_id": "...", "container_id": "...",
//!   "tasks": [ { "task_id": "web.1", "restarts": 0,
//!                "usage": { "cpu_seconds": 12.5, "memory_bytes": 1048576, ... },
//!                "disk": { "used_bytes": 4096, "limit_bytes": 10485760, "age_seconds": 2.5 } } ] }
//! ```
//!
//! `usage` has the keys of [`executor_core::Usage`]; what this host does not count is not there. Readers pass over keys that
//! they do not know; what changes the meaning of one changes the version.

mod listener;
mod publisher;
mod shelf;

use std::time::SystemTime;

use executor_core::{DiskUse, Usage};
use serde::Serialize;

use crate::host::{Roll, Sample};
use crate::journal::Owner;
pub(crate) use publisher::Published;

const VERSION: u32 = 1;

/// Whose tasks they are.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) owner: Owner,
    pub(crate) roll: Roll,
}

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// When the tasks were looked at, in seconds since the epoch.
    time: f64,
    framework_id: &'a str,
    executor_id: &'a str,
    container_id: &'a str,
    tasks: Vec<TaskReport<'a>>,
}

#[derive(Serialize)]
struct TaskReport<'a> {
    task_id: &'a str,
    restarts: u64,
    usage: &'a Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<DiskUse>,
}

impl Publisher {
    /// One line, with its end.
    fn line(&self, samples: &[Sample], time: SystemTime) -> Vec<u8> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let tasks = samples.iter().map(|sample| TaskReport {
            task_id: &sample.task_id,
            restarts: sample.restarts,
            usage: &sample.usage,
            disk: sample.disk,
        });
        let report = Report {
            version: VERSION,
            // A clock before 1970 gives 0, which is what it means.
            time: since.unwrap_or_default().as_secs_f64(),
            framework_id: &self.owner.framework,
            executor_id: &self.owner.executor,
            container_id: &self.owner.container,
            tasks: tasks.collect(),
        };
        // Texts and numbers alone: it cannot fail.
        let mut line = serde_json::to_vec(&report).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
