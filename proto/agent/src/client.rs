//! Asking an agent.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::connection::{Connection, ReadBody, read};
use crate::credential::{Authorization, authorization};
use crate::tls::{self, Identity, TlsError};
use crate::{AgentAddress, ClientError, Stage};

/// How much of an answer is shown where it is an error.
const EXCERPT: usize = 200;

/// What of the operator's an agent is reached with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Holds a principal and its secret, or a token; for agents that authenticate those who ask.
    pub credential_file: Option<PathBuf>,
    /// Holds the certificates of those who may vouch for the agent's; for `https`.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for agents that want one.
    pub identity: Option<Identity>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// How messages call it.
    what: &'static str,
    path: &'a str,
    call: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// A GET of this path, with its query.
    pub const fn get(what: &'static str, path: &'a str) -> Self {
        Self {
            what,
            path,
            call: None,
        }
    }

    /// A POST of this JSON to the agent's v1 API (Mesos: docs/operator-http-api.md).
    pub const fn call(what: &'static str, json: &'a str) -> Self {
        Self {
            what,
            path: "/slave(1)/api/v1",
            call: Some(json),
        }
    }
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For all of it, connecting included.
    pub time: Duration,
    /// For its body.
    pub bytes: usize,
}

/// What an agent answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The body of a 200 or 202.
    pub body: &'a [u8],
    /// What it took.
    pub timing: Timing,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From sending the question until the answer began: the agent's work, and its queue where it limits the rate.
    pub waited: Duration,
    /// All of it, connecting included.
    pub took: Duration,
}

/// One agent. Connects to nobody before it is asked.
#[derive(Clone)]
pub struct Client {
    agent: Arc<Agent>,
}

struct Agent {
    address: AgentAddress,
    credential_file: Option<PathBuf>,
    tls: Option<TlsConnector>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.agent.address).finish()
    }
}

