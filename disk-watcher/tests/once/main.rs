//! `mesos-disk-watcher --once` against a work directory as an agent keeps it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod published;
mod work_dir;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use mesos_proto::v1;
use serde_json::{Value, json};
use work_dir::{WorkDir, stderr};

const MB: u64 = 1 << 20;

fn row<'r>(rows: &'r [Value], path: &str) -> &'r Value {
    let found = rows.iter().find(|row| row["path"] == path);
    found.unwrap_or_else(|| panic!("no row for {path} among {rows:#?}"))
}

/// An agent that gives these answers to as many requests, one after the other.
fn agent(answers: Vec<String>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let serve = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            // The body of a call is JSON, and one line.
            while !request.ends_with(b"}") {
                let read = stream.read(&mut buffer).unwrap();
                assert!(read > 0, "the request ended early");
                request.extend(&buffer[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        };
        answers.into_iter().map(serve).collect()
    };
    (address, thread::spawn(serve))
}

/// An answer of an agent that has been asked for something that it knows.
fn ok(body: &Value) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn a_containers_limit_is_the_checkpointed_disk_of_its_executor_and_tasks() {
    let dir = WorkDir::new();
    let sandbox = dir.run("F/executors/E", "C", 500_000);
    dir.checkpoint_executor("F/executors/E", Some(32.0));
    dir.checkpoint_task("F/executors/E/runs/C", "t1", 10.0);
    dir.checkpoint_task("F/executors/E/runs/C", "t2", 20.0);
    dir.fill(&format!("{sandbox}/tasks/t1"), 200_000);

    let rows = dir.rows(&[]);
    assert_eq!(rows.len(), 2, "the latest link is no sandbox: {rows:#?}");
    let container = row(&rows, &sandbox);
    assert_eq!(container["used_bytes"], dir.du(&sandbox));
    assert_eq!(container["limit_bytes"], 62 * MB);
    assert_eq!(container["kind"], "container");
    assert_eq!(container["complete"], true);
    for (key, id) in [
        ("agent_id", "A"),
        ("framework_id", "F"),
        ("executor_id", "E"),
        ("container_id", "C"),
    ] {
        assert_eq!(container[key], id);
    }
    let task = row(&rows, &format!("{sandbox}/tasks/t1"));
    assert_eq!(
        (&task["kind"], &task["task"]),
        (&"task".into(), &"t1".into())
    );
    assert_eq!(task["limit_bytes"], 10 * MB);
    assert_eq!(task["used_bytes"], dir.du(&format!("{sandbox}/tasks/t1")));
}

#[test]
fn a_task_that_has_ended_is_no_part_of_the_limit_any_more() {
    let dir = WorkDir::new();
    let sandbox = dir.run("F/executors/E", "C", 100);
    dir.checkpoint_executor("F/executors/E", Some(32.0));
    for (task, disk, state) in [
        ("running", 10.0, v1::TaskState::TaskRunning),
        ("failed", 20.0, v1::TaskState::TaskFailed),
    ] {
        dir.fill(&format!("{sandbox}/tasks/{task}"), 100);
        dir.checkpoint_task("F/executors/E/runs/C", task, disk);
        dir.checkpoint_update("F/executors/E/runs/C", task, state);
    }
    let rows = dir.rows(&[]);
    assert_eq!(row(&rows, &sandbox)["limit_bytes"], 42 * MB);
    let limit = |task: &str| &row(&rows, &format!("{sandbox}/tasks/{task}"))["limit_bytes"];
    assert_eq!(*limit("running"), 10 * MB);
    assert_eq!(*limit("failed"), Value::Null);
}

#[test]
fn without_checkpoint_or_after_the_end_of_the_run_the_limit_is_unknown() {
    let dir = WorkDir::new();
    let never = dir.run("F/executors/E", "never-checkpointed", 1);
    let ended = dir.run("F/executors/G", "ended", 1);
    dir.checkpoint_executor("F/executors/G", Some(32.0));
    fs::write(
        dir.make("meta/slaves/A/frameworks/F/executors/G/runs/ended")
            .join("executor.sentinel"),
        "",
    )
    .unwrap();
    let diskless = dir.run("F/executors/H", "diskless", 1);
    dir.checkpoint_executor("F/executors/H", None);
    dir.make("meta/slaves/A/frameworks/F/executors/H/runs/diskless");

    let rows = dir.rows(&[]);
    for path in [never, ended, diskless] {
        assert_eq!(row(&rows, &path)["limit_bytes"], Value::Null);
    }
}

#[test]
fn the_table_is_aligned_with_the_fullest_first() {
    let dir = WorkDir::new();
    dir.run("F/executors/unlimited", "C1", 3_000_000);
    for (executor, container, bytes, disk) in
        [("half", "C2", 500_000, 1.0), ("over", "C3", 1_500_000, 1.0)]
    {
        dir.run(&format!("F/executors/{executor}"), container, bytes);
        dir.checkpoint_executor(&format!("F/executors/{executor}"), Some(disk));
        dir.make(&format!(
            "meta/slaves/A/frameworks/F/executors/{executor}/runs/{container}"
        ));
    }
    let output = dir.watcher(&[]);
    assert_eq!(output.status.code(), Some(0));
    let table = String::from_utf8(output.stdout).unwrap();
    let cells: Vec<Vec<&str>> = table
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        cells[0],
        [
            "USED",
            "LIMIT",
            "USE%",
            "INODES",
            "DELETED",
            "GROWTH",
            "WATCHED",
            "FRAMEWORK",
            "EXECUTOR",
            "CONTAINER"
        ]
    );
    let order: Vec<&str> = cells[1..].iter().map(|line| line[9]).collect();
    assert_eq!(order, ["C3", "C2", "C1"]);
    assert_eq!(cells[1][1], "1.0 MiB");
    assert_eq!(cells[3][1..3], ["-", "-"]);
    let starts: Vec<_> = table
        .lines()
        .map(|line| line.find(" C").unwrap_or_default())
        .collect();
    assert!(starts.iter().all(|start| *start == starts[0]), "{table}");
}

