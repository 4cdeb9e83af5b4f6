//! Tasks whose network is another than ours.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A server in a network namespace of its own, that answers `inside` to everything.
struct Elsewhere {
    process: Child,
    port: u16,
}

const ELSEWHERE: &str = r#"
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
listener = socket.socket()
fcntl.ioctl(listener, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside")
    client.close()
"#;

impl Elsewhere {
    fn start() -> Self {
        let mut process = Command::new("unshare")
            .args(["--net", "python3", "-c", ELSEWHERE])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server did not start");
        Self { process, port }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn networks_of_our_threads() -> Vec<u64> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let namespaces = threads.flatten().map(|thread| thread.path().join("ns/net"));
    // A thread that ends meanwhile is in no namespace.
    let mut found: Vec<_> = namespaces
        .flat_map(|path| fs::metadata(path).map(|namespace| namespace.ino()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test]
async fn a_task_with_a_network_of_its_own_is_looked_at_from_inside() {
    let elsewhere = Elsewhere::start();
    let pid = i32::try_from(elsewhere.process.id()).unwrap();
    let inside = Network::of_process(pid).unwrap();
    let want = Probed::Http {
        status: 200,
        detail: "inside".to_owned(),
    };
    let probe = Probe::Http(http(elsewhere.port, "/"));
    let probed = look_from(inside.clone(), probe.clone(), PATIENCE).await;
    assert_eq!(probed, want);
    assert_ne!(look_from(Network::Own, probe, PATIENCE).await, want);

    let refused = Probe::Tcp {
        target: target("127.0.0.1", 1),
    };
    let probed = look_from(inside, refused, PATIENCE).await;
    assert!(
        matches!(
            probed,
            Probed::Tcp {
                connected: false,
                ..
            }
        ),
        "{probed:?}"
    );

    let limit = Instant::now() + Duration::from_secs(20);
    while networks_of_our_threads().len() > 1 {
        assert!(
            Instant::now() < limit,
            "a thread stays in the task's network"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_task_that_shares_our_network_needs_no_detour() {
    let pid = i32::try_from(std::process::id()).unwrap();
    assert!(matches!(Network::of_process(pid), Ok(Network::Own)));
}

#[test]
fn a_process_that_has_ended_is_an_error() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait().unwrap();
    let error = Network::of_process(pid).unwrap_err().to_string();
    assert!(error.contains(&format!("/proc/{pid}/ns/net")), "{error}");
}
