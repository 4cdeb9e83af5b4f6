//! Hooks of a task, and the steps of its stop sequence.

use std::time::Duration;

use executor_core::{
    Action, CommandEnd, Fault, LimitKind, Limitation, Moment, Probed, Signal, StartFailure,
    TaskEvent,
};
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::executor::event;

use crate::rig::{
    Rig, SECOND, config, ended, kill, launch, launch_group, length, typed, update, updates,
    with_data,
};

fn task(keys: &str) -> TaskInfoFields {
    named("t", keys)
}

fn named(id: &str, keys: &str) -> TaskInfoFields {
    with_data(
        id,
        &format!(r#"{{"version":1,"command":{{"value":"x"}},{keys}}}"#),
    )
}

/// Every hook there is, each of a second.
const ALL: &str = r#"
    "hooks": { "before_start": { "command": "a", "timeout_seconds": 1 },
               "after_start": { "command": "b", "timeout_seconds": 1 },
               "before_stop": { "command": "c", "timeout_seconds": 1 },
               "after_stop": { "command": "e", "timeout_seconds": 1 } },
    "stop": { "deregister": { "command": "d", "timeout_seconds": 1 }, "drain_seconds": 4,
              "signal": "QUIT", "signal_seconds": 3 }"#;

fn output(status: i32, output: &str) -> Probed {
    Probed::Command {
        status: CommandEnd::Exited(status),
        output: output.into(),
    }
}

fn hooked(rig: &mut Rig, moment: Moment, outcome: Probed) -> Vec<Action> {
    rig.task("t", TaskEvent::Hooked { moment, outcome })
}

/// The hooks that are to be begun, with the time they have.
fn begun(actions: &[Action]) -> Vec<(Moment, Duration)> {
    let begun = actions.iter().filter_map(|action| match action {
        Action::Hook {
            moment, timeout, ..
        } => Some((*moment, *timeout)),
        _ => None,
    });
    begun.collect()
}

fn called_off(actions: &[Action]) -> Vec<Moment> {
    let called_off = actions.iter().filter_map(|action| match action {
        Action::CancelHook { moment, .. } => Some(*moment),
        _ => None,
    });
    called_off.collect()
}

fn signals(actions: &[Action]) -> Vec<Signal> {
    let signals = actions.iter().filter_map(|action| match action {
        Action::Signal { signal, .. } => Some(*signal),
        _ => None,
    });
    signals.collect()
}

fn forces(action: &Action) -> bool {
    matches!(action, Action::KillTree { .. })
}

fn cleans_up(action: &Action) -> bool {
    matches!(action, Action::CleanUp { .. })
}

#[test]
fn a_task_without_hooks_has_none() {
    let mut rig = Rig::running(task(r#""stop":{}"#));
    rig.agent(kill("t", None));
    rig.end("t", CommandEnd::Signalled(15));
    let all: Vec<Action> = rig.all.iter().map(|(_, action)| action.clone()).collect();
    assert_eq!(begun(&all), []);
}

#[test]
fn every_step_of_an_end_comes_in_its_order_and_after_its_time() {
    let mut rig = Rig::running(task(ALL));
    let begin = rig.now;
    let actions = rig.agent(kill("t", Some(60 * SECOND)));
    assert_eq!(begun(&actions), [(Moment::BeforeStop, SECOND)]);
    assert_eq!(signals(&actions), []);
    let actions = hooked(&mut rig, Moment::BeforeStop, output(0, ""));
    assert_eq!(begun(&actions), [(Moment::Deregister, SECOND)]);
    let actions = hooked(&mut rig, Moment::Deregister, output(0, ""));
    assert_eq!(begun(&actions), []);
    // Draining, and then the signal of its choice, with their times.
    let mut times = Vec::new();
    for _ in 0..60 {
        for signal in signals(&rig.pass(SECOND)) {
            times.push((signal, rig.now.since(begin)));
        }
    }
    let expected = [(Signal::Quit, 4 * SECOND), (Signal::Terminate, 7 * SECOND)];
    assert_eq!(times, expected);
    assert!(rig.all.iter().any(|(_, action)| forces(action)));
    let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(9))));
    assert_eq!(begun(&actions), [(Moment::AfterStop, SECOND)]);
    assert!(!actions.iter().any(cleans_up));
    let actions = hooked(&mut rig, Moment::AfterStop, output(0, ""));
    assert!(actions.iter().any(cleans_up));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.state(), TaskKilled);
    assert_eq!(
        status.message(),
        "Command terminated with signal Killed (SIGTERM had no effect for 53secs)"
    );
    let states = [TaskStarting, TaskRunning, TaskKilling, TaskKilled];
    assert_eq!(rig.states("t"), states);
}

