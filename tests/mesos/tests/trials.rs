//! What breaks executors in the field, tried under a real Mesos.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::task_status::Reason;
use mesos_tests::{SOON, Scene};
use test_support::{FrameworkOptions, Settings, task};

#[test]
fn two_hundred_tasks_in_one_executor_each_end_once() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let ids: Vec<String> = (0..200).map(|n| format!("t{n}")).collect();
    let tasks = ids
        .iter()
        .map(|id| scene.task(id, &executor, "exit 0").cpus(0.01).mem(8.0));
    scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
    for id in &ids {
        scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
        let states = scene.scheduler.states_of(id);
        assert_eq!(states, [TaskStarting, TaskRunning, TaskFinished], "{id}");
    }
}

#[test]
fn a_shutdown_in_the_middle_of_a_burst_leaves_nothing_under_either_launcher() {
    for settings in [Settings::posix(), Settings::linux()] {
        let scene = Scene::with(settings, FrameworkOptions::default());
        let executor = scene.executor("e").shutdown_grace(Duration::from_secs(2));
        let stubborn = "trap '' TERM; while :; do sleep 1; done";
        let ids: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        let tasks = ids
            .iter()
            .map(|id| scene.task(id, &executor, stubborn).cpus(0.01).mem(8.0));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        scene.scheduler.wait_for("t0", TaskRunning, SOON).unwrap();
        scene.scheduler.shutdown_executor("e").unwrap();
        for id in &ids {
            scene.scheduler.wait_for_end(id, SOON).unwrap();
        }
        // That no process, cgroup or mount is left is asserted when the scene is dropped.
    }
}

#[test]
fn a_killed_executor_leaves_nothing_under_the_linux_launcher() {
    let scene = Scene::with(Settings::linux(), FrameworkOptions::default());
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "echo $PPID > ready; sleep 1000"));
    scene.await_file("e", "tasks/t/ready");
    scene.kill_executors();
    let status = scene.scheduler.wait_for_end("t", SOON).unwrap();
    assert_eq!(status.reason(), Reason::ExecutorTerminated);
    // That no process, cgroup or mount is left is asserted when the scene is dropped.
}

#[test]
fn a_kill_that_comes_before_the_command_keeps_it_from_running_at_all() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    // The executor launches one task after the other: the last of many waits long enough to be killed.
    let ids: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let tasks = ids.iter().map(|id| {
        scene
            .task(id, &executor, "touch ran; sleep 1000")
            .cpus(0.01)
            .mem(8.0)
    });
    scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
    scene.scheduler.wait_for("t0", TaskStarting, SOON).unwrap();
    for id in ids.iter().rev() {
        scene.scheduler.kill(id, Some(Duration::ZERO)).unwrap();
    }
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    for id in &ids {
        let status = scene.scheduler.wait_for(id, TaskKilled, SOON).unwrap();
        if status.reason == Some(Reason::TaskKilledDuringLaunch.into()) {
            let states = scene.scheduler.states_of(id);
            assert!(!states.contains(&TaskRunning), "{id}: {states:?}");
            assert!(
                !sandbox.join("tasks").join(id).join("ran").exists(),
                "{id} ran"
            );
        } else {
            assert!(scene.scheduler.states_of(id).contains(&TaskKilling), "{id}");
        }
    }
}

#[test]
fn odd_task_ids_run_and_have_directories_of_their_own() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let long = "x".repeat(255);
    let ids = [
        "a|b",
        "a b",
        "a:b",
        "ünïcode",
        ".hidden",
        "mesos",
        "tasks",
        "A",
        "a",
        "-rf",
        &long,
    ];
    let tasks = ids.map(|id| {
        scene.task(
            id,
            &executor,
            "touch \"$MESOS_SANDBOX/mine\" && test $(ls | wc -l) -eq 3",
        )
    });
    scene.scheduler.launch(tasks).unwrap();
    for id in ids {
        scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
    }
}

#[test]
fn an_id_that_is_used_again_gets_a_new_directory() {
    let scene = Scene::new();
    let executor = scene
        .executor("e")
        .variable("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "20secs");
    for run in 1..=3 {
        // The directory of each run is new, so that the file is made by every one.
        let command = format!("set -e; test ! -e run; touch run; exit {run}");
        scene
            .scheduler
            .launch([scene.task("again", &executor, &command)])
            .unwrap();
        let updates = || scene.scheduler.updates_of("again");
        let failed = || updates().iter().filter(|u| u.state == TaskFailed).count();
        let deadline = std::time::Instant::now() + SOON;
        while failed() < run {
            assert!(
                std::time::Instant::now() < deadline,
                "{}",
                scene.scheduler.timeline()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let last = updates().last().unwrap().message.clone();
        assert_eq!(last, format!("Command exited with status {run}"));
    }
    scene.scheduler.shutdown_executor("e").unwrap();
}

#[test]
fn a_fork_bomb_is_stopped_by_its_own_limits() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let bomb = "exec python3 -c 'import os, time\n\
        children = 0\n\
        try:\n \
        while True:\n  \
        children += 1\n  \
        if os.fork() == 0: time.sleep(1000)\n\
        except OSError: os._exit(9 if children < 100 else 10)'";
    scene
        .scheduler
        .launch([
            scene.task("calm", &executor, "sleep 1000"),
            scene.task("bomb", &executor, bomb).mem(512.0),
        ])
        .unwrap();
    let status = scene.scheduler.wait_for_end("bomb", 4 * SOON).unwrap();
    assert!(
        status.message() == "Command exited with status 10"
            || status.reason() == Reason::ContainerLimitationMemory,
        "{}",
        status.message()
    );
    assert_eq!(
        scene.scheduler.states_of("calm"),
        [TaskStarting, TaskRunning]
    );
    scene.scheduler.kill("calm", None).unwrap();
    scene.scheduler.wait_for("calm", TaskKilled, SOON).unwrap();
}

#[test]
fn an_executor_of_an_ordinary_user_runs_tasks_and_ends_all_they_started() {
    let options = FrameworkOptions {
        user: "nobody".to_owned(),
        ..FrameworkOptions::default()
    };
    let scene = Scene::with(Settings::posix(), options);
    let executor = scene.executor("e");
    let data = r#"{"version":1,"command":{"value":"setsid sleep 987 & exit 5","user":"nobody"}}"#;
    scene
        .scheduler
        .launch([
            task("own").executor(&executor).data(data),
            task("other")
                .executor(&executor)
                .data(data.replace("nobody", "daemon")),
        ])
        .unwrap();
    let status = scene.scheduler.wait_for("own", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 5");
    let status = scene.scheduler.wait_for("other", TaskFailed, SOON).unwrap();
    assert!(
        status.message().contains("only root can"),
        "{}",
        status.message()
    );
}

#[test]
fn a_root_task_does_not_find_the_executors_token() {
    let scene = Scene::new();
    let executor = scene
        .executor("e")
        .variable("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "hunter2");
    let search = "umount -l /proc; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -q hunter2 && exit 1; exit 0";
    scene
        .scheduler
        .launch([scene.task("t", &executor, search)])
        .unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
}
