//! What bytes travel over: TCP, TLS over it, or datagrams.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind::WouldBlock};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use crate::connection::ConnectionError;
use crate::destination::Transport;

/// Asked for as the kernel's send buffer, so that what lies there unseen stays within what is kept
/// for resending.
pub(crate) const SEND_BUFFER: u32 = 256 * 1024;

/// How long what was written may stay unacknowledged by carbon's kernel. A host that lost its power
/// says nothing; left to itself our kernel would try for a quarter of an hour, and everything
/// written since would lie in its buffer.
const SILENCE: Duration = Duration::from_secs(30);

/// The most in one datagram: what Ethernet carries whole, also inside the usual tunnels. A larger one would be cut up on
/// the way, and be lost with any of its pieces.
const DATAGRAM: usize = 1400;

/// So many bytes of datagrams, and then a pause of so long: carbon has nothing but its socket's buffer to catch up with,
/// by default 200 KiB of the kernel's memory.
const BURST: usize = 16 * 1024;
const BREATH: Duration = Duration::from_millis(4);

/// An open way to carbon.
#[derive(Debug)]
pub(crate) enum Wire {
    Stream(Box<dyn Stream>),
    Datagrams(UdpSocket),
}

/// Bytes in order, both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for T {}

/// Opens a way to this very address.
pub(crate) async fn open(transport: &Transport, peer: SocketAddr) -> Result<Wire, ConnectionError> {
    open_watched(transport, peer, SILENCE).await
}

async fn open_watched(
    transport: &Transport,
    peer: SocketAddr,
    silence: Duration,
) -> Result<Wire, ConnectionError> {
    let refused = |cause| ConnectionError::Connect { peer, cause };
    match transport {
        Transport::Tcp => {
            let stream = connect(peer, silence).await.map_err(refused)?;
            Ok(Wire::Stream(Box::new(stream)))
        }
        Transport::Tls { connector, name } => {
            let stream = connect(peer, silence).await.map_err(refused)?;
            let handshake = connector.connect(name.clone(), stream).await;
            let stream = handshake.map_err(|cause| ConnectionError::Handshake { peer, cause })?;
            Ok(Wire::Stream(Box::new(stream)))
        }
        Transport::Udp => Ok(Wire::Datagrams(direct(peer).await.map_err(refused)?)),
    }
}

async fn connect(peer: SocketAddr, silence: Duration) -> io::Result<TcpStream> {
    let socket = match peer {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // A batch is whole: waiting for more would only hold back its tail.
    socket.set_nodelay(true)?;
    socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(silence))?;
    socket.connect(peer).await
}