/// P-31
#[test]
fn force_comes_when_the_grace_is_over_whatever_the_steps_ask_for() {
    for (grace, least_sigterm) in [(1, 500), (3, 1500), (8, 2000), (30, 2000)] {
        let mut rig = Rig::running(task(
            r#""hooks": { "before_stop": { "command": "c", "timeout_seconds": 300 } },
               "stop": { "deregister": { "command": "d", "timeout_seconds": 300 }, "drain_seconds": 3600 }"#,
        ));
        let begin = rig.now;
        let grace = grace * SECOND;
        rig.agent(kill("t", Some(grace)));
        // Its hooks are never answered.
        rig.pass(2 * grace);
        let at = |wanted: fn(&Action) -> bool| {
            let found = rig.all.iter().find(|(_, action)| wanted(action));
            found.unwrap().0.since(begin)
        };
        assert_eq!(at(forces), grace);
        let terminated = at(|action| matches!(action, Action::Signal { .. }));
        let left = grace - terminated;
        // An edge that does not answer is waited for a moment.
        let least = Duration::from_millis(least_sigterm - 250);
        assert!(left >= least, "{left:?} of {grace:?}");
    }
}

#[test]
fn a_kill_without_grace_skips_the_steps_and_says_so() {
    let mut rig = Rig::running(task(ALL));
    let actions = rig.agent(kill("t", Some(Duration::ZERO)));
    assert_eq!(begun(&actions), []);
    assert!(actions.iter().any(forces) && signals(&actions).is_empty());
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(9))));
    hooked(&mut rig, Moment::AfterStop, output(0, ""));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(
        status.message(),
        "Command terminated with signal Killed\n\
         hook before_stop was not run: there was no time for it\n\
         hook deregister was not run: there was no time for it"
    );
}

#[test]
fn a_repeated_kill_shortens_the_steps_and_lengthens_nothing() {
    let mut rig = Rig::running(task(ALL));
    let begin = rig.now;
    rig.agent(kill("t", Some(60 * SECOND)));
    hooked(&mut rig, Moment::BeforeStop, output(0, ""));
    hooked(&mut rig, Moment::Deregister, output(0, ""));
    rig.agent(kill("t", Some(100 * SECOND)));
    rig.agent(kill("t", Some(4 * SECOND)));
    rig.pass(20 * SECOND);
    let at = |wanted: fn(&Action) -> bool| {
        let found = rig.all.iter().find(|(_, action)| wanted(action));
        found.unwrap().0.since(begin)
    };
    let quit =
        at(|action| matches!(action, Action::Signal { signal, .. } if *signal == Signal::Quit));
    assert_eq!((quit, at(forces)), (2 * SECOND, 4 * SECOND));
    let killings = rig.states("t").into_iter();
    assert_eq!(killings.filter(|state| *state == TaskKilling).count(), 1);
}

#[test]
fn a_second_kill_without_grace_cuts_a_hook_off_and_ends_the_task_at_once() {
    let mut rig = Rig::running(task(ALL));
    rig.agent(kill("t", Some(60 * SECOND)));
    let actions = rig.agent(kill("t", Some(Duration::ZERO)));
    assert_eq!(called_off(&actions), [Moment::BeforeStop]);
    assert!(actions.iter().any(forces));
}

#[test]
fn a_task_that_ends_in_a_step_is_not_taken_through_the_others() {
    let mut rig = Rig::running(task(ALL));
    rig.agent(kill("t", Some(60 * SECOND)));
    let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    assert_eq!(called_off(&actions), [Moment::BeforeStop]);
    assert_eq!(begun(&actions), [(Moment::AfterStop, SECOND)]);
    // The answer to what was called off is nobody's.
    let actions = hooked(&mut rig, Moment::BeforeStop, output(1, "late"));
    assert_eq!(begun(&actions), []);
    hooked(&mut rig, Moment::AfterStop, output(0, ""));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.message(), "Command exited with status 0");
}

