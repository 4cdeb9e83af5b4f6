//! What can go wrong for a scheduler.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::http::HttpError;

/// Why a call failed, or what was waited for did not come.
#[derive(Error)]
pub enum SchedulerError {
    /// The master did not take a call.
    #[error("the master did not take {call}")]
    Call {
        /// The call's type.
        call: &'static str,
        /// What it answered.
        source: HttpError,
    },
    /// No offer came that has enough for what was to be launched.
    #[error("no offer is large enough, in {waited:?}")]
    NoOffer {
        /// How long it waited.
        waited: Duration,
    },
    /// The update did not come.
    #[error("task {task} did not reach {wanted} in {waited:?}; received was:{timeline}")]
    TimedOut {
        /// The task.
        task: String,
        /// What was waited for.
        wanted: String,
        /// How long.
        waited: Duration,
        /// Everything that was received, a line each.
        timeline: String,
    },
    /// The task reached a terminal state that is not the one waited for.
    #[error("task {task} ended in {got}, not {wanted}; received was:{timeline}")]
    Ended {
        /// The task.
        task: String,
        /// The state that was waited for.
        wanted: &'static str,
        /// The state it ended in.
        got: &'static str,
        /// Everything that was received, a line each.
        timeline: String,
    },
}

/// As a person reads it, since a test that unwraps shows this one.
impl fmt::Debug for SchedulerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