impl Client {
    /// For this agent. Blocks while it reads the files of TLS, if the address is `https`.
    ///
    /// # Errors
    /// When the address is `https` and the authorities to trust are not named, or a file cannot be used.
    pub fn new(address: AgentAddress, access: &Access) -> Result<Self, TlsError> {
        let tls = address
            .is_tls()
            .then(|| tls::connector(access.ca_file.as_deref(), access.identity.as_ref()))
            .transpose()?;
        Ok(Self {
            agent: Arc::new(Agent {
                address,
                credential_file: access.credential_file.clone(),
                tls,
            }),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &AgentAddress {
        &self.agent.address
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    /// Whatever keeps the agent from a whole answer of 200 or 202 within bounds.
    pub async fn ask(
        &self,
        question: Question<'_>,
        bounds: Bounds,
    ) -> Result<Vec<u8>, ClientError> {
        let mut kept = self.keep();
        kept.ask(question, bounds).await?;
        Ok(kept.body)
    }

    /// For what is asked for again and again.
    pub fn keep(&self) -> Kept {
        Kept {
            client: self.clone(),
            connection: None,
            stage: Stage::Connecting,
            body: Vec::new(),
        }
    }
}

/// A client with a connection that is kept from question to question, and memory that is used again.
pub struct Kept {
    client: Client,
    connection: Option<Connection>,
    stage: Stage,
    /// The last answer.
    body: Vec<u8>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("agent", &self.client.agent.address)
            .field("is_connected", &self.connection.is_some())
            .finish()
    }
}

impl Kept {
    /// The agent.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks something that changes nothing: if the agent has closed the connection, it is asked again on a new one.
    ///
    /// # Errors
    /// As [`Client::ask`]; the next question goes over a new connection then.
    pub async fn ask(
        &mut self,
        question: Question<'_>,
        bounds: Bounds,
    ) -> Result<Answer<'_>, ClientError> {
        let begin = Instant::now();
        self.stage = Stage::Connecting;
        let asked = timeout(bounds.time, self.unbounded(question, bounds.bytes)).await;
        let waited = asked.unwrap_or_else(|_| {
            Err(ClientError::TimedOut {
                agent: self.client.agent.address.clone(),
                what: question.what,
                stage: self.stage,
                after: bounds.time,
            })
        })?;
        Ok(Answer {
            body: &self.body,
            timing: Timing {
                waited,
                took: begin.elapsed(),
            },
        })
    }

    /// Leaves the answer in `body`, and the connection in its place; an error or an end in the middle leaves none.
    async fn unbounded(
        &mut self,
        question: Question<'_>,
        limit: usize,
    ) -> Result<Duration, ClientError> {
        let authorization = self.authorization(question.what).await?;
        let kept = self.connection.take().filter(|kept| !kept.is_closed());
        self.stage = Stage::Waiting;
        let mut begin = Instant::now();
        let answered = match kept {
            None => None,
            Some(mut kept) => {
                let request = self.request(question, authorization.as_ref())?;
                // The agent may close a kept connection at any time: that it did says nothing yet.
                let sent = kept.send(request).await;
                sent.ok().map(|response| (kept, response))
            }
        };
        let (connection, response) = match answered {
            Some(answered) => answered,
            None => {
                self.stage = Stage::Connecting;
                let agent = &self.client.agent;
                let mut new =
                    Connection::open(&agent.address, agent.tls.as_ref(), question.what).await?;
                self.stage = Stage::Waiting;
                begin = Instant::now();
                let request = self.request(question, authorization.as_ref())?;
                let sent = new.send(request).await;
                let response = sent.map_err(|source| ClientError::Http {
                    agent: agent.address.clone(),
                    what: question.what,
                    source,
                })?;
                (new, response)
            }
        };
        let waited = begin.elapsed();
        self.stage = Stage::Reading;
        match response.status() {
            StatusCode::OK | StatusCode::ACCEPTED => {
                self.read(question.what, response, limit).await?;
            }
            status => {
                let excerpt = self.excerpt(response, authorization.as_ref()).await;
                return Err(self.refusal(question.what, status, excerpt));
            }
        }
        self.connection = Some(connection);
        Ok(waited)
    }

    /// Who we are, read on a thread of its own: a disk that hangs takes the question's time and nobody else's.
    async fn authorization(
        &self,
        what: &'static str,
    ) -> Result<Option<Authorization>, ClientError> {
        let Some(path) = self.client.agent.credential_file.clone() else {
            return Ok(None);
        };
        match spawn_blocking(move || authorization(&path)).await {
            Ok(read) => Ok(Some(read?)),
            Err(source) => Err(ClientError::Reader {
                agent: self.client.agent.address.clone(),
                what,
                source,
            }),
        }
    }

    fn request(
        &self,
        question: Question<'_>,
        authorization: Option<&Authorization>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let address = &self.client.agent.address;
        let mut request = Request::builder()
            .uri(question.path)
            .header(HOST, address.authority())
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!("mesos-agent-toolkit/", env!("CARGO_PKG_VERSION")),
            );
        if question.call.is_some() {
            request = request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.header.clone());
        }
        let call = question.call.unwrap_or_default();
        request
            .body(Full::new(Bytes::copy_from_slice(call.as_bytes())))
            .map_err(|source| ClientError::Request {
                agent: address.clone(),
                what: question.what,
                source,
            })
    }

    async fn read(
        &mut self,
        what: &'static str,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<(), ClientError> {
        let agent = &self.client.agent.address;
        match read(response.into_body(), limit, &mut self.body).await {
            Ok(ReadBody::Whole) => Ok(()),
            Ok(ReadBody::TooLarge) => Err(ClientError::TooLarge {
                agent: agent.clone(),
                what,
                limit,
            }),
            Err(source) => Err(ClientError::CutShort {
                agent: agent.clone(),
                what,
                received: self.body.len(),
                source,
            }),
        }
    }

    /// How an answer begins, up to where it shows a secret of ours: what asks for credentials may send them back.
    async fn excerpt(
        &mut self,
        response: Response<Incoming>,
        authorization: Option<&Authorization>,
    ) -> String {
        // A secret that begins within the excerpt has come whole.
        let hidden = authorization.map_or(0, Authorization::longest_secret);
        let body = response.into_body();
        // However that ends: what has come is all that there is to show.
        drop(read(body, EXCERPT + hidden, &mut self.body).await);
        let text = String::from_utf8_lossy(&self.body);
        let shown = authorization.map_or(&*text, |known| known.without_secrets(&text));
        // Not by characters: those of several bytes would reach into what may have come in part.
        shown[..shown.floor_char_boundary(EXCERPT)].to_owned()
    }

    fn refusal(&self, what: &'static str, status: StatusCode, excerpt: String) -> ClientError {
        let agent = self.client.agent.address.clone();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => ClientError::NotReady { agent, excerpt },
            status => ClientError::Refused {
                agent,
                what,
                status,
                excerpt,
            },
        }
    }
}
