//! The agent itself: what it tells of its containers, over HTTP.
//!
//! It is asked for little and seldom: `GET_STATE` costs it a walk over its own memory, whereas `GET_CONTAINERS` has it
//! measure every container, and is asked for one container at a time where that can be.

mod address;
mod containers;
mod credential;
mod facts;
mod http;
mod state;
mod tls;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio_rustls::TlsConnector;

pub(crate) use address::AgentAddress;
pub(crate) use containers::Container;
pub(crate) use credential::CredentialError;
pub(crate) use facts::{Facts, Isolation};
pub(crate) use state::State;
pub(crate) use tls::TlsError;

use crate::limits::RunLimits;

/// The v1 API (Mesos: docs/operator-http-api.md).
const API: &str = "/slave(1)/api/v1";

/// How to reach an agent.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) address: AgentAddress,
    /// Holds a principal and its secret, or a token; for agents that authenticate those who ask.
    pub(crate) credential_file: Option<PathBuf>,
    /// Holds the certificates of those who may vouch for the agent's; for `https`.
    pub(crate) ca_file: Option<PathBuf>,
}

/// A client of one agent.
#[derive(Clone)]
pub(crate) struct Agent {
    access: Arc<Access>,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Agent").field(&self.access.address).finish()
    }
}

/// Why an agent did not tell what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("cannot reach agent {agent}")]
    Unreachable {
        agent: AgentAddress,
        source: io::Error,
    },
    #[error("agent {agent} did not answer within {} s", http::TIMEOUT.as_secs())]
    TimedOut { agent: AgentAddress },
    #[error("cannot talk HTTP with agent {agent}")]
    Http {
        agent: AgentAddress,
        source: hyper::Error,
    },
    /// While it recovers, among others.
    #[error("agent {agent} is not ready yet: {excerpt:?}")]
    NotReady {
        agent: AgentAddress,
        excerpt: String,
    },
    #[error("agent {agent} answered {status} to {what}: {excerpt:?}")]
    Refused {
        agent: AgentAddress,
        what: &'static str,
        status: StatusCode,
        excerpt: String,
    },
    #[error("cannot read the answer of agent {agent}")]
    Body {
        agent: AgentAddress,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("agent {agent} answered {what} with something else")]
    NotAnAnswer {
        agent: AgentAddress,
        what: &'static str,
        source: serde_json::Error,
    },
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("cannot make a request to agent {agent}")]
    Request {
        agent: AgentAddress,
        source: hyper::http::Error,
    },
}

impl Agent {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the address is `https` and the authorities to trust are not named or cannot be read.
    pub(crate) fn new(access: Access) -> Result<Self, TlsError> {
        let tls = access
            .address
            .is_tls()
            .then(|| tls::connector(access.ca_file.as_deref()))
            .transpose()?;
        Ok(Self {
            access: Arc::new(access),
            tls,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &AgentAddress {
        &self.access.address
    }

    /// Everything that the agent runs now.
    ///
    /// # Errors
    /// When the agent cannot be reached, does not answer in time, recovers, or answers something else.
    pub(crate) async fn state(&self) -> Result<State, AgentError> {
        let what = "GET_STATE";
        let body = self
            .call(what, r#"{"type": "GET_STATE"}"#.to_owned())
            .await?;
        state::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// The container with this id and, below it, of these ids, if the agent lists it.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn container(
        &self,
        container_id: &str,
        nested: &[String],
    ) -> Result<Option<Container>, AgentError> {
        if nested.is_empty() {
            let what = "GET /containers";
            let request =
                self.request(Method::GET, &containers::path(container_id), Bytes::new())?;
            let body = self.exchange(what, request).await?;
            containers::parse_one(&body, container_id)
                .map_err(|source| self.not_an_answer(what, source))
        } else {
            // Nested ones are told by the other interface alone, and all together.
            let all = self.containers(true).await?;
            Ok(all.into_iter().find(|container| {
                let (first, rest) = container.ids();
                first == container_id && rest == nested
            }))
        }
    }

    /// All containers that the agent lists, `nested` ones, too. Has the agent measure each of them.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn containers(&self, nested: bool) -> Result<Vec<Container>, AgentError> {
        let what = "GET_CONTAINERS";
        let body = format!(
            r#"{{"type": "{what}", "get_containers": {{"show_nested": {nested}, "show_standalone": false}}}}"#
        );
        let body = self.call(what, body).await?;
        containers::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// How the agent itself treats disks.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn facts(&self) -> Result<Facts, AgentError> {
        let what = "GET_FLAGS";
        let body = self
            .call(what, r#"{"type": "GET_FLAGS"}"#.to_owned())
            .await?;
        facts::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// Calls the v1 API with a body in JSON; the answer is JSON, or empty.
    ///
    /// # Errors
    /// When the agent cannot be reached, does not answer in time, or refuses. `what` is named in the message.
    pub(crate) async fn call(&self, what: &'static str, body: String) -> Result<Bytes, AgentError> {
        let request = self.request(Method::POST, API, body.into())?;
        self.exchange(what, request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, AgentError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address().authority())
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(path) = &self.access.credential_file {
            request = request.header(AUTHORIZATION, credential::authorization(path)?);
        }
        request
            .body(Full::new(body))
            .map_err(|source| AgentError::Request {
                agent: self.address().clone(),
                source,
            })
    }

    async fn exchange(
        &self,
        what: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, AgentError> {
        let (status, body) = http::exchange(self.address(), self.tls.as_ref(), request).await?;
        let excerpt = || String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let agent = self.address().clone();
        match status {
            StatusCode::OK | StatusCode::ACCEPTED => Ok(body),
            StatusCode::SERVICE_UNAVAILABLE => Err(AgentError::NotReady {
                agent,
                excerpt: excerpt(),
            }),
            status => Err(AgentError::Refused {
                agent,
                what,
                status,
                excerpt: excerpt(),
            }),
        }
    }

    fn not_an_answer(&self, what: &'static str, source: serde_json::Error) -> AgentError {
        AgentError::NotAnAnswer {
            agent: self.address().clone(),
            what,
            source,
        }
    }
}

/// Why limits could not be asked for on the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitsError {
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot start the client for agent {agent}")]
    Runtime {
        agent: AgentAddress,
        source: io::Error,
    },
}

/// The limits of all runs that the agent knows of, by container id.
///
/// # Errors
/// When the agent cannot be reached, does not answer in time, or answers something else.
pub(crate) fn limits(address: &AgentAddress) -> Result<HashMap<String, RunLimits>, LimitsError> {
    let agent = Agent::new(Access {
        address: address.clone(),
        credential_file: None,
        ca_file: None,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LimitsError::Runtime {
            agent: agent.address().clone(),
            source,
        })?;
    let (state, containers) = runtime.block_on(async {
        Ok::<_, AgentError>((agent.state().await?, agent.containers(false).await?))
    })?;
    let limits = containers.into_iter().filter_map(|container| {
        let (framework_id, executor_id) = container.executor.as_ref()?;
        let executor = state.executor(framework_id, executor_id)?;
        Some((container.ids().0.to_owned(), executor.limits.clone()))
    });
    Ok(limits.collect())
}

/// Reads an answer as each of those that an agent gives, for fuzzing: whatever comes, it is a value or an error.
pub fn read_any_answer(body: &[u8]) {
    drop(state::parse(body));
    drop(containers::parse(body));
    drop(containers::parse_one(body, "c"));
    drop(facts::parse(body));
}

#[cfg(test)]
mod tests;
