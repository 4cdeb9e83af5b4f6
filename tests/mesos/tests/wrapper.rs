//! Our program in front of the command of a task whose executor is Mesos's own, and an agent that is switched over to
//! ours and back while it runs.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished, TaskKilled};
use mesos_tests::{SOON, Scene};
use test_support::{TaskBuilder, binaries, task};

/// A task of Mesos's command executor, with ours in front of its command.
fn wrapped(scene: &Scene, id: &str, limits: &str, line: &str) -> TaskBuilder {
    // A Mesos that is master and agent in one has no file of its own for what a task says.
    let command = format!("./mesos-sandbox-executor run {limits} -- sh -c '{line}' 2> said");
    task(id).command(&command).uri(&scene.url, true)
}

/// What Mesos's command executor says of it, and the last line that ours wrote.
fn end_of(scene: &Scene, id: &str) -> (String, String) {
    let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), id);
    let said = fs::read_to_string(sandbox.join("said")).unwrap();
    let last = said.lines().last().unwrap_or_default();
    (status.message().to_owned(), last.to_owned())
}

#[test]
fn a_wrapped_command_tells_mesoss_executor_by_its_status_why_it_ended() {
    for scene in Scene::under_each_launcher() {
        let tasks = [
            wrapped(&scene, "good", "--memory 64MB", "exit 0"),
            wrapped(&scene, "bad", "--memory 64MB", "exit 3"),
            wrapped(&scene, "fat", "--memory 16MB", "tail /dev/zero"),
            wrapped(
                &scene,
                "large",
                // The program itself lies in the sandbox.
                "--disk 200MB",
                "head -c 250000000 /dev/zero > file; sleep 1000",
            ),
        ];
        scene.scheduler.launch(tasks).unwrap();
        for (id, status, reason) in [
            ("good", 0, "Command exited with status 0"),
            ("bad", 3, "Command exited with status 3"),
            ("fat", 122, "Memory limit exceeded: Requested: 16MB"),
            ("large", 123, "Disk usage ("),
        ] {
            let (message, last) = end_of(&scene, id);
            assert_eq!(
                message,
                format!("Command exited with status {status}"),
                "{id}"
            );
            let expected = format!("mesos-sandbox-executor: {reason}");
            assert!(last.starts_with(&expected), "{id}: {last}");
        }
        scene
            .scheduler
            .wait_for("good", TaskFinished, SOON)
            .unwrap();
        scene.scheduler.wait_for("bad", TaskFailed, SOON).unwrap();
    }
}

#[test]
fn a_wrapped_command_is_killed_with_everything_that_it_started() {
    for scene in Scene::under_each_launcher() {
        let line = "setsid sleep 1000 & touch ready; sleep 1000";
        scene.run(wrapped(&scene, "t", "--memory 64MB", line));
        scene.await_file("t", "ready");
        let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "t");
        scene
            .scheduler
            .kill("t", Some(Duration::from_secs(5)))
            .unwrap();
        scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
        scene.await_no_process_in(&sandbox);
    }
}

#[test]
fn an_agent_is_switched_over_and_back_while_it_runs() {
    let scene = Scene::new();
    let switch = |how: &str| {
        let mut command = Command::new(binaries::sandbox_executor());
        command.arg(how).arg("--launcher-dir");
        let output = command.arg(scene.mesos.launcher_dir()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let run = |id: &str, command: &str| {
        scene.scheduler.launch([task(id).command(command)]).unwrap();
        scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
    };
    let in_sandbox = "grep -q mesos-sandbox-executor /proc/self/cgroup";
    run("before", &format!("! {in_sandbox}"));
    switch("install");
    run("installed", in_sandbox);
    switch("uninstall");
    run("after", &format!("! {in_sandbox}"));
}
