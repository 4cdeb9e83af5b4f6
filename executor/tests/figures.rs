//! What tasks use, as other programs on the host learn it: from a file and a socket in the executor's own directory.

use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{EXECUTOR, FRAMEWORK, kill, launch, shutdown, task};
use crate::executor::{Executor, comes_true};

fn directory(executor: &Executor) -> PathBuf {
    executor.sandbox().join(".mesos-sandbox-executor")
}

/// What the socket tells, whose path is longer than a socket's may be.
pub(crate) fn fresh(executor: &Executor) -> Value {
    let directory = fs::File::open(directory(executor)).unwrap();
    let path = format!("/proc/self/fd/{}/figures.sock", directory.as_raw_fd());
    let mut line = String::new();
    UnixStream::connect(path)
        .unwrap()
        .read_to_string(&mut line)
        .unwrap();
    assert!(line.ends_with('\n') && line.lines().count() == 1);
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_file_has_a_task_as_soon_as_it_runs_and_nobody_else_may_read_it() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "echo said; exec sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    let file = directory(&executor).join("figures.json");
    let mut report = Value::Null;
    assert!(comes_true(|| {
        let text = fs::read(&file).unwrap_or_default();
        report = serde_json::from_slice(&text).unwrap_or_default();
        report["tasks"][0]["task_id"] == "t"
    }));
    assert_eq!(report["version"], 1);
    assert_eq!(
        (&report["executor_id"], &report["framework_id"]),
        (&json!(EXECUTOR), &json!(FRAMEWORK))
    );
    assert_eq!(report["tasks"][0]["directory"], "t");
    assert!(
        report["tasks"][0]["usage"]["memory_bytes"].is_u64(),
        "{report}"
    );
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&file), mode(&directory(&executor))), (0o600, 0o700));
}

#[test]
fn the_socket_tells_of_this_moment_and_counts_restarts_and_what_was_logged() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let data = json!({
        "version": 1,
        "command": { "value": "echo said; test -e again && exec sleep 1000; touch again; exit 1" },
        "restart": { "policy": "on_failure", "backoff_seconds": 0.1 },
    });
    agent.send(&[launch(task("t", &data.to_string()))]);
    agent.wait_for_state("t", TaskRunning);
    let mut found = Value::Null;
    assert!(
        comes_true(|| {
            found = fresh(&executor)["tasks"][0].clone();
            found["restarts"] == 1 && found["usage"]["log_bytes"] == 10
        }),
        "{found}"
    );
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    assert!(comes_true(|| fresh(&executor)["tasks"] == json!([])));
}

#[test]
fn a_task_that_could_not_be_started_again_is_not_among_them() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let data = json!({
        "version": 1,
        "command": { "value": "touch again; exit 1" },
        "hooks": { "before_start": { "command": "test ! -e again" } },
        "restart": { "policy": "on_failure", "backoff_seconds": 0.1 },
    });
    agent.send(&[launch(task("t", &data.to_string()))]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert!(
        status.message().contains("hook before_start exited"),
        "{status:?}"
    );
    let mut found = Value::Null;
    assert!(
        comes_true(|| {
            found = fresh(&executor)["tasks"].clone();
            found == json!([])
        }),
        "{found}"
    );
}

#[test]
fn who_does_not_read_keeps_nobody_else_from_being_told() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exec sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    let directory = fs::File::open(directory(&executor)).unwrap();
    let path = format!("/proc/self/fd/{}/figures.sock", directory.as_raw_fd());
    let silent: Vec<UnixStream> = (0..50)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    assert!(comes_true(|| {
        let mut line = String::new();
        let read = UnixStream::connect(&path)
            .unwrap()
            .read_to_string(&mut line);
        read.is_ok() && line.contains("\"task_id\":\"t\"")
    }));
    drop(silent);
}

#[test]
fn nothing_of_it_stays_when_the_executor_goes() {
    let agent = Agent::start();
    let mut executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exec sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    assert!(comes_true(|| directory(&executor)
        .join("figures.json")
        .exists()));
    // One that is killed cannot tidy up, and the next one does.
    executor.kill_and_start_again();
    agent.wait_for_subscribe(2);
    assert!(comes_true(|| !directory(&executor)
        .join("figures.json")
        .exists()));
    agent.send(&[shutdown()]);
    // It asserts that the directory is gone.
    assert!(executor.end().success());
}
