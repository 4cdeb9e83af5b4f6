//! The HTTP edge: one stream of events and one ordered connection for calls (Mesos: docs/executor-http-api.md).
//!
//! Both belong to one attempt of the core's and end together: the agent takes updates in the order of arrival, which
//! only holds on a single connection, and an agent that has lost either will not have the other for long.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use executor_core::{Event, LinkEvent, Refusal};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mesos_proto::environment::{AgentEndpoint, Secret};
use mesos_proto::prost::Message;
use mesos_proto::recordio::Decoder;
use mesos_proto::v1::executor;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::driver::Wake;

/// One media type, and only one: with several the agent would choose JSON (Mesos: src/slave/http.cpp).
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// The largest event that is taken. A LAUNCH holds one TaskInfo, a LAUNCH_GROUP some.
const EVENT_LIMIT: usize = 64 << 20;

/// How long the answer to a call may take. An agent that listens answers in milliseconds; one that does not is subscribed
/// with anew, which carries every update again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an error's body is worth reading.
const ERROR_BODY_LIMIT: usize = 4096;

/// Where the agent is, and how it knows us.
#[derive(Debug)]
pub(crate) struct Agent {
    endpoint: AgentEndpoint,
    path: String,
    authorization: Option<HeaderValue>,
}

/// The token cannot stand in a header. Its text is not told.
#[derive(Debug, thiserror::Error)]
#[error("the executor's authentication token holds characters that no HTTP header can")]
pub(crate) struct BadToken;

/// An open, or opening, connection. Dropping it closes everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) attempt: u64,
    calls: UnboundedSender<executor::Call>,
    task: JoinHandle<()>,
}

/// One TCP connection.
struct Wire {
    requests: SendRequest<Full<Bytes>>,
    /// Ready when the connection is closed.
    closed: oneshot::Receiver<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Queues a call behind every call before it. One that can no longer be sent is in the core's ledger.
    pub(crate) fn send(&self, call: executor::Call) {
        let _closed = self.calls.send(call);
    }
}

impl Agent {
    pub(crate) fn new(
        endpoint: AgentEndpoint,
        path: String,
        token: Option<&Secret>,
    ) -> Result<Self, BadToken> {
        let authorization = token
            .map(|token| HeaderValue::try_from(format!("Bearer {}", token.expose())))
            .transpose()
            .map_err(|_| BadToken)?
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        Ok(Self {
            endpoint,
            path,
            authorization,
        })
    }

    /// Connects, subscribes, and from then on reports every event of the stream as `attempt`'s.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        attempt: u64,
        call: executor::Call,
        wakes: UnboundedSender<Wake>,
    ) -> Connection {
        let (calls, queue) = unbounded_channel();
        let agent = Arc::clone(self);
        let task = tokio::spawn(async move {
            // Whoever does not listen any more is on the way out.
            let report = |event| drop(wakes.send(Wake::Event(Event::Link { attempt, event })));
            let mut drivers = JoinSet::new();
            match agent.open(&call, &mut drivers).await {
                Err(refusal) => report(LinkEvent::Refused(refusal)),
                Ok((stream, wire)) => {
                    let why = tokio::select! {
                        why = read_events(stream, attempt, &wakes) => why,
                        why = agent.send_calls(wire, queue, &report) => why,
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
        let unanswered = |error: &dyn fmt::Display| Refusal {
            status: None,
            message: format!("{}: {error}", self.endpoint),
        };
        let calls = self.connect(drivers).await.map_err(|e| unanswered(&e))?;
        let mut stream = self.connect(drivers).await.map_err(|e| unanswered(&e))?;
        let request = self.request(call);
        let response = stream
            .requests
            .send_request(request)
            .await
            .map_err(|e| unanswered(&e))?;
        match response.status() {
            StatusCode::OK => Ok((response, calls)),
            status => Err(refusal(status, response).await),
        }
    }

    async fn connect(&self, drivers: &mut JoinSet<()>) -> io::Result<Wire> {
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        // Without it an update waits for the acknowledgement of the packet before, some 40 ms.
        stream.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (requests, driver) = handshake.map_err(io::Error::other)?;
        let (alive, closed) = oneshot::channel();
        drivers.spawn(async move {
            // What ends the connection is seen by whoever uses it.
            let _ended = driver.await;
            drop::<oneshot::Sender<()>>(alive);
        });
        Ok(Wire { requests, closed })
    }

    fn request(&self, call: &executor::Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(call.encode_to_vec())));
        *request.method_mut() = Method::POST;
        // An agent's path is ASCII by the environment's check; should it not parse, `/` gets the agent's own 404.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::try_from(self.endpoint.to_string()) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.insert(ACCEPT, PROTOBUF);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    /// Sends each call after the answer to the one before. Returns why it cannot go on.
    async fn send_calls(
        &self,
        mut wire: Wire,
        mut queue: UnboundedReceiver<executor::Call>,
        report: &impl Fn(LinkEvent),
    ) -> String {
        loop {
            let call = tokio::select! {
                call = queue.recv() => call,
                // An idle connection that the agent closes is noticed now, not at the next update.
                _ = &mut wire.closed => return "the agent closed the connection for calls".to_owned(),
            };
            let Some(call) = call else {
                return "no more calls".to_owned();
            };
            let answer = wire.requests.send_request(self.request(&call));
            let response = match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return format!("a call was not answered: {error}"),
                Err(_) => return format!("a call was not answered within {ANSWER_TIMEOUT:?}"),
            };
            match response.status() {
                StatusCode::ACCEPTED => {
                    // The connection is free for the next call once the body, empty here, has been read.
                    if let Err(error) = response.into_body().collect().await {
                        return format!("the answer to a call broke off: {error}");
                    }
                }
                status => {
                    let refusal = refusal(status, response).await;
                    let uuid = call.update.and_then(|update| update.status.uuid);
                    report(LinkEvent::CallRefused { uuid, refusal });
                }
            }
        }
    }
}

/// Reports events until the stream ends. Returns why it did.
async fn read_events(
    response: Response<Incoming>,
    attempt: u64,
    wakes: &UnboundedSender<Wake>,
) -> String {
    let mut body = response.into_body();
    let mut decoder = Decoder::new(EVENT_LIMIT);
    loop {
        match body.frame().await {
            None if decoder.is_mid_record() => {
                return "the agent closed the stream in the middle of an event".to_owned();
            }
            None => return "the agent closed the stream".to_owned(),
            Some(Err(error)) => return format!("the stream broke: {error}"),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    decoder.push(&data);
                }
            }
        }
        loop {
            let record = match decoder.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return format!("the stream is no RecordIO: {error}"),
            };
            match executor::Event::decode(record) {
                Ok(event) => {
                    if let Some(subscribed) = &event.subscribed {
                        drop(wakes.send(Wake::Subscribed(Box::new(subscribed.clone()))));
                    }
                    let event = Box::new(event);
                    drop(wakes.send(Wake::Event(Event::Agent { attempt, event })));
                }
                Err(error) => return format!("the agent sent what is no event: {error}"),
            }
        }
    }
}

async fn refusal(status: StatusCode, response: Response<Incoming>) -> Refusal {
    let body = Limited::new(response.into_body(), ERROR_BODY_LIMIT)
        .collect()
        .await;
    let message = match body {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Err(error) => format!("(its body could not be read: {error})"),
    };
    Refusal {
        status: Some(status.as_u16()),
        message,
    }
}
