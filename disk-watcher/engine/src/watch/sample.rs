//! What is known of a tree.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Usage;

/// Where a number comes from; the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The kernel's own account, by the file system's project quota.
    ProjectQuota,
    /// A walk, kept up to date by looking again at the directories that the kernel says have changed.
    ChangeTracking,
    /// A walk of the whole tree.
    Walk,
}

impl Source {
    /// A short name for logs and metrics: `quota`, `tracking` or `walk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProjectQuota => "quota",
            Self::ChangeTracking => "tracking",
            Self::Walk => "walk",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Files of a tree that are deleted but still open: they hold their blocks until the last descriptor is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Their allocated bytes, each file once however many descriptors it has.
    pub bytes: u64,
    /// How many there are.
    pub files: u64,
    /// Whether a process could not be looked into, so that there may be more. (Descriptors that are on their way
    /// through a socket, and files registered with an io_uring, are seen by nobody.)
    pub at_least: bool,
}

/// One tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes, inodes, and whether that is all of it.
    pub usage: Usage,
    /// What is deleted but still open, on top of [`usage`](Self::usage). `None` where it was not looked for, and with
    /// [`Source::ProjectQuota`], which has it in `usage` already.
    pub deleted: Option<Deleted>,
    /// Where the number comes from.
    pub source: Source,
    /// Everything that was written before this moment, and not taken away again, is in the sample. The age of a
    /// sample is the time since then.
    pub taken: Instant,
    /// How long it took to find out.
    pub cost: Duration,
}

impl Sample {
    /// The bytes that count toward a limit: those of the tree and, if `deleted` is set, those of its deleted files that
    /// are still open.
    pub fn charged(&self, deleted: bool) -> u64 {
        let extra = self.deleted.filter(|_| deleted).map_or(0, |d| d.bytes);
        self.usage.bytes.saturating_add(extra)
    }
}

/// The latest that is known of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The last look at it.
    pub sample: Sample,
    /// By how many bytes a second it grew over the last few seconds; negative where it shrank. `None` until there were
    /// two looks.
    pub growth: Option<f64>,
}
