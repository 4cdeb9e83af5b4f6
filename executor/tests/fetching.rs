//! URIs that the executor itself fetches: there before the command runs, in nobody's way, and gone with the task.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::executor::Executor;

/// A task that wants URIs.
pub(crate) fn wanting(id: &str, command: &str, uris: &Value) -> TaskInfo {
    let data = json!({ "version": 1, "command": { "value": command, "uris": uris } });
    task(id, &data.to_string())
}

/// A server that takes connections and never says a word. What it was asked comes over the channel.
pub(crate) fn silent_server() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, asked) = (stream.unwrap(), asked.clone());
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                let length = stream.read(&mut bytes).unwrap_or_default();
                let _over = asked.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
                // Until the other side is gone.
                while stream.read(&mut bytes).is_ok_and(|length| length > 0) {}
            });
        }
    });
    (url, requests)
}

#[test]
fn files_are_there_before_the_command_runs_and_belong_to_the_tasks_user() {
    let files = tempfile::tempdir().unwrap();
    let script = files.path().join("hello.sh");
    fs::write(&script, "#!/bin/sh\necho \"$(stat -c %U hello)\" > owner\n").unwrap();
    fs::set_permissions(
        files.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let data = json!({ "version": 1, "command": {
        "value": "./hello && test $(cat owner) = nobody",
        "user": "nobody",
        "uris": [{ "value": format!("file://{}", script.display()), "executable": true, "output_file": "hello" }],
    }});
    // The temporary directory of the test is root's alone, and the task's user has to get through it.
    let above = executor.sandbox();
    let above = above.parent().unwrap();
    fs::set_permissions(above, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    agent.send(&[launch(task("t", &data.to_string()))]);
    agent.wait_for_state("t", TaskFinished);
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskFinished]);
    let told = fs::read_to_string(executor.sandbox().join("tasks/t/stderr")).unwrap();
    assert!(told.contains("Fetched"), "{told}");
}

#[test]
fn a_uri_that_is_not_there_fails_the_task_by_its_name() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": "file:///no/such/file" }]);
    agent.send(&[launch(wanting("t", "true", &uris))]);
    let message = agent.wait_for_state("t", TaskFailed).message().to_owned();
    assert!(
        message.contains("file:///no/such/file") && message.contains("No such file"),
        "{message}"
    );
    assert_eq!(agent.states("t"), [TaskStarting, TaskFailed]);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn what_is_told_of_fetching_are_not_the_tasks_last_words() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": "file:///etc/hostname" }]);
    agent.send(&[launch(wanting("t", "echo own >&2; exit 1", &uris))]);
    let message = agent.wait_for_state("t", TaskFailed).message().to_owned();
    assert!(!message.contains("Fetch"), "{message}");
}

#[test]
fn files_that_take_longer_than_they_may_are_not_waited_for() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("file"), "content").unwrap();
    let agent = Agent::start();
    let executor =
        Executor::start_with(&agent, &[("MESOS_SANDBOX_EXECUTOR_FETCH_TIMEOUT", "0secs")]);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": files.path().join("file") }]);
    agent.send(&[launch(wanting("t", "true", &uris))]);
    let message = agent.wait_for_state("t", TaskFailed).message().to_owned();
    assert!(message.contains("not done after 0 s"), "{message}");
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn files_beyond_the_disk_quota_are_not_fetched() {
    let files = tempfile::tempdir().unwrap();
    let big = files.path().join("big");
    fs::write(&big, vec![1; 3 << 20]).unwrap();
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": big }]);
    let mut fields = TaskInfoFields::clone(&wanting("t", "true", &uris));
    fields.resources.push(Resource {
        name: "disk".to_owned(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value: 1.0 }),
        ..Default::default()
    });
    agent.send(&[launch(fields.into())]);
    let message = agent.wait_for_state("t", TaskFailed).message().to_owned();
    assert!(message.contains(big.to_str().unwrap()), "{message}");
    assert!(!executor.sandbox().join("tasks/t/big").exists());
}

#[test]
fn a_server_that_is_silent_holds_up_no_other_task_and_a_kill_is_answered_at_once() {
    let (url, requests) = silent_server();
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": url }]);
    // More than ever block at the same time.
    let ids: Vec<String> = (0..40).map(|n| format!("waits{n}")).collect();
    let waiting: Vec<_> = ids
        .iter()
        .map(|id| launch(wanting(id, "true", &uris)))
        .collect();
    agent.send(&waiting);
    for _ in &ids {
        let request = requests.recv_timeout(crate::agent::PATIENCE).unwrap();
        assert!(request.starts_with("GET /file "), "{request}");
    }
    agent.send(&[launch(task("quick", "exit 0"))]);
    agent.wait_for_state("quick", TaskFinished);
    agent.send(&[kill("waits0", None)]);
    agent.wait_for_state("waits0", TaskKilled);
    assert_eq!(
        agent.states("waits0"),
        [TaskStarting, TaskKilling, TaskKilled]
    );
    agent.send(&[shutdown()]);
    for id in &ids {
        agent.wait_for_state(id, TaskKilled);
    }
    // That no process and no cgroup is left is asserted here.
    assert!(executor.end().success());
}

#[test]
fn an_executor_that_is_killed_while_it_fetches_leaves_nothing() {
    let (url, requests) = silent_server();
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let uris = json!([{ "value": url }]);
    agent.send(&[launch(wanting("t", "true", &uris))]);
    requests.recv_timeout(crate::agent::PATIENCE).unwrap();
    executor.signal(nix::sys::signal::Signal::SIGKILL);
    assert!(!executor.end().success());
}
