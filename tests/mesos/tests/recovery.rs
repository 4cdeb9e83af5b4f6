//! The agent goes away and comes back, or the executor is ended.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use mesos_proto::v1::TaskState;
use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning, TaskStarting};
use mesos_tests::{SOON, Scene};
use test_support::{FrameworkOptions, Settings};

#[test]
fn ten_tasks_survive_an_agent_that_is_killed_and_updates_of_the_gap_arrive() {
    for mut scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        // Five end while the agent is away, five after it is back.
        let ids: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
        let tasks = ids.iter().map(|id| {
            let task = scene.task(id, &executor, "while [ ! -e go ]; do sleep 0.05; done");
            task.cpus(0.05).mem(16.0)
        });
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        for id in &ids {
            scene.scheduler.wait_for(id, TaskRunning, SOON).unwrap();
        }
        let subscriptions = scene.scheduler.subscriptions();
        let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
        scene.mesos.kill_9();
        for id in &ids[..5] {
            std::fs::write(scene.task_directory("e", id).join("go"), "").unwrap();
        }
        for id in &ids[..5] {
            scene.await_no_process_in(&sandbox.join("tasks").join(id));
        }
        scene.mesos.restart();
        for id in &ids[..5] {
            scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
        }
        assert!(
            scene.scheduler.subscriptions() > subscriptions,
            "the master was away, too"
        );
        for id in &ids[5..] {
            std::fs::write(scene.task_directory("e", id).join("go"), "").unwrap();
        }
        for id in &ids[5..] {
            scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
        }
        for id in &ids {
            let mut states: Vec<TaskState> = scene.scheduler.states_of(id);
            // The scheduler may get RUNNING anew from the restarted master's reconciliation.
            states.dedup();
            assert_eq!(
                states,
                [TaskStarting, TaskRunning, TaskFinished],
                "{}",
                scene.scheduler.timeline()
            );
        }
    }
}

#[test]
fn an_executor_that_is_shut_down_ends_its_tasks_within_the_grace() {
    let scene = Scene::new();
    for (id, grace) in [("zero", 0), ("one", 1), ("five", 5)] {
        let executor = scene
            .executor(id)
            .shutdown_grace(Duration::from_secs(grace));
        let stubborn = "trap '' TERM; touch ready; while :; do sleep 1; done";
        scene
            .scheduler
            .launch([scene.task(&format!("{id}-a"), &executor, stubborn)])
            .unwrap();
        scene
            .scheduler
            .wait_for(&format!("{id}-a"), TaskRunning, SOON)
            .unwrap();
    }
    scene.await_file("five", "tasks/five-a/ready");
    scene.scheduler.shutdown_executor("five").unwrap();
    let status = scene
        .scheduler
        .wait_for("five-a", TaskKilled, SOON)
        .unwrap();
    let message = status.message();
    assert!(
        message.starts_with("Command terminated with signal Killed"),
        "{message}"
    );
    for id in ["zero", "one"] {
        scene.scheduler.shutdown_executor(id).unwrap();
        // With so little time the agent may speak before the executor's update reaches it.
        scene
            .scheduler
            .wait_for_end(&format!("{id}-a"), SOON)
            .unwrap();
    }
}

#[test]
fn a_teardown_of_the_framework_ends_executor_and_tasks() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "sleep 1000"));
    // That nothing is left is asserted when the scene is dropped.
    scene.scheduler.teardown().unwrap();
}

#[test]
fn without_checkpointing_the_tasks_end_with_the_agent() {
    let options = FrameworkOptions {
        checkpoint: false,
        ..FrameworkOptions::default()
    };
    let mut scene = Scene::with(Settings::posix(), options);
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "sleep 1000"));
    // That nothing is left is asserted when the scene is dropped.
    scene.mesos.kill_9();
}

/// P-39: whatever leaves the container's cgroup escapes the agent.
#[test]
fn under_the_linux_launcher_a_task_has_its_cgroup_below_the_containers() {
    let scene = Scene::with(Settings::linux(), FrameworkOptions::default());
    let executor = scene.executor("e");
    let command = format!(
        "grep -q ':memory:/{}/[^/]*/mesos-sandbox-executor/' /proc/self/cgroup",
        scene.mesos.cgroups_root()
    );
    scene
        .scheduler
        .launch([scene.task("t", &executor, &command)])
        .unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
}
