//! An agent that runs as many containers as it is told to, whose numbers move on.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::spawn;
use std::time::SystemTime;

const FRAMEWORK: &str = "d24d9dec-6dd8-4e77-932c-d57545dd0f73-0000";

/// Answers what a collector asks an agent for, until this process ends.
pub(super) struct Agent {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    containers: usize,
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
        let shared = Arc::new(Shared {
            containers,
            scrapes: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            state: state(containers),
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
                Some(self.containers())
            }
            "/slave(1)/api/v1" if request.contains("GET_CONTAINERS") => Some(self.v1_containers()),
            "/slave(1)/state" | "/state" => Some(self.state.clone()),
            "/metrics/snapshot" => {
                self.snapshots.fetch_add(1, Ordering::SeqCst);
                Some(snapshot())
            }
            _ => None,
        }
    }

    fn containers(&self) -> String {
        let (turn, now) = self.turn();
        let mut body = String::from("[");
        for number in 0..self.containers {
            let separator = if number == 0 { "" } else { "," };
            let (id, executor) = (container_id(number), executor_id(number));
            let statistics = statistics(number, turn, now);
            let written = write!(
                body,
                r#"{separator}{{"container_id":"{id}","executor_id":"{executor}","executor_name":"","framework_id":"{FRAMEWORK}","source":"{executor}","statistics":{statistics},"status":{{"container_id":{{"value":"{id}"}},"executor_pid":27585}}}}"#
            );
            written.expect("a String takes all");
        }
        body.push(']');
        body
    }

    fn v1_containers(&self) -> String {
        let (turn, now) = self.turn();
        let mut body = String::from(r#"{"type":"GET_CONTAINERS","get_containers":{"containers":["#);
        for number in 0..self.containers {
            let separator = if number == 0 { "" } else { "," };
            let (id, executor) = (container_id(number), executor_id(number));
            let statistics = statistics(number, turn, now);
            let written = write!(
                body,
                r#"{separator}{{"framework_id":{{"value":"{FRAMEWORK}"}},"executor_id":{{"value":"{executor}"}},"executor_name":"","container_id":{{"value":"{id}"}},"container_status":{{"container_id":{{"value":"{id}"}},"executor_pid":27585}},"resource_statistics":{statistics}}}"#
            );
            written.expect("a String takes all");
        }
        body.push_str("]}}");
        body
    }

    fn turn(&self) -> (u64, f64) {
        let turn = self.scrapes.fetch_add(1, Ordering::SeqCst);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        (turn, now.as_secs_f64())
    }
}

fn container_id(number: usize) -> String {
    format!("2b817b9f-c2f1-4afb-a61b-{number:012x}")
}

/// Four instances of each app, as Marathon names them.
fn executor_id(number: usize) -> String {
    let app = number / 4;
    format!("group_app{app:04}.instance-4c0e7f3e-7d3a-11e5-8d7f-{number:012x}._app.1")
}

/// What a container of cgroups isolators has, 1.1 KB of it.
fn statistics(number: usize, turn: u64, now: f64) -> String {
    let (n, t) = (number as u64, turn + 1);
    let (user, system) = (
        (n % 50 + 1) as f64 * t as f64 * 0.01,
        (n % 7) as f64 * t as f64 * 0.01,
    );
    let rss = 7_000_000 + 4096 * ((n * 31 + t * 17) % 5000);
    let cache = 1_400_000 + 4096 * ((n * 13 + t) % 3000);
    let total = rss + cache;
    let used = 8192 + 4096 * (n + t * (n % 3));
    let periods = 100 * t;
    let throttled = (n % 11) * t;
    let waited = throttled as f64 * 0.059_931_295;
    let packets = (n % 97 + 1) * t;
    format!(
        r#"{{"timestamp":{now},"processes":{p},"threads":{th},"cpus_user_time_secs":{user},"cpus_system_time_secs":{system},"cpus_limit":0.2,"cpus_soft_limit":0.1,"cpus_nr_periods":{periods},"cpus_nr_throttled":{throttled},"cpus_throttled_time_secs":{waited},"mem_total_bytes":{total},"mem_limit_bytes":100663296,"mem_soft_limit_bytes":67108864,"mem_file_bytes":{cache},"mem_anon_bytes":{rss},"mem_cache_bytes":{cache},"mem_rss_bytes":{rss},"mem_mapped_file_bytes":1458176,"mem_swap_bytes":0,"mem_unevictable_bytes":0,"mem_low_pressure_counter":{low},"mem_medium_pressure_counter":0,"mem_critical_pressure_counter":0,"disk_limit_bytes":104857600,"disk_used_bytes":{used},"net_rx_packets":{packets},"net_rx_bytes":{bytes},"net_rx_errors":0,"net_rx_dropped":0,"net_tx_packets":{packets},"net_tx_bytes":{bytes},"net_tx_errors":0,"net_tx_dropped":0,"disk_statistics":[{{"limit_bytes":104857600,"used_bytes":{used}}}]}}"#,
        p = n % 9 + 1,
        th = n % 40 + 1,
        low = t * (n % 2),
        bytes = packets * 731,
    )
}

fn state(containers: usize) -> String {
    let mut body = format!(
        r#"{{"id":"d24d9dec-6dd8-4e77-932c-d57545dd0f73-S0","hostname":"bench","frameworks":[{{"id":"{FRAMEWORK}","name":"marathon","role":"*","executors":["#
    );
    for number in 0..containers {
        let separator = if number == 0 { "" } else { "," };
        let (id, executor) = (container_id(number), executor_id(number));
        let written = write!(
            body,
            r#"{separator}{{"id":"{executor}","name":"","source":"{executor}","container":"{id}","resources":{{"cpus":0.1,"mem":64.0,"disk":100.0}},"tasks":[{{"id":"{executor}","name":"app.group","framework_id":"{FRAMEWORK}","executor_id":"","slave_id":"S0","state":"TASK_RUNNING","resources":{{"cpus":0.1,"mem":64.0,"disk":100.0}},"labels":[{{"key":"team","value":"shop"}}],"statuses":[{{"state":"TASK_RUNNING","timestamp":1795253790.5,"container_status":{{"container_id":{{"value":"{id}"}}}}}}]}}],"queued_tasks":[],"completed_tasks":[]}}"#
        );
        written.expect("a String takes all");
    }
    body.push_str(r#"],"completed_executors":[]}],"completed_frameworks":[]}"#);
    body
}

/// As many metrics as a real agent has.
fn snapshot() -> String {
    let metrics: Vec<String> = (0..65)
        .map(|number| format!(r#""slave/metric_{number}":{number}.5"#))
        .collect();
    format!("{{{}}}", metrics.join(","))
}
