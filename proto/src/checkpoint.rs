//! The files in which an agent keeps what it must not forget: a 4-byte length in the machine's byte order, then one
//! message (Mesos: `protobuf::write`, 3rdparty/stout/include/stout/protobuf.hpp; src/slave/state.hpp).
//!
//! The agent writes its internal messages, not those of the v1 API; on the wire they are the same
//! (Mesos: src/internal/evolve.cpp). `executor.info` holds a [`v1::ExecutorInfo`](crate::v1::ExecutorInfo),
//! `task.info` a [`v1::Task`](crate::v1::Task), not a `TaskInfo`.

use prost::Message;
use thiserror::Error;

/// The longest message that is believed, in bytes. The agent writes nothing near it.
const LIMIT: usize = 64 << 20;

/// Why a checkpoint file cannot be read.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum CheckpointError {
    /// The file ends early. An agent that is killed while it writes does leave such files, empty ones too.
    #[error("checkpoint ends after {have} bytes, want {want}")]
    Truncated {
        /// How long the file should be, in bytes.
        want: usize,
        /// How long it is, in bytes.
        have: usize,
    },
    /// Something follows the message.
    #[error("checkpoint goes on for {extra} bytes after its message")]
    TrailingBytes {
        /// How many bytes follow.
        extra: usize,
    },
    /// A length that no message of an agent has: this is no checkpoint file.
    #[error("checkpoint claims a message of {claimed} bytes, at most {LIMIT} are believed")]
    AbsurdLength {
        /// The length, in bytes.
        claimed: u32,
    },
    /// The message is not what was asked for.
    #[error("checkpoint does not hold the message")]
    Message(#[from] prost::DecodeError),
}

/// Decodes a whole checkpoint file.
///
/// # Errors
///
/// If `file` is shorter or longer than it says, or its content is no `M`.
pub fn decode<M: Message + Default>(file: &[u8]) -> Result<M, CheckpointError> {
    let Some((length, message)) = file.split_first_chunk::<4>() else {
        return Err(CheckpointError::Truncated {
            want: 4,
            have: file.len(),
        });
    };
    let claimed = u32::from_ne_bytes(*length);
    let length = usize::try_from(claimed)
        .ok()
        .filter(|length| *length <= LIMIT)
        .ok_or(CheckpointError::AbsurdLength { claimed })?;
    match message.len().checked_sub(length) {
        None => Err(CheckpointError::Truncated {
            want: 4 + length,
            have: file.len(),
        }),
        Some(0) => Ok(M::decode(message)?),
        Some(extra) => Err(CheckpointError::TrailingBytes { extra }),
    }
}