#[test]
fn the_hook_after_the_start_runs_beside_a_task_that_is_told_to_run() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task(ALL)));
    let actions = rig.task("t", TaskEvent::Started);
    assert_eq!(update(&actions).state(), TaskRunning);
    assert_eq!(begun(&actions), [(Moment::AfterStart, SECOND)]);
    let actions = hooked(&mut rig, Moment::AfterStart, output(0, "fine"));
    assert_eq!(updates(&actions), []);
}

#[test]
fn a_hook_after_the_start_that_must_succeed_ends_the_task_that_it_fails() {
    let mut rig = Rig::running(task(ALL));
    let actions = hooked(&mut rig, Moment::AfterStart, output(3, "no balancer\n"));
    assert_eq!(update(&actions).state(), TaskKilling);
    assert_eq!(begun(&actions).len(), 1);
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(15))));
    hooked(&mut rig, Moment::AfterStop, output(0, ""));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.state(), TaskFailed);
    assert_eq!(
        status.message(),
        "Command terminated with signal Terminated: hook after_start exited with status 3: no balancer"
    );
    let labels = status.labels.unwrap_or_default().labels;
    let cause = labels.iter().find(|label| label.key.ends_with(".cause"));
    assert_eq!(cause.unwrap().value(), "hook");
}

#[test]
fn a_hook_that_may_fail_is_told_of_at_the_end_alone() {
    let keys = r#""hooks":{"after_start":{"command":"b","on_failure":"ignore"}}"#;
    let mut rig = Rig::running(task(keys));
    let actions = hooked(
        &mut rig,
        Moment::AfterStart,
        Probed::Error {
            message: "no such file".into(),
        },
    );
    assert_eq!(updates(&actions), []);
    let status = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(status.state(), TaskFinished);
    assert_eq!(
        status.message(),
        "Command exited with status 0\nhook after_start could not be run: no such file"
    );
}

#[test]
fn a_hook_before_the_start_that_may_fail_is_told_of_when_the_task_runs() {
    let mut rig = Rig::subscribed(config());
    let keys = r#""hooks":{"before_start":{"command":"a","on_failure":"ignore"}}"#;
    rig.agent(launch(task(keys)));
    hooked(&mut rig, Moment::BeforeStart, output(2, "not yet"));
    let status = update(&rig.task("t", TaskEvent::Started));
    assert_eq!(status.state(), TaskRunning);
    assert_eq!(
        status.message(),
        "hook before_start exited with status 2: not yet"
    );
    let status = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(status.message(), "Command exited with status 0");
}

#[test]
fn a_hook_before_the_start_that_must_succeed_is_why_the_task_did_not_start() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task(ALL)));
    let failure = StartFailure {
        fault: Fault::Task,
        message: "hook before_start exited with status 2: no database".into(),
    };
    let actions = rig.task("t", TaskEvent::StartFailed(failure));
    assert_eq!(begun(&actions), []);
    let status = update(&actions);
    assert_eq!(status.state(), TaskFailed);
    assert!(status.message().ends_with("no database"));
}

#[test]
fn the_hook_after_the_stop_runs_however_the_task_ended() {
    let limited = TaskEvent::Limited(Limitation {
        kind: LimitKind::Disk,
        message: "Disk usage".into(),
        resources: vec![],
    });
    for cause in [None, Some(limited)] {
        let mut rig = Rig::running(task(ALL));
        let was_limited = cause.is_some();
        if let Some(event) = cause {
            // By force, and with no steps before.
            let actions = rig.task("t", event);
            assert!(actions.iter().any(forces));
            assert_eq!(begun(&actions), []);
        }
        let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(1))));
        assert_eq!(begun(&actions), [(Moment::AfterStop, SECOND)]);
        assert_eq!(updates(&actions), []);
        let actions = hooked(&mut rig, Moment::AfterStop, output(1, "a lock is left"));
        assert_eq!(updates(&actions), []);
        let status = update(&rig.task("t", TaskEvent::CleanedUp));
        assert_eq!(status.state(), TaskFailed);
        let told = "\nhook after_stop exited with status 1: a lock is left";
        assert!(status.message().ends_with(told), "{}", status.message());
        assert_eq!(status.limitation.is_some(), was_limited);
    }
}

#[test]
fn a_hook_after_the_stop_that_must_succeed_decides_about_a_task_that_went_well() {
    let keys = r#""hooks":{"after_stop":{"command":"e","on_failure":"fail"}}"#;
    let mut rig = Rig::running(task(keys));
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    hooked(&mut rig, Moment::AfterStop, output(1, "not stored"));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.state(), TaskFailed);
    assert_eq!(
        status.message(),
        "Command exited with status 0: hook after_stop exited with status 1: not stored"
    );
}

