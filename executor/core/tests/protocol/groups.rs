//! LAUNCH_GROUP: P-35 throughout.

use executor_core::{Action, CommandEnd, Fault, StartFailure, TaskEvent};
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::TaskState::{
    TaskError, TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::executor::event;

use crate::rig::{Rig, SECOND, config, kill, launch_group, task, typed, update, updates};

/// A core with a group of these that is being made ready.
fn launched(ids: &[&str]) -> Rig {
    let mut rig = Rig::subscribed(config());
    let actions = rig.agent(launch_group(ids.iter().map(|id| task(id)).collect()));
    let held = |action: &&Action| matches!(action, Action::Launch { held: true, .. });
    assert_eq!(actions.iter().filter(held).count(), ids.len());
    rig
}

/// A core with a group of these that runs.
fn running(ids: &[&str]) -> Rig {
    let mut rig = launched(ids);
    for id in ids {
        rig.task(id, TaskEvent::Prepared);
    }
    for id in ids {
        rig.task(id, TaskEvent::Started);
    }
    rig
}

fn named(actions: &[Action], which: impl Fn(&Action) -> Option<String>) -> Vec<String> {
    actions.iter().filter_map(which).collect()
}

fn released(actions: &[Action]) -> Vec<String> {
    named(actions, |action| match action {
        Action::Release { task_id } => Some(task_id.value.clone()),
        _ => None,
    })
}

fn cancelled(actions: &[Action]) -> Vec<String> {
    named(actions, |action| match action {
        Action::CancelLaunch { task_id } => Some(task_id.value.clone()),
        _ => None,
    })
}

fn terminated(actions: &[Action]) -> Vec<String> {
    named(actions, |action| match action {
        Action::Signal { task_id, .. } => Some(task_id.value.clone()),
        _ => None,
    })
}

fn failure(fault: Fault) -> TaskEvent {
    TaskEvent::StartFailed(StartFailure {
        fault,
        message: "no".into(),
    })
}

/// P-35
#[test]
fn all_members_are_released_when_the_last_is_prepared() {
    let mut rig = launched(&["a", "b", "c"]);
    assert!(released(&rig.task("b", TaskEvent::Prepared)).is_empty());
    assert!(released(&rig.task("a", TaskEvent::Prepared)).is_empty());
    let actions = rig.task("c", TaskEvent::Prepared);
    assert_eq!(released(&actions), ["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        rig.task(id, TaskEvent::Started);
        assert_eq!(rig.states(id), [TaskStarting, TaskRunning]);
    }
}

/// P-35
#[test]
fn none_is_started_when_one_cannot_be() {
    let mut rig = launched(&["a", "b"]);
    rig.task("a", TaskEvent::Prepared);
    let actions = rig.task("b", failure(Fault::Host));
    assert_eq!(cancelled(&actions), ["a"]);
    let status = update(&rig.task("a", failure(Fault::Host)));
    assert_eq!(
        status.message(),
        "Killed before the command was started: task 'b' of its group is TASK_FAILED"
    );
    assert_eq!(rig.states("b"), [TaskStarting, TaskFailed]);
    assert_eq!(rig.states("a"), [TaskStarting, TaskKilling, TaskKilled]);
}

/// P-35
#[test]
fn none_is_even_prepared_when_one_makes_no_sense() {
    let mut rig = Rig::subscribed(config());
    let nothing = TaskInfoFields {
        data: None,
        ..task("b")
    };
    let actions = rig.agent(launch_group(vec![task("a"), nothing]));
    let launched = |action: &Action| matches!(action, Action::Launch { .. });
    assert!(!actions.iter().any(launched));
    let updates = updates(&actions);
    assert_eq!(
        (rig.states("a"), rig.states("b")),
        (vec![TaskKilled], vec![TaskError])
    );
    assert_eq!(
        updates[0].message(),
        "Killed before the command was started: task 'b' of its group is TASK_ERROR"
    );
}

#[test]
fn a_member_that_was_killed_while_others_are_made_ready_keeps_all_from_starting() {
    let mut rig = launched(&["a", "b"]);
    rig.task("a", TaskEvent::Prepared);
    assert_eq!(cancelled(&rig.agent(kill("a", None))), ["a"]);
    // The last news comes, and starts nothing.
    assert!(released(&rig.task("b", TaskEvent::Prepared)).is_empty());
    let actions = rig.task("a", failure(Fault::Host));
    assert_eq!(cancelled(&actions), ["b"]);
    rig.task("b", failure(Fault::Host));
    for id in ["a", "b"] {
        assert_eq!(rig.states(id), [TaskStarting, TaskKilling, TaskKilled]);
    }
}

#[test]
fn a_group_with_a_member_that_was_killed_early_is_not_started() {
    let mut rig = Rig::subscribed(config());
    rig.agent(kill("b", None));
    rig.agent(launch_group(vec![task("a"), task("b")]));
    assert_eq!(
        (rig.states("a"), rig.states("b")),
        (vec![TaskKilled], vec![TaskKilled])
    );
}

#[test]
fn a_member_that_fails_takes_the_others_along() {
    let mut rig = running(&["a", "b", "c"]);
    let actions = rig.end("b", CommandEnd::Exited(3));
    assert_eq!(terminated(&actions), ["a", "c"]);
    let status = update(&rig.end("a", CommandEnd::Signalled(15)));
    assert_eq!(
        status.message(),
        "Command terminated with signal Terminated: task 'b' of its group is TASK_FAILED"
    );
    assert_eq!(rig.states("b").last(), Some(&TaskFailed));
    assert_eq!(rig.states("a").last(), Some(&TaskKilled));
}

#[test]
fn a_member_that_ends_well_leaves_the_others_alone() {
    let mut rig = running(&["a", "b"]);
    assert!(terminated(&rig.end("b", CommandEnd::Exited(0))).is_empty());
    assert_eq!(rig.states("b").last(), Some(&TaskFinished));
    assert!(terminated(&rig.pass(60 * SECOND)).is_empty());
}

#[test]
fn the_kill_of_one_member_is_the_end_of_all() {
    let mut rig = running(&["a", "b"]);
    assert_eq!(terminated(&rig.agent(kill("a", None))), ["a"]);
    let actions = rig.end("a", CommandEnd::Signalled(15));
    assert_eq!(terminated(&actions), ["b"]);
    rig.end("b", CommandEnd::Signalled(15));
    assert_eq!(rig.states("b").last(), Some(&TaskKilled));
}

#[test]
fn two_groups_do_not_touch_each_other() {
    let mut rig = running(&["a", "b"]);
    rig.agent(launch_group(vec![task("c"), task("d")]));
    rig.task("c", TaskEvent::Prepared);
    rig.end("a", CommandEnd::Exited(1));
    let actions = rig.task("d", TaskEvent::Prepared);
    assert_eq!(released(&actions), ["c", "d"]);
}

#[test]
fn a_group_of_one_and_the_rest_of_one_that_is_known_wait_for_nobody() {
    let mut rig = Rig::subscribed(config());
    let actions = rig.agent(launch_group(vec![task("a")]));
    let at_once = |action: &Action| matches!(action, Action::Launch { held: false, .. });
    assert!(actions.iter().any(at_once));
    let actions = rig.agent(launch_group(vec![task("a"), task("b")]));
    assert!(actions.iter().any(at_once));
    assert_eq!(rig.states("b"), [TaskStarting]);
}

#[test]
fn shutdown_ends_a_group_that_waits() {
    let mut rig = launched(&["a", "b"]);
    rig.task("a", TaskEvent::Prepared);
    let actions = rig.agent(typed(event::Type::Shutdown));
    assert_eq!(cancelled(&actions), ["a", "b"]);
    assert!(released(&rig.task("b", TaskEvent::Prepared)).is_empty());
}
