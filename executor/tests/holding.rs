//! Members of a group that are ready and wait for one that is not.

use nix::sys::signal::Signal;

use mesos_proto::v1::TaskState::{TaskKilled, TaskKilling, TaskStarting};
use serde_json::json;

use crate::agent::events::{kill, launch_group, shutdown, task};
use crate::agent::{Agent, PATIENCE};
use crate::executor::{Executor, comes_true, command_line};
use crate::fetching::{silent_server, wanting};

/// A group of which one member waits for a file that never comes, and the other has nothing left to do but to run.
fn held_group(agent: &Agent, executor: &Executor) {
    let (url, requests) = silent_server();
    agent.wait_for_subscribe(1);
    agent.send(&[launch_group(vec![
        wanting("late", "true", &json!([{ "value": url }])),
        task("ready", "touch ran"),
    ])]);
    requests.recv_timeout(PATIENCE).unwrap();
    // Two processes for each: the init of its sandbox, and what is in the task's place.
    let inits = || {
        let processes = executor.processes().into_iter();
        processes
            .filter(|pid| command_line(*pid).contains("--sandbox-init"))
            .count()
    };
    assert!(comes_true(|| inits() >= 4), "nothing is held");
}

fn has_run(executor: &Executor) -> bool {
    executor.sandbox().join("tasks/ready/ran").exists()
}

#[test]
fn a_member_that_is_ready_does_not_run_before_the_others_are_and_ends_with_them() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    held_group(&agent, &executor);
    agent.send(&[kill("late", None)]);
    for id in ["late", "ready"] {
        agent.wait_for_state(id, TaskKilled);
    }
    assert_eq!(
        agent.states("late"),
        [TaskStarting, TaskKilling, TaskKilled]
    );
    assert!(!has_run(&executor));
    agent.send(&[shutdown()]);
    // That no process and no cgroup is left is asserted here, as below.
    assert!(executor.end().success());
}

#[test]
fn an_executor_that_leaves_while_a_member_is_held_leaves_nothing() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    held_group(&agent, &executor);
    agent.send(&[shutdown()]);
    for id in ["late", "ready"] {
        agent.wait_for_state(id, TaskKilled);
    }
    assert!(!has_run(&executor));
    assert!(executor.end().success());
}

#[test]
fn an_executor_that_is_killed_while_a_member_is_held_leaves_nothing() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    held_group(&agent, &executor);
    executor.signal(Signal::SIGKILL);
    assert!(!has_run(&executor));
    assert!(!executor.end().success());
}
