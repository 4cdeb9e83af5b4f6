//! What tasks write to stdout and stderr: in their files before their end is told, in files of a bounded size, whatever the
//! tasks do about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{Label, Labels, TaskInfoFields};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{command_task, launch, task};
use crate::executor::Executor;

/// A task that asks for something about its output.
fn logging(id: &str, command: &str, logs: &Value) -> TaskInfo {
    let data = json!({ "version": 1, "command": { "value": command }, "logs": logs });
    task(id, &data.to_string())
}

fn labelled(task: TaskInfo, logs: &Value) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        labels: Some(Labels {
            labels: vec![Label {
                key: "mesos-sandbox-executor.logs".to_owned(),
                value: Some(logs.to_string()),
            }],
        }),
        ..TaskInfoFields::clone(&task)
    })
}

/// The task's user, who is nobody, gets through to its directory.
fn let_through(executor: &Executor) {
    let above = executor.sandbox();
    let above = above.parent().unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

#[test]
fn a_flood_leaves_the_newest_lines_whole_in_files_of_a_bounded_size() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let logs = json!({ "max_size": "64KB", "max_files": 3 });
    agent.send(&[launch(logging("t", "seq 1 300000", &logs))]);
    agent.wait_for_state("t", TaskFinished);
    let directory = executor.sandbox().join("tasks/t");
    let mut all = String::new();
    for name in ["stdout.2", "stdout.1", "stdout"] {
        let part = read(&directory, name);
        assert!(part.len() <= 64 << 10, "{name} has {} bytes", part.len());
        all += &part;
    }
    assert!(!directory.join("stdout.3").exists());
    let numbers: Vec<u32> = all.lines().map(|line| line.parse().unwrap()).collect();
    let first = numbers[0];
    assert!(numbers.len() > 10_000 && numbers.iter().copied().eq(first..=300_000));
}

#[test]
fn all_that_a_task_wrote_is_in_its_files_when_its_end_is_told() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let wanted: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    let ids: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    for id in &ids {
        agent.send(&[launch(task(id, "seq 1 3000 >&2; seq 1 3000; exit 3"))]);
    }
    for id in &ids {
        let status = agent.wait_for_state(id, TaskFailed);
        assert!(
            status.message().ends_with("\n2999\n3000"),
            "{}",
            status.message()
        );
        let directory = executor.sandbox().join("tasks").join(id);
        assert!(read(&directory, "stdout") == wanted && read(&directory, "stderr") == wanted);
    }
}

#[test]
fn the_last_lines_are_told_of_a_log_that_has_just_been_rotated() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let logs = json!({ "max_size": "64KB", "max_files": 2 });
    // The last line is alone in its file.
    let command = "head -c 65000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'why it failed' >&2; \
                   head -c 600 /dev/zero | tr '\\0' y >&2; exit 1";
    agent.send(&[launch(logging("t", command, &logs))]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert!(
        status.message().contains("\nwhy it failed\nyyy"),
        "{}",
        status.message()
    );
}

#[test]
fn a_task_can_open_its_output_again_by_its_name_also_as_another_user() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    let_through(&executor);
    agent.wait_for_subscribe(1);
    let command = "echo out > /dev/stdout && echo err > /dev/stderr";
    let data = json!({ "version": 1, "command": { "value": command, "user": "nobody" } });
    agent.send(&[launch(task("t", &data.to_string()))]);
    agent.wait_for_state("t", TaskFinished);
    let directory = executor.sandbox().join("tasks/t");
    assert_eq!(read(&directory, "stdout"), "out\n");
    assert_eq!(read(&directory, "stderr"), "err\n");
}

#[test]
fn links_that_a_task_puts_in_the_place_of_its_logs_lead_nowhere() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    let_through(&executor);
    agent.wait_for_subscribe(1);
    let victim = executor.sandbox().join("victim");
    fs::write(&victim, "precious").unwrap();
    let command = format!(
        "rm stdout; for name in stdout stdout.1 stdout.2; do ln -s {} $name; done; seq 1 100000; echo the end",
        victim.display()
    );
    let data = json!({
        "version": 1,
        "command": { "value": command, "user": "nobody" },
        "logs": { "max_size": "64KB", "max_files": 3 },
    });
    agent.send(&[launch(task("t", &data.to_string()))]);
    agent.wait_for_state("t", TaskFinished);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let directory = executor.sandbox().join("tasks/t");
    assert!(read(&directory, "stdout").ends_with("100000\nthe end\n"));
    assert!(!directory.join("stdout").is_symlink());
}

