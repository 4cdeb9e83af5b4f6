//! Launches that fail, are killed, or wait for files that do not come, under a real Mesos. That nothing of them is left
//! is asserted whenever a scene is dropped.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::{TaskError, TaskFailed, TaskKilled, TaskRunning};
use mesos_proto::v1::TaskStatus;
use mesos_tests::{SOON, Scene};
use serde_json::{Value, json};
use test_support::{ExecutorBuilder, TaskBuilder, task};

/// A web server that begins each answer, and ends none before it is told to.
struct SlowServer {
    url: String,
    asked: Arc<AtomicUsize>,
    answers: Arc<Mutex<Vec<TcpStream>>>,
}

impl SlowServer {
    /// Its thread and its port stay until the test's process ends.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}/slow", listener.local_addr().unwrap()),
            asked: Arc::default(),
            answers: Arc::default(),
        };
        let (asked, answers) = (Arc::clone(&server.asked), Arc::clone(&server.answers));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // Whoever goes away is no concern of this.
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
                answers.lock().unwrap().push(stream);
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        server
    }

    fn wait_until_asked(&self, times: usize) {
        let deadline = Instant::now() + 2 * SOON;
        while self.asked.load(Ordering::SeqCst) < times {
            assert!(Instant::now() < deadline, "not asked {times} times");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn go_on(&self) {
        for stream in &mut *self.answers.lock().unwrap() {
            let _ = stream.write_all(b"de");
        }
    }
}

/// Where tasks say that they ran: a volume, since nothing of the host's is theirs to write to.
fn traces(scene: &Scene) -> std::path::PathBuf {
    let traces = scene.mesos.work_dir().join("traces");
    fs::create_dir_all(&traces).unwrap();
    fs::set_permissions(&traces, fs::Permissions::from_mode(0o777)).unwrap();
    traces
}

/// What says that the task `id` ran.
fn trace(scene: &Scene, id: &str) -> std::path::PathBuf {
    traces(scene).join(id)
}

/// A task that leaves its trace, once these files are there.
fn fetching(scene: &Scene, id: &str, executor: &ExecutorBuilder, uris: &[&str]) -> TaskBuilder {
    let uris: Vec<Value> = uris.iter().map(|uri| json!({ "value": uri })).collect();
    let line = format!("touch traces/{id}; sleep 1000");
    let task = task(id).executor(executor).cpus(0.01).mem(16.0);
    task.data(data(scene, &json!({ "value": line, "uris": uris })))
}

/// The same as a member of a group.
fn member(scene: &Scene, id: &str, uris: &[&str]) -> TaskBuilder {
    let no_executor = scene.executor("none");
    fetching(scene, id, &no_executor, uris).with(|task| task.executor = None)
}

fn data(scene: &Scene, command: &Value) -> String {
    let volume = json!({ "mode": "RW", "container_path": "traces", "host_path": traces(scene) });
    let sandbox = json!({ "volumes": [volume] });
    json!({ "version": 1, "command": command, "sandbox": sandbox }).to_string()
}

fn group_executor(scene: &Scene, id: &str) -> ExecutorBuilder {
    // The master wants some for the executor of a group.
    scene.executor(id).disk(8.0)
}

/// The end of a task that never ran.
fn end_without_a_run(scene: &Scene, id: &str) -> TaskStatus {
    let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
    let states = scene.scheduler.states_of(id);
    assert!(!states.contains(&TaskRunning), "{id}: {states:?}");
    assert!(!trace(scene, id).exists(), "{id} ran");
    status
}

#[test]
fn no_member_of_a_group_runs_when_another_cannot() {
    let scene = Scene::new();
    let missing = format!("{}/missing", scene.url);
    let plain = |kind: &str| member(&scene, &format!("{kind}-bad"), &[]);
    let broken = [
        ("uri", member(&scene, "uri-bad", &[&missing])),
        ("local", member(&scene, "local-bad", &["/no/such/file"])),
        (
            "exec",
            plain("exec").data(data(
                &scene,
                &json!({ "shell": false, "value": "/no/such/program" }),
            )),
        ),
        (
            "user",
            plain("user").data(data(
                &scene,
                &json!({ "value": "exit 0", "user": "no-such-user" }),
            )),
        ),
        (
            "data",
            plain("data").data(r#"{ "version": 1, "unknown": 1 }"#),
        ),
    ];
    for (kind, bad) in broken {
        let members = [
            member(&scene, &format!("{kind}-before"), &[]),
            bad,
            member(&scene, &format!("{kind}-after"), &[]),
        ];
        scene
            .scheduler
            .launch_group(group_executor(&scene, kind), members)
            .unwrap();
    }
    for kind in ["uri", "local", "exec", "user", "data"] {
        let bad = end_without_a_run(&scene, &format!("{kind}-bad"));
        let expected = if kind == "data" {
            TaskError
        } else {
            TaskFailed
        };
        assert_eq!(bad.state(), expected, "{kind}: {}", bad.message());
        for id in [format!("{kind}-before"), format!("{kind}-after")] {
            let status = end_without_a_run(&scene, &id);
            assert_eq!(status.state(), TaskKilled, "{id}: {}", status.message());
            let why = format!(
                "task '{kind}-bad' of its group is {}",
                expected.as_str_name()
            );
            assert!(
                status.message().contains(&why),
                "{id}: {}",
                status.message()
            );
        }
    }
}

#[test]
fn a_group_of_which_one_member_is_killed_while_another_fetches_never_runs() {
    let scene = Scene::new();
    let server = SlowServer::start();
    for (times, killed) in [(1, "fetching-1"), (2, "held-2")] {
        let (held, fetching) = (format!("held-{times}"), format!("fetching-{times}"));
        let members = [
            member(&scene, &held, &[]),
            member(&scene, &fetching, &[&server.url]),
        ];
        let executor = group_executor(&scene, &format!("e{times}"));
        scene.scheduler.launch_group(executor, members).unwrap();
        server.wait_until_asked(times);
        scene.scheduler.kill(killed, None).unwrap();
        for id in [held, fetching] {
            assert_eq!(end_without_a_run(&scene, &id).state(), TaskKilled, "{id}");
        }
    }
}

#[test]
fn a_group_that_fetches_while_the_agent_is_away_runs_when_it_is_back() {
    for mut scene in Scene::under_each_launcher() {
        let server = SlowServer::start();
        let members = [
            member(&scene, "held", &[]),
            member(&scene, "fetching", &[&server.url]),
        ];
        let executor = group_executor(&scene, "e");
        scene.scheduler.launch_group(executor, members).unwrap();
        server.wait_until_asked(1);
        scene.mesos.kill_9();
        server.go_on();
        scene.mesos.restart();
        for id in ["held", "fetching"] {
            scene.scheduler.wait_for(id, TaskRunning, SOON).unwrap();
        }
        scene.scheduler.kill("fetching", None).unwrap();
        for id in ["held", "fetching"] {
            scene.scheduler.wait_for(id, TaskKilled, SOON).unwrap();
        }
    }
}

#[test]
fn a_hundred_tasks_that_wait_for_files_at_once_can_be_killed_and_shut_down() {
    for scene in Scene::under_each_launcher() {
        let server = SlowServer::start();
        let executor = scene.executor("e").shutdown_grace(Duration::from_secs(1));
        let ids: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        let tasks = ids
            .iter()
            .map(|id| fetching(&scene, id, &executor, &[&server.url]));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        server.wait_until_asked(100);
        for id in &ids[..50] {
            scene.scheduler.kill(id, None).unwrap();
        }
        for id in &ids[..50] {
            assert_eq!(end_without_a_run(&scene, id).state(), TaskKilled, "{id}");
        }
        scene.scheduler.shutdown_executor("e").unwrap();
        for id in &ids[50..] {
            // The executor's own last word, or the agent's about an executor that had a second for fifty tasks.
            end_without_a_run(&scene, id);
        }
    }
}

#[test]
fn a_framework_that_goes_away_while_its_tasks_fetch_leaves_nothing() {
    for scene in Scene::under_each_launcher() {
        let server = SlowServer::start();
        let executor = scene.executor("e").shutdown_grace(Duration::from_secs(1));
        let tasks = (0..20).map(|n| fetching(&scene, &format!("t{n}"), &executor, &[&server.url]));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        server.wait_until_asked(20);
        scene.scheduler.teardown().unwrap();
    }
}

#[test]
fn an_executor_that_is_killed_while_its_tasks_fetch_leaves_nothing() {
    for scene in Scene::under_each_launcher() {
        let server = SlowServer::start();
        let executor = scene.executor("e");
        let tasks = (0..20).map(|n| fetching(&scene, &format!("t{n}"), &executor, &[&server.url]));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        server.wait_until_asked(20);
        scene.kill_executors();
        for n in 0..20 {
            let status = end_without_a_run(&scene, &format!("t{n}"));
            assert_eq!(status.state(), TaskFailed);
        }
    }
}

#[test]
fn files_that_are_not_the_tasks_to_read_or_would_lead_elsewhere_fail_it() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let work = scene.mesos.work_dir();
    let (archive, file) = (work.join("links.tar"), work.join("file"));
    fs::write(&file, "x").unwrap();
    // Its only member is a link to where nothing may be planted.
    let made = Command::new("sh")
        .args([
            "-c",
            "cd \"$1\" && ln -s \"$1\" out && tar cf links.tar out",
            "sh",
        ])
        .arg(&work)
        .status();
    assert!(made.unwrap().success());
    let uri = |value: &str, output_file: Option<&str>| json!({ "value": value, "output_file": output_file });
    let (archive, file) = (archive.to_str().unwrap(), file.to_str().unwrap());
    let absolute = work.join("planted");
    let cases = [
        (
            "shadow",
            TaskFailed,
            "Permission denied",
            json!([uri("file:///etc/shadow", None)]),
        ),
        (
            "climbs",
            TaskError,
            "output_file",
            json!([uri(file, Some("../../planted"))]),
        ),
        (
            "absolute",
            TaskError,
            "output_file",
            json!([uri(file, absolute.to_str())]),
        ),
        (
            "link",
            TaskFailed,
            "'out'",
            json!([uri(archive, None), uri(file, Some("out/planted"))]),
        ),
        (
            "device",
            TaskFailed,
            "not a regular file",
            json!([uri("/dev/zero", None)]),
        ),
        (
            "directory",
            TaskFailed,
            "not a regular file",
            json!([uri("/etc", None)]),
        ),
    ];
    let tasks = cases.iter().map(|(id, _, _, uris)| {
        let line = format!("touch traces/{id}");
        let user = if *id == "shadow" { "nobody" } else { "root" };
        let command = json!({ "value": line, "user": user, "uris": uris });
        task(id).executor(&executor).data(data(&scene, &command))
    });
    scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
    for (id, state, why, _) in &cases {
        let status = end_without_a_run(&scene, id);
        assert_eq!(status.state(), *state, "{id}: {}", status.message());
        assert!(status.message().contains(why), "{id}: {}", status.message());
    }
    assert!(!absolute.exists());
}
