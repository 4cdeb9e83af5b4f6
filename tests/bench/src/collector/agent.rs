//! An agent that runs as many containers as it is told to, whose numbers move on.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::spawn;
use std::time::SystemTime;

use test_support::{Isolators, LargeAgent};

/// Answers what a collector asks an agent for, until this process ends.
pub(super) struct Agent {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    large: LargeAgent,
    /// Replies that had containers in them.
    scrapes: AtomicU64,
    /// Replies of the agent's own metrics.
    snapshots: AtomicU64,
    /// `/state` does not move: it is made once.
    state: String,
}

impl Agent {
    pub(super) fn start(containers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let large = LargeAgent {
            containers,
            isolators: Isolators::Common,
        };
        let shared = Arc::new(Shared {
            large,
            scrapes: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            state: large.state(),
        });
        let served = Arc::clone(&shared);
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                // A client that goes away ends its thread.
                spawn(move || serve(&served, &stream));
            }
        });
        Self { address, shared }
    }

    /// `http://HOST:PORT`
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often it was scraped, by who asks for its containers and by who does not.
    pub(super) fn scrapes(&self) -> u64 {
        let snapshots = self.shared.snapshots.load(Ordering::SeqCst);
        self.shared.scrapes.load(Ordering::SeqCst).max(snapshots)
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let request = read_request(&mut reader)?;
        let body = shared.answer(&request);
        let status = if body.is_some() {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let body = body.unwrap_or_default();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(body.as_bytes()).ok()?;
    }
}

/// The request line and the body.
fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        if head.is_empty() {
            head = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    head.push_str(&String::from_utf8_lossy(&body));
    Some(head)
}

impl Shared {
    fn answer(&self, request: &str) -> Option<String> {
        let path = request.split(' ').nth(1)?;
        match path.split('?').next()? {
            "/slave(1)/containers" | "/slave(1)/monitor/statistics" | "/monitor/statistics" => {
                Some(self.large.containers(self.now()))
            }
            "/slave(1)/api/v1" if request.contains("GET_CONTAINERS") => {
                Some(self.large.get_containers(self.now()))
            }
            "/slave(1)/state" | "/state" => Some(self.state.clone()),
            "/metrics/snapshot" => {
                self.snapshots.fetch_add(1, Ordering::SeqCst);
                Some(snapshot())
            }
            _ => None,
        }
    }

    /// The second that is told of, with each answer another scrape.
    fn now(&self) -> u64 {
        self.scrapes.fetch_add(1, Ordering::SeqCst);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        now.as_secs()
    }
}

/// As many metrics as a real agent has.
fn snapshot() -> String {
    let metrics: Vec<String> = (0..65)
        .map(|number| format!(r#""slave/metric_{number}":{number}.5"#))
        .collect();
    format!("{{{}}}", metrics.join(","))
}
