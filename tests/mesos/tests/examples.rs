//! What `packaging/examples` shows works as it stands there.
#![allow(clippy::unwrap_used, reason = "a test")]

use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled};
use mesos_tests::{SOON, Scene};
use serde_json::Value;
use test_support::task;

const TASK_DATA: &str = include_str!("../../../packaging/examples/task-data.json");
const TASK_LIFE: &str = include_str!("../../../packaging/examples/task-life.json");
const TASK_SANDBOX: &str = include_str!("../../../packaging/examples/task-sandbox.json");
const MARATHON_APP: &str = include_str!("../../../packaging/examples/marathon-app.json");

#[test]
fn the_examples_task_data_runs_as_its_user_with_its_environment() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene
        .scheduler
        .launch([task("t").executor(&executor).data(TASK_DATA)])
        .unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    let greeting = std::fs::read_to_string(sandbox.join("tasks/t/greeting")).unwrap();
    assert_eq!(greeting, "hello from task t\n");
}

#[test]
fn the_examples_life_of_a_task_is_lived_to_its_end() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene.run(task("t").executor(&executor).data(TASK_LIFE));
    scene.await_file("e", "tasks/t/state");
    scene.scheduler.kill("t", None).unwrap();
    let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 0");
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    let read = |name: &str| std::fs::read_to_string(sandbox.join("tasks/t").join(name));
    assert_eq!(read("registration").unwrap(), "gone\n");
    assert_eq!(read("data/state").unwrap(), "flushed\n");
}

#[test]
fn the_examples_sandbox_is_the_one_that_its_task_has() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let task = task("t").executor(&executor).data(TASK_SANDBOX);
    scene.scheduler.launch([task]).unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    let read = |name: &str| std::fs::read_to_string(sandbox.join(name)).unwrap();
    assert_eq!(read("shared/file"), "shared\n");
    assert_eq!(read("tasks/t/interfaces"), "1\n");
}

/// Marathon (src/main/scala/mesosphere/mesos/TaskBuilder.scala) gives each task an executor of its own, whose command
/// is the app's executor with the app's `cmd` behind it, and the task no command at all.
#[test]
fn the_examples_marathon_app_runs_as_marathon_puts_it_on_the_wire() {
    let scene = Scene::new();
    let app: Value = serde_json::from_str(MARATHON_APP).unwrap();
    let text = |key: &str| app[key].as_str().unwrap();
    let path = text("executor");
    let line = format!("chmod ug+rx '{path}' && exec '{path}' {}", text("cmd"));
    let id = "examples_sandboxed.0a1b2c3d";
    let executor = scene.executor(&format!("marathon-{id}")).command(&line);
    let amount = |key: &str| app[key].as_f64().unwrap();
    let task = task(id)
        .executor(&executor)
        .cpus(amount("cpus"))
        .mem(amount("mem"))
        .disk(amount("disk"));
    scene.scheduler.launch([task]).unwrap();
    scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
}
