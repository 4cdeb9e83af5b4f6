//! Why a task cannot be run as it asks. Each text becomes the message of its TASK_ERROR, so none repeats a value that
//! may be a secret.

use std::fmt;

use crate::{CheckError, FieldError, JsonError, LABEL, LabelError, LifeError};

/// Where a framework says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `TaskInfo.data`.
    Data,
    /// The label of this name in `TaskInfo.labels`.
    Label(&'static str),
    /// `TaskInfo.command`.
    Command,
    /// `ExecutorInfo.command`.
    Executor,
    /// The executor's own arguments.
    Arguments,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("TaskInfo.data"),
            Self::Label(name) => write!(f, "the label '{name}'"),
            Self::Command => f.write_str("TaskInfo.command"),
            Self::Executor => f.write_str("ExecutorInfo.command"),
            Self::Arguments => f.write_str("the executor's arguments"),
        }
    }
}

/// Why a task cannot be run as it asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No source says anything.
    #[error(
        "the task names no command: looked for TaskInfo.data, the label '{LABEL}', TaskInfo.command and \
         arguments of the executor in ExecutorInfo.command, and found none"
    )]
    Nothing,
    /// `TaskInfo.data` is neither JSON nor a shell command.
    #[error("TaskInfo.data is not UTF-8 text: {0}")]
    NotText(std::str::Utf8Error),
    /// JSON that is malformed, or says something else than it should.
    #[error("{place}: {source}")]
    Json {
        /// Where it is.
        place: Place,
        /// What is wrong.
        source: JsonError,
    },
    /// JSON of another version than this executor's.
    #[error("TaskInfo.data: version must be 1, the one that this executor knows")]
    Version,
    /// Singularity's data asks for something that has no counterpart here, and that a task cannot do without.
    #[error("TaskInfo.data: {key} is not supported: {instead}")]
    Singularity {
        /// Singularity's name of it.
        key: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A command that cannot be run.
    #[error("{place}: {source}")]
    Program {
        /// Where it is.
        place: Place,
        /// What is wrong.
        source: ProgramError,
    },
    /// A URI that cannot be fetched.
    #[error("{place}: URI {number}: {source}")]
    Uri {
        /// Where it is.
        place: Place,
        /// Which one; the first is 1.
        number: usize,
        /// What is wrong.
        source: UriError,
    },
    /// A check that cannot be carried out.
    #[error("{check}: {source}")]
    Check {
        /// `TaskInfo.health_check`, `TaskInfo.check`, or where in JSON.
        check: String,
        /// What is wrong.
        source: CheckError,
    },
    /// Hooks, a stop sequence or a restart policy that makes no sense.
    #[error("{place}: {source}")]
    Life {
        /// Where it is.
        place: Place,
        /// What is wrong.
        source: LifeError,
    },
    /// A label of ours that makes no sense.
    #[error("the label '{label}' {source}")]
    Label {
        /// Its name.
        label: String,
        /// What is wrong.
        source: LabelError,
    },
    /// A number that is out of its bounds.
    #[error("{place}: {key} must be {wanted}")]
    Bounds {
        /// Where it is.
        place: Place,
        /// Its name.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// What a task asks of its sandbox or its limits cannot be had, or makes no sense.
    #[error("{field} {source}")]
    Field {
        /// The path to it: `TaskInfo.container.tty_info`.
        field: String,
        /// What is wrong.
        source: FieldError,
    },
}

/// Why a command cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// No `value`, or an empty one.
    #[error("the command has no value")]
    NoValue,
    /// A variable that is a secret to resolve, or of a type that this version does not know.
    #[error(
        "the variable '{name}' is a secret or of an unknown type, which this executor cannot resolve"
    )]
    NotAValue {
        /// The variable.
        name: String,
    },
    /// What the kernel cannot take.
    #[error("{what} holds a NUL byte")]
    Nul {
        /// What holds it.
        what: &'static str,
    },
    /// What the kernel cannot take, either.
    #[error("'{name}' is no name for an environment variable")]
    BadName {
        /// The variable.
        name: String,
    },
}

/// Why a URI cannot be fetched. The URI itself may hold a password, and stays out of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No `value`, or an empty one.
    #[error("it has no value")]
    NoValue,
    /// A control character in it.
    #[error("its value holds a blank or a control character")]
    Blank,
    /// `output_file` must stay in the sandbox (Mesos: src/slave/containerizer/fetcher.cpp, `validateOutputFile`).
    #[error("its output_file must be a relative path without '..'")]
    OutputFile,
    /// Not a checksum that can be compared.
    #[error("its checksum must be md5:, sha256: or sha512: and the digest's hexadecimal digits")]
    Checksum,
    /// Embedded content that cannot be decoded.
    #[error("its content is not base64")]
    Base64,
}
