//! What the daemon tells of its own accord: one closed list of events, each one line of JSON.
//!
//! Every line has `time` (seconds since the epoch), `event` (which it is) and `message` (for people). Of a directory there
//! is whose it is, by the names of [`disk_figures::Identity`]; of a measurement, the figures by the names of
//! [`disk_figures::Measured`]. What does not apply is not there. Names that frameworks and tasks chose are JSON strings;
//! in `message` they are escaped.

mod log;

use std::ffi::OsStr;
use std::path::Path;

use disk_engine::{Amount, Breach, Source};
use disk_figures::Identity;
use serde::Serialize;
use terminal::{escaped, text};

pub(crate) use log::{EventLog, EventLogError};

use crate::inventory::Subject;
use crate::metrics::{identity, source};
use crate::policy::Mode;

/// Everything that is told.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The daemon watches from now on.
    Started { work_dir: &'a Path },
    /// It watches no longer, since it was told to end.
    Stopped,
    /// It was told to read its configuration again.
    Reloaded {
        /// Nothing has changed when there are any.
        errors: &'a [String],
    },
    /// A directory is watched from now on.
    Came { subject: &'a Subject },
    /// A directory that is watched has another limit than before, or another owner.
    Changed { subject: &'a Subject },
    /// A directory is not there any more.
    Gone { subject: &'a Subject },
    /// The directories of a file system are measured in another way from now on.
    Layer {
        file_system: &'a str,
        source: Source,
        why: &'a str,
    },
    /// A directory holds more than its soft limit.
    SoftLimit {
        subject: &'a Subject,
        mode: Mode,
        breach: &'a Breach,
    },
    /// A directory holds more than its limit, made sure of.
    Breach {
        subject: &'a Subject,
        mode: Mode,
        breach: &'a Breach,
    },
    /// A directory is within its limits again.
    Recovered { subject: &'a Subject },
    /// A breach is ended.
    Enforced { subject: &'a Subject, how: How },
    /// A breach could not be ended in this way.
    EnforcementFailed {
        subject: &'a Subject,
        how: How,
        why: &'a str,
    },
    /// Change tracking had missed something.
    Drift { subject: &'a Subject, bytes: i64 },
    /// Files of a directory are not in its project, and so not in the kernel's account of it.
    Strayed {
        subject: &'a Subject,
        files: u64,
        example: &'a Path,
    },
    /// Something is known in part only, or could not be done.
    Trouble {
        subject: Option<&'a Subject>,
        text: &'a str,
    },
    /// Events before this one could not be written.
    Lost { events: u64 },
}

/// How a breach is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// The kernel refuses to write more.
    Kernel,
    /// mesos-sandbox-executor was told, and ends the task.
    Executor,
    /// The agent was told, and ends the container.
    Agent,
    /// The container's processes were killed.
    Processes,
}

/// One line.
#[derive(Default, Serialize)]
struct Line {
    time: f64,
    event: &'static str,
    #[serde(flatten)]
    identity: Option<Identity>,
    #[serde(flatten)]
    measured: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inode_limit: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    largest: Vec<Largest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<How>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    message: String,
}

/// The figures of a breach.
#[derive(Serialize)]
struct Measured {
    used_bytes: u64,
    charged_bytes: u64,
    inodes: u64,
    source: disk_figures::Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    growth_bytes_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Largest {
    path: String,
    bytes: u64,
    inodes: u64,
    is_directory: bool,
}

impl Event<'_> {
    /// As it is written, with the end of the line. `time` is in seconds since the epoch.
    fn line(&self, time: f64) -> Vec<u8> {
        let line = Line {
            time,
            ..self.fields()
        };
        // Texts and numbers alone: it cannot fail.
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        text
    }

    fn fields(&self) -> Line {
        match self {
            Self::Started { work_dir } => Line {
                event: "started",
                message: format!("watching {}", escaped(work_dir.as_os_str())),
                ..Line::default()
            },
            Self::Stopped => Line {
                event: "stopped",
                message: "told to end".to_owned(),
                ..Line::default()
            },
            Self::Reloaded { errors } => Line {
                event: "reloaded",
                message: match errors {
                    [] => "the configuration was read again".to_owned(),
                    errors => format!("the configuration is as before: {}", errors.join("; ")),
                },
                ..Line::default()
            },
            Self::Came { subject } => Line {
                limit_bytes: subject.limit.map(mesos_proto::Bytes::as_u64),
                ..of(subject, "came", "watched from now on")
            },
            Self::Changed { subject } => Line {
                limit_bytes: subject.limit.map(mesos_proto::Bytes::as_u64),
                ..of(subject, "changed", "its limit or its owner is another")
            },
            Self::Gone { subject } => of(subject, "gone", "not there any more"),
            Self::Layer {
                file_system,
                source: by,
                why,
            } => Line {
                event: "layer",
                file_system: Some((*file_system).to_owned()),
                message: match *why {
                    "" => format!("{file_system}: measured by {by}"),
                    why => format!("{file_system}: measured by {by}: {why}"),
                },
                ..Line::default()
            },
            Self::SoftLimit {
                subject,
                mode,
                breach,
            } => of_breach(subject, "soft_limit", *mode, breach),
            Self::Breach {
                subject,
                mode,
                breach,
            } => of_breach(subject, "breach", *mode, breach),
            Self::Recovered { subject } => of(subject, "recovered", "within its limits again"),
            Self::Enforced { subject, how } => Line {
                how: Some(*how),
                ..of(subject, "enforced", how.done())
            },
            Self::EnforcementFailed { subject, how, why } => Line {
                how: Some(*how),
                ..of(subject, "enforcement_failed", why)
            },
            Self::Drift { subject, bytes } => Line {
                drift_bytes: Some(*bytes),
                ..of(
                    subject,
                    "drift",
                    "change tracking had missed something; it is put right",
                )
            },
            Self::Strayed {
                subject,
                files,
                example,
            } => Line {
                files: Some(*files),
                example: Some(text(example.as_os_str())),
                ..of(
                    subject,
                    "strayed",
                    "files are not in the project of their directory",
                )
            },
            Self::Trouble {
                subject,
                text: trouble,
            } => match subject {
                Some(subject) => of(subject, "trouble", trouble),
                None => Line {
                    event: "trouble",
                    message: (*trouble).to_owned(),
                    ..Line::default()
                },
            },
            Self::Lost { events } => Line {
                event: "lost",
                events: Some(*events),
                message: "events before this one could not be written".to_owned(),
                ..Line::default()
            },
        }
    }
}

impl How {
    fn done(self) -> &'static str {
        match self {
            Self::Kernel => "the kernel refuses to write more",
            Self::Executor => "the executor was told to end the task",
            Self::Agent => "the agent was told to end the container",
            Self::Processes => "the container's processes were killed",
        }
    }
}

fn of(subject: &Subject, event: &'static str, message: &str) -> Line {
    Line {
        event,
        identity: Some(identity(subject)),
        message: message.to_owned(),
        ..Line::default()
    }
}

fn of_breach(subject: &Subject, event: &'static str, mode: Mode, breach: &Breach) -> Line {
    let identity = identity(subject);
    let message = match &identity.persistence_id {
        Some(id) => breach.message_for_volume(&escaped(OsStr::new(id))),
        None => breach.message(),
    };
    let sample = &breach.sample;
    let (limit_bytes, inode_limit) = match breach.of {
        Amount::Bytes => (Some(breach.limit), None),
        Amount::Inodes => (None, Some(breach.limit)),
    };
    let largest = breach.largest.iter().map(|one| Largest {
        path: text(one.path.as_os_str()),
        bytes: one.bytes,
        inodes: one.inodes,
        is_directory: one.is_directory,
    });
    Line {
        event,
        identity: Some(identity),
        measured: Some(Measured {
            used_bytes: sample.usage.bytes,
            charged_bytes: sample.charged(breach.counts_deleted),
            inodes: sample.usage.inodes,
            source: source(sample.source),
            growth_bytes_per_second: breach.growth,
            deleted_bytes: sample.deleted.map(|deleted| deleted.bytes),
        }),
        mode: Some(mode),
        limit_bytes,
        inode_limit,
        largest: largest.collect(),
        message,
        ..Line::default()
    }
}

#[cfg(test)]
mod tests;
