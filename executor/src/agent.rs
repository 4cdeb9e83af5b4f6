//! The HTTP edge: one stream of events and one ordered connection for calls (Mesos: docs/executor-http-api.md).
//!
//! Both belong to one attempt of the core's and end together: the agent takes updates in the order of arrival, which
//! only holds on a single connection, and an agent that has lost either will not have the other for long.
//!
//! - [`wire`]: how connections come about; [`socket`], [`tls`], [`names`], [`verifier`] and [`trust`] are its parts.
//! - [`events`]: the answer to SUBSCRIBE.
//! - [`calls`]: everything else that is sent.

mod calls;
mod events;
mod names;
mod socket;
mod tls;
pub(crate) mod trust;
pub(crate) mod verifier;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use executor_core::{Event, LinkEvent, Refusal};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use mesos_proto::environment::ExecutorEnvironment;
use mesos_proto::prost::Message;
use mesos_proto::v1::executor;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tracing::warn;

use self::socket::Socket;
use self::tls::{Tls, TlsError};
use self::wire::{Way, Ways, Wire};
use crate::driver::Wake;
use crate::journal::Progress;

/// One media type, and only one: with several the agent would choose JSON (Mesos: src/slave/http.cpp).
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// How much of an error's body is worth reading.
const ERROR_BODY_LIMIT: usize = 4096;

/// How long the agent may take before it counts as gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To take a connection, with its TLS.
    pub(crate) connect: Duration,
    /// To answer a call. A healthy agent takes milliseconds, and one that is busy with a thousand launches at once many
    /// seconds: a subscription anew in the middle of them would cost those that it has not sent yet (Mesos:
    /// src/slave/slave.cpp, `Slave::subscribe`, TASK_DROPPED).
    pub(crate) answer: Duration,
    /// To show that its host is still there.
    pub(crate) dead: Duration,
}

impl Patience {
    /// An agent that recovers its executors is connected to anew soon rather than late: after its restart it waits for an
    /// executor only as long as `backoff_max` (Mesos: src/slave/slave.cpp, `executor_reregistration_timeout`). Where it
    /// does not recover them, a lost connection costs every task, and it is given time.
    fn new(checkpoint: bool, backoff_max: Duration) -> Self {
        let seconds = Duration::from_secs;
        if checkpoint {
            Self {
                connect: (backoff_max / 2).clamp(Duration::from_millis(500), seconds(5)),
                answer: seconds(30),
                dead: seconds(8),
            }
        } else {
            Self {
                connect: seconds(5),
                answer: seconds(30),
                dead: seconds(24),
            }
        }
    }
}

/// Where the agent is, and how it knows us.
#[derive(Debug)]
pub(crate) struct Agent {
    ways: Ways,
    path: Uri,
    /// Those of every call.
    headers: HeaderMap,
    patience: Patience,
}

/// Why the agent cannot be spoken to as the environment says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("the executor's authentication token holds characters that no HTTP header can")]
    Token,
    #[error("the agent's path '{0}' is no part of a URL")]
    Path(String),
    #[error("the agent's endpoint '{0}' cannot stand in an HTTP header")]
    Endpoint(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An open, or opening, connection. Dropping it closes everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) attempt: u64,
    calls: UnboundedSender<(executor::Call, u64)>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Queues a call behind every call before it, to be sent when the journal has got to `after`. One that can no
    /// longer be sent is in the core's ledger.
    pub(crate) fn send(&self, call: executor::Call, after: u64) {
        let _closed = self.calls.send((call, after));
    }
}

impl Agent {
    /// The agent of this environment. `name` is what its certificate must be valid for, where the operator says so.
    ///
    /// # Errors
    ///
    /// When what the environment says cannot be done: a certificate cannot be read, for example.
    pub(crate) fn new(
        environment: &ExecutorEnvironment,
        name: Option<&str>,
    ) -> Result<Self, AgentError> {
        let endpoint = environment.agent_endpoint.clone();
        let tls = environment.tls.as_ref();
        let tls = tls.map(|settings| Tls::new(settings, &endpoint.host, name));
        let tls = tls.transpose()?;
        if tls.as_ref().is_some_and(|tls| !tls.verifies) {
            warn!(
                "the agent's certificate is not verified, as the environment says: whoever answers at {endpoint} is \
                 taken for the agent, and gets this executor's credential"
            );
        }
        let path = environment.api_path.as_str();
        let backoff_max = environment.subscription_backoff_max.to_std();
        let patience = Patience::new(environment.checkpoint, backoff_max.unwrap_or_default());
        Ok(Self {
            path: path
                .parse()
                .map_err(|_| AgentError::Path(path.to_owned()))?,
            headers: headers(environment)?,
            ways: Ways {
                endpoint,
                tls,
                socket: environment.domain_socket.clone().map(Socket::new),
            },
            patience,
        })
    }

