//! A carbon that counts what it hears.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::spawn;
use std::time::{Instant, SystemTime};

/// Listens until it is dropped; then its port refuses.
pub(super) struct Carbon {
    address: SocketAddr,
    heard: Arc<Heard>,
    closed: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// What carbons of one run have heard, one after the other.
pub(super) struct Heard {
    hasher: RandomState,
    inner: Mutex<Inner>,
}

struct Inner {
    lines: u64,
    /// Of series and time, of each point of a container: one that came twice counts once.
    points: HashSet<u64>,
    /// In each second since the beginning: points that were older than a few seconds when they came.
    late: Vec<u64>,
    began: Instant,
    /// Points are kept.
    keeps: bool,
}

/// How old a point is that was held back, in seconds.
const LATE: u64 = 5;

impl Heard {
    /// With `keeps`, points are told apart; that costs more than counting lines.
    pub(super) fn new(keeps: bool) -> Arc<Self> {
        let inner = Inner {
            lines: 0,
            points: HashSet::new(),
            late: Vec::new(),
            began: Instant::now(),
            keeps,
        };
        Arc::new(Self {
            hasher: RandomState::new(),
            inner: Mutex::new(inner),
        })
    }

    pub(super) fn lines(&self) -> u64 {
        self.lock().lines
    }

    /// Different points of containers.
    pub(super) fn points(&self) -> usize {
        self.lock().points.len()
    }

    /// The most late points in one second.
    pub(super) fn fastest_replay(&self) -> u64 {
        self.lock().late.iter().copied().max().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, lines: &[u8]) {
        let mut inner = self.lock();
        if !inner.keeps {
            inner.lines += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            return;
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let second = inner.began.elapsed().as_secs() as usize;
        for line in String::from_utf8_lossy(lines).lines() {
            inner.lines += 1;
            let mut words = line.split(' ');
            let (Some(series), Some(_), Some(time)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if !series.contains("_bytes") || !series.contains("group_app") {
                continue;
            }
            inner.points.insert(self.hasher.hash_one((series, time)));
            let age = now.as_secs().saturating_sub(time.parse().unwrap_or(0));
            if age > LATE {
                if inner.late.len() <= second {
                    inner.late.resize(second + 1, 0);
                }
                inner.late[second] += 1;
            }
        }
    }
}

impl Carbon {
    /// At this address, or anywhere.
    pub(super) fn start(address: Option<SocketAddr>, heard: &Arc<Heard>) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(address.unwrap_or(anywhere)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let closed = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let carbon = Self {
            address,
            heard: Arc::clone(heard),
            closed: Arc::clone(&closed),
            open: Arc::clone(&open),
        };
        let heard = Arc::clone(&carbon.heard);
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::SeqCst) {
                    break;
                }
                let kept = stream.try_clone().expect("a descriptor");
                open.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(kept);
                let heard = Arc::clone(&heard);
                spawn(move || read(stream, &heard));
            }
        });
        carbon
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Reads until the end; whole lines are heard.
fn read(stream: TcpStream, heard: &Heard) {
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut partial = Vec::new();
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) if !chunk.is_empty() => chunk,
            Ok(_) | Err(_) => return,
        };
        let length = chunk.len();
        partial.extend_from_slice(chunk);
        reader.consume(length);
        if let Some(end) = partial.iter().rposition(|byte| *byte == b'\n') {
            heard.hear(&partial[..=end]);
            partial.drain(..=end);
        }
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes it from accepting; fails when it is gone already.
        let _ = TcpStream::connect(self.address);
        for stream in self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            // Fails when the other side went first.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