#[test]
fn nested_containers_have_rows_of_their_own_and_hostile_names_stay_on_one_line() {
    let dir = WorkDir::new();
    let sandbox = dir.run("F/executors/E", "C", 1);
    dir.fill(&format!("{sandbox}/containers/N"), 100_000);
    dir.fill(&format!("{sandbox}/containers/N/containers/M"), 10);
    dir.fill(&format!("{sandbox}/tasks/evil\n0 B\u{1b}[2J"), 10);
    symlink("/", dir.path().join(&sandbox).join("tasks/link")).unwrap();
    symlink("/etc", dir.path().join(&sandbox).join("containers/link")).unwrap();

    let rows = dir.rows(&[]);
    assert_eq!(rows.len(), 4, "links are no sandboxes: {rows:#?}");
    let nested = row(&rows, &format!("{sandbox}/containers/N/containers/M"));
    assert_eq!(
        nested["nested_container_ids"],
        serde_json::json!(["N", "M"])
    );
    assert_eq!(nested["kind"], "nested");
    row(&rows, &format!("{sandbox}/tasks/evil\n0 B\u{1b}[2J"));

    let table = String::from_utf8(dir.watcher(&[]).stdout).unwrap();
    assert_eq!(table.lines().count(), 5);
    assert!(table.contains("C/tasks/evil\\n0 B\\u{1b}[2J"), "{table}");
    assert!(table.contains("C/containers/N/containers/M"), "{table}");
}

#[test]
fn a_sandbox_replaced_by_a_link_is_not_followed() {
    let dir = WorkDir::new();
    dir.make("slaves/A/frameworks/F/executors/E/runs");
    symlink(
        "/etc",
        dir.path().join("slaves/A/frameworks/F/executors/E/runs/C"),
    )
    .unwrap();
    assert_eq!(dir.rows(&[]), [] as [Value; 0]);
}

