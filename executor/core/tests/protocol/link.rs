//! Subscribing, losing the agent, looking for it, giving it up.

use std::time::Duration;

use executor_core::{Action, Event, LinkEvent, Outcome, TaskEvent};
use mesos_proto::v1::executor::{self, call, event};

use crate::rig::{
    Rig, SECOND, calls, config, is_exit, launch, refusal, subscribe, subscribed, task, typed,
    updates,
};

/// P-7
#[test]
fn a_subscription_that_is_refused_for_now_is_asked_for_again() {
    for (status, message) in [
        (None, "connection refused"),
        (Some(503), "Agent has not finished recovery"),
        (Some(404), ""),
        (Some(403), "Executor is not subscribed"),
        (Some(400), "Failed to validate Executor::Call"),
    ] {
        let mut rig = Rig::new(config());
        assert!(rig.refuse(status, message).iter().all(|a| !is_exit(a)));
        assert_eq!(calls(&rig.pass(2 * SECOND), call::Type::Subscribe).len(), 1);
    }
}

/// P-7
#[test]
fn an_agent_that_does_not_know_the_executor_is_final() {
    for message in ["Executor cannot be found", "Framework cannot be found"] {
        let mut rig = Rig::running(task("t"));
        rig.cut();
        rig.pass(2 * SECOND);
        let actions = rig.refuse(Some(400), message);
        let term = |action: &Action| matches!(action, Action::Signal { .. });
        assert!(actions.iter().any(term), "{actions:?}");
        rig.end("t", executor_core::CommandEnd::Signalled(15));
        assert!(matches!(rig.outcome(), Some(Outcome::Unacknowledged(_))));
        let again = rig.pass(3600 * SECOND);
        assert!(again.is_empty(), "{again:?}");
    }
}

/// P-7: 503 for an UPDATE while the agent recovers, 403 when it has forgotten the subscription.
#[test]
fn a_call_that_is_refused_for_now_is_carried_by_a_new_subscription() {
    for status in [503, 403, 404] {
        let mut rig = Rig::subscribed(config());
        let sent = updates(&rig.agent(launch(task("t"))));
        rig.link(LinkEvent::CallRefused {
            uuid: sent[0].uuid.clone(),
            refusal: refusal(Some(status), "not now"),
        });
        let call = subscribe(&rig.pass(2 * SECOND));
        assert_eq!(call.unacknowledged_updates[0].status, sent[0]);
    }
}

/// P-9: the agent's own heartbeats are half an hour apart, so ours ask for a sign of life.
#[test]
fn an_idle_connection_for_calls_is_probed_and_a_busy_one_is_not() {
    let mut rig = Rig::subscribed(config());
    let heartbeats = |actions: &[Action]| calls(actions, call::Type::Heartbeat).len();
    assert_eq!(heartbeats(&rig.pass(9 * SECOND)), 0);
    rig.agent(launch(task("t")));
    assert_eq!(heartbeats(&rig.pass(9 * SECOND)), 0);
    assert_eq!(heartbeats(&rig.pass(31 * SECOND)), 4);
    rig.cut();
    assert_eq!(heartbeats(&rig.pass(60 * SECOND)), 0);
}

/// P-9
#[test]
fn a_stream_that_misses_two_heartbeats_of_the_agent_is_replaced() {
    const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);
    for checkpoint in [true, false] {
        let mut config = config();
        config.checkpoint = checkpoint;
        let mut rig = Rig::subscribed(config);
        rig.agent(launch(task("t")));
        rig.task("t", TaskEvent::Started);
        rig.pass(HALF_AN_HOUR);
        rig.agent(typed(event::Type::Heartbeat));
        let quiet = rig.pass(2 * HALF_AN_HOUR);
        assert!(calls(&quiet, call::Type::Subscribe).is_empty());
        let actions = rig.pass(61 * SECOND);
        assert_eq!(subscribe(&actions).unacknowledged_tasks.len(), 1);
        // It is a question, not a loss: the task runs on.
        let signal = |action: &Action| matches!(action, Action::Signal { .. });
        assert!(!actions.iter().any(signal), "{actions:?}");
    }
}

/// P-10
#[test]
fn a_first_subscription_is_asked_for_as_long_as_the_agent_would_wait() {
    let mut config = config();
    config.checkpoint = false;
    let mut rig = Rig::new(config);
    let begin = rig.now;
    while rig.outcome().is_none() {
        rig.refuse(None, "refused");
        rig.pass(SECOND);
        assert!(rig.now.since(begin) < 70 * SECOND, "it goes on for ever");
    }
    assert!(rig.now.since(begin) >= 59 * SECOND);
}

