//! Hooks, stop sequences and restarts, as a scheduler and an agent see them.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, SystemTime};

use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::{TaskState, TaskStatus};
use mesos_tests::{SOON, Scene};
use serde_json::{Value, json};
use test_support::{ExecutorBuilder, FrameworkOptions, Settings, TaskBuilder, binaries, task};

/// A task with these keys in its data.
fn living(id: &str, executor: &ExecutorBuilder, command: &str, mut keys: Value) -> TaskBuilder {
    keys["version"] = 1.into();
    keys["command"] = json!({ "value": command });
    task(id).executor(executor).data(keys.to_string())
}

/// What is in a file of the task `t` of the executor `e`.
fn read(scene: &Scene, name: &str) -> String {
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    std::fs::read_to_string(sandbox.join("tasks/t").join(name)).unwrap_or_default()
}

fn label(status: &TaskStatus, key: &str) -> Option<String> {
    let labels = status.labels.iter().flat_map(|labels| &labels.labels);
    let mut found = labels.filter(|label| label.key == format!("mesos-sandbox-executor.{key}"));
    found.next().map(|label| label.value().to_owned())
}

/// What the updates say that tell of a restart.
fn restarts(scene: &Scene, id: &str) -> Vec<String> {
    let updates = scene.scheduler.updates_of(id).into_iter();
    let said = updates.map(|update| update.message);
    said.filter(|said| said.starts_with("restarted")).collect()
}

#[test]
fn hooks_and_a_stop_sequence_take_a_task_through_its_life() {
    for scene in Scene::under_each_launcher() {
        let entry = |name: &str| json!({ "command": format!("echo {name} >> life") });
        let keys = json!({
            "hooks": { "before_start": entry("before_start"), "after_start": entry("after_start"),
                       "before_stop": entry("before_stop"), "after_stop": entry("after_stop") },
            "stop": { "deregister": entry("deregister"), "drain_seconds": 0.5, "signal": "USR1",
                      "signal_seconds": 600 },
        });
        let executor = scene.executor("e");
        let command = "until [ $(wc -l < life) = 2 ]; do sleep 0.05; done; echo ready >> life; \
                       trap 'echo signal >> life; exit 0' USR1; touch ready; \
                       while :; do sleep 0.05; done";
        scene.run(living("t", &executor, command, keys));
        scene.await_file("e", "tasks/t/ready");
        scene
            .scheduler
            .kill("t", Some(Duration::from_secs(600)))
            .unwrap();
        let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
        assert_eq!(status.message(), "Command exited with status 0");
        assert_eq!(
            read(&scene, "life"),
            "before_start\nafter_start\nready\nbefore_stop\nderegister\nsignal\nafter_stop\n"
        );
        let states = [TaskStarting, TaskRunning, TaskKilling, TaskKilled];
        assert_eq!(scene.scheduler.states_of("t"), states);
    }
}

#[test]
fn a_task_that_fails_is_started_again_until_it_succeeds_and_its_scheduler_is_told_each_time() {
    for scene in Scene::under_each_launcher() {
        let keys = json!({ "restart": { "policy": "on_failure", "backoff_seconds": 0.1 } });
        let executor = scene.executor("e");
        let command = "echo run >> runs; test $(wc -l < runs) = 3";
        let task = living("t", &executor, command, keys).mem(64.0);
        scene.scheduler.launch([task]).unwrap();
        let status = scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
        assert_eq!(
            status.message(),
            "Command exited with status 0 (restarted 2 times)"
        );
        assert_eq!(label(&status, "restarts").as_deref(), Some("2"));
        let told = [
            "restarted (1 of 10): exited with status 1",
            "restarted (2 of 10): exited with status 1",
        ];
        assert_eq!(restarts(&scene, "t"), told);
        let states: [TaskState; 5] = [
            TaskStarting,
            TaskRunning,
            TaskRunning,
            TaskRunning,
            TaskFinished,
        ];
        assert_eq!(scene.scheduler.states_of("t"), states);
    }
}

