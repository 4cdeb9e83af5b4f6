//! A connection to an agent, with or without TLS, and what goes over it.

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::{AgentAddress, ClientError, tls};

/// An open connection; closed when this is dropped, whatever is under way on it.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects, and agrees on TLS if there is a connector for it. `what` is named in messages.
    pub(crate) async fn open(
        agent: &AgentAddress,
        tls: Option<&TlsConnector>,
        what: &'static str,
    ) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            agent: agent.clone(),
            source,
        };
        let stream = TcpStream::connect((agent.host(), agent.port()))
            .await
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let opened = match tls {
            None => Self::over(stream).await,
            Some(connector) => {
                let stream = tls::handshake(connector, agent.host(), stream)
                    .await
                    .map_err(|source| ClientError::Tls {
                        agent: agent.clone(),
                        source,
                    })?;
                Self::over(stream).await
            }
        };
        opened.map_err(|source| ClientError::Http {
            agent: agent.clone(),
            what,
            source,
        })
    }

    async fn over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> hyper::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors reach the request, too.
        let driver = tokio::spawn(async { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }

    /// Whether the other end, or an error, has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request, and waits until its answer begins.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

async fn handshake<T: Read + Write + Send + Unpin + 'static>(
    stream: T,
) -> hyper::Result<(SendRequest<Full<Bytes>>, http1::Connection<T, Full<Bytes>>)> {
    http1::handshake(stream).await
}

/// How the reading of an answer's body went.
pub(crate) enum ReadBody {
    /// To its end.
    Whole,
    /// There would have been more than the limit.
    TooLarge,
}

/// Reads a body into `into`, up to `limit` bytes.
pub(crate) async fn read(
    mut body: Incoming,
    limit: usize,
    into: &mut Vec<u8>,
) -> hyper::Result<ReadBody> {
    into.clear();
    if let Some(announced) = body.size_hint().exact() {
        // What does not fit `usize` is over any limit.
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        into.reserve_exact(announced.min(limit));
    }
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = limit - into.len();
        into.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok(ReadBody::TooLarge);
        }
    }
    Ok(ReadBody::Whole)
}
