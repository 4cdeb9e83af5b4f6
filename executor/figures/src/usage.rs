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

/// What a task's directory, or a volume, takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    /// As `du` counts it. Where the kernel counts it, files that are deleted and still open are in it.
    pub used_bytes: u64,
    /// Not there when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// How long ago it was counted.
    pub age_seconds: f64,
    /// Some of it could not be read: it may be more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// What there is a warning beyond. Not there when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit_bytes: Option<u64>,
    /// Deleted and still open, beside `used_bytes`; it counts toward the limits. Not there where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_bytes: Option<u64>,
    /// Files, directories and links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes: Option<u64>,
    /// The most of them. Not there when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode_limit: Option<u64>,
    /// By how many bytes a second it grew in the last few seconds; below zero where it shrank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth_bytes_per_second: Option<f64>,
    /// Who counted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DiskSource>,
}

/// Who counted what a directory takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskSource {
    /// The kernel, by the project quota of its file system.
    Quota,
    /// A walk, kept up to date by what the kernel says has changed.
    Tracking,
    /// A walk.
    Walk,
    /// Whoever a later version knows.
    #[serde(other)]
    Unknown,
}

/// What one of a task's persistent volumes takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeUse {
    /// Its persistence id.
    pub id: String,
    /// The volume alone; it does not count as the task's directory's.
    pub disk: DiskUse,
}
