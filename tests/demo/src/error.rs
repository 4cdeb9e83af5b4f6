//! Why the demo fails.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use test_support::{HttpError, SchedulerError};
use thiserror::Error;

/// An expectation that did not hold, or something that could not be done.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// An update did not come, or the wrong one.
    #[error("{0:?}")]
    Scheduler(#[from] SchedulerError),
    /// Graphite did not answer.
    #[error("ask Graphite: {0}")]
    Graphite(#[from] HttpError),
    /// An update came and says something else than it should.
    #[error("{field} of task {task} is {got:?}, not {wanted:?}")]
    Unexpected {
        /// The task.
        task: &'static str,
        /// What of its last update.
        field: &'static str,
        /// What it is.
        got: String,
        /// What it should be.
        wanted: String,
    },
    /// One of the three programs could not be started.
    #[error("start {program}: {source}")]
    Start {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// One of them ended as it should not.
    #[error("{program} ended with {status}:\n{output}")]
    Ended {
        /// Its name.
        program: &'static str,
        /// How.
        status: ExitStatus,
        /// What it had said on its standard error.
        output: String,
    },
    /// The collector has shipped nothing that Graphite would draw.
    #[error("Graphite has no points of {target}")]
    NoPoints {
        /// The target.
        target: String,
    },
    /// What was rendered is no graph.
    #[error("the rendered graph is no PNG of any size: {length} bytes")]
    NotAPng {
        /// How long it is.
        length: usize,
    },
    /// The graph could not be written.
    #[error("write {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A fixture panicked.
    #[error("see the panic above")]
    Panicked,
}
