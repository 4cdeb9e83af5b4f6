//! How a task's end looks to its scheduler.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use mesos_proto::v1::TaskState;
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_tests::{SOON, Scene};

#[test]
fn a_task_that_exits_with_0_is_finished_and_one_that_does_not_has_failed() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        scene
            .scheduler
            .launch([
                scene.task("good", &executor, "exit 0"),
                scene.task("bad", &executor, "exit 3"),
            ])
            .unwrap();
        let status = scene
            .scheduler
            .wait_for("good", TaskFinished, SOON)
            .unwrap();
        assert_eq!(status.message(), "Command exited with status 0");
        assert_eq!(status.source(), Source::Executor);
        assert_eq!(status.reason, None);
        let status = scene.scheduler.wait_for("bad", TaskFailed, SOON).unwrap();
        assert_eq!(status.message(), "Command exited with status 3");
        assert_eq!(status.reason, None);
        assert_eq!(
            scene.scheduler.states_of("good"),
            [TaskStarting, TaskRunning, TaskFinished]
        );
    }
}

#[test]
fn a_task_that_dies_of_a_signal_has_failed_with_the_signals_name() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene
        .scheduler
        .launch([scene.task("t", &executor, "kill -SEGV $$")])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert!(
        status
            .message()
            .starts_with("Command terminated with signal Segmentation fault"),
        "{}",
        status.message()
    );
}

#[test]
fn a_killed_task_is_killing_then_killed() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        scene.run(scene.task("t", &executor, "sleep 1000"));
        scene.scheduler.kill("t", None).unwrap();
        let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
        assert_eq!(
            status.message(),
            "Command terminated with signal Terminated"
        );
        assert_eq!(
            scene.scheduler.states_of("t"),
            [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
        );
    }
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_by_force_when_the_calls_grace_is_over() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    // The policy of the task would give it an hour; that of the call gives it a second.
    let stubborn = "trap '' TERM; touch ready; while :; do sleep 1; done";
    let hour = Duration::from_secs(3600);
    scene.run(scene.task("t", &executor, stubborn).kill_grace(hour));
    scene.await_file("e", "tasks/t/ready");
    scene
        .scheduler
        .kill("t", Some(Duration::from_secs(1)))
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(
        status.message(),
        "Command terminated with signal Killed (SIGTERM had no effect for 1secs)"
    );
}

#[test]
fn a_task_that_exits_with_0_after_a_kill_is_killed_all_the_same() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let polite = "trap 'exit 0' TERM; touch ready; while :; do sleep 0.1; done";
    scene.run(scene.task("t", &executor, polite));
    scene.await_file("e", "tasks/t/ready");
    scene.scheduler.kill("t", None).unwrap();
    let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 0");
}

#[test]
fn a_task_beyond_its_memory_fails_for_memory_and_its_neighbour_runs_on() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let hog = "exec python3 -c 'a = []\nwhile True: a.append(bytearray(4 << 20))'";
        scene
            .scheduler
            .launch([
                scene.task("calm", &executor, "sleep 1000"),
                scene.task("hog", &executor, hog).mem(64.0),
            ])
            .unwrap();
        let status = scene.scheduler.wait_for("hog", TaskFailed, SOON).unwrap();
        assert_eq!(status.reason(), Reason::ContainerLimitationMemory);
        assert_eq!(status.source(), Source::Executor);
        let expected =
            "Memory limit exceeded: Requested: 64MB Maximum Used: 64MB\n\nMEMORY STATISTICS: \n";
        assert!(
            status.message().starts_with(expected),
            "{}",
            status.message()
        );
        let limitation = status.limitation.unwrap();
        assert_eq!(limitation.resources[0].name, "mem");
        assert_eq!(limitation.resources[0].scalar.unwrap().value, 64.0);
        assert_runs_on(&scene, "calm");
    }
}

#[test]
fn a_task_beyond_its_disk_quota_fails_for_disk_and_its_neighbour_runs_on() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let writer = "head -c 30000000 /dev/zero > big; sleep 1000";
        scene
            .scheduler
            .launch([
                scene.task("calm", &executor, "sleep 1000").disk(10.0),
                scene.task("writer", &executor, writer).disk(10.0),
            ])
            .unwrap();
        let status = scene
            .scheduler
            .wait_for("writer", TaskFailed, SOON)
            .unwrap();
        assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
        let message = status.message();
        let told = message.lines().next().unwrap();
        assert!(
            told.starts_with("Disk usage (") && told.ends_with(") exceeds quota (10MB)"),
            "{message}"
        );
        let limitation = status.limitation.clone().unwrap();
        assert_eq!(limitation.resources[0].name, "disk");
        assert_eq!(limitation.resources[0].scalar.unwrap().value, 10.0);
        assert_runs_on(&scene, "calm");
    }
}

/// The neighbour of a task that was ended has not noticed, and ends as it is told to.
fn assert_runs_on(scene: &Scene, task: &str) {
    let states: Vec<TaskState> = scene.scheduler.states_of(task);
    assert_eq!(
        states,
        [TaskStarting, TaskRunning],
        "{}",
        scene.scheduler.timeline()
    );
    scene.scheduler.kill(task, None).unwrap();
    scene.scheduler.wait_for(task, TaskKilled, SOON).unwrap();
}

#[test]
fn children_that_left_the_tasks_session_end_with_it() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        // That no process of it is left is asserted when the scene is dropped.
        let command =
            "setsid sh -c 'trap \"\" TERM HUP; sleep 987 & sleep 987' & (sleep 987 &) ; exit 0";
        scene
            .scheduler
            .launch([scene.task("t", &executor, command)])
            .unwrap();
        scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    }
}