#[test]
fn a_hook_after_the_stop_that_is_never_answered_holds_the_end_up_no_longer_than_its_time() {
    let mut rig = Rig::running(task(ALL));
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    let actions = rig.pass(2 * SECOND);
    assert_eq!(called_off(&actions), [Moment::AfterStop]);
    assert!(actions.iter().any(cleans_up));
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(
        status.message(),
        "Command exited with status 0\nhook after_stop was cut off"
    );
}

/// P-33
#[test]
fn a_shutdown_leaves_the_hook_after_the_stop_a_quarter_of_its_time() {
    let keys = r#""hooks":{"after_stop":{"command":"e","timeout_seconds":60}}"#;
    let mut rig = Rig::running(task(keys));
    let begin = rig.now;
    rig.agent(typed(event::Type::Shutdown));
    // Three seconds are the task's own, four the executor has.
    rig.pass(2 * SECOND + SECOND / 4);
    let forced = rig.all.iter().find(|(_, action)| forces(action));
    assert_eq!(forced.unwrap().0.since(begin), 2 * SECOND + SECOND / 4);
    let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(9))));
    assert_eq!(begun(&actions), [(Moment::AfterStop, SECOND * 3 / 4)]);
    let actions = rig.pass(SECOND);
    assert!(actions.iter().any(cleans_up));
    assert_eq!(rig.outcome(), None);
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.state(), TaskKilled);
}

/// P-33
#[test]
fn a_shutdown_without_time_skips_every_hook_and_says_so() {
    for grace in [Duration::ZERO, SECOND] {
        let mut config = config();
        config.shutdown_grace_period = grace;
        let mut rig = Rig::subscribed(config);
        rig.agent(launch(task(ALL)));
        rig.task("t", TaskEvent::Started);
        let actions = rig.agent(typed(event::Type::Shutdown));
        assert_eq!(begun(&actions), []);
        rig.pass(grace / 2);
        assert!(rig.all.iter().any(|(_, action)| forces(action)));
        rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(9))));
        let status = update(&rig.task("t", TaskEvent::CleanedUp));
        for hook in ["before_stop", "deregister", "after_stop"] {
            let told = format!("hook {hook} was not run: there was no time for it");
            assert!(status.message().contains(&told), "{}", status.message());
        }
    }
}

/// P-33
#[test]
fn a_shutdown_cuts_a_hook_after_the_stop_short_that_runs_already() {
    let keys = r#""hooks":{"after_stop":{"command":"e","timeout_seconds":60}}"#;
    let mut rig = Rig::running(task(keys));
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(0))));
    rig.agent(typed(event::Type::Shutdown));
    let actions = rig.pass(4 * SECOND);
    assert_eq!(called_off(&actions), [Moment::AfterStop]);
    let status = update(&rig.task("t", TaskEvent::CleanedUp));
    assert_eq!(status.state(), TaskFinished);
}

#[test]
fn a_hook_that_a_member_cannot_do_without_takes_its_group_along() {
    let mut rig = Rig::subscribed(config());
    let keys = r#""hooks":{"after_start":{"command":"b"}}"#;
    rig.agent(launch_group(vec![
        named("t", keys),
        named("u", r#""stop":{}"#),
    ]));
    for id in ["t", "u"] {
        rig.task(id, TaskEvent::Prepared);
    }
    for id in ["t", "u"] {
        rig.task(id, TaskEvent::Started);
    }
    hooked(&mut rig, Moment::AfterStart, output(1, ""));
    rig.end("t", CommandEnd::Signalled(15));
    let status = update(&rig.end("u", CommandEnd::Signalled(15)));
    assert_eq!(status.state(), TaskKilled);
    assert!(
        status
            .message()
            .ends_with("task 't' of its group is TASK_FAILED")
    );
}

#[test]
fn a_task_whose_time_is_over_is_ended_by_force_and_has_its_hook_after_that() {
    let mut fields = task(ALL);
    fields.max_completion_time = Some(length(5 * SECOND));
    let mut rig = Rig::running(fields);
    hooked(&mut rig, Moment::AfterStart, output(0, ""));
    let actions = rig.pass(5 * SECOND);
    assert!(actions.iter().any(forces));
    assert_eq!(begun(&actions), []);
    let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Signalled(9))));
    assert_eq!(begun(&actions), [(Moment::AfterStop, SECOND)]);
}
