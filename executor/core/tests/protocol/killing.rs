//! KILL, and the other ways to be told to end.

use std::time::Duration;

use executor_core::{Action, CommandEnd, Fault, Outcome, StartFailure, TaskEvent};
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::executor::event;
use mesos_proto::v1::task_status::Reason;

use crate::rig::{
    Rig, SECOND, config, kill, launch, length, policy, subscribed_with, task, typed, update,
    updates, with_data,
};

fn terminates(action: &Action) -> bool {
    matches!(action, Action::Signal { .. })
}

fn forces(action: &Action) -> bool {
    matches!(action, Action::KillTree { .. })
}

/// How long it is until the task is ended by force; half a minute is for ever.
fn patience(rig: &mut Rig) -> Option<Duration> {
    let begin = rig.now;
    rig.pass(30 * SECOND);
    let forced = rig.all.iter().find(|(_, action)| forces(action));
    forced.map(|(at, _)| at.since(begin))
}

/// P-31
#[test]
fn the_grace_is_the_calls_or_the_tasks_or_its_options_or_three_seconds() {
    let options = r#"{"version": 1, "command": {"value": "true"}, "kill_grace": "7secs"}"#;
    let with_policy = |task: TaskInfoFields| TaskInfoFields {
        kill_policy: Some(policy(5 * SECOND)),
        ..task
    };
    for (task, of_the_call, expected) in [
        (task("t"), None, 3),
        (with_data("t", options), None, 7),
        (with_policy(with_data("t", options)), None, 5),
        (with_policy(task("t")), Some(2 * SECOND), 2),
        (task("t"), Some(9 * SECOND), 9),
    ] {
        let mut rig = Rig::running(task);
        assert!(rig.agent(kill("t", of_the_call)).iter().any(terminates));
        assert_eq!(patience(&mut rig), Some(expected * SECOND));
    }
}

/// P-31
#[test]
fn a_repeated_kill_shortens_the_grace_and_never_lengthens_it() {
    for (second, expected) in [(5, 6), (0, 1), (30, 20)] {
        let mut rig = Rig::running(task("t"));
        rig.agent(kill("t", Some(20 * SECOND)));
        let begin = rig.now;
        rig.pass(SECOND);
        rig.agent(kill("t", Some(second * SECOND)));
        rig.pass(30 * SECOND);
        let forced = rig.all.iter().find(|(_, action)| forces(action));
        assert_eq!(
            forced.map(|(at, _)| at.since(begin)),
            Some(expected * SECOND)
        );
        let killings = rig
            .states("t")
            .iter()
            .filter(|s| **s == TaskKilling)
            .count();
        assert_eq!(killings, 1);
    }
}

/// P-31
#[test]
fn a_task_without_grace_is_ended_by_force_at_once() {
    let mut rig = Rig::running(task("t"));
    let actions = rig.agent(kill("t", Some(Duration::ZERO)));
    assert!(actions.iter().any(forces) && !actions.iter().any(terminates));
}

#[test]
fn force_is_tried_again_while_the_task_is_still_there() {
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", Some(Duration::ZERO)));
    let actions = rig.pass(5 * SECOND);
    assert_eq!(actions.iter().filter(|action| forces(action)).count(), 5);
}

/// P-31
#[test]
fn task_killing_is_for_frameworks_that_know_it() {
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", None));
    rig.end("t", CommandEnd::Signalled(15));
    assert_eq!(
        rig.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
    let mut rig = Rig::new(config());
    rig.agent(subscribed_with(vec![]));
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.agent(kill("t", None));
    rig.end("t", CommandEnd::Signalled(15));
    assert_eq!(rig.states("t"), [TaskStarting, TaskRunning, TaskKilled]);
}

/// P-31
#[test]
fn a_killed_task_is_killed_also_when_it_exits_well() {
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", None));
    let status = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(status.state(), TaskKilled);
    assert_eq!(status.message(), "Command exited with status 0");
}

/// P-31
#[test]
fn a_task_that_takes_too_long_fails_by_force_and_without_task_killing() {
    let mut rig = Rig::running(TaskInfoFields {
        max_completion_time: Some(length(5 * SECOND)),
        kill_policy: Some(policy(20 * SECOND)),
        ..task("t")
    });
    let early = rig.pass(5 * SECOND - Duration::from_millis(1));
    assert!(!early.iter().any(forces));
    let actions = rig.pass(Duration::from_millis(1));
    assert!(actions.iter().any(forces) && !actions.iter().any(terminates));
    let status = update(&rig.end("t", CommandEnd::Signalled(9)));
    assert_eq!(status.reason(), Reason::MaxCompletionTimeReached);
    assert_eq!(
        status.message(),
        "Command terminated with signal Killed: it ran for longer than its max_completion_time of 5secs"
    );
    assert_eq!(rig.states("t"), [TaskStarting, TaskRunning, TaskFailed]);
}

#[test]
fn a_time_limit_counts_from_the_start_and_a_task_in_time_never_feels_it() {
    let limited = TaskInfoFields {
        max_completion_time: Some(length(5 * SECOND)),
        ..task("t")
    };
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(limited));
    rig.pass(60 * SECOND);
    rig.task("t", TaskEvent::Started);
    assert!(!rig.pass(4 * SECOND).iter().any(forces));
    rig.end("t", CommandEnd::Exited(0));
    rig.pass(60 * SECOND);
    assert_eq!(rig.states("t"), [TaskStarting, TaskRunning, TaskFinished]);
}

