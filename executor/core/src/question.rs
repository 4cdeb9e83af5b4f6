//! What a framework may ask about a task that runs, and what there is to say to it: amounts, as the edge finds them.

use serde::Serialize;

/// What is asked about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What it uses.
    Usage,
    /// Its processes.
    Processes {
        /// With their arguments.
        arguments: bool,
    },
    /// What its directory takes.
    Disk,
}

/// What the edge found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Question::Usage`].
    Usage(Box<Usage>),
    /// To [`Question::Processes`].
    Processes {
        /// Those that there is room for.
        processes: Vec<ProcessLine>,
        /// How many there are beside.
        omitted: usize,
    },
    /// To [`Question::Disk`].
    Disk(DiskUse),
    /// It cannot be told, and why.
    Unknown(String),
}

/// What a task has used since it was launched, as far as this host counts it: what it does not count is not there, and
/// never zero instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

/// One process of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessLine {
    /// As the task sees it.
    pub pid: i32,
    /// Its own name for itself, whatever that is.
    pub name: String,
    /// One letter (Linux: proc(5), `/proc/PID/stat`).
    pub state: char,
    /// Processor time.
    pub cpu_seconds: f64,
    /// What of it is in memory.
    pub memory_bytes: u64,
    /// Empty when they were not asked for, or cannot be read.
    pub arguments: Vec<String>,
}

/// What a task's directory takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DiskUse {
    /// As `du` counts it.
    pub used_bytes: u64,
    /// Not there when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// How long ago it was counted.
    pub age_seconds: f64,
    /// Some of it could not be read: it may be more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}
