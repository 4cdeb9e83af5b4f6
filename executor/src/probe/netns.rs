//! Connections out of the network namespace of a task.
//!
//! A socket belongs for all its life to the namespace of the thread that made it. So a thread that lives for that one
//! call enters the task's namespace and makes the socket; connecting, and everything after it, is the runtime's as
//! with any other. Mostly a task shares the executor's namespace, and there is no thread.

use std::fs::{File, metadata};
use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use sandbox::Process;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// Why a task's network is out of reach.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    /// One of the two namespaces could not be looked at.
    #[error("look at the network namespace {}: {source}", path.display())]
    Look {
        /// Its file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The thread that makes a socket could not be started.
    #[error("start a thread for the task's network namespace: {source}")]
    Thread {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The thread could not enter the namespace.
    #[error("enter the task's network namespace: {source}")]
    Enter {
        /// The kernel's answer.
        source: io::Error,
    },
    /// There can be no socket.
    #[error("make a socket: {source}")]
    Socket {
        /// The kernel's answer.
        source: io::Error,
    },
    /// No connection came about.
    #[error("connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The network's answer.
        source: io::Error,
    },
}

/// The network namespace that connections are made from.
#[derive(Clone, Debug)]
pub(crate) enum Network {
    /// The executor's own.
    Own,
    /// Another one.
    Other(Arc<File>),
}

impl Network {
    /// That of a running task.
    ///
    /// # Errors
    /// It is not the executor's, and its init is not ours to look at: only root may.
    pub(crate) fn of_task(process: &Process) -> Result<Self, NetworkError> {
        if process.shares_network() {
            return Ok(Self::Own);
        }
        Self::of_process(process.pid())
    }

    /// That of a process, which must not have been waited for yet: then its id would be anybody's.
    ///
    /// # Errors
    /// The process has ended, or is not ours to look at.
    pub(crate) fn of_process(pid: i32) -> Result<Self, NetworkError> {
        let look = |path: PathBuf| move |source| NetworkError::Look { path, source };
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let file = File::open(&path).map_err(look(path.clone()))?;
        let theirs = file.metadata().map_err(look(path))?;
        let path = PathBuf::from("/proc/thread-self/ns/net");
        let ours = metadata(&path).map_err(look(path))?;
        if (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()) {
            Ok(Self::Own)
        } else {
            Ok(Self::Other(Arc::new(file)))
        }
    }

    /// A connection to `address` as seen from the namespace.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, NetworkError> {
        let made = match self {
            Self::Own => tcp_socket(address),
            Self::Other(namespace) => socket_inside(Arc::clone(namespace), address).await,
        };
        // The standard library's type is the way from a descriptor to the runtime's; it is not connected yet.
        let socket = TcpSocket::from_std_stream(StdStream::from(made?));
        let connected = socket.connect(address).await;
        connected.map_err(|source| NetworkError::Connect { address, source })
    }
}

/// A socket for `address` in the namespace of this thread.
fn tcp_socket(address: SocketAddr) -> Result<OwnedFd, NetworkError> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, SockType::Stream, flags, None).map_err(|errno| NetworkError::Socket {
        source: errno.into(),
    })
}

async fn socket_inside(namespace: Arc<File>, address: SocketAddr) -> Result<OwnedFd, NetworkError> {
    let (reply, answer) = oneshot::channel();
    // Not one of the runtime's threads: they come back, and this one stays in the namespace until its end.
    let inside = move || {
        let entered = setns(&*namespace, CloneFlags::CLONE_NEWNET);
        let made = entered
            .map_err(|errno| NetworkError::Enter {
                source: errno.into(),
            })
            .and_then(|()| tcp_socket(address));
        // Whoever asked may be gone; then the socket is closed here.
        drop(reply.send(made));
    };
    let thread = thread::Builder::new().name("probe".to_owned());
    thread
        .spawn(inside)
        .map_err(|source| NetworkError::Thread { source })?;
    answer.await.unwrap_or_else(|_| {
        Err(NetworkError::Thread {
            source: io::ErrorKind::BrokenPipe.into(),
        })
    })
}
