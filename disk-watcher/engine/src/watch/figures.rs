//! What the engine did, for metrics.

use std::time::Duration;

use super::event::FileSystem;
use super::sample::Source;

/// What a [`Watch`](crate::Watch) did since it was started, and what it has in hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Trees that are watched.
    pub trees: u64,
    /// Looks at a tree, in whatever way.
    pub looks: u64,
    /// Walks among them, with those that confirm a breach and those in the background.
    pub walks: u64,
    /// Inodes met by walks.
    pub entries: u64,
    /// Looks that were put off since the budget was spent.
    pub deferred: u64,
    /// Looks under way now.
    pub under_way: u64,
    /// Looks that have been under way for so long that the disk seems to hang.
    pub hanging: u64,
    /// Processor time of the engine's threads.
    pub cpu: Duration,
    /// Directories that change tracking has sums of.
    pub tracked_directories: u64,
    /// Events of change tracking.
    pub tracking_events: u64,
    /// Times that the kernel lost such events, each healed by walks.
    pub overflows: u64,
    /// Walks in the background that compared with what change tracking had summed up.
    pub reconciles: u64,
    /// What they found to differ, summed without sign, in bytes.
    pub drift: u64,
    /// Warnings of the kernel about project quotas.
    pub quota_warnings: u64,
    /// The file systems that have trees in them.
    pub file_systems: Vec<FileSystemFigures>,
}

/// How the trees of one file system are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystemFigures {
    /// Which.
    pub file_system: FileSystem,
    /// How.
    pub source: Source,
    /// Why not in a better way; empty where there is none.
    pub why: String,
    /// How many trees are watched in it.
    pub trees: u64,
}