#[test]
fn a_task_that_broke_its_memory_limit_runs_again_when_it_asks_for_that_and_its_neighbour_runs_on() {
    for scene in Scene::under_each_launcher() {
        let restart = json!({ "policy": "on_failure", "max_restarts": 1, "backoff_seconds": 0.1,
                              "on_limit": true });
        let executor = scene.executor("e");
        let command = "echo run >> runs; test $(wc -l < runs) = 2 && exit 3; exec tail /dev/zero";
        let hog = living("t", &executor, command, json!({ "restart": restart })).mem(64.0);
        let calm = scene.task("calm", &executor, "sleep 1000");
        scene.scheduler.launch([calm, hog]).unwrap();
        let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
        // The kernel's count of the first run is not held against the second.
        assert_eq!(
            status.message(),
            "Command exited with status 3 (restarted once)"
        );
        let told = restarts(&scene, "t");
        assert!(
            told[0].starts_with("restarted (1 of 1): Memory limit exceeded"),
            "{told:?}"
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
fn a_restart_while_the_agent_is_away_is_told_when_it_is_back() {
    for mut scene in Scene::under_each_launcher() {
        let keys = json!({ "restart": { "policy": "on_failure", "backoff_seconds": 0.1 } });
        let executor = scene.executor("e");
        let command = "echo run >> runs; test $(wc -l < runs) = 2 && exec sleep 1000; \
                       touch ready; until [ -e go ]; do sleep 0.05; done; exit 5";
        scene.run(living("t", &executor, command, keys));
        scene.await_file("e", "tasks/t/ready");
        let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
        scene.mesos.kill_9();
        std::fs::write(sandbox.join("tasks/t/go"), "").unwrap();
        let begin = SystemTime::now();
        while read(&scene, "runs").lines().count() < 2 {
            assert!(begin.elapsed().unwrap() < SOON, "it was not started again");
            std::thread::sleep(Duration::from_millis(50));
        }
        scene.mesos.restart();
        let begin = SystemTime::now();
        while restarts(&scene, "t").is_empty() {
            assert!(
                begin.elapsed().unwrap() < SOON,
                "{}",
                scene.scheduler.timeline()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(
            restarts(&scene, "t")[0],
            "restarted (1 of 10): exited with status 5"
        );
        scene.scheduler.kill("t", None).unwrap();
        let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
        assert!(
            status.message().ends_with("(restarted once)"),
            "{}",
            status.message()
        );
    }
}

#[test]
fn a_task_killed_while_it_waits_to_be_started_again_is_killed() {
    let scene = Scene::new();
    let keys = json!({ "restart": { "policy": "always", "backoff_seconds": 3600 } });
    let executor = scene.executor("e");
    scene.run(living("t", &executor, "touch ready; exit 0", keys));
    scene.await_file("e", "tasks/t/ready");
    scene.scheduler.kill("t", None).unwrap();
    let status = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 0");
}

/// An agent kills the container when the grace is over: what is to be told must have been told by then.
#[test]
fn hooks_that_hang_do_not_keep_an_executor_from_its_end_in_time() {
    let scene = Scene::new();
    let hang = json!({ "command": "sleep 1000", "timeout_seconds": 300 });
    let keys = json!({
        "hooks": { "before_stop": hang, "after_stop": hang },
        "stop": { "deregister": hang, "drain_seconds": 3600, "signal": "QUIT" },
    });
    for (id, grace) in [("zero", 0), ("one", 1), ("five", 5)] {
        let executor = scene
            .executor(id)
            .shutdown_grace(Duration::from_secs(grace));
        let task = format!("{id}-t");
        scene.run(living(&task, &executor, "exec sleep 1000", keys.clone()));
        scene.scheduler.shutdown_executor(id).unwrap();
        // With no more than a second the agent may speak before the executor's update reaches it.
        let status = scene.scheduler.wait_for_end(&task, SOON).unwrap();
        if grace == 5 {
            assert_eq!(status.state(), TaskKilled);
            let message = status.message();
            assert!(
                message.contains("hook before_stop did not end within"),
                "{message}"
            );
        }
    }
}

/// In the place of Mesos's command executor a task says it by labels, and its sandbox is the executor's.
#[test]
fn a_command_task_has_hooks_and_restarts_by_labels() {
    let settings = Settings::posix().command_executor(&binaries::sandbox_executor());
    let scene = Scene::with(settings, FrameworkOptions::default());
    let hook = r#"{"before_start": {"command": "echo before >> life"}, "after_stop": {"command": "echo after >> life"}}"#;
    let command = "echo run >> life; test $(grep -c run life) = 2";
    let task = task("t")
        .command(command)
        .label("mesos-sandbox-executor.hooks", hook)
        .label(
            "mesos-sandbox-executor.restart",
            r#"{"policy": "on_failure", "backoff_seconds": 0.1}"#,
        );
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    assert_eq!(
        status.message(),
        "Command exited with status 0 (restarted once)"
    );
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "t");
    let life = std::fs::read_to_string(sandbox.join("life")).unwrap();
    assert_eq!(life, "before\nrun\nafter\nbefore\nrun\nafter\n");
}
