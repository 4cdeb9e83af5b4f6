//! What lies between an executor and its agent: a relay that can speak TLS, listen on a domain socket, and fall silent.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A relay to an agent. Dropping it closes its connections.
pub(crate) struct Link {
    /// Where it listens; empty for a domain socket.
    pub(crate) address: String,
    state: watch::Sender<State>,
    taken: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Relaying,
    Silent,
    Over,
}

enum Listener {
    Plain(TcpListener),
    Tls(TcpListener, TlsAcceptor),
    Socket(UnixListener),
}

impl Link {
    /// Passes bytes on as they are.
    pub(crate) fn plain(agent: SocketAddr) -> Self {
        let bind = || Ok(Listener::Plain(bind()?));
        Self::start(agent, bind)
    }

    /// Speaks TLS on the executor's side.
    pub(crate) fn tls(agent: SocketAddr, config: ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(agent, || Ok(Listener::Tls(bind()?, acceptor)))
    }

    /// Listens on a domain socket, whose path may be longer than an address can hold.
    pub(crate) fn socket(agent: SocketAddr, path: &Path) -> Self {
        let directory = std::fs::File::open(path.parent().unwrap()).unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&directory);
        let name = path.file_name().unwrap().to_str().unwrap();
        let short = format!("/proc/self/fd/{descriptor}/{name}");
        let link = Self::start(agent, || Ok(Listener::Socket(UnixListener::bind(short)?)));
        drop(directory);
        link
    }

    fn start(agent: SocketAddr, listen: impl FnOnce() -> io::Result<Listener> + Send) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _entered = runtime.enter();
            listen().unwrap()
        };
        let address = match &listener {
            Listener::Plain(listener) | Listener::Tls(listener, _) => {
                listener.local_addr().unwrap().to_string()
            }
            Listener::Socket(_) => String::new(),
        };
        let (state, changes) = watch::channel(State::Relaying);
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let mut over = changes.clone();
                tokio::select! {
                    () = serve(listener, agent, changes, &counter) => {}
                    _ = over.wait_for(|state| *state == State::Over) => {}
                }
            });
        });
        Self {
            address,
            state,
            taken,
            thread: Some(thread),
        }
    }

    /// From now on nothing is passed on, and nothing is closed. What was connected stays so.
    pub(crate) fn fall_silent(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Passes on again, for connections that are made from now on.
    pub(crate) fn speak_again(&self) {
        self.state.send_replace(State::Relaying);
    }

    /// How many connections it has taken, with their TLS.
    pub(crate) fn connections(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.send_replace(State::Over);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn bind() -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn serve(
    listener: Listener,
    agent: SocketAddr,
    state: watch::Receiver<State>,
    taken: &AtomicUsize,
) {
    let mut relays = JoinSet::new();
    loop {
        let mut state = state.clone();
        match &listener {
            Listener::Plain(listener) => {
                let (socket, _) = listener.accept().await.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
                relays.spawn(async move { relay(socket, agent, &mut state).await });
            }
            Listener::Socket(listener) => {
                let (socket, _) = listener.accept().await.unwrap();
                taken.fetch_add(1, Ordering::Relaxed);
                relays.spawn(async move { relay(socket, agent, &mut state).await });
            }
            Listener::Tls(listener, acceptor) => {
                let (socket, _) = listener.accept().await.unwrap();
                // An executor that does not like the certificate goes away.
                if let Ok(socket) = acceptor.accept(socket).await {
                    taken.fetch_add(1, Ordering::Relaxed);
                    relays.spawn(async move { relay(socket, agent, &mut state).await });
                }
            }
        }
    }
}

/// Until either side closes.
async fn relay(
    executor: impl AsyncRead + AsyncWrite,
    agent: SocketAddr,
    state: &mut watch::Receiver<State>,
) {
    let Ok(agent) = TcpStream::connect(agent).await else {
        return;
    };
    agent.set_nodelay(true).unwrap();
    let ((from_executor, to_executor), (from_agent, to_agent)) = (split(executor), split(agent));
    let mut other = state.clone();
    tokio::select! {
        () = pass_on(from_executor, to_agent, state) => {}
        () = pass_on(from_agent, to_executor, &mut other) => {}
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    state: &mut watch::Receiver<State>,
) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        if *state.borrow_and_update() != State::Relaying {
            // Not even later, when what was held back would be news of long ago.
            pending::<()>().await;
        }
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = state.changed() => continue,
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                let written = to.write_all(&bytes[..length]).await;
                if written.is_err() || to.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}
