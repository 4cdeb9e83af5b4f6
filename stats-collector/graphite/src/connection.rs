//! One connection to carbon, whatever it travels over and speaks.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Batch;
use crate::destination::{Destination, Protocol};
use crate::pickle;
use crate::transport::{self, Wire};

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
        let no_address = ConnectionError::NoAddress {
            host: host.to_owned(),
        };
        Self::open_any(destination, &peers, until, timeouts.write)
            .await
            .map_err(|last| last.unwrap_or(no_address))
    }

    /// Tries one address after the other; the error is that of the last one, if there is one.
    async fn open_any(
        destination: &Destination,
        peers: &[SocketAddr],
        until: Instant,
        write_timeout: Duration,
    ) -> Result<Self, Option<ConnectionError>> {
        let mut last = None;
        for (left, &peer) in (1..=peers.len() as u32).rev().zip(peers) {
            let after = until.saturating_duration_since(Instant::now()) / left;
            let opened = timeout(after, transport::open(&destination.transport, peer)).await;
            match opened.unwrap_or(Err(ConnectionError::ConnectTimeout { peer, after })) {
                Ok(wire) => {
                    return Ok(Self {
                        wire,
                        protocol: destination.protocol,
                        peer,
                        write_timeout,
                        message: Vec::new(),
                    });
                }
                Err(error) => last = Some(error),
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
        let end = self.wire.end().await;
        self.ended(end)
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
        match self.wire.has_ended().await {
            None => Ok(()),
            Some(end) => Err(self.ended(end)),
        }
    }

    fn ended(&self, end: io::Result<()>) -> ConnectionError {
        match end {
            Ok(()) => ConnectionError::Closed { peer: self.peer },
            Err(cause) => self.broken(cause),
        }
    }

    fn broken(&self, cause: io::Error) -> ConnectionError {
        ConnectionError::Broken {
            peer: self.peer,
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use socket2::{SockFilter, SockRef};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Address;

    const LONG: Duration = Duration::from_secs(60);

    async fn open_any(peers: &[SocketAddr], time: Duration) -> Result<Connection, ConnectionError> {
        let destination = Destination::plaintext(Address {
            host: "carbon".to_owned(),
            port: 2003,
        });
        Connection::open_any(&destination, peers, Instant::now() + time, LONG)
            .await
            .map_err(Option::unwrap)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_or_refuses_leaves_time_for_the_others_of_the_same_name() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It hears nothing, and so does not even refuse.
        let drop_all = [SockFilter::new(
            (libc::BPF_RET | libc::BPF_K) as u16,
            0,
            0,
            0,
        )];
        SockRef::from(&silent).attach_filter(&drop_all).unwrap();
        let silent = silent.local_addr().unwrap();
        let refusing = {
            let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
            gone.local_addr().unwrap()
        };
        let carbon = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = carbon.local_addr().unwrap();

        let time = Duration::from_millis(600);
        let connection = open_any(&[silent, refusing, there], time).await.unwrap();
        assert_eq!(connection.peer(), there);
        let error = open_any(&[refusing, silent], time).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("connect to {silent}: no answer within")),
            "{text}"
        );
        let error = open_any(&[silent, refusing], time).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("connect to {refusing}: Connection refused")),
            "{text}"
        );
    }
}
