//! What a Mesos 1.11.0 agent really wrote: tests/fixtures/agent/ holds the checkpoints of an executor that it had just
//! started for a framework with checkpointing, and the environment in which the executor found itself.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::ffi::OsString;

use mesos_proto::environment::ExecutorEnvironment;
use mesos_proto::paths::{Id, SandboxPath};
use mesos_proto::{MesosDuration, checkpoint, resources, v1};

const EXECUTOR_INFO: &[u8] = include_bytes!("fixtures/agent/executor.info");
const TASK_INFO: &[u8] = include_bytes!("fixtures/agent/task.info");
const ENVIRONMENT: &str = include_str!("fixtures/agent/executor.env");

/// The agent's work directory.
const WORK_DIR: &str = "/tmp/mesos/agents/0/work";

fn environment() -> ExecutorEnvironment {
    let variable = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        (OsString::from(name), OsString::from(value))
    };
    ExecutorEnvironment::from_vars(ENVIRONMENT.lines().map(variable)).unwrap()
}

#[test]
fn its_environment_is_read() {
    let environment = environment();
    assert_eq!(environment.executor_id, "exec-1");
    assert_eq!(environment.agent_endpoint.to_string(), "127.0.0.1:5051");
    assert_eq!(environment.api_path, "/slave(1)/api/v1/executor");
    assert!(environment.checkpoint);
    let recovery_timeout = environment.recovery_timeout.unwrap();
    assert_eq!(recovery_timeout.to_string(), "15mins");
}

#[test]
fn its_sandboxs_path_gives_the_ids_in_its_environment() {
    let environment = environment();
    let sandbox = environment.directory.strip_prefix(WORK_DIR).unwrap();
    let run = SandboxPath::parse(sandbox).unwrap().run;
    let id = |id: &str| Id::new(id).unwrap();
    assert_eq!(run.executor.executor_id, id(&environment.executor_id));
    assert_eq!(run.executor.framework_id, id(&environment.framework_id));
    assert_eq!(
        run.executor.agent_id,
        id(environment.agent_id.as_ref().unwrap())
    );
    let container = environment.directory.file_name();
    assert_eq!(container, Some(run.container_id.as_os_str()));
}

#[test]
fn its_checkpoint_of_an_executor_is_read() {
    let executor: v1::ExecutorInfo = checkpoint::decode(EXECUTOR_INFO).unwrap();
    assert_eq!(executor.executor_id.value, "exec-1");
    assert_eq!(executor.command.unwrap().value(), "env > env; sleep 30");
    assert_eq!(resources::sandbox_disk(&executor.resources), Some(16.0));
    assert_eq!(resources::scalar(&executor.resources, "mem"), Some(64.0));
}

#[test]
fn its_checkpoint_of_a_task_is_read() {
    let task: v1::Task = checkpoint::decode(TASK_INFO).unwrap();
    assert_eq!(task.task_id.value, "task-1");
    assert_eq!(task.framework_id.value, environment().framework_id);
    assert_eq!(task.state, v1::TaskState::TaskStaging as i32);
    assert_eq!(resources::sandbox_disk(&task.resources), Some(10.0));
    assert_eq!(resources::scalar(&task.resources, "cpus"), Some(0.1));
}

#[test]
fn a_duration_is_parsed_and_printed_as_the_agent_does() {
    // Given as flags, printed by its /flags endpoint. 0.29 hours lose a nanosecond when they are parsed.
    for (flag, printed) in [
        ("1.9ns", "1ns"),
        ("1.5us", "1500ns"),
        ("1.000001ms", "1ms"),
        ("1500us", "1500us"),
        (".5secs", "500ms"),
        ("1.secs", "1secs"),
        ("1.000000001secs", "1.000000001secs"),
        ("5secs", "5secs"),
        ("1.5mins", "90secs"),
        ("90.0000001secs", "1.50000000166667mins"),
        ("0.29hrs", "17.3999999999833mins"),
        ("25hrs", "25hrs"),
        ("1.1875days", "1.1875days"),
        ("8days", "8days"),
        ("14days", "2weeks"),
        ("1.4285714285714286weeks", "10days"),
        ("106751days", "106751days"),
    ] {
        let duration: MesosDuration = flag.parse().unwrap();
        assert_eq!(duration.to_string(), printed, "{flag}");
    }
}
