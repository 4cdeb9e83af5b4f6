//! What the daemon tells of itself. Every count is since it started.

use serde::{Deserialize, Serialize};

/// The engine that measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// How many trees are measured in which way now.
    #[serde(default)]
    pub trees: Trees,
    /// Processor time of the engine's threads.
    #[serde(default)]
    pub cpu_seconds: f64,
    /// Looks at a tree, however cheap.
    #[serde(default)]
    pub looks: u64,
    /// Whole walks of a tree, of all looks.
    #[serde(default)]
    pub walks: u64,
    /// Exact looks to make sure of a breach.
    #[serde(default)]
    pub confirmations: u64,
    /// Looks that came later than the deadline of their tree, since the budget was spent.
    #[serde(default)]
    pub late_looks: u64,
    /// Times that the kernel's queue of changes was too long to be believed.
    #[serde(default)]
    pub overflows: u64,
    /// Walks to find what change tracking did not see.
    #[serde(default)]
    pub reconciles: u64,
    /// What they found, added up without sign.
    #[serde(default)]
    pub drift_bytes: u64,
    /// Files found outside of the project that their directory is in.
    #[serde(default)]
    pub strayed_files: u64,
}

/// Trees by how they are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trees {
    /// By project quota.
    #[serde(default)]
    pub project_quota: u64,
    /// By change tracking.
    #[serde(default)]
    pub change_tracking: u64,
    /// By walks.
    #[serde(default)]
    pub walk: u64,
}

/// What the daemon did about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Soft limits crossed.
    #[serde(default)]
    pub soft_limits: u64,
    /// Breaches, made sure of.
    #[serde(default)]
    pub breaches: u64,
    /// Of these: ended, in whichever way.
    #[serde(default)]
    pub enforced: u64,
    /// Attempts to end one that failed.
    #[serde(default)]
    pub enforcement_failures: u64,
    /// Questions that the agent did not answer.
    #[serde(default)]
    pub agent_failures: u64,
    /// Events written.
    #[serde(default)]
    pub events_written: u64,
    /// Events lost, since what they are written to was full or too slow.
    #[serde(default)]
    pub events_lost: u64,
}