/// P-11
#[test]
fn no_wait_between_two_attempts_is_longer_than_the_agents_window() {
    for most in [0, 1, 10, 100, 2000, 15_000] {
        let mut config = config();
        config.subscription_backoff_max = Duration::from_millis(most);
        let mut rig = Rig::new(config);
        for _ in 0..50 {
            rig.refuse(None, "refused");
            let wait = rig.core.next_deadline().map(|at| at.since(rig.now));
            let wait = wait.expect("another attempt");
            assert!(wait <= Duration::from_millis(most), "{wait:?}");
            assert_eq!(calls(&rig.pass(wait), call::Type::Subscribe).len(), 1);
        }
    }
}

/// P-11: an agent that accepts a connection and says nothing takes no more than its turn.
#[test]
fn an_attempt_that_is_not_answered_is_followed_by_another() {
    let mut rig = Rig::new(config());
    let first = rig.attempt;
    rig.pass(8 * SECOND);
    assert_eq!(rig.attempt, first + 1);
    // What the first one says now is of no use.
    let (attempt, event) = (first, Box::new(subscribed()));
    rig.give(Event::Agent { attempt, event });
    assert!(updates(&rig.agent(launch(task("t")))).is_empty());
}

/// P-12
#[test]
fn one_recovery_timer_runs_for_one_disconnection_and_failed_attempts_do_not_restart_it() {
    let mut config = config();
    config.recovery_timeout = 60 * SECOND;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.cut();
    let lost_at = rig.now;
    let term = |action: &Action| matches!(action, Action::Signal { .. });
    loop {
        let actions = rig.pass(SECOND);
        if actions.iter().any(term) {
            break;
        }
        // Neither an agent that is not there nor one that only ever says 503 is waited for beyond it.
        rig.refuse(Some(503), "Agent has not finished recovery");
    }
    assert_eq!(rig.now.since(lost_at), 60 * SECOND);
}

/// P-12
#[test]
fn subscribed_alone_ends_the_recovery_timer() {
    let mut config = config();
    config.recovery_timeout = 60 * SECOND;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.cut();
    rig.pass(2 * SECOND);
    rig.agent(subscribed());
    let later = rig.pass(600 * SECOND);
    let term = |action: &Action| matches!(action, Action::Signal { .. });
    assert!(!later.iter().any(term));
}

/// P-13, P-15
#[test]
fn shutdown_in_place_of_subscribed_ends_an_executor_without_tasks_in_order() {
    let mut rig = Rig::new(config());
    rig.agent(typed(event::Type::Shutdown));
    assert_eq!(rig.outcome(), Some(Outcome::Complete));
}

/// P-16
#[test]
fn a_stream_that_breaks_is_followed_by_a_new_one_at_once_with_all_that_is_owed() {
    let mut rig = Rig::subscribed(config());
    let sent = updates(&rig.agent(launch(task("t"))));
    rig.cut();
    let call = subscribe(&rig.pass(SECOND / 2));
    assert_eq!(call.unacknowledged_tasks[0].task_id.value, "t");
    assert_eq!(call.unacknowledged_updates[0].status, sent[0]);
}

/// P-17
#[test]
fn without_checkpointing_a_lost_agent_is_the_end_of_the_tasks() {
    let mut config = config();
    config.checkpoint = false;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    let actions = rig.cut();
    let term = |action: &Action| matches!(action, Action::Signal { .. });
    assert!(actions.iter().any(term));
    rig.end("t", executor_core::CommandEnd::Signalled(15));
    assert!(matches!(rig.outcome(), Some(Outcome::Unacknowledged(_))));
    assert!(calls(&rig.pass(60 * SECOND), call::Type::Subscribe).is_empty());
}

/// P-18
#[test]
fn error_is_answered_by_a_new_subscription() {
    let mut rig = Rig::running(task("t"));
    let first = rig.attempt;
    let actions = rig.agent(executor::Event {
        error: Some(event::Error {
            message: "no".into(),
        }),
        ..typed(event::Type::Error)
    });
    let closed =
        |action: &Action| matches!(action, Action::Disconnect { attempt } if *attempt == first);
    assert!(actions.iter().any(closed));
    assert_eq!(subscribe(&rig.pass(SECOND)).unacknowledged_tasks.len(), 1);
}
