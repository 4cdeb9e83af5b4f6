//! Tasks that bring a command and no executor, on an agent whose `mesos-executor` is ours.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_tests::{SOON, Scene};
use test_support::{FileServer, FrameworkOptions, Settings, binaries, task};

/// With an agent that runs command tasks by our program.
fn scene(settings: Settings) -> Scene {
    let settings = settings.command_executor(&binaries::sandbox_executor());
    Scene::with(settings, FrameworkOptions::default())
}

fn under_each_launcher() -> impl Iterator<Item = Scene> {
    [Settings::posix(), Settings::linux()]
        .into_iter()
        .map(scene)
}

/// The sandbox of a command task: its executor has the task's id.
fn sandbox(scene: &Scene, task: &str) -> PathBuf {
    scene.mesos.sandbox(&scene.scheduler.framework_id(), task)
}

#[test]
fn a_command_task_ends_as_its_command_does() {
    for scene in under_each_launcher() {
        scene
            .scheduler
            .launch([
                task("good").command("exit 0"),
                task("bad").command("exit 3"),
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
        assert!(
            status.message().starts_with("Command exited with status 3"),
            "{}",
            status.message()
        );
        assert_eq!(status.reason, None);
        assert_eq!(
            scene.scheduler.states_of("good"),
            [TaskStarting, TaskRunning, TaskFinished]
        );
    }
}

#[test]
fn a_command_task_is_in_a_sandbox_of_its_own() {
    for scene in under_each_launcher() {
        let command = "test $PPID = 1 && grep -q mesos-sandbox-executor /proc/self/cgroup";
        scene
            .scheduler
            .launch([task("t").command(command)])
            .unwrap();
        scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    }
}

#[test]
fn a_command_task_works_in_the_executors_own_sandbox() {
    for scene in under_each_launcher() {
        let command = "test \"$MESOS_SANDBOX\" = \"$PWD\" && touch here";
        scene
            .scheduler
            .launch([task("t").command(command)])
            .unwrap();
        scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
        let sandbox = sandbox(&scene, "t");
        assert!(sandbox.join("here").exists());
        assert!(!sandbox.join("tasks").exists());
    }
}

#[test]
fn what_a_scheduler_keeps_in_data_and_the_commands_uris_are_not_taken_for_a_command() {
    let scene = scene(Settings::posix());
    let files = FileServer::start();
    let path = scene.mesos.work_dir().join("hello.sh");
    fs::write(&path, "echo fetched > result\n").unwrap();
    let task = task("t")
        .command("sh ./hello.sh && test \"$(cat result)\" = fetched")
        .uri(&files.offer(&path), false)
        .data("{ a scheduler's own notes");
    scene.scheduler.launch([task]).unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
}

#[test]
fn a_command_task_has_its_own_environment_and_the_agents_but_no_credentials() {
    let scene = scene(Settings::posix());
    let command = "test \"$MINE\" = 'a b' && test \"$MESOS_TASK_ID\" = t && test -n \"$MESOS_EXECUTOR_ID\" \
                   && test \"$MESOS_ALLOCATION_ROLE\" = '*' && ! env | grep -E '^LIBPROCESS_|TOKEN'";
    let task = task("t").command(command).variable("MINE", "a b");
    scene.scheduler.launch([task]).unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
}

#[test]
fn a_command_task_runs_as_the_user_that_it_names() {
    for scene in under_each_launcher() {
        let task = task("t")
            .command("test \"$(id -un)\" = nobody && echo mine > file")
            .with(|task| task.command.as_mut().unwrap().user = Some("nobody".to_owned()));
        scene.scheduler.launch([task]).unwrap();
        scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    }
}

#[test]
fn a_killed_command_task_gets_the_grace_of_its_policy() {
    for scene in under_each_launcher() {
        let polite = "trap 'exit 0' TERM; touch ready; while :; do sleep 0.1; done";
        let stubborn = "trap '' TERM; touch ready; while :; do sleep 1; done";
        scene.run(task("polite").command(polite));
        scene.run(
            task("stubborn")
                .command(stubborn)
                .kill_grace(Duration::from_secs(1)),
        );
        scene.await_file("polite", "ready");
        scene.await_file("stubborn", "ready");
        scene.scheduler.kill("polite", None).unwrap();
        scene.scheduler.kill("stubborn", None).unwrap();
        let status = scene
            .scheduler
            .wait_for("polite", TaskKilled, SOON)
            .unwrap();
        assert!(status.message().starts_with("Command exited with status 0"));
        let status = scene
            .scheduler
            .wait_for("stubborn", TaskKilled, SOON)
            .unwrap();
        let message = status.message();
        assert!(
            message.starts_with("Command terminated with signal Killed"),
            "{message}"
        );
        assert_eq!(
            scene.scheduler.states_of("polite"),
            [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
        );
    }
}

#[test]
fn a_command_task_beyond_its_memory_or_its_disk_fails_for_that() {
    for scene in under_each_launcher() {
        let hog = "exec python3 -c 'a = []\nwhile True: a.append(bytearray(4 << 20))'";
        let writer = "head -c 30000000 /dev/zero > big; sleep 1000";
        scene
            .scheduler
            .launch([
                task("hog").command(hog).mem(64.0),
                task("writer").command(writer).disk(10.0),
            ])
            .unwrap();
        let status = scene.scheduler.wait_for("hog", TaskFailed, SOON).unwrap();
        assert_eq!(status.reason(), Reason::ContainerLimitationMemory);
        assert_eq!(status.source(), Source::Executor);
        let status = scene
            .scheduler
            .wait_for("writer", TaskFailed, SOON)
            .unwrap();
        assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
        assert_eq!(status.source(), Source::Executor);
        let message = status.message();
        assert!(
            message.starts_with("Disk usage (") && message.contains(") exceeds quota (10MB)"),
            "{message}"
        );
    }
}

#[test]
fn a_command_task_survives_the_agents_restart_and_ends_in_its_absence() {
    for settings in [Settings::posix(), Settings::linux()] {
        let mut scene = scene(settings);
        for name in ["gap", "after"] {
            scene.run(task(name).command("while [ ! -e go ]; do sleep 0.05; done; touch over"));
        }
        let gone = sandbox(&scene, "gap");
        scene.mesos.kill_9();
        fs::write(gone.join("go"), "").unwrap();
        let deadline = Instant::now() + SOON;
        while !gone.join("over").exists() {
            assert!(Instant::now() < deadline, "the task went on");
            sleep(Duration::from_millis(20));
        }
        scene.mesos.restart();
        scene.scheduler.wait_for("gap", TaskFinished, SOON).unwrap();
        fs::write(sandbox(&scene, "after").join("go"), "").unwrap();
        scene
            .scheduler
            .wait_for("after", TaskFinished, SOON)
            .unwrap();
        for name in ["gap", "after"] {
            let mut states = scene.scheduler.states_of(name);
            // The scheduler may get RUNNING anew from the restarted master's reconciliation.
            states.dedup();
            assert_eq!(states, [TaskStarting, TaskRunning, TaskFinished]);
        }
    }
}
