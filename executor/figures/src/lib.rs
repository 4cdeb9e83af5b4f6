//! What an executor publishes of its tasks: the executor writes it, the collector and the watcher read it, and all of them
//! by this crate. And what the watcher tells an executor ([`breach`]).
//!
//! One object, in JSON on one line:
//!
//! ```json
//! { "version": 1, "time": 1795291431.25, "framework_id": "...", "executor_id": "...", "container_id": "...",
//!   "tasks": [ { "task_id": "web.1", "directory": "web.1", "restarts": 0,
//!                "usage": { "cpu_seconds": 12.5, "memory_bytes": 1048576 },
//!                "disk": { "used_bytes": 4096, "limit_bytes": 10485760, "age_seconds": 2.5 } } ] }
//! ```
//!
//! What a host does not count is not there. Readers pass over keys that they do not know; what changes the meaning of one
//! changes the version.
//!
//! A report lies in a sandbox, where the framework's user may put what he likes. Whose report it is, the place says in which
//! it was found, and never the report; nothing in it is a path to be opened.

#![forbid(unsafe_code)]

pub mod breach;
#[cfg(feature = "reader")]
mod reader;
mod report;
mod usage;

#[cfg(feature = "reader")]
pub use reader::{Run, WorkDir, WorkDirError, report_in};
pub use report::{NoReport, Report, Task};
pub use usage::{DiskSource, DiskUse, Usage, VolumeUse};

/// The executor's own directory in its sandbox, in which its report is.
pub const DIRECTORY: &str = ".mesos-sandbox-executor";

/// The report's name in it.
pub const FILE: &str = "figures.json";
