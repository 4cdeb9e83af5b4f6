//! The executor's own end: by SHUTDOWN, by a signal, by force.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use nix::sys::signal::Signal;

use crate::agent::events::{acknowledged, launch, shutdown, task};
use crate::agent::{Agent, Answer};
use crate::executor::{Executor, SHORT_GRACE, comes_true, command_line};

/// A command with children in sessions of their own that take no notice of SIGTERM, and says when it has come so far.
const FAMILY: &str =
    "trap '' TERM HUP; setsid sh -c 'sleep 1000 & sleep 1000' & (sleep 1000 &); touch ready; wait";

/// Waits until the task of this id, which is one, has come so far.
fn wait_for_family(executor: &Executor, id: &str) {
    let ready = executor.task(id).join("ready");
    assert!(comes_true(|| ready.exists()));
    // Executor, janitor, init, shell, and their four.
    assert!(comes_true(|| executor.processes().len() >= 8));
    assert!(!executor.cgroups().is_empty());
}

/// What removes the cgroups of an executor that is killed. That it is there is looked for, as the executors of other
/// tests that start at that moment remove them as well.
fn assert_janitor(executor: &Executor) {
    let mut lines = executor.processes().into_iter().map(command_line);
    assert!(lines.any(|line| line.contains("--cgroup-janitor")));
}

/// P-32
#[test]
fn shutdown_ends_every_task_within_the_grace_whatever_it_does() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[
        launch(task("family", FAMILY)),
        launch(task("meek", "sleep 1000")),
    ]);
    wait_for_family(&executor, "family");
    agent.wait_for_state("meek", TaskRunning);
    agent.send(&[shutdown(), launch(task("late", "exit 0"))]);
    assert!(executor.end().success());
    for id in ["family", "meek"] {
        assert_eq!(
            agent.states(id),
            [TaskStarting, TaskRunning, TaskKilling, TaskKilled],
            "{id}"
        );
    }
    // Nothing is started after a shutdown.
    assert_eq!(agent.states("late"), [TaskKilled]);
}

/// P-13 and P-15
#[test]
fn shutdown_in_place_of_subscribed_ends_an_executor_without_tasks() {
    let agent = Agent::start();
    agent.answer(|_| Answer::Bare);
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 1);
}

/// P-13
#[test]
fn shutdown_in_place_of_subscribed_ends_the_tasks_of_earlier_days() {
    let agent = Agent::start();
    let executor = Executor::start_with(&agent, &[SHORT_GRACE]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.answer(|_| Answer::Bare);
    agent.cut();
    agent.wait_for_subscribe(2);
    // Mesos closes the stream behind it.
    agent.send(&[shutdown()]);
    agent.cut();
    // Nobody takes its last update, so nobody is waited for.
    let status = executor.end_within(Duration::from_secs(45));
    assert_eq!(status.code(), Some(1));
}

/// P-25
#[test]
fn sigterm_ends_the_tasks_and_the_executor_goes_once_that_is_acknowledged() {
    let agent = Agent::start();
    agent.answer(|received| match received.status() {
        Some(status) if status.state().is_terminal() => Answer::Bare,
        _ => Answer::Usual,
    });
    let mut executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[
        launch(task("one", "sleep 1000")),
        launch(task("two", "sleep 1000")),
    ]);
    agent.wait_for_state("one", TaskRunning);
    agent.wait_for_state("two", TaskRunning);
    executor.signal(Signal::SIGTERM);
    let one = agent.wait_for_state("one", TaskKilled);
    let two = agent.wait_for_state("two", TaskKilled);
    agent.send(&[acknowledged(&one)]);
    // Long enough for one that would not wait.
    std::thread::sleep(Duration::from_millis(500));
    assert!(executor.is_running(), "it left an update behind");
    agent.send(&[acknowledged(&two)]);
    assert!(executor.end().success());
}

#[test]
fn an_idle_executor_goes_by_itself() {
    let agent = Agent::start();
    let idle = [("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "1ms")];
    let executor = Executor::start_with(&agent, &idle);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    assert!(executor.end().success());
}

#[test]
fn an_executor_that_is_killed_takes_its_tasks_and_their_cgroups_along() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", FAMILY))]);
    wait_for_family(&executor, "t");
    assert_janitor(&executor);
    executor.signal(Signal::SIGKILL);
    assert_eq!(executor.end().signal(), Some(9));
}

#[test]
fn an_executor_that_is_killed_with_its_process_group_leaves_nothing_either() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", FAMILY))]);
    wait_for_family(&executor, "t");
    assert_janitor(&executor);
    executor.signal_group(Signal::SIGKILL);
    assert_eq!(executor.end().signal(), Some(9));
}

#[test]
fn a_full_disk_under_its_log_ends_neither_the_executor_nor_a_task() {
    let agent = Agent::start();
    let executor = Executor::start_without_room_for_its_log(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 3"))]);
    agent.wait_for_state("t", TaskFailed);
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskFailed]);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_limit_of_file_sizes_that_its_log_and_journal_meet_ends_neither_the_executor_nor_a_task() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let limited = Command::new("prlimit")
        .args(["--fsize=1", "--pid", &executor.pid().to_string()])
        .status()
        .unwrap();
    assert!(limited.success());
    agent.send(&[launch(task("t", "exit 3"))]);
    agent.wait_for_state("t", TaskFailed);
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskFailed]);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
