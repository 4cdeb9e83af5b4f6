//! Schedulers that nobody here wrote drive the executor on a real Mesos: pymesos of PyPI names it as a custom executor.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use test_support::{FileServer, ForeignScheduler, RealMesos, Settings, binaries};

/// A Mesos, the executor offered as a URI, and pymesos as the scheduler.
struct Scene {
    // Dropped in this order: Mesos last, since it then asserts that nothing was left behind.
    scheduler: ForeignScheduler,
    url: String,
    _files: FileServer,
    _mesos: RealMesos,
}

impl Scene {
    fn new() -> Self {
        let mesos = RealMesos::start(Settings::posix().known_as_master());
        let files = FileServer::start();
        let url = files.offer(&binaries::sandbox_executor());
        let framework = json!({ "user": "root", "name": "pymesos", "checkpoint": true });
        Self {
            scheduler: ForeignScheduler::pymesos(&mesos, &framework),
            url,
            _files: files,
            _mesos: mesos,
        }
    }

    /// A task as the users of pymesos write it.
    fn task(&self, id: &str, data: &str) -> Value {
        json!({
            "name": id,
            "task_id": { "value": id },
            "data": data,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
            "executor": {
                "type": "CUSTOM",
                "executor_id": { "value": "shared" },
                "name": "sandboxes",
                "resources": [scalar("cpus", 0.1), scalar("mem", 64.0)],
                "command": {
                    "value": "./mesos-sandbox-executor",
                    "uris": [{ "value": self.url, "executable": true }],
                    "environment": { "variables": [
                        { "name": "MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "value": "200ms" },
                    ] },
                },
            },
        })
    }
}

fn scalar(name: &str, value: f64) -> Value {
    json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } })
}

#[test]
fn pymesos_sees_every_end_of_its_tasks_in_one_executor() {
    let mut scene = Scene::new();
    let envelope = r#"{"version":1,"command":{"value":"exit 3"}}"#;
    let tasks = [
        scene.task("finishes", "exit 0"),
        scene.task("fails", envelope),
        scene.task("dies", "kill -SEGV $$"),
        scene.task("stays", "exec sleep 1000"),
    ];
    scene.scheduler.tell(&json!({ "launch": tasks }));
    for (task, state, message) in [
        ("finishes", "TASK_FINISHED", "Command exited with status 0"),
        ("fails", "TASK_FAILED", "Command exited with status 3"),
        (
            "dies",
            "TASK_FAILED",
            "Command terminated with signal Segmentation fault",
        ),
    ] {
        let status = scene.scheduler.wait_for_state(task, state);
        let told = status["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{told}");
        assert_eq!(status["source"], "SOURCE_EXECUTOR");
        assert_eq!(status["executor_id"]["value"], "shared");
        let states = scene.scheduler.states_of(task);
        assert_eq!(states, ["TASK_STARTING", "TASK_RUNNING", state]);
    }
    // A framework without the capability for it hears nothing of TASK_KILLING.
    scene.scheduler.wait_for_state("stays", "TASK_RUNNING");
    scene.scheduler.tell(&json!({ "kill": "stays" }));
    scene.scheduler.wait_for_state("stays", "TASK_KILLED");
    let states = scene.scheduler.states_of("stays");
    assert_eq!(states, ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]);
}

#[test]
fn pymesos_adds_a_task_to_an_executor_that_runs() {
    let mut scene = Scene::new();
    let waits = scene.task(
        "first",
        "while [ ! -e ../second/done ]; do sleep 0.05; done",
    );
    scene.scheduler.tell(&json!({ "launch": [waits] }));
    scene.scheduler.wait_for_state("first", "TASK_RUNNING");
    let second = scene.task("second", "touch done");
    scene.scheduler.tell(&json!({ "launch": [second] }));
    scene.scheduler.wait_for_state("second", "TASK_FINISHED");
    // It saw the second's file: both are in one executor's sandbox.
    scene.scheduler.wait_for_state("first", "TASK_FINISHED");
}
