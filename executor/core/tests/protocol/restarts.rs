//! Tasks that are started again.

use std::time::Duration;

use executor_core::{
    Action, CommandEnd, Ended, Fault, LimitKind, Limitation, Moment, Note, Probed, StartFailure,
    TaskEvent,
};
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::executor::event;
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{TaskInfoFields, TaskStatus};

use crate::rig::{Rig, SECOND, ended, kill, launch, length, typed, update, updates, with_data};

fn task(policy: &str, keys: &str) -> TaskInfoFields {
    let data = format!(
        r#"{{"version":1,"command":{{"value":"x"}},
            "restart":{{"policy":"{policy}","backoff_seconds":1,"max_restarts":3}}{keys}}}"#
    );
    with_data("t", &data)
}

fn running(policy: &str, keys: &str) -> Rig {
    Rig::running(task(policy, keys))
}

fn is_relaunch(action: &Action) -> bool {
    matches!(action, Action::Relaunch { .. })
}

fn puts_aside(action: &Action) -> bool {
    matches!(action, Action::PutAside { .. })
}

fn cleans_up(action: &Action) -> bool {
    matches!(action, Action::CleanUp { .. })
}

fn limitation() -> Limitation {
    Limitation {
        kind: LimitKind::Memory,
        message: "Memory limit exceeded: Requested: 64MB\n\nMEMORY STATISTICS: \n".into(),
        resources: vec![],
    }
}

/// The task ends like this and is started again after `wait`. Returns the update that tells of it.
fn again(rig: &mut Rig, exit: CommandEnd, wait: Duration) -> TaskStatus {
    let actions = rig.end("t", exit);
    assert_eq!(updates(&actions), []);
    assert!(actions.iter().any(puts_aside) && !actions.iter().any(cleans_up));
    let almost = wait - Duration::from_millis(1);
    assert!(!rig.pass(almost).iter().any(is_relaunch));
    assert!(rig.pass(wait - almost).iter().any(is_relaunch));
    update(&rig.task("t", TaskEvent::Started))
}

fn restarts(status: &TaskStatus) -> Option<String> {
    let labels = status.labels.iter().flat_map(|labels| &labels.labels);
    let mut found = labels.filter(|label| label.key == "mesos-sandbox-executor.restarts");
    found.next().map(|label| label.value().to_owned())
}

#[test]
fn a_task_that_fails_is_started_again_later_each_time_and_each_time_it_is_told() {
    let mut rig = running("on_failure", "");
    for (number, wait) in [(1, SECOND), (2, 2 * SECOND), (3, 4 * SECOND)] {
        let status = again(&mut rig, CommandEnd::Exited(3), wait);
        assert_eq!(status.state(), TaskRunning);
        let told = format!("restarted ({number} of 3): exited with status 3");
        assert_eq!(status.message(), told);
        assert_eq!(restarts(&status), Some(number.to_string()));
    }
    let actions = rig.end("t", CommandEnd::Exited(3));
    assert!(actions.iter().any(cleans_up));
    let status = update(&actions);
    assert_eq!(status.state(), TaskFailed);
    assert_eq!(
        status.message(),
        "Command exited with status 3 (restarted 3 times)"
    );
    assert_eq!(restarts(&status).as_deref(), Some("3"));
}

#[test]
fn a_success_ends_a_task_that_is_restarted_on_failure() {
    let mut rig = running("on_failure", "");
    again(&mut rig, CommandEnd::Signalled(9), SECOND);
    let actions = rig.end("t", CommandEnd::Exited(0));
    // What was kept for another run is not needed.
    assert!(actions.iter().any(cleans_up));
    let status = update(&actions);
    assert_eq!(status.state(), TaskFinished);
    assert_eq!(
        status.message(),
        "Command exited with status 0 (restarted once)"
    );
}

#[test]
fn a_success_does_not_end_a_task_that_always_runs() {
    let mut rig = running("always", "");
    let status = again(&mut rig, CommandEnd::Exited(0), SECOND);
    assert_eq!(status.message(), "restarted (1 of 3): exited with status 0");
}

