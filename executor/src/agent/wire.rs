//! Connections to the agent: over its domain socket, over TCP, over TLS.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mesos_proto::environment::AgentEndpoint;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::Patience;
use super::socket::Socket;
use super::tls::Tls;

/// One connection with HTTP on it.
pub(super) struct Wire {
    requests: SendRequest<Full<Bytes>>,
    /// Ready when the connection is closed.
    closed: oneshot::Receiver<()>,
}

impl Wire {
    /// The answer to a request; an error in words.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        ways: &Ways,
    ) -> Result<Response<Incoming>, String> {
        let answer = self.requests.send_request(request).await;
        answer.map_err(|error| ways.explain(&error))
    }

    /// Waits until the connection is closed.
    pub(super) async fn closed(&mut self) {
        // Its other half is dropped then, and never used.
        let _dropped = (&mut self.closed).await;
    }
}

/// The ways to the agent.
pub(super) struct Ways {
    pub(super) endpoint: AgentEndpoint,
    pub(super) tls: Option<Tls>,
    pub(super) socket: Option<Socket>,
}

/// The way that a pair of connections took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Network,
}

impl Ways {
    /// Two connections that took the same way: one for events, one for calls. The domain socket is taken when it is
    /// there, answers, and did not disappoint the last time; else the network.
    pub(super) async fn connect(
        &self,
        patience: &Patience,
        drivers: &mut JoinSet<()>,
    ) -> io::Result<(Way, Wire, Wire)> {
        if let Some(socket) = self.socket.as_ref().filter(|socket| socket.is_usable()) {
            match in_time(patience.connect, two(|| socket.connect())).await {
                Ok((one, other)) => {
                    let one = speak_http(Stream::Unix(one), drivers).await?;
                    let other = speak_http(Stream::Unix(other), drivers).await?;
                    return Ok((Way::Socket, one, other));
                }
                Err(error) => socket.complain(&error),
            }
        }
        let (one, other) = in_time(patience.connect, two(|| self.over_network(patience))).await?;
        let one = speak_http(one, drivers).await?;
        let other = speak_http(other, drivers).await?;
        Ok((Way::Network, one, other))
    }

    /// What an error of a connection means, and what can be done about it.
    fn explain(&self, error: &hyper::Error) -> String {
        let broken = below(error);
        match (&self.tls, broken) {
            (Some(tls), Some(broken)) => tls.explain(broken),
            (None, _) if error.is_parse() || error.is_incomplete_message() => {
                // A server that wants TLS closes the connection on what is none, or sends an alert, which is no HTTP.
                format!(
                    "{error} (an agent that wants TLS does so; LIBPROCESS_SSL_ENABLED is not set)"
                )
            }
            (_, Some(broken)) => format!("{error}: {broken}"),
            (_, None) => error.to_string(),
        }
    }

    async fn over_network(&self, patience: &Patience) -> io::Result<Stream> {
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        // Without it an update waits for the acknowledgement of the packet before, some 40 ms.
        stream.set_nodelay(true)?;
        notice_death(&stream, patience.dead)?;
        match &self.tls {
            None => Ok(Stream::Tcp(stream)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.connect(stream).await?))),
        }
    }
}

/// The error of the stream below HTTP, if there is one.
fn below(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(one) = cause {
        if let Some(found) = one.downcast_ref() {
            return Some(found);
        }
        cause = one.source();
    }
    None
}

/// Lets the kernel break the connection when the other side has not answered it for this long: a network that went away
/// says nothing, and the agent's own heartbeats are half an hour apart (Mesos: src/slave/constants.hpp). An agent that
/// is merely stopped is kept alive by its kernel, and is found out by an unanswered call.
fn notice_death(stream: &TcpStream, after: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let (idle, interval) = (after / 2, after / 8);
    let keepalive = TcpKeepalive::new()
        .with_time(idle.max(Duration::from_secs(1)))
        .with_interval(interval.max(Duration::from_secs(1)))
        .with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    // For what was sent and not taken in; it has the last word on unanswered probes as well.
    socket.set_tcp_user_timeout(Some(after))
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {limit:?}"),
        )),
    }
}

async fn two<T, F: Future<Output = io::Result<T>>>(connect: impl Fn() -> F) -> io::Result<(T, T)> {
    tokio::try_join!(connect(), connect())
}

async fn speak_http(stream: Stream, drivers: &mut JoinSet<()>) -> io::Result<Wire> {
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

/// The bytes of a connection.
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Does the same on whichever stream it is.
macro_rules! on_each {
    ($stream:expr, $inner:ident => $act:expr) => {
        match $stream {
            Stream::Tcp($inner) => $act,
            Stream::Tls($inner) => $act,
            Stream::Unix($inner) => $act,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        on_each!(self, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(context))
    }
}

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.endpoint)
    }
}
