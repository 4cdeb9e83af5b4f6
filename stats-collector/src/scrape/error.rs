//! Why something is not known of an agent.

use mesos_agent::tls::TlsError;
use mesos_agent::{ClientError, ErrorKind};
use tokio::task::JoinError;

use super::discover::DiscoverError;

/// Why there is nothing from the agent. No message has a secret in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    /// It was not found.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// It is not to be spoken to without TLS, and there is none.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It did not answer.
    #[error("{}", .0.with_causes())]
    Client(#[from] ClientError),
    /// It answered with nothing.
    #[error("the agent's answer is empty")]
    Empty,
    /// It answered with something else.
    #[error("the agent's answer to {what} makes no sense: {source}")]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A thread that was to look for it has failed.
    #[error("look for the agent: {0}")]
    Thread(JoinError),
}

impl ScrapeError {
    /// An answer to `what` that is not what it should be.
    pub(crate) fn unreadable(what: &'static str, source: serde_json::Error) -> Self {
        Self::Unreadable { what, source }
    }

    /// What it is counted by, as it stands in the names of series.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Discover(_) => "not_found",
            Self::Tls(_) => "tls_files",
            Self::Client(error) => error.kind().name(),
            Self::Empty => "empty",
            Self::Unreadable { .. } => "json",
            Self::Thread(_) => "thread",
        }
    }

    /// Of an agent that did not answer: how it did not.
    pub(super) fn client_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Client(error) => Some(error.kind()),
            _ => None,
        }
    }
}
