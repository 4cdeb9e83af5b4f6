//! The agent's domain socket (Mesos: src/slave/slave.cpp, flag `--http_executor_domain_sockets`).
//!
//! The agent names it to every executor, also to those that cannot see it, for example inside an image: it is tried,
//! and whatever goes wrong with it, there is the network. What connects to it is not the network's business, so TLS is
//! not spoken on it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use tokio::net::UnixStream;
use tracing::{debug, info};

/// The longest path that fits a socket's address, its terminating zero aside (unix(7)).
const LONGEST_PATH: usize = 107;

pub(super) struct Socket {
    path: PathBuf,
    /// The last subscription on it was not answered as one: the next goes over the network.
    disappointed: AtomicBool,
    /// That it is of no use has been told.
    told: AtomicBool,
}

impl Socket {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            disappointed: AtomicBool::new(false),
            told: AtomicBool::new(false),
        }
    }

    /// Whether to try it now. After a disappointment that is every other time, as the agent may come back on it alone.
    pub(super) fn is_usable(&self) -> bool {
        !self.disappointed.swap(false, Ordering::Relaxed)
    }

    /// A SUBSCRIBE goes out on it. Until it is answered it may never be.
    pub(super) fn is_asked(&self) {
        self.disappointed.store(true, Ordering::Relaxed);
    }

    /// The agent has answered. It answers everything but executors' calls with 403, so that is no answer.
    pub(super) fn has_answered(&self, status: u16) {
        self.disappointed.store(status == 403, Ordering::Relaxed);
    }

    /// Connects, if whoever listens is root or the executor's own user: an agent is no other, and the calls carry a
    /// credential.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        let stream = connect(&self.path).await?;
        let listener = stream.peer_cred()?.uid();
        if listener != 0 && listener != geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("user {listener} listens there, who is not the agent"),
            ));
        }
        Ok(stream)
    }

    /// Says once why the network is used instead; from then on it is no news.
    pub(super) fn complain(&self, error: &io::Error) {
        let path = self.path.display();
        if self.told.swap(true, Ordering::Relaxed) {
            debug!("not over the agent's socket {path}: {error}");
        } else {
            info!("the agent is spoken to over the network, not over its socket {path}: {error}");
        }
    }
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return UnixStream::connect(path).await;
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = File::from(open(
        directory,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?);
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let short = Path::new(&link).join(name);
    if short.as_os_str().as_bytes().len() > LONGEST_PATH {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its name is too long for a socket",
        ));
    }
    // Open until the kernel has resolved the path, which it does before it returns.
    UnixStream::connect(short).await
}
