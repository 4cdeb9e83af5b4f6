//! The executor's own end.

use std::time::Duration;

use executor_core::{Action, CommandEnd, Event, Outcome, TaskEvent};
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::TaskState::{TaskKilled, TaskKilling, TaskRunning, TaskStarting};
use mesos_proto::v1::executor::event;

use crate::rig::{Rig, SECOND, config, launch, policy, task, typed, update, updates};

/// The instant of the first SIGKILL after `rig` was told to shut down, and of the executor's exit when nothing is ever
/// acknowledged, both from then on. The task ends as soon as it is killed.
fn shut_down(grace: Duration) -> (Duration, Duration) {
    let mut config = config();
    config.shutdown_grace_period = grace;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(TaskInfoFields {
        kill_policy: Some(policy(60 * SECOND)),
        ..task("t")
    }));
    rig.task("t", TaskEvent::Started);
    let begin = rig.now;
    rig.agent(typed(event::Type::Shutdown));
    let forced = |rig: &Rig| {
        let mut all = rig.all.iter();
        let kill = all.find(|(_, action)| matches!(action, Action::KillTree { .. }));
        kill.map(|(at, _)| at.since(begin))
    };
    for _ in 0..100_000 {
        if forced(&rig).is_some() {
            break;
        }
        rig.pass(Duration::from_millis(1));
    }
    let killed = forced(&rig).expect("it is ended by force in the end");
    rig.end("t", CommandEnd::Signalled(9));
    while rig.outcome().is_none() {
        rig.pass(Duration::from_millis(1));
        assert!(rig.now.since(begin) < 100 * SECOND, "it stays for ever");
    }
    (killed, rig.now.since(begin))
}

/// P-32: the agent ends everything by force when the grace is over, so we have to be done before.
#[test]
fn shutdown_fits_into_the_agents_grace() {
    for grace in [1000, 2000, 5000, 60_000].map(Duration::from_millis) {
        let (killed, gone) = shut_down(grace);
        assert!(killed < grace, "{grace:?}: killed after {killed:?}");
        assert!(gone < grace, "{grace:?}: gone after {gone:?}");
        assert!(killed >= grace / 2, "{grace:?}: a task has its time");
    }
}

/// P-32
#[test]
fn a_grace_of_nothing_is_force_at_once_and_leaves_the_last_update_a_moment() {
    let (killed, gone) = shut_down(Duration::ZERO);
    assert_eq!(killed, Duration::ZERO);
    assert!(gone <= SECOND / 2, "{gone:?}");
}

/// P-32
#[test]
fn a_task_that_ends_on_sigterm_is_reported_and_the_executor_goes_when_that_is_acknowledged() {
    let mut rig = Rig::running(task("t"));
    let before: Vec<Action> = rig.all.iter().map(|(_, action)| action.clone()).collect();
    let actions = rig.agent(typed(event::Type::Shutdown));
    rig.acknowledge_all(&before);
    rig.acknowledge_all(&actions);
    let actions = rig.end("t", CommandEnd::Signalled(15));
    assert_eq!(
        update(&actions).message(),
        "Command terminated with signal Terminated: the executor shuts down, the agent asked for it"
    );
    assert_eq!(
        rig.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
    assert_eq!(rig.outcome(), None);
    rig.acknowledge_all(&actions);
    assert_eq!(rig.outcome(), Some(Outcome::Complete));
}

#[test]
fn updates_that_are_late_in_a_short_grace_still_have_the_time_to_go_out() {
    let mut config = config();
    config.shutdown_grace_period = SECOND;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.agent(typed(event::Type::Shutdown));
    // To end the task and remove what it left has taken all of the grace that was for its updates.
    rig.pass(4 * SECOND / 5);
    let end = rig.end("t", CommandEnd::Signalled(9));
    assert_eq!(update(&end).state(), TaskKilled);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.outcome(), None);
    rig.pass(SECOND);
    assert!(matches!(rig.outcome(), Some(Outcome::Unacknowledged(_))));
}

#[test]
fn nothing_is_launched_after_shutdown_and_what_comes_is_answered() {
    let mut rig = Rig::running(task("t"));
    rig.agent(typed(event::Type::Shutdown));
    let actions = rig.agent(launch(task("late")));
    assert_eq!(update(&actions).state(), TaskKilled);
    let launched = |action: &Action| matches!(action, Action::Launch { .. });
    assert!(!actions.iter().any(launched));
}

/// P-33
#[test]
fn without_an_agent_the_tasks_are_ended_and_nothing_is_waited_for() {
    let mut config = config();
    config.checkpoint = false;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.cut();
    assert_eq!(rig.outcome(), None);
    rig.end("t", CommandEnd::Signalled(15));
    assert!(matches!(rig.outcome(), Some(Outcome::Unacknowledged(_))));
}

#[test]
fn a_task_that_cannot_be_ended_is_not_waited_for_for_ever() {
    let mut rig = Rig::running(task("t"));
    rig.agent(typed(event::Type::Shutdown));
    rig.pass(60 * SECOND);
    assert_eq!(rig.outcome(), Some(Outcome::Unreaped(1)));
}

/// P-16: SIGTERM is not SHUTDOWN: the agent is there, and wants its updates.
#[test]
fn an_executor_that_is_told_to_stop_while_the_agent_is_away_looks_for_it_first() {
    let mut rig = Rig::running(task("t"));
    rig.cut();
    rig.give(Event::Stop);
    rig.end("t", CommandEnd::Signalled(15));
    assert_eq!(rig.outcome(), None);
    rig.pass(SECOND);
    let actions = rig.agent(crate::rig::subscribed());
    assert!(updates(&actions).is_empty(), "the SUBSCRIBE had them");
}
