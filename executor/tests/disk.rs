//! Quotas of disk: what is told before and at a breach, and what the disk watcher may tell.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning, TaskStarting};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskStatus};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, launch_group, task};
use crate::executor::{Executor, comes_true};
use crate::figures::fresh;

/// A task with a quota of so many megabytes, and these keys in its data.
fn limited(id: &str, command: &str, megabytes: f64, mut keys: Value) -> TaskInfo {
    keys["version"] = 1.into();
    keys["command"] = json!({ "value": command });
    let disk = Resource {
        name: "disk".into(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value: megabytes }),
        ..Default::default()
    };
    TaskInfo::from(TaskInfoFields {
        data: Some(keys.to_string().into()),
        resources: vec![disk],
        ..(*task(id, "")).clone()
    })
}

fn running(tasks: Vec<TaskInfo>, variables: &[(&str, &str)]) -> (Agent, Executor) {
    let agent = Agent::start();
    let executor = Executor::start_with(&agent, variables);
    agent.wait_for_subscribe(1);
    let ids: Vec<String> = tasks
        .iter()
        .map(|task| task.task_id.value.clone())
        .collect();
    agent.send(&tasks.into_iter().map(launch).collect::<Vec<_>>());
    for id in ids {
        agent.wait_for_state(&id, TaskRunning);
    }
    (agent, executor)
}

/// It failed for its disk usage, and nothing else was told of it.
fn failed_for_disk(agent: &Agent, id: &str) -> TaskStatus {
    let status = agent.wait_for_state(id, TaskFailed);
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
    assert_eq!(agent.states(id), [TaskStarting, TaskRunning, TaskFailed]);
    status
}

fn wait_for_file(executor: &Executor, id: &str, name: &str) {
    let directory = executor.task(id);
    assert!(
        comes_true(|| directory.join(name).exists()),
        "there is no {name}: {}",
        fs::read_to_string(directory.join("stderr")).unwrap_or_default()
    );
}

/// What is answered to a line on the socket for the disk watcher, whose path is longer than a socket's may be.
fn tell(executor: &Executor, line: &str) -> Value {
    let directory = fs::File::open(executor.sandbox().join(".mesos-sandbox-executor")).unwrap();
    let path = format!("/proc/self/fd/{}/commands.sock", directory.as_raw_fd());
    let mut socket = UnixStream::connect(path).unwrap();
    // It may be refused before all of it was read.
    let _ = socket.write_all(line.as_bytes());
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn tell_breach(executor: &Executor, mut of: Value, used: u64, limit: u64) -> Value {
    of["used_bytes"] = used.into();
    of["limit_bytes"] = limit.into();
    of["message"] = "Disk usage (6MB) exceeds quota (4MB)\nas the watcher found".into();
    tell(executor, &format!("{}\n", json!({ "disk_breach": of })))
}

/// Writes so many bytes, and waits.
fn writes(bytes: u64) -> String {
    format!("head -c {bytes} /dev/zero > big; touch ready; exec sleep 1000")
}

#[test]
fn a_warning_comes_before_the_breach_and_the_figures_tell_of_both_limits() {
    let command = "head -c 6000000 /dev/zero > big; until test -e on; do sleep 0.05; done;
                   head -c 9000000 /dev/zero > bigger; exec sleep 1000";
    let keys = json!({ "limits": { "disk_soft": "5MB", "inodes": 1000 } });
    let (agent, executor) = running(vec![limited("t", command, 10.0, keys)], &[]);
    executor.wait_for_log("task 't' is near its quota: disk usage (");
    assert!(executor.log().contains("exceeds its soft limit (5MB)"));
    let mut disk = Value::Null;
    assert!(
        comes_true(|| {
            disk = fresh(&executor)["tasks"][0]["disk"].clone();
            disk["used_bytes"].as_u64() >= Some(6_000_000)
        }),
        "{disk}"
    );
    assert_eq!(disk["limit_bytes"], 10 << 20);
    assert_eq!(disk["soft_limit_bytes"], 5 << 20);
    assert_eq!(disk["inode_limit"], 1000);
    assert!(disk["inodes"].as_u64() >= Some(4), "{disk}");
    assert_eq!(disk["source"], "walk");
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning]);
    fs::write(executor.task("t").join("on"), "").unwrap();
    let status = failed_for_disk(&agent, "t");
    let mut lines = status.message().lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("Disk usage (") && first.ends_with("KB) exceeds quota (10MB)"),
        "{first}"
    );
    let limitation = status.limitation.unwrap();
    assert_eq!(limitation.resources[0].scalar, Some(Scalar { value: 10.0 }));
}

