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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{AgentId, FrameworkId, Task, TaskId, TaskState};

    fn task() -> Task {
        Task {
            name: "t".to_owned(),
            task_id: TaskId {
                value: "t1".to_owned(),
            },
            framework_id: FrameworkId {
                value: "f".to_owned(),
            },
            agent_id: AgentId {
                value: "a".to_owned(),
            },
            state: TaskState::TaskRunning.into(),
            ..Task::default()
        }
    }

    fn file(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap();
        [&length.to_ne_bytes()[..], message].concat()
    }

    #[test]
    fn a_message_is_read_back() {
        let file = file(&task().encode_to_vec());
        assert_eq!(decode(&file), Ok(task()));
    }

    #[test]
    fn an_empty_file_is_truncated() {
        let truncated = CheckpointError::Truncated { want: 4, have: 0 };
        assert_eq!(decode::<Task>(&[]), Err(truncated));
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let file = file(&task().encode_to_vec());
        for have in 0..file.len() {
            let want = if have < 4 { 4 } else { file.len() };
            let truncated = CheckpointError::Truncated { want, have };
            assert_eq!(decode::<Task>(&file[..have]), Err(truncated));
        }
    }

    #[test]
    fn bytes_after_the_message_are_refused() {
        let mut file = file(&task().encode_to_vec());
        file.extend_from_slice(b"xyz");
        let trailing = CheckpointError::TrailingBytes { extra: 3 };
        assert_eq!(decode::<Task>(&file), Err(trailing));
    }

    #[test]
    fn a_text_file_claims_an_absurd_length() {
        let absurd = CheckpointError::AbsurdLength {
            claimed: u32::from_ne_bytes(*b"hell"),
        };
        assert_eq!(decode::<Task>(b"hello"), Err(absurd));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(matches!(
            decode::<Task>(&file(b"\xff\xff\xff")),
            Err(CheckpointError::Message(_))
        ));
    }
}