#[test]
fn only_the_newest_agents_sandboxes_are_shown_unless_all_are_asked_for() {
    let dir = WorkDir::new();
    let newest = dir.run("F/executors/E", "C", 1);
    let older = "slaves/older/frameworks/F/executors/E/runs/C";
    dir.fill(older, 1);
    assert_eq!(dir.rows(&[]).len(), 1);
    let all = dir.rows(&["--all-agents"]);
    assert_eq!(all.len(), 2);
    assert_eq!(row(&all, older)["agent_id"], "older");
    row(&all, &newest);

    fs::remove_file(dir.path().join("meta/slaves/latest")).unwrap();
    assert_eq!(
        dir.rows(&[]).len(),
        2,
        "where nothing names the newest, none is left out"
    );
}

#[test]
fn what_the_agent_says_comes_before_its_checkpoints() {
    let dir = WorkDir::new();
    let known = dir.run("F/executors/E", "C", 100);
    dir.fill(&format!("{known}/tasks/t1"), 100);
    dir.checkpoint_executor("F/executors/E", Some(1.0));
    dir.make("meta/slaves/A/frameworks/F/executors/E/runs/C");
    let unknown = dir.run("F/executors/G", "D", 100);
    dir.checkpoint_executor("F/executors/G", Some(2.0));
    dir.make("meta/slaves/A/frameworks/F/executors/G/runs/D");

    let id = |id: &str| json!({"value": id});
    let disk = |megabytes: f64| json!([{"name": "disk", "type": "SCALAR", "scalar": {"value": megabytes}}]);
    let (address, server) = agent(vec![
        ok(&json!({"type": "GET_STATE", "get_state": {
            "get_frameworks": {"frameworks": [{"framework_info": {"id": id("F"), "name": "f"}}]},
            "get_executors": {"executors": [{"executor_info":
                {"executor_id": id("E"), "framework_id": id("F"), "resources": disk(32.0)}}]},
            "get_tasks": {"launched_tasks": [{"task_id": id("t1"), "framework_id": id("F"),
                "executor_id": id("E"), "resources": disk(64.0)}]}}})),
        ok(
            &json!({"type": "GET_CONTAINERS", "get_containers": {"containers": [
            {"framework_id": id("F"), "executor_id": id("E"), "container_id": id("C")}]}}),
        ),
    ]);
    let rows = dir.rows(&["--agent", &format!("http://{address}")]);
    for request in server.join().unwrap() {
        assert!(
            request.starts_with("POST /slave(1)/api/v1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request
                .to_lowercase()
                .contains(&format!("host: {address}\r\n")),
            "{request}"
        );
    }
    assert_eq!(row(&rows, &known)["limit_bytes"], 96 * MB);
    assert_eq!(
        row(&rows, &format!("{known}/tasks/t1"))["limit_bytes"],
        64 * MB
    );
    assert_eq!(
        row(&rows, &unknown)["limit_bytes"],
        2 * MB,
        "of what the agent does not know, the checkpoint tells"
    );
}

#[test]
fn an_agent_out_of_reach_is_told_and_the_checkpoints_do() {
    let dir = WorkDir::new();
    dir.run("F/executors/E", "C", 100);
    dir.checkpoint_executor("F/executors/E", Some(7.0));
    dir.make("meta/slaves/A/frameworks/F/executors/E/runs/C");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = dir.watcher(&["--json", "--agent", &format!("http://{free}")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "mesos-disk-watcher: cannot reach agent http://{free}: Connection refused (os error 111)\n"
        )
    );
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["limit_bytes"], 7 * MB);
}

#[test]
fn an_agent_that_answers_something_else_is_told() {
    let dir = WorkDir::new();
    for (answer, complaint) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            "answered 401 Unauthorized to GET_STATE: \"\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "answered GET_STATE with something else: missing field",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
            "to GET_STATE ends after 2 bytes, too soon: ",
        ),
        ("SSH-2.0-OpenSSH\r\n", "cannot talk HTTP with agent"),
    ] {
        let (address, server) = agent(vec![answer.to_owned()]);
        let output = dir.watcher(&["--agent", &format!("http://{address}")]);
        server.join().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains(complaint),
            "{answer}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains(&address.to_string()));
    }
}

