//! What a framework may ask about a task that runs, and what there is to say to it: amounts, as the edge finds them.

pub use task_figures::{DiskUse, Usage, VolumeUse};

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
    Disk {
        /// Its directory.
        disk: DiskUse,
        /// Its persistent volumes.
        volumes: Vec<VolumeUse>,
    },
    /// It cannot be told, and why.
    Unknown(String),
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
