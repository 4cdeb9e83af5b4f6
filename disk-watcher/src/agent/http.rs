//! One exchange with an agent, each on a connection of its own: agents are asked every few seconds, and one that was
//! restarted meanwhile must not cost a failure.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{AgentAddress, AgentError, tls};

/// For the whole exchange.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// An agent with 10,000 tasks answers with about 25 MB.
const LARGEST_ANSWER: usize = 256 << 20;

/// Sends a request and reads the whole answer, within [`TIMEOUT`] and [`LARGEST_ANSWER`].
pub(super) async fn exchange(
    agent: &AgentAddress,
    tls: Option<&TlsConnector>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AgentError> {
    match tokio::time::timeout(TIMEOUT, unbounded(agent, tls, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(AgentError::TimedOut {
            agent: agent.clone(),
        }),
    }
}

async fn unbounded(
    agent: &AgentAddress,
    tls: Option<&TlsConnector>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AgentError> {
    let unreachable = |source| AgentError::Unreachable {
        agent: agent.clone(),
        source,
    };
    let stream = TcpStream::connect((agent.host(), agent.port()))
        .await
        .map_err(unreachable)?;
    match tls {
        None => over(agent, TokioIo::new(stream), request).await,
        Some(connector) => {
            let stream = tls::handshake(connector, agent.host(), stream)
                .await
                .map_err(unreachable)?;
            over(agent, TokioIo::new(stream), request).await
        }
    }
}

async fn over(
    agent: &AgentAddress,
    stream: impl Read + Write + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AgentError> {
    let http = |source| AgentError::Http {
        agent: agent.clone(),
        source,
    };
    let (mut sender, connection) = http1::handshake(stream).await.map_err(http)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|source| AgentError::Body {
                agent: agent.clone(),
                source,
            })?;
        Ok((status, body.to_bytes()))
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
