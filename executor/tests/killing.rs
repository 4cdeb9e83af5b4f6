//! KILL: before its task, twice, too late; and what is launched twice.

use std::path::Path;

use mesos_proto::v1::TaskState::{
    TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::executor::{Executor, comes_true};

/// A command that takes no notice of SIGTERM, and says when it has come so far.
fn stubborn(ready: &Path) -> String {
    format!(
        "trap '' TERM; touch '{}'; while true; do sleep 1; done",
        ready.display()
    )
}

/// P-29
#[test]
fn a_task_that_was_killed_before_its_launch_is_never_started() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let started = executor.task("t").join("started");
    let command = format!("touch '{}'", started.display());
    agent.send(&[kill("t", None)]);
    agent.send(&[launch(task("t", &command))]);
    let killed = agent.wait_for_state("t", TaskKilled);
    assert_eq!(killed.message(), "Killed before the command was started");
    // What comes after it is through before it could not be seen.
    agent.send(&[launch(task("u", "exit 0"))]);
    agent.wait_for_state("u", TaskFinished);
    assert_eq!(agent.states("t"), [TaskKilled]);
    assert!(!started.exists());
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_kill_right_behind_its_launch_ends_the_task_once() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000")), kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    assert_eq!(agent.states("t"), [TaskStarting, TaskKilling, TaskKilled]);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-31
#[test]
fn a_second_kill_can_shorten_the_grace_of_the_first() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let ready = executor.task("t").join("ready");
    agent.send(&[launch(task("t", &stubborn(&ready)))]);
    assert!(comes_true(|| ready.exists()));
    agent.send(&[kill("t", Some(10_000))]);
    agent.wait_for_state("t", TaskKilling);
    agent.send(&[kill("t", Some(1))]);
    let killed = agent.wait_for_state("t", TaskKilled);
    let message = killed.message();
    assert!(
        message.starts_with("Command terminated with signal Killed (SIGTERM had no effect for"),
        "{message}"
    );
    assert_eq!(
        agent.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-31
#[test]
fn a_second_kill_cannot_lengthen_the_grace_of_the_first() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let ready = executor.task("t").join("ready");
    agent.send(&[launch(task("t", &stubborn(&ready)))]);
    assert!(comes_true(|| ready.exists()));
    agent.send(&[kill("t", Some(1)), kill("t", Some(10_000))]);
    agent.wait_for_state("t", TaskKilled);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn without_grace_a_task_is_killed_at_once_by_force() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let ready = executor.task("t").join("ready");
    agent.send(&[launch(task("t", &stubborn(&ready)))]);
    assert!(comes_true(|| ready.exists()));
    agent.send(&[kill("t", Some(0))]);
    let killed = agent.wait_for_state("t", TaskKilled);
    assert_eq!(killed.message(), "Command terminated with signal Killed");
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-29
#[test]
fn a_kill_of_a_task_that_is_over_is_answered_with_the_update_it_had() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    let finished = agent.wait_for_state("t", TaskFinished);
    agent.send(&[kill("t", None)]);
    agent.wait_for("the terminal update once more", |received| {
        let all = received.iter().filter_map(|one| one.status());
        (all.filter(|status| **status == finished).count() == 2).then_some(())
    });
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_task_that_is_launched_twice_runs_once() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let runs = executor.task("t").join("runs");
    let command = format!("echo run >> '{}'; sleep 1000", runs.display());
    let launch = launch(task("t", &command));
    agent.send(&[launch.clone(), launch.clone()]);
    agent.wait_for_state("t", TaskRunning);
    agent.send(&[launch, kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    assert_eq!(
        agent.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
    let runs = std::fs::read_to_string(runs).unwrap_or_default();
    assert!(runs.lines().count() <= 1, "{runs}");
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
