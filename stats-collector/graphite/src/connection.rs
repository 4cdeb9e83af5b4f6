//! One TCP connection to carbon's plaintext listener.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use crate::Batch;
use crate::destination::{Address, Destination};

/// Asked for as the kernel's send buffer, so that what lies there unseen stays within what is kept
/// for resending.
pub(crate) const SEND_BUFFER: u32 = 256 * 1024;

/// How long what was written may stay unacknowledged by carbon's kernel. A host that lost its power
/// says nothing; left to itself our kernel would try for a quarter of an hour, and everything
/// written since would lie in its buffer.
const SILENCE: Duration = Duration::from_secs(30);

/// How long carbon is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, looking up the name included.
    pub connect: Duration,
    /// For one batch to be written.
    pub write: Duration,
}

/// What went wrong between us and carbon.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The name could not be looked up.
    #[error("look up host {host:?}: {cause}")]
    LookUp {
        /// The name asked for.
        host: String,
        /// The resolver's answer.
        cause: io::Error,
    },
    /// The name is known but has no address.
    #[error("host {host:?} has no address")]
    NoAddress {
        /// The name asked for.
        host: String,
    },
    /// The last address tried refused, or there is no way to it.
    #[error("connect to {peer}: {cause}")]
    Connect {
        /// The last address tried.
        peer: SocketAddr,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// Neither yes nor no.
    #[error("no connection to {address} within {after:?}")]
    ConnectTimeout {
        /// Where to.
        address: Address,
        /// The time given.
        after: Duration,
    },
    /// Carbon, or something between, ended the connection.
    #[error("{peer} closed the connection")]
    Closed {
        /// The other end.
        peer: SocketAddr,
    },
    /// The connection broke.
    #[error("connection to {peer}: {cause}")]
    Broken {
        /// The other end.
        peer: SocketAddr,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// Carbon reads too slowly, or not at all: it pauses its senders when its cache is full
    /// (carbon.conf: `USE_FLOW_CONTROL`).
    #[error("{peer} took nothing more for {after:?}")]
    WriteTimeout {
        /// The other end.
        peer: SocketAddr,
        /// The time given.
        after: Duration,
    },
    /// Everything was written and the end of it announced, but carbon did not close its side,
    /// which it does once it has read everything.
    #[error("{peer} did not confirm the end within {after:?}")]
    Unconfirmed {
        /// The other end.
        peer: SocketAddr,
        /// The time given.
        after: Duration,
    },
}

/// An open connection. Carbon never writes to it, so the only thing to read is its end.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    write_timeout: Duration,
}

impl Connection {
    /// Connects to the first of the host's addresses that answers. The name is looked up each time,
    /// so that a carbon which moves is found again. [`Timeouts::connect`] bounds it all.
    ///
    /// # Errors
    /// [`ConnectionError::LookUp`], [`ConnectionError::Connect`] or
    /// [`ConnectionError::ConnectTimeout`].
    pub async fn open(
        destination: &Destination,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let address = &destination.address;
        let attempt = timeout(timeouts.connect, connect(address)).await;
        let (stream, peer) = attempt.map_err(|_| ConnectionError::ConnectTimeout {
            address: address.clone(),
            after: timeouts.connect,
        })??;
        Ok(Self {
            stream,
            peer,
            write_timeout: timeouts.write,
        })
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Writes one batch whole. That the kernel took it does not mean that carbon has read it.
    ///
    /// # Errors
    /// After any error the connection is of no more use: part of the batch may have been written.
    pub async fn write(&mut self, batch: &Batch) -> Result<(), ConnectionError> {
        // The first write after carbon went away would still succeed; its end is there to be read.
        self.check_open()?;
        match timeout(self.write_timeout, self.stream.write_all(batch.bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(self.broken(cause)),
            Err(_) => Err(ConnectionError::WriteTimeout {
                peer: self.peer,
                after: self.write_timeout,
            }),
        }
    }

    /// Waits until the connection is lost, and says how.
    pub async fn lost(&self) -> ConnectionError {
        loop {
            if let Err(cause) = self.stream.readable().await {
                return self.broken(cause);
            }
            if let Err(lost) = self.check_open() {
                return lost;
            }
        }
    }

    /// Announces the end and waits until carbon has closed its side too. It does so once it has
    /// read everything; had it gone away with something unread, the kernel would say "reset". This
    /// is the one acknowledgement that can be had.
    ///
    /// # Errors
    /// [`ConnectionError::Unconfirmed`] if it takes longer than the write timeout,
    /// [`ConnectionError::Broken`] if something certainly was not read.
    pub async fn finish(mut self) -> Result<(), ConnectionError> {
        if let Err(cause) = self.stream.shutdown().await {
            return Err(self.broken(cause));
        }
        match timeout(self.write_timeout, self.lost()).await {
            Ok(ConnectionError::Closed { .. }) => Ok(()),
            Ok(other) => Err(other),
            Err(_) => Err(ConnectionError::Unconfirmed {
                peer: self.peer,
                after: self.write_timeout,
            }),
        }
    }

    /// Reads what there is, without waiting, and throws it away.
    fn check_open(&self) -> Result<(), ConnectionError> {
        let mut discarded = [0; 512];
        match self.stream.try_read(&mut discarded) {
            Ok(0) => Err(ConnectionError::Closed { peer: self.peer }),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(cause) => Err(self.broken(cause)),
        }
    }

    fn broken(&self, cause: io::Error) -> ConnectionError {
        ConnectionError::Broken {
            peer: self.peer,
            cause,
        }
    }
}

async fn connect(address: &Address) -> Result<(TcpStream, SocketAddr), ConnectionError> {
    let host = || address.host.clone();
    let peers = lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(|cause| ConnectionError::LookUp {
            host: host(),
            cause,
        })?;
    let mut last = ConnectionError::NoAddress { host: host() };
    for peer in peers {
        match connect_to(peer).await {
            Ok(stream) => return Ok((stream, peer)),
            Err(cause) => last = ConnectionError::Connect { peer, cause },
        }
    }
    Err(last)
}

async fn connect_to(peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = match peer {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // A batch is whole: waiting for more would only hold back its tail.
    socket.set_nodelay(true)?;
    socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(SILENCE))?;
    socket.connect(peer).await
}