#[test]
fn a_broken_checkpoint_is_told_and_hides_no_sandbox() {
    let dir = WorkDir::new();
    dir.run("F/executors/E", "C", 100);
    dir.checkpoint_executor("F/executors/E", Some(7.0));
    dir.make("meta/slaves/A/frameworks/F/executors/E/runs/C");
    let info = dir
        .path()
        .join("meta/slaves/A/frameworks/F/executors/E/executor.info");
    fs::write(&info, [200, 0, 0, 0, 1]).unwrap();
    let output = dir.watcher(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(info.to_str().unwrap()),
        "{}",
        stderr(&output)
    );
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["limit_bytes"], Value::Null);
}

/// The rows of a survey that tells of nothing but more in `sandbox` than is shown.
fn rows_with_more(dir: &WorkDir, sandbox: &str) -> Vec<Value> {
    let output = dir.watcher(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "mesos-disk-watcher: {:?} has more tasks and nested containers than are shown: 1000, nested 8 deep\n",
            dir.path().join(sandbox)
        )
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_a_run_has_beyond_the_most_shown_is_told_and_the_next_run_is_shown() {
    for inner in ["tasks", "containers", "containers/N/containers"] {
        let dir = WorkDir::new();
        let sandbox = dir.run("F/executors/E", "C", 1);
        let next = dir.run("F/executors/E2", "D", 1);
        // N is one of the thousand.
        let most = 1_000 - usize::from(inner.contains('N'));
        for number in 0..most {
            dir.make(&format!("{sandbox}/{inner}/{number}"));
        }
        assert_eq!(dir.rows(&[]).len(), 1_002, "{inner}");

        dir.make(&format!("{sandbox}/{inner}/{most}"));
        let rows = rows_with_more(&dir, &sandbox);
        assert_eq!(rows.len(), 1_002, "{inner}");
        row(&rows, &sandbox);
        row(&rows, &next);
    }
}

#[test]
fn containers_nested_deeper_than_is_shown_are_told() {
    let dir = WorkDir::new();
    let sandbox = dir.run("F/executors/E", "C", 1);
    let deepest = format!("{sandbox}{}", "/containers/N".repeat(8));
    dir.make(&deepest);
    assert_eq!(dir.rows(&[]).len(), 9);
    dir.make(&format!("{deepest}/containers/N"));
    assert_eq!(rows_with_more(&dir, &sandbox).len(), 9);
}

#[test]
fn a_directory_out_of_reach_is_told_and_hides_no_other_sandbox() {
    let frameworks = "slaves/A/frameworks";
    for locked in [
        "F/executors",
        "F/executors/E/runs",
        "F/executors/E/runs/C",
        "F/executors/E/runs/C/tasks",
    ] {
        let dir = WorkDir::new();
        // Out of reach for nobody, who takes the survey; it comes before the other.
        dir.fill("slaves/A/frameworks/F/executors/E/runs/C/tasks/t", 1);
        let other = dir.run("G/executors/E", "D", 1);
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        set_mode(dir.path(), 0o755);
        let locked = dir.path().join(frameworks).join(locked);
        set_mode(&locked, 0o700);
        let binary = dir.path().join("watcher");
        // By another process: one that has written to a program cannot run it while a sibling may still hold it open.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_mesos-disk-watcher"))
            .arg(&binary)
            .status();
        assert!(copied.unwrap().success());
        let output = Command::new(&binary)
            .args(["--json", "--once"])
            .arg(dir.path())
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let flaw = format!("cannot open directory {locked:?}: Permission denied");
        assert!(stderr(&output).contains(&flaw), "{}", stderr(&output));
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        row(&rows, &other);
    }
}

#[test]
fn a_directory_that_is_no_work_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (path, complaint) in [
        (dir.path(), "is no work directory of a Mesos agent"),
        (Path::new("/absent"), "cannot open directory \"/absent\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mesos-disk-watcher"))
            .arg("--once")
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}
