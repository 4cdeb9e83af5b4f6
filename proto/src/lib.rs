//! The contract with Mesos, as far as the three programs need it: the v1 messages, RecordIO, the executor's
//! environment, durations, byte counts and the agent's directory layout. No I/O happens here.
#![forbid(unsafe_code)]

mod byte_count;
pub mod checkpoint;
mod duration;
pub mod environment;
pub mod paths;
pub mod recordio;
pub mod resources;
mod verbatim;

pub use byte_count::{Bytes, BytesError};
pub use duration::{DurationError, MesosDuration};
pub use prost;
pub use verbatim::Verbatim;

/// The messages of the v1 API, generated from `protos/`. Enum fields are plain integers, so that a value that this
/// version does not know survives.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    pub use crate::TaskInfo;

    include!(concat!(env!("OUT_DIR"), "/mesos.v1.rs"));

    /// The executor HTTP API.
    pub mod executor {
        include!(concat!(env!("OUT_DIR"), "/mesos.v1.executor.rs"));
    }

    /// The scheduler HTTP API.
    pub mod scheduler {
        include!(concat!(env!("OUT_DIR"), "/mesos.v1.scheduler.rs"));
    }
}

/// A task as it came over the wire: the known fields to read, every field to send back. Build one with
/// `TaskInfo::from(v1::TaskInfoFields { .. })`.
pub type TaskInfo = Verbatim<v1::TaskInfoFields>;

impl v1::TaskState {
    /// Whether no state follows this one (Mesos: src/common/protobuf_utils.cpp, `isTerminalState`).
    pub fn is_terminal(self) -> bool {
        match self {
            Self::TaskStaging
            | Self::TaskStarting
            | Self::TaskRunning
            | Self::TaskKilling
            | Self::TaskUnreachable
            | Self::TaskUnknown => false,
            Self::TaskFinished
            | Self::TaskFailed
            | Self::TaskKilled
            | Self::TaskError
            | Self::TaskLost
            | Self::TaskDropped
            | Self::TaskGone
            | Self::TaskGoneByOperator => true,
        }
    }
}
