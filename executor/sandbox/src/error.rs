use std::io;
use std::path::{Path, PathBuf};

use crate::plan::Flaw;
use crate::report::{Failure, Fault, Step};

/// Why a task was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A string holds a NUL byte, which no system call can take.
    #[error("NUL byte in the {part}")]
    NulByte {
        /// The part of the plan.
        part: &'static str,
    },
    /// The task has a user namespace in which its user or group is nobody.
    #[error("user {uid} and group {gid} are not both in the task's map of users")]
    Unmapped {
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// The plan holds what its encoding cannot express: a path that is not UTF-8.
    #[error("encode the plan: {source}")]
    Encode {
        /// The encoder's answer.
        source: serde_json::Error,
    },
    /// The sockets, pipes or descriptors of a launch could not be made or used.
    #[error("prepare a launch: {source}")]
    Prepare {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The init could not be started.
    #[error("start {} init: {source}", program.display())]
    StartInit {
        /// Its program.
        program: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A step of setting up the sandbox failed.
    #[error("{}", StepText(.step, .path.as_deref(), .source))]
    Step {
        /// Which.
        step: Step,
        /// What it was about, when that is a path or a program.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
        /// Whose fault it is.
        fault: Fault,
    },
    /// The launch was taken back in time.
    #[error("cancelled before it started")]
    Cancelled,
    /// The init ended without a word.
    #[error("init ended before it started the task")]
    InitEnded,
    /// The launcher's thread is gone.
    #[error("the launcher has ended")]
    LauncherEnded,
}

impl LaunchError {
    /// Whose fault it is: what to tell the framework, and whether to try elsewhere.
    pub fn fault(&self) -> Fault {
        match self {
            LaunchError::NulByte { .. } | LaunchError::Unmapped { .. } => Fault::Task,
            LaunchError::Step { fault, .. } => *fault,
            LaunchError::Encode { .. }
            | LaunchError::Prepare { .. }
            | LaunchError::StartInit { .. }
            | LaunchError::Cancelled
            | LaunchError::InitEnded
            | LaunchError::LauncherEnded => Fault::Host,
        }
    }
}

struct StepText<'a>(&'a Step, Option<&'a Path>, &'a io::Error);

impl std::fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1 {
            Some(path) => write!(f, "{} '{}': {}", self.0, path.display(), self.2),
            None => write!(f, "{}: {}", self.0, self.2),
        }
    }
}

impl From<Failure> for LaunchError {
    fn from(failure: Failure) -> LaunchError {
        let fault = failure.fault();
        let Failure { step, errno, path } = failure;
        LaunchError::Step {
            step,
            path,
            source: io::Error::from_raw_os_error(errno),
            fault,
        }
    }
}

impl From<Flaw> for LaunchError {
    fn from(flaw: Flaw) -> LaunchError {
        match flaw {
            Flaw::NulByte(part) => LaunchError::NulByte { part },
            Flaw::Unmapped { uid, gid } => LaunchError::Unmapped { uid, gid },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_reads_as_what_where_and_why() {
        let path = Some(PathBuf::from("./nope"));
        let error = LaunchError::from(Failure {
            step: Step::Exec,
            errno: libc::ENOENT,
            path,
        });
        assert_eq!(
            error.to_string(),
            "exec './nope': No such file or directory (os error 2)"
        );
        assert_eq!(error.fault(), Fault::Task);
    }
}
