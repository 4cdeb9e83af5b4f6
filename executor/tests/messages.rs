//! What a framework asks of a task by MESSAGE, and what a real task answers to it.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning};
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, message, task};
use crate::executor::{Executor, comes_true};

fn allowing(id: &str, command: &str, messages: &Value) -> TaskInfo {
    let data = json!({ "version": 1, "command": { "value": command }, "messages": messages });
    task(id, &data.to_string())
}

fn with_resource(task: &TaskInfo, name: &str, megabytes: f64) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        resources: vec![Resource {
            name: name.to_owned(),
            r#type: Type::Scalar.into(),
            scalar: Some(Scalar { value: megabytes }),
            ..Resource::default()
        }],
        ..TaskInfoFields::clone(task)
    })
}

/// Asks, and waits for the answer.
fn ask(agent: &Agent, request: &Value) -> Value {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let mut request = request.clone();
    request["id"] = id.as_str().into();
    agent.send(&[message(&request.to_string())]);
    agent.wait_for(&format!("the answer to {request}"), |received| {
        let messages = received.iter().filter_map(|one| one.call.message.as_ref());
        let answers = messages.filter_map(|one| serde_json::from_slice(&one.data).ok());
        answers
            .into_iter()
            .find(|answer: &Value| answer["id"] == id.as_str())
    })
}

#[test]
fn nothing_can_be_asked_of_a_task_that_does_not_allow_it_nor_done_to_it() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    for request in [
        json!({ "request": "signal", "task_id": "t", "signal": "INT" }),
        json!({ "request": "usage", "task_id": "t" }),
        json!({ "request": "processes", "task_id": "t" }),
        json!({ "request": "disk", "task_id": "t" }),
    ] {
        let answer = ask(&agent, &request);
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("does not allow"), "{request}: {error}");
    }
    agent.send(&[kill("t", None)]);
    let status = agent.wait_for_state("t", TaskKilled);
    assert_eq!(
        status.message(),
        "Command terminated with signal Terminated"
    );
}

#[test]
fn a_signal_reaches_a_task_that_allows_it() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let command = "trap 'exit 5' HUP; touch ready; while :; do sleep 0.05; done";
    agent.send(&[launch(allowing("t", command, &json!(["signal"])))]);
    agent.wait_for_state("t", TaskRunning);
    assert!(comes_true(|| executor
        .sandbox()
        .join("tasks/t/ready")
        .exists()));
    let request = json!({ "request": "signal", "task_id": "t", "signal": "HUP" });
    assert_eq!(ask(&agent, &request)["reply"], "signal");
    let status = agent.wait_for_state("t", TaskFailed);
    assert!(status.message().starts_with("Command exited with status 5"));
}