#[test]
fn success_codes_are_successes() {
    let mut rig = running("on_failure", r#","success_codes":[3]"#);
    assert_eq!(
        update(&rig.end("t", CommandEnd::Exited(3))).state(),
        TaskFinished
    );
    let mut rig = running("on_failure", r#","success_codes":[3]"#);
    again(&mut rig, CommandEnd::Exited(0), SECOND);
}

#[test]
fn a_task_without_a_policy_is_never_put_aside() {
    let mut rig = Rig::running(with_data("t", "x"));
    let actions = rig.end("t", CommandEnd::Exited(1));
    assert!(!actions.iter().any(puts_aside));
    assert_eq!(update(&actions).state(), TaskFailed);
}

#[test]
fn a_task_killed_while_it_waits_to_be_started_again_is_killed_at_once() {
    let mut rig = running("always", "");
    rig.end("t", CommandEnd::Exited(3));
    let actions = rig.agent(kill("t", Some(30 * SECOND)));
    assert!(actions.iter().any(cleans_up));
    let status = update(&actions);
    assert_eq!(status.state(), TaskKilled);
    assert_eq!(status.message(), "Command exited with status 3");
    assert!(!rig.pass(60 * SECOND).iter().any(is_relaunch));
    // The last clean-up tells nobody anything.
    assert_eq!(updates(&rig.task("t", TaskEvent::CleanedUp)), []);
}

#[test]
fn a_task_killed_while_its_last_run_is_cleaned_up_is_killed() {
    let mut rig = running("always", "");
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    rig.agent(kill("t", None));
    let actions = rig.task("t", TaskEvent::CleanedUp);
    assert!(actions.iter().any(cleans_up));
    assert_eq!(update(&actions).state(), TaskKilled);
    // One that would not have been started again had ended before.
    let mut rig = Rig::running(with_data("t", "x"));
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    rig.agent(kill("t", None));
    assert_eq!(
        update(&rig.task("t", TaskEvent::CleanedUp)).state(),
        TaskFinished
    );
}

#[test]
fn a_task_killed_while_it_is_being_started_again_is_killed() {
    let mut rig = running("always", "");
    rig.end("t", CommandEnd::Exited(3));
    rig.pass(SECOND);
    let actions = rig.agent(kill("t", None));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::CancelLaunch { .. }))
    );
    let failure = StartFailure {
        fault: Fault::Host,
        message: "cancelled".into(),
    };
    let status = update(&rig.task("t", TaskEvent::StartFailed(failure)));
    assert_eq!(status.state(), TaskKilled);
    assert_eq!(
        status.message(),
        "Command exited with status 3 (restarted once)"
    );
}

#[test]
fn a_kill_ends_a_task_that_always_runs() {
    let mut rig = running("always", "");
    rig.agent(kill("t", None));
    let actions = rig.end("t", CommandEnd::Exited(0));
    assert!(!actions.iter().any(puts_aside));
    assert_eq!(update(&actions).state(), TaskKilled);
}

#[test]
fn a_run_that_cannot_be_started_ends_the_task() {
    let mut rig = running("always", "");
    rig.end("t", CommandEnd::Exited(3));
    rig.pass(SECOND);
    let failure = StartFailure {
        fault: Fault::Task,
        message: "hook before_start exited with status 1".into(),
    };
    let status = update(&rig.task("t", TaskEvent::StartFailed(failure)));
    assert_eq!(status.state(), TaskFailed);
    assert_eq!(status.message(), "hook before_start exited with status 1");
    assert_eq!(restarts(&status).as_deref(), Some("1"));
}

#[test]
fn nothing_is_started_again_after_a_shutdown() {
    for waits in [true, false] {
        let mut rig = running("always", "");
        if waits {
            rig.end("t", CommandEnd::Exited(3));
            let status = update(&rig.agent(typed(event::Type::Shutdown)));
            assert_eq!(status.state(), TaskKilled);
        } else {
            rig.agent(typed(event::Type::Shutdown));
            rig.end("t", CommandEnd::Exited(3));
        }
        assert!(!rig.pass(60 * SECOND).iter().any(is_relaunch));
    }
}

