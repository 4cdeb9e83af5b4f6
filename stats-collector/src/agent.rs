//! The agent's HTTP side: one GET, over one connection that is kept.
//!
//! A single hung isolator holds the whole reply back (Mesos: the containerizer awaits all of them),
//! so every scrape has a deadline.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::HostPort;

/// The endpoint of v0 that has each container's id beside its statistics, and is not held to two
/// requests a second as `/monitor/statistics` is (Mesos: src/slave/http.cpp).
const PATH: &str = "/slave(1)/containers";

/// About five times what 10,000 containers with every isolator come to, nested statistics left out.
pub(crate) const REPLY_MAX: usize = 64 * 1024 * 1024;

/// How much of an error reply is worth showing.
const EXCERPT: usize = 200;

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No connection.
    #[error("connect to agent http://{agent}: {cause}")]
    Connect {
        /// The agent.
        agent: HostPort,
        /// The kernel's or the resolver's answer.
        cause: std::io::Error,
    },
    /// The connection ended, or what came over it is not HTTP.
    #[error("get http://{agent}{PATH}: {}", with_cause(.cause))]
    Http {
        /// The agent.
        agent: HostPort,
        /// What hyper says.
        cause: hyper::Error,
    },
    /// It took too long.
    #[error("get http://{agent}{PATH}: {stage} took longer than {after:?}")]
    Timeout {
        /// The agent.
        agent: HostPort,
        /// What was waited for.
        stage: Stage,
        /// The time given to all stages together.
        after: Duration,
    },
    /// The agent answered with something other than 200.
    #[error("get http://{agent}{PATH}: agent answered {status}: {excerpt:?}")]
    Status {
        /// The agent.
        agent: HostPort,
        /// The status code.
        status: StatusCode,
        /// How the reply begins.
        excerpt: String,
    },
    /// The reply is too large to be one.
    #[error("get http://{agent}{PATH}: reply is larger than {limit} bytes")]
    TooLarge {
        /// The agent.
        agent: HostPort,
        /// The most bytes taken.
        limit: usize,
    },
    /// The reply is not a JSON array of containers, or cut short.
    #[error("get http://{agent}{PATH}: reply is not a list of containers: {cause}")]
    Json {
        /// The agent.
        agent: HostPort,
        /// What is wrong with it, and where.
        cause: serde_json::Error,
    },
}

/// What a scrape spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Until there is a connection.
    Connecting,
    /// Until the reply begins.
    Waiting,
    /// Until the reply is complete.
    Reading,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Waiting => "waiting for the reply",
            Self::Reading => "reading the reply",
        })
    }
}

/// hyper tells the reason only one level down.
fn with_cause(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A client of one agent.
#[derive(Debug)]
pub(crate) struct AgentClient {
    agent: HostPort,
    timeout: Duration,
    reply_max: usize,
    kept: Option<SendRequest<Empty<Bytes>>>,
    stage: Stage,
    /// The last reply; kept so that its memory is used again.
    reply: Vec<u8>,
}

impl AgentClient {
    pub(crate) fn new(agent: HostPort, timeout: Duration, reply_max: usize) -> Self {
        Self {
            agent,
            timeout,
            reply_max,
            kept: None,
            stage: Stage::Connecting,
            reply: Vec::new(),
        }
    }

    pub(crate) fn agent(&self) -> &HostPort {
        &self.agent
    }

    /// Fetches the list of containers, as JSON.
    ///
    /// # Errors
    /// Any [`ScrapeError`] but [`ScrapeError::Json`]. The next call starts on a new connection.
    pub(crate) async fn containers(&mut self) -> Result<&[u8], ScrapeError> {
        let after = self.timeout;
        let fetched = timeout(after, self.fetch()).await;
        let stage = self.stage;
        let fetched = fetched.unwrap_or_else(|_| {
            Err(ScrapeError::Timeout {
                agent: self.agent.clone(),
                stage,
                after,
            })
        });
        match fetched {
            Ok(connection) => {
                self.kept = Some(connection);
                Ok(&self.reply)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the connection once the reply has been read whole.
    async fn fetch(&mut self) -> Result<SendRequest<Empty<Bytes>>, ScrapeError> {
        // The agent may close a kept connection at any time, so a failure of one says nothing yet.
        if let Some(kept) = self.kept.take()
            && !kept.is_closed()
            && let Ok((connection, response)) = self.request(kept).await
        {
            self.read(response).await?;
            return Ok(connection);
        }
        let connection = self.connect().await?;
        let (connection, response) = self
            .request(connection)
            .await
            .map_err(|cause| self.http(cause))?;
        self.read(response).await?;
        Ok(connection)
    }

    async fn connect(&mut self) -> Result<SendRequest<Empty<Bytes>>, ScrapeError> {
        self.stage = Stage::Connecting;
        let stream = TcpStream::connect((self.agent.host.as_str(), self.agent.port))
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|cause| ScrapeError::Connect {
                agent: self.agent.clone(),
                cause,
            })?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| self.http(cause))?;
        // It ends with the sender; its errors reach the request, too.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn request(
        &mut self,
        mut connection: SendRequest<Empty<Bytes>>,
    ) -> hyper::Result<(SendRequest<Empty<Bytes>>, Response<Incoming>)> {
        self.stage = Stage::Waiting;
        connection.ready().await?;
        let request = Request::get(PATH)
            .header(HOST, self.agent.to_string())
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!("mesos-stats-collector/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::new())
            .expect("a host that a URI held is a header value");
        let response = connection.send_request(request).await?;
        Ok((connection, response))
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<(), ScrapeError> {
        self.stage = Stage::Reading;
        self.reply.clear();
        let status = response.status();
        let is_sample = status == StatusCode::OK;
        let limit = if is_sample { self.reply_max } else { EXCERPT };
        let mut body = response.into_body();
        if let Some(announced) = body.size_hint().exact() {
            // What does not fit `usize` is over any limit.
            let announced = usize::try_from(announced).unwrap_or(usize::MAX);
            self.reply.reserve_exact(announced.min(limit));
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| self.http(cause))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = limit - self.reply.len();
            if data.len() > room && is_sample {
                return Err(ScrapeError::TooLarge {
                    agent: self.agent.clone(),
                    limit,
                });
            }
            self.reply.extend_from_slice(&data[..data.len().min(room)]);
            if !is_sample && self.reply.len() == limit {
                break;
            }
        }
        if is_sample {
            return Ok(());
        }
        Err(ScrapeError::Status {
            agent: self.agent.clone(),
            status,
            excerpt: String::from_utf8_lossy(&self.reply).into_owned(),
        })
    }

    fn http(&self, cause: hyper::Error) -> ScrapeError {
        ScrapeError::Http {
            agent: self.agent.clone(),
            cause,
        }
    }
}
