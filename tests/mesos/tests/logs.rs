//! What tasks write, as somebody sees it who reads it through the agent.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;

use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning, TaskStarting};
use mesos_tests::{SOON, Scene};

#[test]
fn a_task_that_floods_its_log_stays_within_its_disk_quota_and_its_neighbour_notices_nothing() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        // Much more than its quota.
        let flood = "yes a line of a task that says too much | head -c 100000000; echo the end";
        scene
            .scheduler
            .launch([
                scene
                    .task("calm", &executor, "echo calm; sleep 1000")
                    .disk(10.0),
                scene.task("flood", &executor, flood).disk(10.0),
            ])
            .unwrap();
        scene
            .scheduler
            .wait_for("flood", TaskFinished, SOON)
            .unwrap();
        let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
        let tasks = sandbox.join("tasks");
        let logs = ["stdout", "stdout.1", "stdout.2", "stdout.3"];
        let sizes = logs.map(|name| fs::metadata(tasks.join("flood").join(name)).unwrap().len());
        assert!(sizes.iter().sum::<u64>() < 10 << 20, "{sizes:?}");
        let newest = fs::read_to_string(tasks.join("flood/stdout")).unwrap();
        assert!(newest.ends_with("the end\n"));
        assert_eq!(
            fs::read_to_string(tasks.join("calm/stdout")).unwrap(),
            "calm\n"
        );
        assert_eq!(
            scene.scheduler.states_of("calm"),
            [TaskStarting, TaskRunning]
        );
        scene.scheduler.kill("calm", None).unwrap();
        scene.scheduler.wait_for("calm", TaskKilled, SOON).unwrap();
    }
}

#[test]
fn what_a_running_task_says_can_be_read_through_the_agent() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let command = "echo it works; echo it complains >&2; touch said; sleep 1000";
    scene.run(scene.task("t", &executor, command));
    scene.await_file("e", "tasks/t/said");
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    let path = fs::canonicalize(sandbox.join("tasks/t")).unwrap();
    for (name, said) in [("stdout", "it works\n"), ("stderr", "it complains\n")] {
        let path = path.join(name);
        let deadline = std::time::Instant::now() + SOON;
        while scene.mesos.file_through_agent(&path) != said {
            assert!(std::time::Instant::now() < deadline, "{name} is not there");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
}