#[test]
fn a_task_that_makes_more_files_than_it_may_fails_for_that() {
    let command = "i=0; while :; do i=$((i+1)); : > $i; done";
    let keys = json!({ "limits": { "inodes": 500 } });
    let (agent, _executor) = running(vec![limited("t", command, 1000.0, keys)], &[]);
    let status = failed_for_disk(&agent, "t");
    assert!(status.message().contains("500 inodes"), "{status:?}");
}

#[test]
fn each_run_of_a_task_is_held_to_the_quota_that_the_one_before_it_broke() {
    let command = "test -e big || head -c 9000000 /dev/zero > big; exec sleep 1000";
    let restart = json!({ "policy": "on_failure", "max_restarts": 2, "backoff_seconds": 0.1, "on_limit": true });
    let keys = json!({ "restart": restart });
    let (agent, _executor) = running(vec![limited("t", command, 4.0, keys)], &[]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
    let running = agent.states("t");
    let runs = running
        .iter()
        .filter(|state| **state == TaskRunning)
        .count();
    assert_eq!(runs, 3);
}

#[test]
fn a_quota_in_the_kernel_that_cannot_be_had_keeps_the_task_from_starting() {
    let keys = json!({ "limits": { "disk_in_kernel": true } });
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(limited("t", "touch runs", 10.0, keys))]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert_eq!(status.reason(), Reason::ContainerLaunchFailed);
    let told = "The task asks for what cannot be had here: no quota of disk in the kernel: ";
    assert!(status.message().starts_with(told), "{status:?}");
    assert!(!executor.task("t").join("runs").exists());
}

#[test]
fn a_setting_of_quotas_that_makes_no_sense_keeps_the_executor_from_starting() {
    for (variable, value) in [
        ("MESOS_SANDBOX_EXECUTOR_DISK_QUOTA", "maybe"),
        ("MESOS_SANDBOX_EXECUTOR_DISK_TRACKING", "yes"),
    ] {
        let agent = Agent::start();
        let executor = Executor::start_with(&agent, &[(variable, value)]);
        executor.wait_for_log(&format!("{variable} is '{value}', and must be "));
        assert!(!executor.end().success());
    }
}

#[test]
fn a_breach_that_the_watcher_tells_of_ends_that_task_and_not_its_neighbour() {
    let tasks = ["by-id", "by-directory", "calm"];
    let tasks = tasks.map(|id| limited(id, &writes(6_000_000), 100.0, json!({})));
    let (agent, executor) = running(tasks.into(), &[]);
    for (id, of) in [
        ("by-id", json!({ "task_id": "by-id" })),
        ("by-directory", json!({ "directory": "by-directory" })),
    ] {
        wait_for_file(&executor, id, "ready");
        // Root's limit counts, which need not be the one that the executor knows.
        let answer = tell_breach(&executor, of, 6_000_000, 4 << 20);
        assert_eq!(answer, json!({ "accepted": { "task_id": id } }));
        let status = failed_for_disk(&agent, id);
        let told = "Disk usage (6MB) exceeds quota (4MB)\nas the watcher found";
        assert!(status.message().starts_with(told), "{status:?}");
    }
    assert_eq!(agent.states("calm"), [TaskStarting, TaskRunning]);
}

