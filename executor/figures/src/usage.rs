//! What a task uses: amounts, each with its unit in its name.

use serde::{Deserialize, Serialize};

/// What a task has used since it was launched, as far as this host counts it: what it does not count is not there, and
/// never zero instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// In programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_user_seconds: Option<f64>,
    /// In the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_system_seconds: Option<f64>,
    /// Held back by a hard quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_throttled_seconds: Option<f64>,
    /// Now, page cache included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Of that what is backed by no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_anonymous_bytes: Option<u64>,
    /// The most there ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// Not there when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// How often memory was short, each second counting once, over all of its runs. Not there when it has no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_shortages: Option<u64>,
    /// Processes and threads, now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Not there when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_limit: Option<u64>,
    /// From all disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_read_bytes: Option<u64>,
    /// To all disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_written_bytes: Option<u64>,
    /// Some of it waited for a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure_cpu_seconds: Option<f64>,
    /// Some of it waited for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure_memory_seconds: Option<f64>,
    /// Some of it waited for a disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure_io_seconds: Option<f64>,
    /// Written to its logs; not there when it writes them by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Lines that its logs did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_dropped_lines: Option<u64>,
}

/// What a task's directory takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    /// As `du` counts it.
    pub used_bytes: u64,
    /// Not there when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// How long ago it was counted.
    pub age_seconds: f64,
    /// Some of it could not be read: it may be more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}
