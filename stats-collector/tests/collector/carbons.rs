//! Carbons that write down what they hear, and behave as well or as badly as they are told.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::fakes::{LONG, Listener};

/// How a carbon treats one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Reads every line, and closes after the last, as carbon does.
    Reads,
    /// A thousand bytes a second, until it is to hurry up.
    ReadsSlowly,
    /// Keeps it open, as a host that has gone without a word.
    NeverReads,
    /// Reads so many bytes, and breaks it off with others unread.
    BreaksOffAfter(usize),
    /// Closes it once nothing has come for so long, as load balancers do.
    ClosesWhenIdle(Duration),
}

pub(crate) struct Carbon {
    listener: Listener,
    lines: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    is_hurrying: Arc<AtomicBool>,
}

impl Carbon {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    pub(crate) fn start_at(place: &str) -> Self {
        Self::with_manners(place, [Manner::Reads])
    }

    /// One manner a connection, and the last one ever after.
    pub(crate) fn with_manners(place: &str, manners: impl Into<Vec<Manner>>) -> Self {
        let (lines, manners) = (Arc::default(), manners.into());
        let (connections, is_hurrying) = (Arc::default(), Arc::default());
        let hearing = Hearing {
            lines: Arc::clone(&lines),
            is_hurrying: Arc::clone(&is_hurrying),
        };
        let count: Arc<AtomicUsize> = Arc::clone(&connections);
        let listener = Listener::start(place, move |stream| {
            let turn = count.fetch_add(1, Ordering::SeqCst);
            hearing.listen(stream, manners[turn.min(manners.len() - 1)]);
        });
        Self {
            listener,
            lines,
            connections,
            is_hurrying,
        }
    }

    /// `HOST:PORT`
    pub(crate) fn place(&self) -> String {
        self.listener.address.to_string()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Who reads slowly does so no longer.
    pub(crate) fn hurry_up(&self) {
        self.is_hurrying.store(true, Ordering::SeqCst);
    }

    /// Every whole line so far; carbon, too, makes nothing of one that is cut off.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Lines so far about containers.
    pub(crate) fn container_lines(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.contains(".containers.") && !line.contains(".collector."));
        lines
    }

    /// Waits for a line that fits, and returns it.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        self.wait_until(|lines| {
            found = lines.iter().find(|line| wanted(line)).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until all lines together are as they should be.
    pub(crate) fn wait_until(&self, mut is_so: impl FnMut(&[String]) -> bool) {
        let started = Instant::now();
        while !is_so(&self.lines.lock().unwrap()) {
            assert!(started.elapsed() < LONG, "carbon never heard it");
            sleep(Duration::from_millis(10));
        }
    }
}

/// What all connections of a carbon share.
struct Hearing {
    lines: Arc<Mutex<Vec<String>>>,
    is_hurrying: Arc<AtomicBool>,
}

impl Hearing {
    fn listen(&self, mut stream: TcpStream, manner: Manner) {
        if let Manner::ClosesWhenIdle(idle) = manner {
            stream.set_read_timeout(Some(idle)).unwrap();
        }
        let (mut begun, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        let mut left = match manner {
            Manner::BreaksOffAfter(bytes) => bytes,
            Manner::NeverReads => {
                sleep(LONG);
                return;
            }
            _ => usize::MAX,
        };
        while left > 0 {
            let is_slow =
                matches!(manner, Manner::ReadsSlowly) && !self.is_hurrying.load(Ordering::SeqCst);
            let most = if is_slow {
                sleep(Duration::from_millis(50));
                50
            } else {
                left.min(chunk.len())
            };
            let count = match stream.read(&mut chunk[..most]) {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            left -= count;
            begun.extend_from_slice(&chunk[..count]);
            let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else {
                continue;
            };
            let rest = begun.split_off(end + 1);
            // What is no text shows as such.
            let text = String::from_utf8_lossy(&begun);
            let mut lines = self.lines.lock().unwrap();
            lines.extend(text.split_terminator('\n').map(str::to_owned));
            drop(lines);
            begun = rest;
        }
    }
}
