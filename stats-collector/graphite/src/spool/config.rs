//! What a spool is to be, and where that of a destination lies.

use std::path::PathBuf;
use std::time::Duration;

/// What the spools of all destinations are to be. Each destination has its own, in a directory of
/// its own below [`SpoolConfig::directory`], named by a
/// [`SpoolName`](crate::SpoolName).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// The directory of all spools. It is made, for its owner alone, if its parent exists.
    pub directory: PathBuf,
    /// How many bytes of disk each destination may take. [`SpoolConfig::BYTES`] holds a day of
    /// 1,000 containers.
    pub bytes: u64,
    /// How many points per second go to carbon from the disk, at most, beside live ones. Zero is
    /// one.
    pub replay_points_per_second: u32,
    /// How long a point may wait in memory for a carbon that takes points, but slowly, before it
    /// goes to disk. What is lost when the process is killed is at most this much of what was
    /// pushed, and never more than [`SinkConfig::queue_bytes`](crate::SinkConfig::queue_bytes).
    pub hold: Duration,
    /// How long what was written to disk may lie in the kernel's memory alone. What is lost with
    /// the machine's power is at most this much more than with the process.
    pub sync_interval: Duration,
}

impl SpoolConfig {
    /// For [`SpoolConfig::bytes`]: a day of 1,000 containers with 32 points each, every ten seconds,
    /// takes 1.4 GB.
    pub const BYTES: u64 = 2 << 30;
    /// For [`SpoolConfig::replay_points_per_second`]: three times what 1,000 containers make in the
    /// meantime, and a small part of what one carbon-cache takes.
    pub const REPLAY_POINTS_PER_SECOND: u32 = 10_000;
    /// For [`SpoolConfig::hold`].
    pub const HOLD: Duration = Duration::from_secs(10);
    /// For [`SpoolConfig::sync_interval`].
    pub const SYNC_INTERVAL: Duration = Duration::from_secs(5);

    /// A spool with the sizes and times above.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            bytes: Self::BYTES,
            replay_points_per_second: Self::REPLAY_POINTS_PER_SECOND,
            hold: Self::HOLD,
            sync_interval: Self::SYNC_INTERVAL,
        }
    }
}
