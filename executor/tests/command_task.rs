//! In the place of Mesos's command executor: one task, in the sandbox of the executor itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished, TaskRunning, TaskStarting};
use mesos_proto::v1::task_status::Reason;

use crate::agent::Agent;
use crate::agent::events::{command_task, launch};
use crate::executor::Executor;

#[test]
fn the_command_runs_in_the_sandbox_itself_and_writes_to_its_logs() {
    let agent = Agent::start();
    let executor = Executor::start_for_command_task(&agent, &[]);
    agent.wait_for_subscribe(1);
    let command = "echo out; echo err >&2; pwd > here; exit 4";
    agent.send(&[launch(command_task("t", command))]);
    let status = agent.wait_for_state("t", TaskFailed);
    let message = status.message();
    assert!(
        message.starts_with("Command exited with status 4"),
        "{message}"
    );
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskFailed]);
    let sandbox = executor.sandbox();
    let read = |name: &str| fs::read_to_string(sandbox.join(name)).unwrap();
    assert_eq!(read("here"), format!("{}\n", sandbox.display()));
    // Nothing of the executor's own is among what the task wrote.
    assert_eq!(read("stdout"), "out\n");
    assert_eq!(read("stderr"), "err\n");
    assert!(!sandbox.join("tasks").exists());
}

#[test]
fn it_leaves_with_the_acknowledgement_of_its_one_tasks_end() {
    let agent = Agent::start();
    let executor = Executor::start_for_command_task(&agent, &[]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(command_task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    // Where others wait for the next task, as the tests tell them to.
    assert!(executor.end().success());
}

#[test]
fn a_second_task_fails_with_mesoss_words() {
    let agent = Agent::start();
    let _executor = Executor::start_for_command_task(&agent, &[]);
    agent.wait_for_subscribe(1);
    agent.send(&[
        launch(command_task("one", "sleep 1000")),
        launch(command_task("two", "exit 0")),
    ]);
    let status = agent.wait_for_state("two", TaskFailed);
    assert_eq!(
        status.message(),
        "Attempted to run multiple tasks using a \"command\" executor"
    );
    agent.wait_for_state("one", TaskRunning);
}

#[test]
fn the_agents_command_takes_the_place_of_the_tasks() {
    let agent = Agent::start();
    let flag = r#"--task_command={"shell":false,"value":"sh","arguments":["sh","-c","exit $A"]}"#;
    let variable = r#"--task_environment={"variables":[{"name":"A","value":"7"}]}"#;
    let _executor = Executor::start_for_command_task(&agent, &[flag, variable]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(command_task("t", "exit 0"))]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert!(
        status.message().contains("status 7"),
        "{}",
        status.message()
    );
}

#[test]
fn a_restriction_that_it_does_not_know_refuses_the_task_by_its_name() {
    let agent = Agent::start();
    let flag = r#"--bounding_capabilities={"capabilities":["FLY"]}"#;
    let executor = Executor::start_for_command_task(&agent, &[flag]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(command_task("t", "exit 0"))]);
    let status = agent.wait_for_state("t", TaskFailed);
    assert_eq!(status.reason(), Reason::ContainerLaunchFailed);
    assert!(
        status.message().contains("--bounding_capabilities"),
        "{}",
        status.message()
    );
    assert!(executor.end().success());
}

#[test]
fn a_task_with_an_image_runs_in_it_as_its_user_with_the_sandbox_where_the_agent_put_it() {
    let images = tempfile::tempdir().unwrap();
    let root = images.path().join("image");
    // The agent has the sandbox there by a mount.
    for directory in ["bin", "mnt/mesos/sandbox", "work"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let libraries = Command::new("ldd").arg("/bin/sh").output().unwrap().stdout;
    let libraries = String::from_utf8(libraries).unwrap();
    for file in libraries.split_whitespace().chain(["/bin/sh"]) {
        if file.starts_with('/') {
            let place = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(file, place).unwrap();
        }
    }
    fs::set_permissions(images.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let agent = Agent::start();
    let rootfs = format!("--rootfs={}", root.display());
    let executor = Executor::start_for_command_task(
        &agent,
        &[
            &rootfs,
            "--sandbox_directory=/mnt/mesos/sandbox",
            "--working_directory=/work",
            "--user=nobody",
            "--task_supplementary_groups=4711",
        ],
    );
    agent.wait_for_subscribe(1);
    let command = "test $PWD = /work && test $MESOS_SANDBOX = /mnt/mesos/sandbox && test ! -e /etc \
                   && while read key value; do case $key in Uid:|Groups:) echo $key $value;; esac; done \
                      < /proc/self/status";
    agent.send(&[launch(command_task("t", command))]);
    agent.wait_for_state("t", TaskFinished);
    let sandbox = executor.sandbox();
    let seen = fs::read_to_string(sandbox.join("stdout")).unwrap();
    assert!(
        seen.contains("Uid: 65534") && seen.contains("4711"),
        "{seen}"
    );
    assert_eq!(fs::metadata(&sandbox).unwrap().uid(), 65534);
    assert!(executor.end().success());
}