#[test]
fn what_the_executor_finds_otherwise_is_refused_and_nothing_is_ended() {
    let (agent, executor) = running(
        vec![limited("t", &writes(6_000_000), 100.0, json!({}))],
        &[],
    );
    wait_for_file(&executor, "t", "ready");
    let refused = |answer: Value| answer["refused"]["why"].as_str().unwrap().to_owned();
    let named = json!({ "task_id": "t" });
    let why = refused(tell_breach(&executor, named, 60_000_000, 50 << 20));
    assert!(
        why.starts_with("it uses ") && why.ends_with(" of 100MB"),
        "{why}"
    );
    let volume = json!({ "task_id": "t", "volume": "none" });
    assert_eq!(
        refused(tell_breach(&executor, volume, 2, 1)),
        "the task has no such volume"
    );
    for stranger in [
        json!({ "task_id": "u" }),
        json!({ "task_id": "t", "directory": "u" }),
        json!({ "directory": "../t" }),
        json!({ "volume": "none" }),
    ] {
        let answer = tell_breach(&executor, stranger, 2, 1);
        assert_eq!(answer, json!("unknown_task"));
    }
    refused(tell_breach(&executor, json!({ "task_id": "t" }), 1, 1));
    refused(tell(&executor, "{\"kill\":{}}\n"));
    refused(tell(&executor, &"x".repeat(100_000)));
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning]);
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    let named = json!({ "task_id": "t" });
    assert_eq!(tell_breach(&executor, named, 2, 1), json!("unknown_task"));
}

#[test]
fn of_a_container_as_a_whole_the_largest_task_is_ended() {
    let tasks = [
        ("small", 1_000_000),
        ("large", 9_000_000),
        ("middle", 3_000_000),
    ];
    let tasks = tasks.map(|(id, bytes)| limited(id, &writes(bytes), 100.0, json!({})));
    let (agent, executor) = running(tasks.into(), &[]);
    for id in ["small", "middle", "large"] {
        wait_for_file(&executor, id, "ready");
    }
    // While they grow another may be to blame.
    assert!(comes_true(|| {
        let figures = fresh(&executor);
        let mut tasks = figures["tasks"].as_array().unwrap().iter();
        tasks.all(|task| task["disk"]["growth_bytes_per_second"] == 0.0)
    }));
    let answer = tell_breach(&executor, json!({}), 13_000_000, 12_000_000);
    assert_eq!(answer, json!({ "accepted": { "task_id": "large" } }));
    let status = failed_for_disk(&agent, "large");
    assert!(
        status.message().contains("\nIt is the largest of 3 tasks"),
        "{status:?}"
    );
    assert_eq!(agent.states("small"), [TaskStarting, TaskRunning]);
    assert_eq!(agent.states("middle"), [TaskStarting, TaskRunning]);
}

#[test]
fn a_task_that_reaches_the_socket_is_not_heard() {
    let script = "import socket,os
d = os.open(os.environ['MESOS_SANDBOX'] + '/../../.mesos-sandbox-executor', os.O_RDONLY)
s = socket.socket(socket.AF_UNIX)
s.connect('/proc/self/fd/%d/commands.sock' % d)
s.sendall(b'{\"disk_breach\":{\"used_bytes\":2,\"limit_bytes\":1,\"message\":\"\"}}\\n')
open('answer.next', 'wb').write(s.makefile('rb').readline())
os.rename('answer.next', 'answer')";
    let command = format!("cat > liar.py <<'END'\n{script}\nEND\npython3 liar.py; exec sleep 1000");
    let liar = limited("liar", &command, 100.0, json!({}));
    let files = ("MESOS_SANDBOX_EXECUTOR_FILESYSTEM", "host");
    let (agent, executor) = running(vec![liar], &[files]);
    wait_for_file(&executor, "liar", "answer");
    let answer = fs::read_to_string(executor.task("liar").join("answer")).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        answer["refused"]["why"],
        "a process of one of this executor's tasks is not heard"
    );
    assert_eq!(agent.states("liar"), [TaskStarting, TaskRunning]);
}

#[test]
fn one_member_of_a_group_that_breaks_its_quota_ends_the_others() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let fills = limited("fills", &writes(9_000_000), 4.0, json!({}));
    let calm = limited("calm", "exec sleep 1000", 4.0, json!({}));
    agent.send(&[launch_group(vec![fills, calm])]);
    failed_for_disk(&agent, "fills");
    let status = agent.wait_for_state("calm", TaskKilled);
    assert_ne!(status.reason(), Reason::ContainerLimitationDisk);
}
