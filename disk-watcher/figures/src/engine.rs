//! What the daemon tells of itself. Every count is since it started.

use serde::{Deserialize, Serialize};

use crate::Source;

/// The engine that measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Engine {
    /// Processor time of its threads.
    pub cpu_seconds: f64,
    /// Looks at a directory, however cheap.
    pub looks: u64,
    /// Whole walks of one, of all looks.
    pub walks: u64,
    /// Files and directories met by walks.
    pub entries: u64,
    /// Looks that were put off, since the budget of processor time was spent.
    pub deferred: u64,
    /// Looks under way at this moment.
    pub under_way: u64,
    /// Of these: for so long that their disk seems to hang.
    pub hanging: u64,
    /// Directories that change tracking has sums of.
    pub tracked_directories: u64,
    /// Changes that the kernel told of.
    pub tracking_events: u64,
    /// Times that the kernel's queue of changes was too long to be believed.
    pub overflows: u64,
    /// Walks to find what change tracking did not see.
    pub reconciles: u64,
    /// What they found, added up without sign.
    pub drift_bytes: u64,
    /// Warnings of the kernel about project quotas.
    pub quota_warnings: u64,
    /// Those that have watched directories in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_systems: Vec<FileSystem>,
}

/// How the directories of one file system are measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Its kind and the numbers of its device: `ext4 8:1`.
    pub name: String,
    /// How.
    pub source: Source,
    /// Why not in a better way; not there when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How many directories are watched in it.
    #[serde(default)]
    pub trees: u64,
}

impl Engine {
    /// How many directories are measured like this.
    pub(crate) fn trees(&self, source: Source) -> u64 {
        let like_this = self.file_systems.iter().filter(|one| one.source == source);
        like_this.fold(0, |all, one| one.trees.saturating_add(all))
    }
}

/// What the daemon did about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Daemon {
    /// Soft limits crossed.
    pub soft_limits: u64,
    /// Breaches, made sure of.
    pub breaches: u64,
    /// Of these: ended, in whichever way.
    pub enforced: u64,
    /// Attempts to end one that failed.
    pub enforcement_failures: u64,
    /// Questions that the agent did not answer.
    pub agent_failures: u64,
    /// Files found outside of the project of their directory.
    pub strayed_files: u64,
    /// Events written.
    pub events_written: u64,
    /// Events lost, since what they are written to was full or too slow.
    pub events_lost: u64,
}
