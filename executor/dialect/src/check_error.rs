//! Why a check cannot be carried out (Mesos: src/common/validation.cpp, `validateHealthCheck`, `validateCheckInfo`).

use crate::{JsonError, ProgramError};

/// Why a check cannot be carried out. Mesos's master refuses most of these itself, but only in `TaskInfo`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// No type, or one that is unknown.
    #[error("'type' must be COMMAND, HTTP or TCP")]
    NoType,
    /// The type's own field is not there.
    #[error("'{field}' must be set for a check of type {kind}")]
    Missing {
        /// The field.
        field: &'static str,
        /// The type.
        kind: &'static str,
    },
    /// Negative, infinite, not a number, or longer than 64 bits of nanoseconds hold.
    #[error("'{field}' must be a number of seconds, neither negative nor beyond 292 years")]
    Seconds {
        /// The field.
        field: &'static str,
    },
    /// No port that one can connect to.
    #[error("'port' must be from 1 to 65535")]
    Port,
    /// The task has no such port.
    #[error("'port_index' {index} is beyond the task's {count} ports")]
    PortIndex {
        /// What was asked for.
        index: u64,
        /// How many there are.
        count: usize,
    },
    /// Another scheme.
    #[error("'scheme' must be http or https")]
    Scheme,
    /// A path that is none.
    #[error("'path' must start with '/' and hold neither blanks nor control characters")]
    Path,
    /// No protocol family that is known.
    #[error("'protocol' must be IPv4 or IPv6")]
    Protocol,
    /// An address that is none.
    #[error("'host' must be an address or a name")]
    Host,
    /// A status that no answer has.
    #[error("'statuses' must be from 100 to 599")]
    Status,
    /// A header that cannot be sent, or that would break the request.
    #[error("the header '{name}' cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// There is no certificate to verify.
    #[error("'verify' needs the scheme https")]
    Verify,
    /// A command that cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// JSON that says something else than it should.
    #[error(transparent)]
    Json(#[from] JsonError),
}
