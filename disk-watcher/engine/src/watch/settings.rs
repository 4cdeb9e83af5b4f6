//! How to watch.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::quota::RecordsError;

/// How a [`Watch`](crate::Watch) works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to do with the project quotas of file systems that have them.
    pub quota: QuotaUse,
    /// Where it is kept on record who has which project, with [`QuotaUse::Assign`]: the same directory for every program
    /// that gives out projects on this host.
    pub project_records: PathBuf,
    /// Whether to follow changes with fanotify, which needs `CAP_SYS_ADMIN` and `CAP_DAC_READ_SEARCH`. Every program
    /// that writes to the same file system pays for it at each write and each file made; `make bench` says how much.
    pub tracking: bool,
    /// How often what tracking has summed up is compared with what is there, a part at a time. It finds what the kernel
    /// does not tell of: stores through a mapping, blocks that a file system gives or takes later. So often, too, it is
    /// looked whether files have left the project of their tree.
    pub reconcile: Duration,
    /// Processors that looking at all trees together may use, over time: 0.1 is a tenth of one. Trees that are near
    /// their limits are looked at in any case before those that are not.
    pub budget: f64,
    /// At most so many looks at trees of one file system at once, and at most so many threads for one large walk.
    /// 0 means 1.
    pub threads: usize,
    /// A walk ends after so many entries, and what it found is a lower bound: a tree of millions of files cannot have
    /// all of the [`budget`](Self::budget). `None`: no end.
    pub max_entries: Option<u64>,
}

impl Default for Settings {
    /// What an executor uses: quotas that are there already, no tracking, a tenth of a processor, two threads, ten
    /// million entries.
    fn default() -> Self {
        Self {
            quota: QuotaUse::Observe,
            project_records: PathBuf::from("/run/mesos-disk-projects"),
            tracking: false,
            reconcile: Duration::from_secs(12 * 60),
            budget: 0.1,
            threads: 2,
            max_entries: Some(10_000_000),
        }
    }
}

/// What to do with project quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaUse {
    /// Nothing.
    Off,
    /// Read the accounts of trees that have a project of their own, as Mesos's `disk/xfs` gives them; change nothing.
    Observe,
    /// Give a project of this range to trees that have none. It must not overlap with that of an agent which runs
    /// `disk/xfs` (5000 to 10000 by default).
    Assign(RangeInclusive<u32>),
}

/// Why a [`Watch`](crate::Watch) could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The descriptor by which its threads are woken could not be made.
    #[error("cannot make an eventfd to wake the disk watch with")]
    Wake {
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no thread to be had.
    #[error("cannot start the thread of the disk watch")]
    Thread {
        /// What the kernel said.
        source: io::Error,
    },
    /// The records of projects cannot be used.
    #[error("cannot give out projects")]
    Records {
        /// Why.
        source: RecordsError,
    },
    /// A budget that is not a positive number.
    #[error("a budget of {budget} processors leaves nothing to look with")]
    Budget {
        /// As it was given.
        budget: f64,
    },
}