    /// Connects, subscribes once the journal has got to `after`, and from then on reports every event of the stream as
    /// `attempt`'s.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        attempt: u64,
        call: executor::Call,
        after: u64,
        mut journal: Progress,
        wakes: UnboundedSender<Wake>,
    ) -> Connection {
        let (calls, queue) = unbounded_channel();
        let agent = Arc::clone(self);
        let task = tokio::spawn(async move {
            // Whoever does not listen any more is on the way out.
            let report = |event| drop(wakes.send(Wake::Event(Event::Link { attempt, event })));
            let mut drivers = JoinSet::new();
            journal.until(after).await;
            match agent.open(&call, &mut drivers).await {
                Err(refusal) => report(LinkEvent::Refused(refusal)),
                Ok((stream, wire)) => {
                    let why = tokio::select! {
                        why = events::read(stream, attempt, &wakes) => why,
                        why = calls::send(&agent, wire, queue, &mut journal, &report) => why,
                    };
                    report(LinkEvent::Broken { why });
                }
            }
        });
        Connection {
            attempt,
            calls,
            task,
        }
    }

    /// The answered SUBSCRIBE, and a second connection for calls.
    async fn open(
        &self,
        call: &executor::Call,
        drivers: &mut JoinSet<()>,
    ) -> Result<(Response<Incoming>, Wire), Refusal> {
        let connected = self.ways.connect(&self.patience, drivers).await;
        let (way, mut stream, calls) = connected.map_err(|e| self.unanswered(&e.to_string()))?;
        let socket = self.ways.socket.as_ref().filter(|_| way == Way::Socket);
        if let Some(socket) = socket {
            socket.is_asked();
        }
        let answer = stream.ask(self.request(call), &self.ways).await;
        let response = answer.map_err(|why| self.unanswered(&why))?;
        if let Some(socket) = socket {
            socket.has_answered(response.status().as_u16());
        }
        match response.status() {
            StatusCode::OK => Ok((response, calls)),
            status => Err(refusal(status, response, self.patience.answer).await),
        }
    }

    fn unanswered(&self, why: &str) -> Refusal {
        Refusal {
            status: None,
            message: format!("{}: {why}", self.ways.endpoint),
        }
    }

    fn request(&self, call: &executor::Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(call.encode_to_vec())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn headers(environment: &ExecutorEnvironment) -> Result<HeaderMap, AgentError> {
    let mut headers = HeaderMap::new();
    let endpoint = environment.agent_endpoint.to_string();
    let host = HeaderValue::try_from(&endpoint).map_err(|_| AgentError::Endpoint(endpoint))?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, PROTOBUF);
    headers.insert(ACCEPT, PROTOBUF);
    if let Some(token) = &environment.authentication_token {
        let bearer = format!("Bearer {}", token.expose());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| AgentError::Token)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

/// What the agent says in an answer that is no success. A body that does not come within `limit` is done without.
async fn refusal(status: StatusCode, response: Response<Incoming>, limit: Duration) -> Refusal {
    let body = Limited::new(response.into_body(), ERROR_BODY_LIMIT).collect();
    let message = match tokio::time::timeout(limit, body).await {
        Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Ok(Err(error)) => format!("(its body could not be read: {error})"),
        Err(_) => "(its body did not come)".to_owned(),
    };
    Refusal {
        status: Some(status.as_u16()),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-11
    #[test]
    fn a_connection_that_does_not_come_about_leaves_time_for_another_inside_the_agents_window() {
        let window = Duration::from_secs(2);
        assert!(Patience::new(true, window).connect * 2 <= window);
    }

    #[test]
    fn an_agent_whose_loss_costs_every_task_is_given_more_time() {
        let window = Duration::from_secs(2);
        let (recovered, lost) = (Patience::new(true, window), Patience::new(false, window));
        assert!(recovered.connect < lost.connect && recovered.dead < lost.dead);
    }

    #[test]
    fn an_agent_that_is_busy_with_a_thousand_launches_is_given_half_a_minute_to_answer() {
        let window = Duration::from_secs(2);
        for checkpoint in [true, false] {
            assert!(Patience::new(checkpoint, window).answer >= Duration::from_secs(30));
        }
    }
}
