//! What others see of the daemon while it runs: events on standard output, its socket, and its end.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

struct Daemon {
    child: Child,
    events: Receiver<String>,
}

impl Daemon {
    fn start(work_dir: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mesos-disk-watcher"))
            .args(["run", "--output-events", "/dev/stdout", "--work-dir"])
            .arg(work_dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, events) = channel();
        // Ends with the daemon's output.
        thread::spawn(move || {
            for line in lines {
                let _ = tell.send(line.unwrap());
            }
        });
        Self { child, events }
    }

    /// The next event of this name.
    fn await_event(&self, name: &str) -> Value {
        loop {
            let line = self.events.recv_timeout(SOON);
            let line = line.unwrap_or_else(|error| panic!("no {name}: {error}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn events_go_to_standard_output_and_figures_to_the_socket_until_it_is_told_to_end() {
    let work_dir = tempfile::tempdir().unwrap();
    let run = "slaves/S/frameworks/F/executors/E/runs/C";
    let sandbox = work_dir.path().join(run);
    fs::create_dir_all(&sandbox).unwrap();
    fs::write(sandbox.join("file"), vec![1; 100_000]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("figures.sock");
    let arguments = ["--output-socket", socket.to_str().unwrap()];
    let mut daemon = Daemon::start(work_dir.path(), &arguments);

    daemon.await_event("started");
    let came = daemon.await_event("came");
    let ids = (&came["executor_id"], &came["container_id"]);
    assert_eq!(ids, (&"E".into(), &"C".into()), "{came}");
    daemon.await_event("layer");

    let until = Instant::now() + SOON;
    let (told, used) = loop {
        let told = disk_figures::read(&socket, SOON).unwrap();
        let subject = told.subjects.first();
        if let Some(measured) = subject.and_then(|subject| subject.measured.as_ref()) {
            let used = measured.used_bytes;
            break (told, used);
        }
        assert!(Instant::now() < until, "{told:?}");
    };
    let root = disk_engine::open_root(&sandbox).unwrap();
    let usage = disk_engine::measure(root.as_fd(), &disk_engine::Options::default()).unwrap();
    assert_eq!(used, usage.bytes);
    assert!(told.daemon.events_written >= 3, "{told:?}");
    assert_eq!(told.daemon.events_lost, 0, "{told:?}");

    daemon.signal(Signal::SIGHUP);
    daemon.await_event("reloaded");
    daemon.signal(Signal::SIGTERM);
    daemon.await_event("stopped");
    assert!(daemon.child.wait().unwrap().success());
    assert!(!socket.exists());
}
