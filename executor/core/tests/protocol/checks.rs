//! The checks of a task, as its updates tell of them.

use std::time::Duration;

use executor_core::{Action, CommandEnd, Probed, TaskEvent};
use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{CheckInfo, CheckStatusInfo, HealthCheck, check_info, check_status_info};
use mesos_proto::v1::{TaskInfoFields, health_check};

use crate::rig::{Rig, SECOND, config, kill, launch, task, update, updates, with_data};

fn healthy(mut task: TaskInfoFields) -> TaskInfoFields {
    task.health_check = Some(HealthCheck {
        r#type: Some(health_check::Type::Tcp.into()),
        tcp: Some(health_check::TcpCheckInfo {
            port: 80,
            protocol: None,
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(1.0),
        timeout_seconds: Some(5.0),
        consecutive_failures: Some(2),
        grace_period_seconds: Some(0.0),
        ..Default::default()
    });
    task
}

fn checked(mut task: TaskInfoFields) -> TaskInfoFields {
    task.check = Some(CheckInfo {
        r#type: Some(check_info::Type::Tcp.into()),
        tcp: Some(check_info::Tcp { port: 80 }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(1.0),
        ..Default::default()
    });
    task
}

fn found(connected: bool) -> TaskEvent {
    let detail = if connected { "" } else { "connection refused" };
    TaskEvent::Probed {
        check: 0,
        outcome: Probed::Tcp {
            connected,
            detail: detail.into(),
        },
    }
}

fn status_of(succeeded: Option<bool>) -> Option<CheckStatusInfo> {
    Some(CheckStatusInfo {
        r#type: Some(check_info::Type::Tcp.into()),
        tcp: Some(check_status_info::Tcp { succeeded }),
        ..Default::default()
    })
}

fn probes(actions: &[Action]) -> usize {
    let probe = |action: &&Action| matches!(action, Action::Probe { check: 0, .. });
    actions.iter().filter(probe).count()
}

#[test]
fn a_check_looks_from_the_start_on_and_counts_its_interval_from_each_answer() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(healthy(task("t"))));
    assert_eq!(probes(&rig.pass(60 * SECOND)), 0);
    rig.task("t", TaskEvent::Started);
    assert_eq!(probes(&rig.pass(10 * SECOND)), 1);
    rig.task("t", found(true));
    assert_eq!(probes(&rig.pass(SECOND - Duration::from_millis(1))), 0);
    assert_eq!(probes(&rig.pass(Duration::from_millis(1))), 1);
}

#[test]
fn health_is_in_every_update_once_it_is_known() {
    let mut rig = Rig::running(healthy(task("t")));
    rig.pass(Duration::ZERO);
    let status = update(&rig.task("t", found(true)));
    assert_eq!((status.state(), status.healthy), (TaskRunning, Some(true)));
    assert_eq!(status.reason(), Reason::TaskHealthCheckStatusUpdated);
    assert!(updates(&rig.pass(SECOND)).is_empty());
    assert!(
        updates(&rig.task("t", found(true))).is_empty(),
        "nothing new"
    );
    let killing = update(&rig.agent(kill("t", None)));
    assert_eq!(killing.healthy, Some(true));
    assert_eq!(
        update(&rig.end("t", CommandEnd::Signalled(15))).healthy,
        Some(true)
    );
}

#[test]
fn an_unhealthy_task_is_killed_with_grace_and_the_cause_is_told() {
    let failed = r#"{"version": 1, "command": {"value": "true"}, "unhealthy": "failed"}"#;
    for (task, state) in [
        (task("t"), TaskKilled),
        (with_data("t", failed), TaskFailed),
    ] {
        let mut rig = Rig::running(healthy(task));
        rig.pass(Duration::ZERO);
        let first = update(&rig.task("t", found(false)));
        assert_eq!((first.state(), first.healthy), (TaskRunning, Some(false)));
        rig.pass(SECOND);
        let actions = rig.task("t", found(false));
        let term = |action: &Action| matches!(action, Action::Signal { .. });
        assert!(actions.iter().any(term), "{actions:?}");
        let status = update(&rig.end("t", CommandEnd::Signalled(15)));
        assert_eq!((status.state(), status.healthy), (state, Some(false)));
        assert_eq!(status.reason(), Reason::TaskHealthCheckStatusUpdated);
        let message = status.message();
        assert!(
            message.starts_with(
                "Command terminated with signal Terminated: health check failed 2 times"
            ) && message.contains("connection refused"),
            "{message}"
        );
    }
}

/// P-19: with a type and the body that goes with it.
#[test]
fn the_status_of_a_check_is_in_every_update_also_when_nothing_is_known() {
    let mut rig = Rig::subscribed(config());
    let starting = update(&rig.agent(launch(checked(task("t")))));
    assert_eq!(starting.check_status, status_of(None));
    let running = update(&rig.task("t", TaskEvent::Started));
    assert_eq!(running.check_status, status_of(None));
    rig.pass(Duration::ZERO);
    let found_one = update(&rig.task("t", found(false)));
    assert_eq!(found_one.check_status, status_of(Some(false)));
    assert_eq!(found_one.reason(), Reason::TaskCheckStatusUpdated);
    assert_eq!(found_one.healthy, None);
    rig.pass(SECOND);
    assert!(
        updates(&rig.task("t", found(false))).is_empty(),
        "nothing new"
    );
    let last = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(last.check_status, status_of(Some(false)));
}

#[test]
fn a_task_that_is_to_end_is_not_looked_at_any_more() {
    let mut rig = Rig::running(healthy(task("t")));
    rig.pass(Duration::ZERO);
    let actions = rig.agent(kill("t", Some(20 * SECOND)));
    let cancelled = |action: &Action| matches!(action, Action::CancelProbe { check: 0, .. });
    assert!(actions.iter().any(cancelled));
    // Its answer may be anything.
    assert!(rig.task("t", found(false)).is_empty());
    assert_eq!(probes(&rig.pass(10 * SECOND)), 0);
}

#[test]
fn a_task_that_ends_by_itself_is_not_looked_at_any_more() {
    let mut rig = Rig::running(healthy(task("t")));
    rig.pass(Duration::ZERO);
    let ended = crate::rig::ended(CommandEnd::Exited(0));
    let actions = rig.task("t", TaskEvent::Ended(ended));
    let cancelled = actions
        .iter()
        .position(|action| matches!(action, Action::CancelProbe { .. }));
    let clean_up = actions
        .iter()
        .position(|action| matches!(action, Action::CleanUp { .. }));
    assert!(cancelled.is_some() && cancelled < clean_up, "{actions:?}");
    assert_eq!(probes(&rig.pass(5 * SECOND)), 0);
}

#[test]
fn a_check_that_fails_while_the_agent_acknowledges_nothing_does_not_pile_updates_up() {
    let mut task = healthy(task("t"));
    if let Some(check) = &mut task.health_check {
        check.consecutive_failures = Some(u32::MAX);
    }
    let mut rig = Rig::running(task);
    let mut made = Vec::new();
    let look = |rig: &mut Rig, connected| {
        rig.pass(SECOND);
        updates(&rig.task("t", found(connected)))
    };
    for _ in 0..1000 {
        made.extend(look(&mut rig, false));
    }
    // With TASK_STARTING and TASK_RUNNING.
    assert_eq!(made.len(), 4 - 2);
    assert!(look(&mut rig, true).is_empty());
    // What was found last is told as soon as there is room, and the state before it to nobody.
    let told = update(&rig.acknowledge(&made[0]));
    assert_eq!((told.healthy, told.message), (Some(true), None));
    assert!(updates(&rig.acknowledge(&made[1])).is_empty());
    assert_eq!(look(&mut rig, false).len(), 1);
}

#[test]
fn what_was_found_last_and_is_not_told_yet_is_in_the_update_of_the_end() {
    let mut task = healthy(task("t"));
    if let Some(check) = &mut task.health_check {
        check.consecutive_failures = Some(u32::MAX);
    }
    let mut rig = Rig::running(task);
    let mut made = Vec::new();
    for connected in [false; 20].into_iter().chain([true]) {
        rig.pass(SECOND);
        made.extend(updates(&rig.task("t", found(connected))));
    }
    let end = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(end.healthy, Some(true));
    for status in &made {
        assert!(updates(&rig.acknowledge(status)).is_empty());
    }
}
