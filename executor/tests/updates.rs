//! Updates and their acknowledgements: late, early, twice, never, refused, and very many.

use std::collections::HashSet;
use std::time::Duration;

use mesos_proto::v1::TaskState::{
    self, TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};

use crate::agent::events::{
    acknowledged, acknowledgement, kill, launch, shutdown, subscribed, task,
};
use crate::agent::{Agent, Answer, never_acknowledging};
use crate::executor::{Executor, SHORT_GRACE};

const DONE: [TaskState; 3] = [TaskStarting, TaskRunning, TaskFinished];

/// P-23
#[test]
fn an_update_that_is_never_acknowledged_does_not_hold_a_shutdown_back() {
    let agent = Agent::start();
    agent.answer(never_acknowledging);
    let executor = Executor::start_with(&agent, &[SHORT_GRACE]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 3"))]);
    agent.wait_for_state("t", TaskFailed);
    agent.send(&[shutdown()]);
    // Without a shutdown it would wait for a minute at least.
    let status = executor.end_within(Duration::from_secs(45));
    assert_eq!(status.code(), Some(1));
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskFailed]);
}

/// P-22
#[test]
fn an_acknowledgement_may_overtake_the_answer_to_its_update() {
    let agent = Agent::start();
    agent.answer(|received| {
        if received.is_subscribe() {
            Answer::Usual
        } else {
            Answer::AcknowledgedFirst
        }
    });
    let idle = [("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "100ms")];
    let executor = Executor::start_with(&agent, &idle);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    assert!(executor.end().success());
    assert_eq!(agent.states("t"), DONE);
    assert_eq!(agent.subscribes(), 1);
}

/// P-22
#[test]
fn acknowledgements_that_come_twice_or_for_nothing_change_nothing() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    let running = agent.wait_for_state("t", TaskRunning);
    agent.send(&[
        acknowledged(&running),
        acknowledged(&running),
        acknowledgement("t", &[9; 16]),
        acknowledgement("t", b""),
        acknowledgement("no such task", &[9; 16]),
        kill("t", None),
    ]);
    let killed = agent.wait_for_state("t", TaskKilled);
    agent.send(&[acknowledged(&killed), acknowledged(&killed), shutdown()]);
    assert!(executor.end().success());
    assert_eq!(
        agent.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
}

/// P-22
#[test]
fn an_acknowledgement_of_another_task_or_uuid_acknowledges_nothing() {
    let agent = Agent::start();
    agent.answer(|_| Answer::Bare);
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[subscribed(), launch(task("t", "sleep 1000"))]);
    let running = agent.wait_for_state("t", TaskRunning);
    let mut uuid = running.uuid.clone().unwrap().to_vec();
    agent.send(&[acknowledgement("another", &uuid)]);
    uuid[0] ^= 1;
    agent.send(&[
        acknowledgement("t", &uuid),
        acknowledgement("t", &uuid[..8]),
    ]);
    agent.answer(|_| Answer::Usual);
    agent.cut();
    let again = agent.wait_for_subscribe(2);
    assert_eq!(again.unacknowledged().unacknowledged_tasks.len(), 1);
    assert_eq!(again.unacknowledged().unacknowledged_updates.len(), 2);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    agent.wait_for_state("t", TaskKilled);
}

/// P-19
#[test]
fn a_refused_update_does_not_stop_those_after_it() {
    let agent = Agent::start();
    agent.answer(|received| match received.status() {
        Some(status) if status.state() == TaskStarting => {
            Answer::Status(400, "Failed to validate Executor::Call")
        }
        _ => Answer::Usual,
    });
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0")), launch(task("u", "exit 0"))]);
    for id in ["t", "u"] {
        agent.wait_for_state(id, TaskFinished);
        assert_eq!(agent.states(id), DONE);
    }
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 1);
}

#[test]
fn a_refused_terminal_update_does_not_keep_the_executor() {
    let agent = Agent::start();
    agent.answer(|received| match received.status() {
        Some(status) if status.state().is_terminal() => Answer::Status(400, "no"),
        _ => Answer::Usual,
    });
    let idle = [("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "100ms")];
    let executor = Executor::start_with(&agent, &idle);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    executor.end();
    assert_eq!(agent.states("t"), DONE);
}

/// P-7
#[test]
fn an_update_refused_by_an_agent_that_recovers_is_sent_again() {
    let agent = Agent::start();
    let mut refused = false;
    agent.answer(move |received| {
        let refuse = !refused && received.status().is_some();
        refused |= refuse;
        if refuse {
            Answer::Status(503, "Agent has not finished recovery")
        } else {
            Answer::Usual
        }
    });
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    let again = agent.wait_for_subscribe(2);
    let updates = &again.unacknowledged().unacknowledged_updates;
    assert_eq!(updates[0].status.state(), TaskStarting);
    assert_eq!(again.unacknowledged().unacknowledged_tasks.len(), 1);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-24 and P-36
#[test]
fn of_two_hundred_tasks_at_once_each_is_reported_once() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let ids: Vec<String> = (0..200).map(|number| format!("task-{number}")).collect();
    let launches: Vec<_> = ids.iter().map(|id| launch(task(id, "exit 0"))).collect();
    agent.send(&launches);
    let mut uuids = HashSet::new();
    for id in &ids {
        agent.wait_for_state(id, TaskFinished);
        assert_eq!(agent.states(id), DONE, "{id}");
        uuids.extend(agent.statuses(id).into_iter().map(|status| status.uuid));
    }
    assert_eq!(uuids.len(), ids.len() * DONE.len());
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 1);
}
