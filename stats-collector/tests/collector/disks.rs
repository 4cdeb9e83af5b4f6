//! What mesos-disk-watcher publishes, from its socket to carbon.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use disk_figures::{Identity, Kind, Measured, Report, Source, Subject};

use crate::carbons::Carbon;
use crate::fakes::Agent;
use crate::replies::body;

const REPLY: &str =
    r#"[{"container_id":"c","executor_id":"e","framework_id":"f","statistics":{"timestamp":1}}]"#;

/// Tells one who connects.
fn watcher(socket: &Path, line: Vec<u8>) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || listener.accept().unwrap().0.write_all(&line).unwrap())
}

/// What carbon hears, without its time, of one sample that the program ships.
fn shipped(socket: &Path) -> Vec<String> {
    let reply = REPLY.replace("}}", r#","mem_rss_bytes":7}}"#);
    let (agent, carbon) = (Agent::start([body(&reply)]), Carbon::start());
    let status = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
        .args(["--once", "--agent-api=v0", "--machine=false"])
        .arg(format!("--agent=http://{}", agent.place()))
        .arg(format!("--graphite=tcp://{}", carbon.place()))
        .args(["--host=h", "--timeout=1secs", "--disk-watcher"])
        .arg(socket)
        .status()
        .unwrap();
    assert!(status.success());
    let lines = carbon.lines().into_iter();
    lines
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

fn report() -> Report {
    let mut report = Report::at(1_795_291_431.25);
    report.subjects.push(Subject {
        identity: Identity {
            kind: Kind::Task,
            task_id: Some("web.1 \nforged 1 2".to_owned()),
            path: "slaves/x".to_owned(),
            ..Identity::default()
        },
        limit_bytes: Some(4096),
        measured: Some(Measured {
            used_bytes: 1024,
            charged_bytes: 2048,
            inodes: 3,
            at_least: false,
            source: Source::Quota,
            age_seconds: 0.5,
            look_seconds: 0.25,
            growth_bytes_per_second: Some(-2.0),
            deleted_bytes: Some(1024),
            deleted_files: Some(1),
            deleted_at_least: false,
            mounts_skipped: 0,
        }),
        ..Subject::default()
    });
    report.engine.overflows = 2;
    report
}

#[test]
fn each_sandbox_and_the_watcher_itself_have_series() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let telling = watcher(&socket, report().line());
    let lines = shipped(&socket);
    telling.join().unwrap();
    for (name, value) in [
        ("used_bytes", "1024"),
        ("charged_bytes", "2048"),
        ("limit_bytes", "4096"),
        ("limit_share", "0.5"),
        ("growth_bytes_per_second", "-2"),
        ("inodes", "3"),
        ("deleted_bytes", "1024"),
        ("source", "0"),
        ("age_seconds", "0.5"),
    ] {
        let line = format!("mesos.h.disk.tasks.web_1_forged.0.{name} {value}");
        assert!(lines.contains(&line), "{line}: {lines:?}");
    }
    assert!(
        lines.contains(&"mesos.h.disk.watcher.overflows 2".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| line.split(' ').count() == 2),
        "{lines:?}"
    );
}

#[test]
fn a_watcher_that_is_away_or_tells_nonsense_costs_nobody_else_anything() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let rest = "mesos.h.containers.e.0.mem_rss_bytes 7".to_owned();
    let lines = shipped(&socket);
    assert!(lines.contains(&rest), "{lines:?}");
    let telling = watcher(&socket, b"hello\n".to_vec());
    let lines = shipped(&socket);
    telling.join().unwrap();
    assert!(lines.contains(&rest), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains(".disk.")),
        "{lines:?}"
    );
}
