//! What is measured, and what came out.

use serde::{Deserialize, Serialize};

/// What a directory is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The sandbox of an executor's container, with everything in it.
    #[default]
    Container,
    /// The sandbox of a container nested in another.
    Nested,
    /// What one task of mesos-sandbox-executor has to itself.
    Task,
    /// A persistent volume.
    Volume,
}

impl Kind {
    /// As it is written in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Nested => "nested",
            Self::Task => "task",
            Self::Volume => "volume",
        }
    }

    /// The component of metric paths under which all of this kind are.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Container => "containers",
            Self::Nested => "nested",
            Self::Task => "tasks",
            Self::Volume => "volumes",
        }
    }
}

/// Whose a directory is. Texts of frameworks and tasks: they may hold anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it is.
    pub kind: Kind,
    /// Of the framework, as the agent has it. Empty for a volume that no framework uses now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub framework_id: String,
    /// Not there when the agent has not told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework_name: Option<String>,
    /// Of the executor. Empty for a volume that no framework uses now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub executor_id: String,
    /// Of the outermost container. Empty for a volume that no framework uses now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_id: String,
    /// The ids of nested containers, from the outermost on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested_container_ids: Vec<String>,
    /// The task that has it to itself, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Of a volume: the role that it is reserved for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence_id: Option<String>,
    /// Below the agent's work directory, or absolute. For people: never to be opened as it stands.
    pub path: String,
}

impl Identity {
    /// The id that a person recognises it by, from which [series](crate::SUBJECT_SERIES) get their names: the task's, the
    /// volume's, else the executor's.
    pub fn readable_id(&self) -> &str {
        let of_kind = match self.kind {
            Kind::Task => self.task_id.as_deref(),
            Kind::Volume => self.persistence_id.as_deref(),
            Kind::Container | Kind::Nested => None,
        };
        of_kind.unwrap_or(&self.executor_id)
    }
}

/// What is done about a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It shows in figures.
    Observe,
    /// It is told in the log and as an event.
    Warn,
    /// It is ended.
    Enforce,
}

impl Mode {
    /// As it is written in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// How a number was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The kernel counts it, by project quota.
    Quota,
    /// A walk, and since then what the kernel told of changes.
    Tracking,
    /// A walk.
    Walk,
}

impl Source {
    /// As it is written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Tracking => "tracking",
            Self::Walk => "walk",
        }
    }

    /// As a value of a series: 0, 1, 2 from the best on.
    pub fn rank(self) -> u64 {
        match self {
            Self::Quota => 0,
            Self::Tracking => 1,
            Self::Walk => 2,
        }
    }
}

/// One directory that the daemon watches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Whose it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// What is done when it outgrows its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What it may hold. Not there when it has no limit, or none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// From when on it is warned about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit_bytes: Option<u64>,
    /// How many files and directories it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode_limit: Option<u64>,
    /// Not there before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// What came out of the last look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Allocated, as `du` counts it; with a project quota what is deleted but still open, too.
    pub used_bytes: u64,
    /// What counts towards the limit: `used_bytes`, and `deleted_bytes` if those do.
    pub charged_bytes: u64,
    /// Files and directories, its own included.
    pub inodes: u64,
    /// Something could not be read: it may be more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// How it was come by.
    pub source: Source,
    /// How long ago: everything that was written before is in it.
    pub age_seconds: f64,
    /// What the look took.
    #[serde(default)]
    pub look_seconds: f64,
    /// Not there before the second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth_bytes_per_second: Option<f64>,
    /// In files that are deleted but still open. Not there where `used_bytes` has them, or nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_bytes: Option<u64>,
    /// How many those are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_files: Option<u64>,
    /// Some of the processes could not be looked at: there may be more of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted_at_least: bool,
    /// Mounts in it that were left out.
    #[serde(default)]
    pub mounts_skipped: u64,
}

impl Subject {
    /// What is charged as a part of the limit: 1 is full, more is a breach. `None` without a limit, or before the first look.
    pub fn limit_share(&self) -> Option<f64> {
        let (limit, measured) = (self.limit_bytes?, self.measured.as_ref()?);
        (limit > 0).then(|| measured.charged_bytes as f64 / limit as f64)
    }
}
