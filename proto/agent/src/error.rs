//! Why an agent did not tell what it was asked for.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use hyper::StatusCode;
use tokio::task::JoinError;

use crate::{AgentAddress, CredentialError};

/// Why an agent did not tell what it was asked for. No message has a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot reach agent {agent}")]
    Unreachable {
        /// Which.
        agent: AgentAddress,
        /// The kernel's or the resolver's answer.
        source: io::Error,
    },
    /// No TLS with it: it has the wrong certificate, or wants a better one of ours.
    #[error("cannot agree on TLS with agent {agent}")]
    Tls {
        /// Which.
        agent: AgentAddress,
        /// What rustls says.
        source: io::Error,
    },
    /// It took too long.
    #[error("agent {agent} did not answer {what} within {after:?}: {stage} took too long")]
    TimedOut {
        /// Which.
        agent: AgentAddress,
        /// What was asked for.
        what: &'static str,
        /// What was waited for.
        stage: Stage,
        /// The time that all stages had together.
        after: Duration,
    },
    /// What came is not HTTP, or the connection ended before an answer began.
    #[error("cannot talk HTTP with agent {agent} about {what}")]
    Http {
        /// Which.
        agent: AgentAddress,
        /// What was asked for.
        what: &'static str,
        /// What hyper says.
        source: hyper::Error,
    },
    /// The connection ended in the middle of an answer.
    #[error("the answer of agent {agent} to {what} ends after {received} bytes, too soon")]
    CutShort {
        /// Which.
        agent: AgentAddress,
        /// What was asked for.
        what: &'static str,
        /// What had come.
        received: usize,
        /// What hyper says.
        source: hyper::Error,
    },
    /// More than can be meant.
    #[error("the answer of agent {agent} to {what} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        agent: AgentAddress,
        /// What was asked for.
        what: &'static str,
        /// The most bytes that are taken.
        limit: usize,
    },
    /// 503: while it recovers, among others.
    #[error("agent {agent} is not ready yet: {excerpt:?}")]
    NotReady {
        /// Which.
        agent: AgentAddress,
        /// How the answer begins.
        excerpt: String,
    },
    /// Any other status.
    #[error("agent {agent} answered {status} to {what}: {excerpt:?}")]
    Refused {
        /// Which.
        agent: AgentAddress,
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: StatusCode,
        /// How the answer begins.
        excerpt: String,
    },
    /// Nothing was sent.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Nothing was sent: the thread that was to read the credential has failed.
    #[error("cannot read the credential to ask agent {agent} for {what}")]
    Reader {
        /// Which.
        agent: AgentAddress,
        /// What was to be asked for.
        what: &'static str,
        /// What tokio says.
        source: JoinError,
    },
    /// Nothing was sent: the question itself cannot be.
    #[error("cannot make a request to agent {agent} for {what}")]
    Request {
        /// Which.
        agent: AgentAddress,
        /// What was to be asked for.
        what: &'static str,
        /// What hyper says.
        source: hyper::http::Error,
    },
}

/// What a question spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Until there is a connection, and TLS over it.
    Connecting,
    /// Until the answer begins. An agent that limits the rate of an endpoint makes the question wait here.
    Waiting,
    /// Until the answer is complete.
    Reading,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Waiting => "waiting for the answer",
            Self::Reading => "reading the answer",
        })
    }
}

/// What errors are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// No connection.
    Unreachable,
    /// No TLS.
    Tls,
    /// It took too long.
    Timeout,
    /// No HTTP.
    Http,
    /// An answer that ended too soon.
    CutShort,
    /// An answer that is too large.
    TooLarge,
    /// 503.
    NotReady,
    /// 401: the agent does not know who we are.
    Unauthorized,
    /// 403: it does, and we may not.
    Forbidden,
    /// Another status.
    Status,
    /// The credential cannot be used, or the question cannot be asked.
    Request,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Unreachable,
        Self::Tls,
        Self::Timeout,
        Self::Http,
        Self::CutShort,
        Self::TooLarge,
        Self::NotReady,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Status,
        Self::Request,
    ];

    /// As it stands in the names of series.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Http => "http",
            Self::CutShort => "cut_short",
            Self::TooLarge => "too_large",
            Self::NotReady => "not_ready",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Status => "status",
            Self::Request => "request",
        }
    }
}

impl ClientError {
    /// What it is counted by.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::TimedOut { .. } => ErrorKind::Timeout,
            Self::Http { .. } => ErrorKind::Http,
            Self::CutShort { .. } => ErrorKind::CutShort,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::NotReady { .. } => ErrorKind::NotReady,
            Self::Refused { status, .. } => match *status {
                StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
                StatusCode::FORBIDDEN => ErrorKind::Forbidden,
                _ => ErrorKind::Status,
            },
            Self::Credential(_) | Self::Reader { .. } | Self::Request { .. } => ErrorKind::Request,
        }
    }

    /// The message, and behind it those of what caused it.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
