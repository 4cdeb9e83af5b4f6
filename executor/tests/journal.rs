//! What outlives the executor's own sudden end.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished, TaskRunning};

use crate::agent::events::{launch, shutdown, subscribed, task};
use crate::agent::{Agent, Answer, never_acknowledging};
use crate::executor::Executor;

/// P-21, and P-25's other half: the terminal update is the executor's own, also when it was killed before anybody took
/// it.
#[test]
fn an_executor_that_was_killed_sends_the_same_updates_when_it_is_started_again() {
    let agent = Agent::start();
    agent.answer(|received| match received.status() {
        Some(status) if status.state() == TaskFinished => Answer::Bare,
        _ => Answer::Usual,
    });
    let mut executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    let finished = agent.wait_for_state("t", TaskFinished);
    executor.kill_and_start_again();
    let again = agent.wait_for_subscribe(2);
    let updates = &again.unacknowledged().unacknowledged_updates;
    let statuses: Vec<_> = updates.iter().map(|update| update.status.clone()).collect();
    assert_eq!(statuses, [finished]);
    agent.send(&[launch(task("u", "exit 0"))]);
    agent.wait_for_state("u", TaskFinished);
    agent.answer(|_| Answer::Usual);
    agent.cut();
    agent.wait_for_subscribe(3);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn updates_of_a_killed_executor_come_again_in_order_however_often_it_is_killed() {
    let agent = Agent::start();
    agent.answer(|_| Answer::Bare);
    let mut executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[subscribed(), launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    let sent = agent.statuses("t");
    for number in 2..5 {
        executor.kill_and_start_again();
        let again = agent.wait_for_subscribe(number);
        let carried = again.unacknowledged();
        let statuses: Vec<_> = carried
            .unacknowledged_updates
            .iter()
            .map(|update| update.status.clone())
            .collect();
        assert_eq!(statuses, sent);
        assert_eq!(carried.unacknowledged_tasks.len(), 1);
    }
    agent.answer(|_| Answer::Usual);
    agent.cut();
    agent.wait_for_subscribe(5);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_task_that_ran_when_its_executor_was_killed_is_reported_by_the_next_one() {
    let agent = Agent::start();
    let mut executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    executor.kill_and_start_again();
    agent.wait_for_state("t", TaskFailed);
    agent.wait_for_subscribe(2);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    // What was sent just before may come again.
    let mut states = agent.states("t");
    states.dedup();
    assert_eq!(states.last(), Some(&TaskFailed));
    let failures = states.iter().filter(|state| **state == TaskFailed);
    assert_eq!(failures.count(), 1);
}

#[test]
fn an_update_is_in_the_journal_before_it_is_sent() {
    let agent = Agent::start();
    let journal = Arc::new(OnceLock::new());
    let looked = Arc::new(AtomicUsize::new(0));
    let (place, count) = (Arc::clone(&journal), Arc::clone(&looked));
    agent.answer(move |received| {
        if let Some(status) = received.status() {
            let path: &std::path::PathBuf = place.get().unwrap();
            let bytes = fs::read(path).unwrap();
            let uuid = status.uuid.as_deref().unwrap();
            if bytes.windows(uuid.len()).any(|part| part == uuid) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        never_acknowledging(received)
    });
    let executor = Executor::start(&agent);
    let path = executor.sandbox().join(".mesos-sandbox-executor/journal");
    journal.set(path).unwrap();
    agent.wait_for_subscribe(1);
    let ids: Vec<String> = (0..20).map(|number| format!("task-{number}")).collect();
    let launches: Vec<_> = ids.iter().map(|id| launch(task(id, "exit 0"))).collect();
    agent.send(&launches);
    for id in &ids {
        agent.wait_for_state(id, TaskFinished);
    }
    assert_eq!(looked.load(Ordering::Relaxed), 3 * ids.len());
    agent.answer(|_| Answer::Usual);
    agent.cut();
    agent.wait_for_subscribe(2);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
