//! Limits as a running agent tells them: `GET /slave(1)/state`.

use std::collections::HashMap;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::limits::RunLimits;

/// Where the agent tells of its frameworks, executors and tasks (Mesos: docs/endpoints/slave/state.md).
const STATE: &str = "/slave(1)/state";
/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An agent with 10,000 tasks answers with about 8 MB.
const LARGEST_ANSWER: usize = 256 << 20;

/// The address of an agent: `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentAddress {
    host: String,
    port: u16,
}

/// Why a text is no [`AgentAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AgentAddressError {
    #[error("want http://HOST:PORT")]
    NotAnAddress,
    #[error("only http is spoken, want http://HOST:PORT")]
    NotHttp,
    #[error("the port is missing, want http://HOST:PORT, as a rule port 5051")]
    NoPort,
    #[error("want nothing after the port: http://HOST:PORT")]
    HasPath,
}

impl FromStr for AgentAddress {
    type Err = AgentAddressError;

    fn from_str(text: &str) -> Result<Self, AgentAddressError> {
        let uri: Uri = text.parse().map_err(|_| AgentAddressError::NotAnAddress)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(AgentAddressError::NotHttp),
            None => return Err(AgentAddressError::NotAnAddress),
        }
        if uri
            .path_and_query()
            .is_some_and(|rest| rest.as_str() != "/")
        {
            return Err(AgentAddressError::HasPath);
        }
        let host = uri.host().ok_or(AgentAddressError::NotAnAddress)?;
        let port = uri.port_u16().ok_or(AgentAddressError::NoPort)?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Why an agent's state could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("cannot reach agent {agent}")]
    Unreachable {
        agent: AgentAddress,
        source: io::Error,
    },
    #[error("agent {agent} did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut { agent: AgentAddress },
    #[error("cannot talk HTTP with agent {agent}")]
    Http {
        agent: AgentAddress,
        source: hyper::Error,
    },
    #[error("agent {agent} answered {status} to GET {STATE}")]
    Refused {
        agent: AgentAddress,
        status: StatusCode,
    },
    #[error("cannot read the answer of agent {agent}")]
    Body {
        agent: AgentAddress,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("agent {agent} answered with something other than its state")]
    NotAState {
        agent: AgentAddress,
        source: serde_json::Error,
    },
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
pub(crate) fn limits(agent: &AgentAddress) -> Result<HashMap<String, RunLimits>, AgentError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| AgentError::Runtime {
            agent: agent.clone(),
            source,
        })?;
    let body = runtime.block_on(async {
        match tokio::time::timeout(TIMEOUT, get_state(agent)).await {
            Ok(body) => body,
            Err(_) => Err(AgentError::TimedOut {
                agent: agent.clone(),
            }),
        }
    })?;
    parse(&body).map_err(|source| AgentError::NotAState {
        agent: agent.clone(),
        source,
    })
}

async fn get_state(agent: &AgentAddress) -> Result<Bytes, AgentError> {
    let http = |source| AgentError::Http {
        agent: agent.clone(),
        source,
    };
    // An IPv6 address stands in brackets in a URI only.
    let host = agent.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, agent.port))
        .await
        .map_err(|source| AgentError::Unreachable {
            agent: agent.clone(),
            source,
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static(STATE);
    if let Ok(host) = format!("{}:{}", agent.host, agent.port).parse() {
        request.headers_mut().insert(HOST, host);
    }
    request.headers_mut().insert(
        ACCEPT,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    let exchange = async {
        let response = sender.send_request(request).await.map_err(http)?;
        if response.status() != StatusCode::OK {
            return Err(AgentError::Refused {
                agent: agent.clone(),
                status: response.status(),
            });
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|source| AgentError::Body {
                agent: agent.clone(),
                source,
            })
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may end once it has delivered the whole answer; then the exchange ends, too.
        closed = connection => match closed {
            Ok(()) => exchange.await,
            Err(source) => Err(http(source)),
        },
    }
}

#[derive(Deserialize)]
struct State {
    frameworks: Vec<Framework>,
}

#[derive(Deserialize)]
struct Framework {
    executors: Vec<Executor>,
}

#[derive(Deserialize)]
struct Executor {
    container: String,
    /// The executor's own and those of its tasks, already summed.
    resources: Resources,
    #[serde(default)]
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Task {
    id: String,
    resources: Resources,
}

/// An agent writes 0 where there is none.
#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    disk: f64,
}

impl Resources {
    fn disk(&self) -> Option<f64> {
        (self.disk > 0.0).then_some(self.disk)
    }
}

fn parse(body: &[u8]) -> Result<HashMap<String, RunLimits>, serde_json::Error> {
    let state: State = serde_json::from_slice(body)?;
    let executors = state
        .frameworks
        .into_iter()
        .flat_map(|framework| framework.executors);
    Ok(executors
        .map(|executor| {
            let mut limits = RunLimits::new(
                None,
                executor
                    .tasks
                    .iter()
                    .map(|task| (task.id.clone(), task.resources.disk())),
            );
            limits.container = executor
                .resources
                .disk()
                .map(mesos_proto::Bytes::from_megabytes);
            (executor.container, limits)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<AgentAddress, AgentAddressError> {
        text.parse()
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in [
            "http://localhost:5051",
            "http://10.0.0.1:5051/",
            "http://[::1]:5051",
        ] {
            assert_eq!(
                address(text).unwrap().to_string(),
                text.trim_end_matches('/')
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_what_is_wrong_with_it() {
        assert_eq!(address("localhost"), Err(AgentAddressError::NotAnAddress));
        assert_eq!(
            address("https://localhost:5051"),
            Err(AgentAddressError::NotHttp)
        );
        assert_eq!(address("http://localhost"), Err(AgentAddressError::NoPort));
        assert_eq!(
            address("http://localhost:5051/state"),
            Err(AgentAddressError::HasPath)
        );
    }

    #[test]
    fn an_executors_limit_is_taken_as_the_agent_sums_it() {
        let limits = parse(
            br#"{"id": "A", "frameworks": [{"id": "F", "executors": [{"id": "E", "container": "C",
                "resources": {"cpus": 1.1, "disk": 96.0, "mem": 32.0},
                "tasks": [{"id": "T", "resources": {"disk": 64.0}}, {"id": "U", "resources": {"disk": 0.0}}]}]}]}"#,
        )
        .unwrap();
        assert_eq!(
            limits["C"].container,
            Some(mesos_proto::Bytes::new(96 << 20))
        );
        assert_eq!(
            limits["C"].task("T"),
            Some(mesos_proto::Bytes::new(64 << 20))
        );
        assert_eq!(
            limits["C"].task("U"),
            None,
            "0 is how an agent writes that there is no disk resource"
        );
    }

    #[test]
    fn an_answer_without_frameworks_is_no_state() {
        assert!(parse(b"{}").is_err());
        assert!(parse(b"not json").is_err());
    }
}