#[test]
fn the_usage_of_a_task_is_its_own() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let busy =
        "echo said; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; touch ready; sleep 1000";
    agent.send(&[
        launch(allowing("busy", busy, &json!(["usage"]))),
        launch(allowing("idle", "sleep 1000", &json!(["usage"]))),
    ]);
    agent.wait_for_state("idle", TaskRunning);
    assert!(comes_true(|| executor
        .sandbox()
        .join("tasks/busy/ready")
        .exists()));
    let usage = |id: &str| {
        let answer = ask(&agent, &json!({ "request": "usage", "task_id": id }));
        answer["usage"].clone()
    };
    let (busy, idle) = (usage("busy"), usage("idle"));
    let cpu = |usage: &Value| usage["cpu_seconds"].as_f64().unwrap();
    assert!(
        cpu(&busy) > 0.05 && cpu(&busy) > cpu(&idle),
        "{busy} {idle}"
    );
    assert!(busy["memory_bytes"].as_u64().unwrap() > 0, "{busy}");
    assert_eq!(
        (&busy["log_bytes"], &idle["log_bytes"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(busy["process_limit"], 8192);
}

#[test]
fn a_shortage_of_memory_is_counted_where_there_is_a_limit() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    // Most of it is in use and cannot be dropped, and files are read again and again with the rest.
    let command = "(head -c 59M /dev/zero; sleep 1000) | tail -c 80M & \
        head -c 24M /dev/urandom > file; while :; do cat file > /dev/null; done";
    let messages = json!(["usage"]);
    let short = allowing("short", command, &messages);
    agent.send(&[
        launch(with_resource(&short, "mem", 64.0)),
        launch(allowing("unlimited", "sleep 1000", &messages)),
    ]);
    agent.wait_for_state("short", TaskRunning);
    agent.wait_for_state("unlimited", TaskRunning);
    let usage =
        |id: &str| ask(&agent, &json!({ "request": "usage", "task_id": id }))["usage"].clone();
    let mut told = Value::Null;
    assert!(
        comes_true(|| {
            told = usage("short");
            told["memory_shortages"].as_u64() > Some(0)
        }),
        "{told}"
    );
    let unlimited = usage("unlimited");
    assert!(unlimited["memory_bytes"].is_u64(), "{unlimited}");
    assert!(unlimited["memory_shortages"].is_null(), "{unlimited}");
}

#[test]
fn processes_are_told_as_the_task_sees_them_and_arguments_only_where_it_allows_that() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let command = "sleep 1001 & echo $! > pid; wait";
    agent.send(&[
        launch(allowing("names", command, &json!(["processes"]))),
        launch(allowing("all", command, &json!(["arguments"]))),
    ]);
    for id in ["names", "all"] {
        agent.wait_for_state(id, TaskRunning);
        let file = executor.sandbox().join("tasks").join(id).join("pid");
        let pid = || fs::read_to_string(&file).unwrap_or_default();
        assert!(comes_true(|| pid().ends_with('\n')));
        let pid: i64 = pid().trim().parse().unwrap();
        let mut found = Value::Null;
        assert!(comes_true(|| {
            let request = json!({ "request": "processes", "task_id": id });
            let answer = ask(&agent, &request);
            assert_eq!(answer["omitted"], 0);
            let processes = answer["processes"].as_array().unwrap();
            let sleep = processes.iter().find(|one| one["pid"] == pid);
            found = sleep.cloned().unwrap_or_default();
            // Between fork and exec it is still a shell.
            found["name"] == "sleep"
        }));
        let arguments = match id {
            "all" => json!(["sleep", "1001"]),
            _ => json!([]),
        };
        assert_eq!(found["arguments"], arguments);
    }
}

#[test]
fn a_process_that_names_itself_to_harm_a_terminal_does_not() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let command = r#"printf '\033[2J\377) R 1' > /proc/$$/comm; touch ready; while :; do read x < /dev/zero; done"#;
    agent.send(&[launch(allowing("t", command, &json!(["processes"])))]);
    agent.wait_for_state("t", TaskRunning);
    assert!(comes_true(|| executor
        .sandbox()
        .join("tasks/t/ready")
        .exists()));
    let answer = ask(&agent, &json!({ "request": "processes", "task_id": "t" }));
    let names: Vec<&str> = answer["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["\u{fffd}[2J\u{fffd}) R 1"]);
}

#[test]
fn what_a_tasks_directory_takes_is_told_beside_its_limit() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let command = "head -c 2000000 /dev/zero > big; touch ready; sleep 1000";
    let limited = allowing("limited", command, &json!(["disk"]));
    agent.send(&[
        launch(with_resource(&limited, "disk", 10.0)),
        launch(allowing("free", command, &json!(["disk"]))),
    ]);
    for (id, limit) in [("limited", json!(10 << 20)), ("free", Value::Null)] {
        let ready = executor.sandbox().join("tasks").join(id).join("ready");
        assert!(comes_true(|| ready.exists()));
        let mut disk = Value::Null;
        // What was measured a moment ago is told again.
        assert!(comes_true(|| {
            let answer = ask(&agent, &json!({ "request": "disk", "task_id": id }));
            disk = answer["disk"].clone();
            std::thread::sleep(Duration::from_millis(100));
            disk["used_bytes"].as_u64().unwrap() > 2_000_000
        }));
        assert!(disk["used_bytes"].as_u64().unwrap() < 3_000_000, "{disk}");
        assert_eq!(disk["limit_bytes"], limit);
    }
}