/// A socket that talks to nobody else, and so hears when nobody is there.
async fn direct(peer: SocketAddr) -> io::Result<UdpSocket> {
    let anywhere: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(anywhere).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

impl Wire {
    /// Writes all of it, as slowly as it is taken, but waits no longer than `patience` for the next piece to be. `lines`
    /// have to be whole lines where datagrams are.
    pub(crate) async fn write(
        &mut self,
        lines: &[u8],
        patience: Duration,
    ) -> Result<io::Result<()>, Elapsed> {
        match self {
            Self::Stream(stream) => {
                let mut left = lines;
                while !left.is_empty() {
                    match timeout(patience, stream.write(left)).await? {
                        Ok(0) => return Ok(Err(io::ErrorKind::WriteZero.into())),
                        Ok(taken) => left = &left[taken..],
                        Err(error) => return Ok(Err(error)),
                    }
                }
                // What TLS has encrypted but not passed on.
                timeout(patience, stream.flush()).await
            }
            Self::Datagrams(socket) => {
                let mut since_pause = 0;
                for datagram in datagrams(lines) {
                    if let Err(error) = timeout(patience, socket.send(datagram)).await? {
                        return Ok(Err(error));
                    }
                    since_pause += datagram.len();
                    if since_pause >= BURST {
                        sleep(BREATH).await;
                        since_pause = 0;
                    }
                }
                Ok(Ok(()))
            }
        }
    }

    /// Waits until the other side has ended it, or it broke.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => poll_fn(|context| poll_end(stream, context)).await,
            // The host has said that nobody listens, or why the last one could not go out.
            Self::Datagrams(socket) => {
                let error = || socket.take_error()?.map_or(Err(WouldBlock.into()), Err);
                socket.async_io(Interest::ERROR, error).await
            }
        }
    }

    /// The same, if it has come to that.
    pub(crate) async fn has_ended(&mut self) -> Option<io::Result<()>> {
        match self {
            Self::Stream(stream) => {
                poll_fn(|context| match poll_end(stream, context) {
                    Poll::Ready(end) => Poll::Ready(Some(end)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await
            }
            Self::Datagrams(socket) => match socket.take_error() {
                Ok(None) => None,
                Ok(Some(error)) | Err(error) => Some(Err(error)),
            },
        }
    }
}

/// Reads what there is and throws it away, until there is no more to come.
fn poll_end(stream: &mut dyn Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut discarded = [0; 512];
    loop {
        let mut buffer = ReadBuf::new(&mut discarded);
        match ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {}
            Ok(()) => return Poll::Ready(Ok(())),
            // Without TLS's own word for it; there was nothing to be read that could be missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Ok(()));
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// As many whole lines at a time as go into one datagram, and one at least.
fn datagrams(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if lines.is_empty() {
            return None;
        }
        let fitting = &lines[..lines.len().min(DATAGRAM)];
        let end_of_line = |byte: &u8| *byte == b'\n';
        let last = fitting
            .iter()
            .rposition(end_of_line)
            .or_else(|| lines.iter().position(end_of_line));
        let (datagram, others) = lines.split_at(last.map_or(lines.len(), |at| at + 1));
        lines = others;
        Some(datagram)
    })
}

#[cfg(test)]
mod tests {
    use socket2::{SockFilter, SockRef};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_peer_that_fell_silent_is_noticed_and_one_that_only_reads_nothing_is_not_taken_for_it()
     {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let silence = Duration::from_millis(500);
        let half_open = open_watched(&Transport::Tcp, peer, silence).await.unwrap();
        let silent = listener.accept().await.unwrap().0;
        // From here on it hears nothing, and so answers nothing, as if its host had lost its power.
        let drop_all = [SockFilter::new(
            (libc::BPF_RET | libc::BPF_K) as u16,
            0,
            0,
            0,
        )];
        SockRef::from(&silent).attach_filter(&drop_all).unwrap();
        let busy = open_watched(&Transport::Tcp, peer, silence).await.unwrap();
        let _reads_nothing = listener.accept().await.unwrap().0;

        let end = async |mut wire: Wire| {
            wire.write(b"a 1 1\n", LONG).await.unwrap().unwrap();
            wire.end().await
        };
        let (gone, there) = tokio::join!(
            timeout(LONG, end(half_open)),
            timeout(4 * silence, end(busy))
        );
        let lost = gone.unwrap().err().map(|error| error.kind());
        assert_eq!(lost, Some(io::ErrorKind::TimedOut));
        assert!(
            there.is_err(),
            "what its kernel has acknowledged is no silence"
        );
    }

    #[test]
    fn datagrams_are_of_a_safe_size_and_of_whole_lines_none_of_which_is_missing() {
        let line = |number: usize| format!("{}.{number} 1 1000\n", "x".repeat(number % 300));
        let mut text: String = (0..1000).map(line).collect();
        text.push_str(&format!("{} 1 1000\n", "long".repeat(1000)));
        text.push_str("last 1 1000\n");
        let all: Vec<_> = datagrams(text.as_bytes()).collect();
        assert_eq!(all.concat(), text.as_bytes());
        for datagram in &all {
            assert!(datagram.ends_with(b"\n"));
            let lines = datagram.iter().filter(|&&byte| byte == b'\n').count();
            assert!(datagram.len() <= DATAGRAM || lines == 1);
        }
        // They are filled as far as they can be.
        assert!(all.len() < text.len() / (DATAGRAM - 320));
    }
}
