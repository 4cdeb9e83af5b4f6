//! The views on the command line: `top` and `explain`, with and without a daemon that answers.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use disk_figures::{Identity, Measured, Report, Source, Subject};

fn watcher(arguments: &[&str]) -> Output {
    let watcher = env!("CARGO_BIN_EXE_mesos-disk-watcher");
    Command::new(watcher).args(arguments).output().unwrap()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A work directory with one sandbox of a megabyte.
fn work_dir() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = directory
        .path()
        .join("slaves/S/frameworks/F/executors/E/runs/4c0e7f3e");
    fs::create_dir_all(&sandbox).unwrap();
    fs::write(sandbox.join("core"), vec![1; 1 << 20]).unwrap();
    (directory, sandbox)
}

/// A daemon that answers so many questions.
fn daemon(socket: &Path, report: &Report, answers: usize) -> thread::JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let line = report.line();
    thread::spawn(move || {
        for _ in 0..answers {
            listener.accept().unwrap().0.write_all(&line).unwrap();
        }
    })
}

fn report(path: &str) -> Report {
    let mut report = Report::at(1000.0);
    report.subjects.push(Subject {
        identity: Identity {
            framework_id: "F".to_owned(),
            framework_name: Some("marathon\u{1b}[2J".to_owned()),
            executor_id: "E".to_owned(),
            container_id: "4c0e7f3e".to_owned(),
            path: path.to_owned(),
            ..Identity::default()
        },
        limit_bytes: Some(2 << 20),
        measured: Some(Measured {
            used_bytes: 1 << 20,
            charged_bytes: 1 << 20,
            inodes: 2,
            at_least: false,
            source: Source::Tracking,
            age_seconds: 0.25,
            look_seconds: 0.001,
            growth_bytes_per_second: Some(4096.0),
            deleted_bytes: Some(8192),
            deleted_files: Some(1),
            deleted_at_least: false,
            mounts_skipped: 0,
        }),
        ..Subject::default()
    });
    report
}

#[test]
fn top_shows_what_the_daemon_knows_round_after_round_as_plain_text() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let answering = daemon(&socket, &report("/w/slaves/x"), 2);
    let output = watcher(&[
        "top",
        "--socket",
        socket.to_str().unwrap(),
        "--batch",
        "2",
        "--interval",
        "10ms",
    ]);
    answering.join().unwrap();
    let (out, error) = text(&output);
    assert!(output.status.success(), "{error}");
    let row = "1.0 MiB  2.0 MiB   50%  +4.0 KiB/s       2  8.0 KiB  250ms  tracking";
    assert_eq!(out.matches(row).count(), 2, "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn without_a_daemon_top_walks_and_learns_of_growth_in_the_second_round() {
    let (directory, _) = work_dir();
    let place = directory.path().to_str().unwrap();
    let nobody = ["--socket", "/nowhere/figures.sock", "--interval", "10ms"];
    let output = watcher(&[&["top", place, "--batch", "2"], &nobody[..]].concat());
    let (out, error) = text(&output);
    assert!(output.status.success(), "{error}");
    assert_eq!(out.matches("no daemon answers").count(), 2, "{out}");
    assert_eq!(
        out.matches("container 4c0e7f3e of F, E").count(),
        2,
        "{out}"
    );
    assert_eq!(out.matches("0 B/s").count(), 1, "{out}");

    let output = watcher(&[&["top"], &nobody[..]].concat());
    let (_, error) = text(&output);
    assert!(!output.status.success());
    assert!(
        error.contains("no work directory") && error.contains("/nowhere/figures.sock"),
        "{error}"
    );
}

#[test]
fn explain_finds_a_container_by_its_id_and_tells_where_its_bytes_are() {
    let (directory, sandbox) = work_dir();
    let place = directory.path().to_str().unwrap();
    let socket = directory.path().join("figures.sock");
    let answering = daemon(&socket, &report(sandbox.to_str().unwrap()), 1);
    let socket = socket.to_str().unwrap();
    let output = watcher(&["explain", "4c0e", "--work-dir", place, "--socket", socket]);
    answering.join().unwrap();
    let (out, error) = text(&output);
    assert!(output.status.success(), "{error}");
    assert!(out.starts_with(sandbox.to_str().unwrap()), "{out}");
    assert!(out.contains("1.0 MiB  core"), "{out}");
    assert!(out.contains("of its limit of 2.0 MiB"), "{out}");
    assert!(out.contains("growing by +4.0 KiB/s"), "{out}");
    let du = Command::new("du")
        .args(["-s", "-k"])
        .arg(&sandbox)
        .output()
        .unwrap();
    let du = String::from_utf8(du.stdout).unwrap();
    let du = du.split_whitespace().next().unwrap();
    assert!(
        out.contains(&format!("du -s -k counts {du} KiB, this program {du} KiB")),
        "{out}"
    );

    let output = watcher(&["explain", "nobody", "--work-dir", place]);
    let (_, error) = text(&output);
    assert!(
        !output.status.success() && error.contains("begins with \"nobody\""),
        "{error}"
    );
}

#[test]
fn once_shows_what_a_daemon_knows_beside_what_it_measures_itself() {
    let (directory, sandbox) = work_dir();
    let place = directory.path().to_str().unwrap();
    let socket = directory.path().join("figures.sock");
    let answering = daemon(&socket, &report(sandbox.to_str().unwrap()), 1);
    let socket = socket.to_str().unwrap();
    let output = watcher(&["--once", place, "--json", "--socket", socket]);
    answering.join().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let watched = &rows[0]["watched"];
    assert_eq!(
        (&watched["source"], &watched["deleted_bytes"]),
        (&"tracking".into(), &8192.into()),
        "{rows}"
    );
    assert!(
        rows[0]["used_bytes"].as_u64() > Some(1 << 20),
        "measured just now: {rows}"
    );
}