#[test]
fn a_kill_that_came_first_stays_the_cause_when_the_time_is_over() {
    let mut rig = Rig::running(TaskInfoFields {
        max_completion_time: Some(length(5 * SECOND)),
        ..task("t")
    });
    rig.agent(kill("t", Some(20 * SECOND)));
    assert!(!rig.pass(10 * SECOND).iter().any(forces));
    assert_eq!(
        update(&rig.end("t", CommandEnd::Signalled(15))).state(),
        TaskKilled
    );
}

/// P-29
#[test]
fn a_kill_that_overtakes_its_launch_is_answered_when_that_comes() {
    let mut rig = Rig::subscribed(config());
    assert!(updates(&rig.agent(kill("t", None))).is_empty());
    let actions = rig.agent(launch(task("t")));
    let status = update(&actions);
    assert_eq!(status.state(), TaskKilled);
    assert_eq!(status.reason(), Reason::TaskKilledDuringLaunch);
    let launched = |action: &Action| matches!(action, Action::Launch { .. });
    assert!(!actions.iter().any(launched));
}

/// P-30: the agent answers for a task that it had not delivered.
#[test]
fn a_kill_without_a_launch_holds_nothing_up() {
    let mut rig = Rig::subscribed(config());
    rig.agent(kill("t", None));
    rig.agent(typed(event::Type::Shutdown));
    assert_eq!(rig.outcome(), Some(Outcome::Complete));
    assert!(rig.states("t").is_empty());
}

/// P-29
#[test]
fn a_kill_before_the_launch_is_through_cancels_it() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("t")));
    let actions = rig.agent(kill("t", None));
    let cancelled = |action: &Action| matches!(action, Action::CancelLaunch { .. });
    assert!(actions.iter().any(cancelled));
    let failure = StartFailure {
        fault: Fault::Host,
        message: "cancelled".into(),
    };
    let status = update(&rig.task("t", TaskEvent::StartFailed(failure)));
    assert_eq!(status.message(), "Killed before the command was started");
    assert_eq!(rig.states("t"), [TaskStarting, TaskKilling, TaskKilled]);
}

#[test]
fn a_cancellation_that_comes_too_late_is_a_kill_and_the_task_never_runs_for_the_scheduler() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("t")));
    rig.agent(kill("t", None));
    assert!(rig.task("t", TaskEvent::Started).iter().any(terminates));
    rig.end("t", CommandEnd::Signalled(15));
    assert_eq!(rig.states("t"), [TaskStarting, TaskKilling, TaskKilled]);
}

/// P-29
#[test]
fn a_kill_of_a_task_that_is_over_is_answered_with_the_update_it_had() {
    let mut rig = Rig::subscribed(config());
    let mut all = rig.agent(launch(task("t")));
    all.extend(rig.task("t", TaskEvent::Started));
    let last = rig.end("t", CommandEnd::Exited(0));
    all.extend(last.clone());
    rig.acknowledge_all(&all);
    assert_eq!(update(&rig.agent(kill("t", None))), update(&last));
}

#[test]
fn a_task_that_broke_a_limit_before_it_was_killed_failed_and_the_other_way_round() {
    let limitation = || executor_core::Limitation {
        kind: executor_core::LimitKind::Disk,
        message: "Disk usage (12MB) exceeds quota (10MB)".into(),
        resources: vec![],
    };
    let mut rig = Rig::running(task("t"));
    assert!(
        rig.task("t", TaskEvent::Limited(limitation()))
            .iter()
            .any(forces)
    );
    rig.agent(kill("t", None));
    let status = update(&rig.end("t", CommandEnd::Signalled(9)));
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
    assert_eq!(status.message(), "Disk usage (12MB) exceeds quota (10MB)");
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", None));
    assert!(
        rig.task("t", TaskEvent::Limited(limitation()))
            .iter()
            .any(forces)
    );
    let status = update(&rig.end("t", CommandEnd::Signalled(9)));
    assert_eq!((status.state(), status.reason), (TaskKilled, None));
}

#[test]
fn a_limit_that_is_broken_before_the_start_fails_the_task() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("t")));
    rig.task(
        "t",
        TaskEvent::Limited(executor_core::Limitation {
            kind: executor_core::LimitKind::Disk,
            message: "Disk usage (12MB) exceeds quota (10MB)".into(),
            resources: vec![],
        }),
    );
    let failure = StartFailure {
        fault: Fault::Host,
        message: "cancelled".into(),
    };
    let status = update(&rig.task("t", TaskEvent::StartFailed(failure)));
    assert_eq!(status.state(), TaskFailed);
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
}
