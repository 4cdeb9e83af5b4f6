//! One connection to carbon, whatever it travels over and speaks.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Batch;
use crate::destination::{Destination, Protocol};
use crate::pickle;
use crate::transport::{self, Discarded, Wire};

/// How long carbon is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, looking up the name and the handshake included.
    pub connect: Duration,
    /// For the next piece of a batch to be taken.
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
    /// The resolver did not answer.
    #[error("look up host {host:?}: no answer within {after:?}")]
    LookUpTimeout {
        /// The name asked for.
        host: String,
        /// The time given.
        after: Duration,
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
    /// It answers, but TLS does not come about: a certificate that is not to be trusted, of another name, or no TLS.
    #[error("TLS with {peer}: {cause}")]
    Handshake {
        /// The last address tried.
        peer: SocketAddr,
        /// What is wrong.
        cause: io::Error,
    },
    /// Neither yes nor no.
    #[error("connect to {peer}: no answer within {after:?}")]
    ConnectTimeout {
        /// The last address tried.
        peer: SocketAddr,
        /// The time given to it.
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
    wire: Wire,
    protocol: Protocol,
    peer: SocketAddr,
    write_timeout: Duration,
    /// The batch as its protocol has it.
    message: Vec<u8>,
}

impl Connection {
    /// Connects to the first of the host's addresses that answers. The name is looked up each time,
    /// so that a carbon which moves is found again. [`Timeouts::connect`] bounds it all, and one
    /// address that is silent leaves as much of it to each of the others.
    ///
    /// # Errors
    /// The variants of [`ConnectionError`] that tell of looking up, connecting and handshakes.
    pub async fn open(
        destination: &Destination,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let host = destination.address.host.as_str();
        let until = Instant::now() + timeouts.connect;
        let found = timeout_at(until, lookup_host((host, destination.address.port)));
        let peers: Vec<_> = match found.await {
            Ok(Ok(peers)) => peers.collect(),
            Ok(Err(cause)) => {
                let host = host.to_owned();
                return Err(ConnectionError::LookUp { host, cause });
            }
            Err(_) => {
                return Err(ConnectionError::LookUpTimeout {
                    host: host.to_owned(),
                    after: timeouts.connect,
                });
            }
        };
        let mut last = ConnectionError::NoAddress {
            host: host.to_owned(),
        };
        for (left, &peer) in (1..=peers.len() as u32).rev().zip(&peers) {
            let after = until.saturating_duration_since(Instant::now()) / left;
            let opened = timeout(after, transport::open(&destination.transport, peer)).await;
            match opened.unwrap_or(Err(ConnectionError::ConnectTimeout { peer, after })) {
                Ok(wire) => {
                    return Ok(Self {
                        wire,
                        protocol: destination.protocol,
                        peer,
                        write_timeout: timeouts.write,
                        message: Vec::new(),
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
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
        self.check_open().await?;
        let bytes = match self.protocol {
            Protocol::Plaintext => batch.bytes(),
            Protocol::Pickle => {
                self.message.clear();
                pickle::encode(&mut self.message, batch);
                &self.message
            }
        };
        match self.wire.write(bytes, self.write_timeout).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(self.broken(cause)),
            Err(_) => Err(ConnectionError::WriteTimeout {
                peer: self.peer,
                after: self.write_timeout,
            }),
        }
    }

    /// Waits until the connection is lost, and says how.
    pub async fn lost(&mut self) -> ConnectionError {
        poll_fn(|context| self.poll_lost(context)).await
    }

    /// Announces the end and waits until carbon has closed its side too. It does so once it has
    /// read everything; had it gone away with something unread, the kernel would say "reset". This
    /// is the one acknowledgement that can be had, and over UDP there is not even that.
    ///
    /// # Errors
    /// [`ConnectionError::Unconfirmed`] if it takes longer than the write timeout,
    /// [`ConnectionError::Broken`] if something certainly was not read.
    pub async fn finish(mut self) -> Result<(), ConnectionError> {
        let Wire::Stream(stream) = &mut self.wire else {
            return self.check_open().await;
        };
        if let Err(cause) = stream.shutdown().await {
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

    async fn check_open(&mut self) -> Result<(), ConnectionError> {
        poll_fn(|context| match self.poll_lost(context) {
            Poll::Ready(lost) => Poll::Ready(Err(lost)),
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Reads what there is and throws it away, to the end if that is there.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<ConnectionError> {
        loop {
            match self.wire.poll_discard(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Discarded::Something)) => {}
                Poll::Ready(Ok(Discarded::End)) => {
                    return Poll::Ready(ConnectionError::Closed { peer: self.peer });
                }
                Poll::Ready(Err(cause)) => return Poll::Ready(self.broken(cause)),
            }
        }
    }

    fn broken(&self, cause: io::Error) -> ConnectionError {
        ConnectionError::Broken {
            peer: self.peer,
            cause,
        }
    }
}
