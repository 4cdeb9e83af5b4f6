//! What a task asks for, in one form.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Allowed, Check, Life, LimitWishes, LogWishes, Place, SandboxWishes};

/// What a task asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to run.
    pub program: Program,
    /// Set over the environment that every task gets.
    pub environment: Vec<(String, String)>,
    /// A name, or a numeric id; none means the executor's own user.
    pub user: Option<String>,
    /// What to fetch into the task's sandbox before it starts.
    pub uris: Vec<Uri>,
    /// How its health is looked at while it runs.
    pub checks: Vec<Check>,
    /// What its sandbox is to be like.
    pub sandbox: SandboxWishes,
    /// What it may use, beside its resources.
    pub limits: LimitWishes,
    /// What becomes of its output.
    pub logs: LogWishes,
    /// What may be asked and done by MESSAGE while it runs.
    pub messages: Allowed,
    /// What happens around its program, and when that has ended.
    pub life: Life,
    /// The rest.
    pub options: Options,
    /// Keys that the framework set and that mean nothing here, for the log.
    pub without_effect: Vec<String>,
    /// Where the command was found, for the log and for errors.
    pub source: Place,
}

/// How a program is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// By `/bin/sh -c`.
    Shell(String),
    /// Directly; `argv[0]` need not be the file's name.
    Exec {
        /// The program; one without a slash is looked for in `PATH`.
        file: String,
        /// Its arguments, its name first.
        argv: Vec<String>,
    },
}

/// A file to fetch (Mesos: docs/fetcher.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uri {
    /// `http:`, `https:`, `file:`, an absolute path, or `data:;base64,` with the content itself. It may hold a password:
    /// keep it out of messages.
    pub value: String,
    /// Make it executable; such a file is not extracted.
    pub executable: bool,
    /// Extract it when its name says that it is an archive.
    pub extract: bool,
    /// Its name in the sandbox; may hold directories, never leads out of it.
    pub output_file: Option<String>,
    /// What its content must hash to.
    pub checksum: Option<Checksum>,
}

/// A digest, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// 32 digits. It finds a broken download, not a forged one; Singularity's artifacts have no other.
    Md5(String),
    /// 64 digits.
    Sha256(String),
    /// 128 digits.
    Sha512(String),
}

/// What else a framework may say of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Exit statuses that mean TASK_FINISHED.
    pub success_codes: Vec<i32>,
    /// An unhealthy task is TASK_FAILED instead of TASK_KILLED, for frameworks that restart only what failed.
    pub unhealthy_is_failed: bool,
    /// From SIGTERM to SIGKILL; counts after the policies of the call and of `TaskInfo`.
    pub kill_grace: Option<Duration>,
    /// RLIMIT_NOFILE of the task.
    pub descriptor_limit: Option<u64>,
    /// The most processes and threads of the task.
    pub process_limit: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            success_codes: vec![0],
            unhealthy_is_failed: false,
            kill_grace: None,
            descriptor_limit: None,
            process_limit: None,
        }
    }
}