#[test]
fn a_broken_limit_ends_the_task_unless_it_asks_otherwise() {
    for (keys, goes_on) in [("", false), (r#","on_limit":true"#, true)] {
        for seen_late in [false, true] {
            let data = format!(
                r#"{{"version":1,"command":{{"value":"x"}},
                    "restart":{{"policy":"on_failure","max_restarts":5{keys}}}}}"#
            );
            let mut rig = Rig::running(with_data("t", &data));
            let end = if seen_late {
                Ended {
                    limitation: Some(limitation()),
                    ..ended(CommandEnd::Signalled(9))
                }
            } else {
                rig.task("t", TaskEvent::Limited(limitation()));
                ended(CommandEnd::Signalled(9))
            };
            let mut actions = rig.task("t", TaskEvent::Ended(end));
            actions.extend(rig.task("t", TaskEvent::CleanedUp));
            if goes_on {
                assert_eq!(updates(&actions), []);
                rig.pass(SECOND);
                let status = update(&rig.task("t", TaskEvent::Started));
                let told = "restarted (1 of 5): Memory limit exceeded: Requested: 64MB";
                assert_eq!(status.message(), told);
            } else {
                let status = update(&actions);
                assert_eq!(status.reason(), Reason::ContainerLimitationMemory);
            }
        }
    }
}

const CHECK: &str = r#","health_checks":[{"type":"TCP","tcp":{"port":1},"delay_seconds":0,"interval_seconds":1,
    "grace_period_seconds":0,"consecutive_failures":1}]"#;

fn unhealthy() -> TaskEvent {
    TaskEvent::Probed {
        check: 0,
        outcome: Probed::Tcp {
            connected: false,
            detail: "refused".into(),
        },
    }
}

#[test]
fn an_unhealthy_task_is_started_again_without_being_told_of_as_killed() {
    let mut rig = running("on_failure", CHECK);
    rig.pass(Duration::ZERO);
    rig.task("t", unhealthy());
    let status = again(&mut rig, CommandEnd::Signalled(15), SECOND);
    let told = "restarted (1 of 3): terminated with signal Terminated: health check 1 failed 1 time in a row";
    assert!(status.message().starts_with(told), "{}", status.message());
    // What was found of the last run is not said of this one.
    assert_eq!(status.healthy, None);
    assert!(!rig.states("t").contains(&TaskKilling));
    assert!(
        rig.pass(SECOND)
            .iter()
            .any(|action| matches!(action, Action::Probe { .. }))
    );
}

#[test]
fn a_kill_that_comes_to_an_unhealthy_task_ends_it_for_good() {
    let mut rig = running("on_failure", CHECK);
    rig.pass(Duration::ZERO);
    rig.task("t", unhealthy());
    let status = update(&rig.agent(kill("t", None)));
    assert_eq!(status.state(), TaskKilling);
    let status = update(&rig.end("t", CommandEnd::Signalled(15)));
    assert_eq!(status.reason(), Reason::TaskHealthCheckStatusUpdated);
}

#[test]
fn the_next_run_waits_for_the_answer_of_a_look_at_the_last_one() {
    let mut rig = running("on_failure", CHECK);
    let looked = rig.pass(Duration::ZERO);
    assert!(
        looked
            .iter()
            .any(|action| matches!(action, Action::Probe { .. }))
    );
    rig.end("t", CommandEnd::Exited(1));
    assert!(!rig.pass(5 * SECOND).iter().any(is_relaunch));
    assert!(rig.task("t", unhealthy()).iter().any(is_relaunch));
    // It was none of the new run's.
    let status = update(&rig.task("t", TaskEvent::Started));
    assert_eq!(status.healthy, None);
}

#[test]
fn checks_do_not_look_while_a_task_waits_to_be_started_again() {
    let mut rig = running("on_failure", CHECK);
    rig.end("t", CommandEnd::Exited(1));
    let actions = rig.pass(60 * SECOND);
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Probe { .. }))
    );
}