#[test]
fn lines_beyond_the_rate_are_dropped_counted_and_told_and_the_rest_has_the_time() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let logs =
        json!({ "timestamps": true, "rate_limit": { "lines_per_second": 10, "burst": "1secs" } });
    agent.send(&[launch(logging("t", "seq 1 100000", &logs))]);
    agent.wait_for_state("t", TaskFinished);
    let text = read(&executor.sandbox().join("tasks/t"), "stdout");
    let (note, lines): (Vec<&str>, Vec<&str>) = text
        .lines()
        .partition(|line| line.starts_with("mesos-sandbox-executor: "));
    let dropped: Vec<usize> = note
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        lines.len() + dropped.iter().sum::<usize>(),
        100_000,
        "{text}"
    );
    let (time, line) = lines[0].split_once(' ').unwrap();
    assert_eq!(
        (time.len(), &time[..2], &time[23..], line),
        (24, "20", "Z", "1")
    );
}

#[test]
fn a_task_that_wants_its_files_to_itself_gets_them() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let command = "stat --dereference --format %F /dev/stdout; exec 2>/dev/null; exit 1";
    agent.send(&[
        launch(logging("own", command, &json!({ "rotate": false }))),
        launch(logging("held", command, &json!({}))),
    ]);
    agent.wait_for_state("own", TaskFailed);
    agent.wait_for_state("held", TaskFailed);
    let tasks = executor.sandbox().join("tasks");
    assert!(read(&tasks.join("own"), "stdout").contains("regular"));
    assert_eq!(read(&tasks.join("held"), "stdout"), "fifo\n");
}

#[test]
fn what_is_fetched_for_a_task_is_told_in_the_same_log() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let data = json!({ "version": 1, "logs": { "timestamps": true }, "command": {
        "value": "echo of the task >&2; exit 1", "uris": [{ "value": "file:///etc/hostname" }],
    }});
    agent.send(&[launch(task("t", &data.to_string()))]);
    let status = agent.wait_for_state("t", TaskFailed);
    let text = read(&executor.sandbox().join("tasks/t"), "stderr");
    let fetched = text.find("Z Fetched").unwrap();
    assert!(fetched < text.find("Z of the task").unwrap(), "{text}");
    let (_, tail) = status.message().split_once("stderr:\n").unwrap();
    assert!(
        !tail.contains("Fetched") && tail.ends_with("Z of the task"),
        "{tail}"
    );
}

#[test]
fn in_the_command_executors_place_output_is_held_only_on_request() {
    let command = "stat --dereference --format %F /dev/stdout; seq 1 30000";
    for (asked, kind) in [
        (None, "regular"),
        (Some(json!({ "max_size": "64KB" })), "fifo"),
    ] {
        let agent = Agent::start();
        let executor = Executor::start_for_command_task(&agent, &[]);
        agent.wait_for_subscribe(1);
        let mut task = command_task("t", command);
        if let Some(logs) = &asked {
            task = labelled(task, logs);
        }
        agent.send(&[launch(task)]);
        agent.wait_for_state("t", TaskFinished);
        let rotated = executor.sandbox().join("stdout.2");
        assert_eq!(rotated.exists(), asked.is_some());
        let first = if asked.is_some() {
            rotated
        } else {
            executor.sandbox().join("stdout")
        };
        let text = fs::read_to_string(first).unwrap();
        assert!(text.starts_with(kind), "{}", &text[..40]);
        assert!(read(&executor.sandbox(), "stdout").ends_with("\n30000\n"));
    }
}

#[test]
fn a_wish_for_rotation_is_refused_where_somebody_else_writes_the_logs() {
    let agent = Agent::start();
    let _executor = Executor::start_for_command_task_with_another_logger(&agent);
    agent.wait_for_subscribe(1);
    let task = labelled(command_task("t", "exit 0"), &json!({ "max_files": 2 }));
    agent.send(&[launch(task)]);
    let status = agent.wait_for_state("t", TaskFailed);
    let wanted =
        "the task's logs cannot be rotated as it asks: the agent's container logger has its stderr";
    assert_eq!(status.message(), wanted);
}

#[test]
fn a_wish_that_makes_no_sense_is_an_error_of_the_task() {
    let agent = Agent::start();
    let _executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(logging("t", "exit 0", &json!({ "max_files": 0 })))]);
    let status = agent.wait_for_state("t", mesos_proto::v1::TaskState::TaskError);
    assert_eq!(status.reason(), Reason::TaskInvalid);
    assert_eq!(
        status.message(),
        "TaskInfo.data: logs.max_files must be from 1 to 1000"
    );
}
