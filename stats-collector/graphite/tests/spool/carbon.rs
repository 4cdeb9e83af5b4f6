//! A carbon on loopback that takes down every whole line, and sinks in front of it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use graphite::{
    Address, Batch, Counters, Destination, MetricPath, Sink, SinkConfig, SpoolConfig, SpoolName,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Reads whatever comes until it is dropped.
pub(crate) struct Carbon {
    lines: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Carbon {
    pub(crate) fn start(listener: TcpListener) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                take_down(stream, &taken).await;
            }
        });
        Self { lines, task }
    }

    /// What came so far, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) async fn until(&self, condition: impl Fn(&[String]) -> bool) {
        let waiting = async {
            while !condition(&self.lines.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap();
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Appends whole lines until the connection ends; a last half line is none, as for carbon.
async fn take_down(mut stream: TcpStream, lines: &Mutex<Vec<String>>) {
    let (mut buffer, mut rest) = (vec![0; 1 << 16], Vec::new());
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        rest.extend_from_slice(&buffer[..read]);
        let Some(end) = rest.iter().rposition(|&byte| byte == b'\n') else {
            continue;
        };
        let whole: Vec<u8> = rest.drain(..=end).collect();
        let text = String::from_utf8(whole).unwrap();
        lines
            .lock()
            .unwrap()
            .extend(text.lines().map(str::to_owned));
    }
}

pub(crate) async fn listen() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "127.0.0.1".to_owned();
    (listener, Address { host, port })
}

/// An address that refuses, until somebody listens there.
pub(crate) async fn nobody() -> Address {
    listen().await.1
}

pub(crate) async fn listen_at(address: &Address) -> TcpListener {
    TcpListener::bind((address.host.as_str(), address.port))
        .await
        .unwrap()
}

/// A spool that replays as fast as it can.
pub(crate) fn config(address: &Address, directory: &Path) -> SinkConfig {
    let spool = SpoolConfig {
        replay_points_per_second: u32::MAX,
        ..SpoolConfig::new(directory.to_owned())
    };
    SinkConfig {
        destination: Destination::plaintext(address.clone()),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: Some((spool, SpoolName::of(address, None))),
    }
}

pub(crate) fn spool_of(config: &mut SinkConfig) -> &mut SpoolConfig {
    &mut config.spool.as_mut().unwrap().0
}

/// A batch of these points.
pub(crate) fn batch(numbers: Range<u64>) -> Batch {
    let path = MetricPath::parse("p").unwrap();
    let mut batch = Batch::default();
    for number in numbers {
        batch.add(&path, number, 1);
    }
    batch
}

/// The lines of [`batch`].
pub(crate) fn lines(numbers: Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("p {number} 1")).collect()
}

/// Sorted, each once.
pub(crate) fn set(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines.dedup();
    lines
}

pub(crate) async fn until(sink: &Sink, condition: impl Fn(&Counters) -> bool) {
    let waiting = async {
        while !condition(&sink.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(LONG, waiting).await;
    assert!(waited.is_ok(), "never came: {:?}", sink.counters());
}

/// A spool that holds these points, left by a sink whose carbon was away.
pub(crate) async fn spooled(address: &Address, directory: &Path, numbers: Range<u64>) {
    let sink = Sink::start(config(address, directory));
    for first in numbers.clone().step_by(1000) {
        sink.push(batch(first..numbers.end.min(first + 1000)));
    }
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(counters.spool.stored, numbers.end - numbers.start);
}