/// P-32
#[test]
fn the_time_that_a_task_may_take_is_that_of_all_its_runs() {
    let mut fields = task("always", "");
    fields.max_completion_time = Some(length(10 * SECOND));
    let mut rig = Rig::running(fields.clone());
    rig.pass(6 * SECOND);
    again(&mut rig, CommandEnd::Exited(0), SECOND);
    let actions = rig.pass(3 * SECOND);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::KillTree { .. }))
    );
    let status = update(&rig.end("t", CommandEnd::Signalled(9)));
    assert_eq!(status.reason(), Reason::MaxCompletionTimeReached);

    // It can be over while the task waits, too.
    let mut rig = Rig::running(fields);
    rig.pass(9 * SECOND + SECOND / 2);
    rig.end("t", CommandEnd::Exited(0));
    let status = update(&rig.pass(SECOND));
    assert_eq!(status.reason(), Reason::MaxCompletionTimeReached);
}

#[test]
fn hooks_run_with_every_run() {
    let keys = r#","hooks":{"after_start":{"command":"b","on_failure":"fail"},"after_stop":{"command":"e"}}"#;
    let mut rig = running("on_failure", keys);
    let hooks = |rig: &Rig| {
        let hooks = rig.all.iter().filter_map(|(_, action)| match action {
            Action::Hook { moment, .. } => Some(*moment),
            _ => None,
        });
        hooks.collect::<Vec<Moment>>()
    };
    let fine = || Probed::Command {
        status: CommandEnd::Exited(0),
        output: String::new(),
    };
    let hooked =
        |rig: &mut Rig, moment, outcome| rig.task("t", TaskEvent::Hooked { moment, outcome });
    hooked(&mut rig, Moment::AfterStart, fine());
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(1))));
    hooked(&mut rig, Moment::AfterStop, fine());
    rig.task("t", TaskEvent::CleanedUp);
    rig.pass(SECOND);
    rig.task("t", TaskEvent::Started);
    // A hook that fails is a failure of the run.
    let failure = Probed::TimedOut {
        output: String::new(),
    };
    hooked(&mut rig, Moment::AfterStart, failure);
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(15))));
    hooked(&mut rig, Moment::AfterStop, fine());
    rig.task("t", TaskEvent::CleanedUp);
    rig.pass(2 * SECOND);
    let status = update(&rig.task("t", TaskEvent::Started));
    let told = "restarted (2 of 3): terminated with signal Terminated: hook after_start did not end within 10secs";
    assert_eq!(status.message(), told);
    let pair = [Moment::AfterStart, Moment::AfterStop];
    assert_eq!(hooks(&rig), [pair[0], pair[1], pair[0], pair[1], pair[0]]);
    assert_eq!(
        rig.states("t"),
        [TaskStarting, TaskRunning, TaskRunning, TaskRunning]
    );
}

#[test]
fn what_cannot_be_cleaned_up_is_not_started_again() {
    let mut rig = running("always", "");
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(1))));
    let actions = rig.pass(20 * SECOND);
    assert_eq!(update(&actions).state(), TaskFailed);
    assert!(!actions.iter().any(is_relaunch));
}

#[test]
fn an_operator_reads_of_a_restart_before_it_comes() {
    let mut rig = running("always", "");
    let actions = rig.end("t", CommandEnd::Exited(3));
    let notes = actions.iter().filter_map(|action| match action {
        Action::Note(note @ Note::WillRestart { .. }) => Some(note.to_string()),
        _ => None,
    });
    let notes: Vec<String> = notes.collect();
    assert_eq!(
        notes,
        ["task 't' is started again in 1s: exited with status 3"]
    );
}

#[test]
fn every_restart_is_told_also_when_the_agent_acknowledges_nothing() {
    let data = r#"{"version":1,"command":{"value":"x"},"restart":{"policy":"always"}}"#;
    let mut rig = Rig::subscribed(crate::rig::config());
    rig.agent(launch(with_data("t", data)));
    rig.task("t", TaskEvent::Started);
    for number in 1..=20 {
        rig.end("t", CommandEnd::Exited(0));
        rig.pass(61 * SECOND);
        let status = update(&rig.task("t", TaskEvent::Started));
        assert_eq!(
            status.message(),
            format!("restarted ({number}): exited with status 0")
        );
    }
}
