//! What the daemon `mesos-disk-watcher` publishes of an agent's disks: the daemon writes it, the collector and the views
//! read it, and all of them by this crate.
//!
//! One object, in JSON on one line, told to whoever connects to the daemon's socket:
//!
//! ```json
//! { "version": 1, "time": 1795291431.25, "uptime_seconds": 3600.5,
//!   "subjects": [ { "kind": "container", "framework_id": "...", "framework_name": "marathon", "executor_id": "web.1",
//!                   "container_id": "...", "path": "slaves/...", "mode": "enforce", "limit_bytes": 10485760,
//!                   "measured": { "used_bytes": 4096, "charged_bytes": 4096, "inodes": 1, "source": "walk",
//!                                 "age_seconds": 0.2, "growth_bytes_per_second": 0.0 } } ],
//!   "engine": { "cpu_seconds": 1.5, "looks": 100 }, "daemon": { "breaches": 0 } }
//! ```
//!
//! What is not known is not there. Readers pass over keys that they do not know; what changes the meaning of one changes the
//! version. [`SUBJECT_SERIES`] and [`OWN_SERIES`] are the same figures as series for a monitoring system, each with its
//! unit in its name: Prometheus, Graphite and the manual have them from there.

#![forbid(unsafe_code)]

mod engine;
mod reader;
mod report;
mod series;
mod subject;

pub use engine::{Daemon, Engine, FileSystem};
pub use reader::{ReadError, read};
pub use report::{NoReport, Report};
pub use series::{Figure, OWN_SERIES, SUBJECT_SERIES, Series, Type};
pub use subject::{Identity, Kind, Measured, Mode, Source, Subject};

/// The socket's name in the daemon's runtime directory.
pub const SOCKET: &str = "figures.sock";
