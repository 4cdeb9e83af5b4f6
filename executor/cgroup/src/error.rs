use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why something about a cgroup did not work: what was attempted, where, and the kernel's answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kernel file could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A value was refused by a kernel file.
    #[error("write '{value}' to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A kernel file holds something unexpected.
    #[error("unexpected text in {} line {line}: '{text}'", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The line's text.
        text: String,
    },
    /// No hierarchy that could limit anything is mounted where this process can reach it.
    #[error("no cgroup hierarchy with cpu, memory, pids or freezer is mounted under {}", root.display())]
    NoHierarchy {
        /// The root directory looked under.
        root: PathBuf,
    },
    /// A cgroup could not be made.
    #[error("create cgroup {}: {source}", path.display())]
    Create {
        /// The cgroup.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The directory that marks this executor's ownership could not be locked.
    #[error("lock cgroup {}: {source}", path.display())]
    Lock {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another living executor holds the directory.
    #[error("cgroup {} belongs to another running executor", path.display())]
    Owned {
        /// The directory.
        path: PathBuf,
    },
    /// A cgroup could not be removed.
    #[error("remove cgroup {}: {source}", path.display())]
    Remove {
        /// The cgroup.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Out-of-memory events could not be subscribed to or read.
    #[error("watch {} for out-of-memory events: {source}", path.display())]
    Watch {
        /// The file watched.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A shortage of memory could not be subscribed to or read.
    #[error("watch {} for a shortage of memory: {source}", path.display())]
    WatchPressure {
        /// The cgroup.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The host has no controller that could answer.
    #[error("no {controller} controller on this host")]
    NoController {
        /// The controller asked.
        controller: crate::Controller,
    },
    /// The program that decides about devices could not be loaded or attached.
    #[error("limit the devices of cgroup {}: {source}", path.display())]
    DeviceProgram {
        /// The cgroup.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Processes outlived every attempt to kill them (they may hang in the kernel).
    #[error("{} process(es) still in cgroup {} after SIGKILL", processes.len(), path.display())]
    StillPopulated {
        /// The cgroup.
        path: PathBuf,
        /// Their ids; 0 stands for one that this process's pid namespace cannot see.
        processes: Vec<u32>,
    },
}

impl Error {
    /// The number of the kernel's answer; 0 when it was not the kernel that refused.
    pub(crate) fn errno(&self) -> i32 {
        let source = match self {
            Error::Read { source, .. }
            | Error::Write { source, .. }
            | Error::Create { source, .. }
            | Error::Lock { source, .. }
            | Error::Remove { source, .. }
            | Error::Watch { source, .. }
            | Error::WatchPressure { source, .. }
            | Error::DeviceProgram { source, .. } => source,
            Error::Malformed { .. }
            | Error::NoHierarchy { .. }
            | Error::Owned { .. }
            | Error::NoController { .. }
            | Error::StillPopulated { .. } => return 0,
        };
        source.raw_os_error().unwrap_or(0)
    }
}

/// Everything that went wrong in a tear-down, which never stops at the first error.
#[derive(Debug)]
pub struct Errors(pub Vec<Error>);

impl Errors {
    /// `Ok` when there were none.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Errors> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// The kernel's answer inside an error of cgroups-rs, which keeps it one level down and does not
/// show it.
pub(crate) fn kernel_answer(error: &cgroups_rs::fs::error::Error) -> io::Error {
    std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error)
        .map_or_else(
            || io::Error::other(error.to_string()),
            io::Error::from_raw_os_error,
        )
}
