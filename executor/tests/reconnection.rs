//! What happens to tasks and updates when a subscription is lost, and when it cannot be had again.

use mesos_proto::prost::Message;
use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning, TaskStarting};

use crate::agent::events::{
    acknowledged, kill, launch, shutdown, subscribed, task, with_unknown_fields,
};
use crate::agent::{Agent, Answer, never_acknowledging};
use crate::executor::{Executor, comes_true};

/// P-14 and P-21
#[test]
fn what_is_unacknowledged_comes_again_in_order_and_unchanged() {
    let agent = Agent::start();
    agent.answer(never_acknowledging);
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let launched = with_unknown_fields(&task("t", "sleep 1000"));
    agent.send(&[launch(launched.clone())]);
    let starting = agent.wait_for_state("t", TaskStarting);
    let running = agent.wait_for_state("t", TaskRunning);
    assert_ne!(starting.uuid, running.uuid);
    // A healthy agent would acknowledge at once what a SUBSCRIBE carries.
    agent.answer(|received| {
        if received.is_subscribe() {
            Answer::Bare
        } else {
            Answer::Usual
        }
    });
    agent.cut_in_the_middle_of(&kill("t", None));

    let again = agent.wait_for_subscribe(2);
    let sent = again.unacknowledged().unacknowledged_updates.iter();
    let sent: Vec<_> = sent.map(|update| update.status.clone()).collect();
    assert_eq!(sent, [starting.clone(), running]);
    let tasks = &again.unacknowledged().unacknowledged_tasks;
    assert_eq!(tasks.len(), 1);
    let bytes = launched.encode_to_vec();
    let body = &again.request.body;
    assert!(
        body.windows(bytes.len()).any(|part| part == bytes),
        "the task is not as it was sent: {tasks:?}"
    );

    // After one acknowledgement the task has arrived, but not its second update.
    agent.send(&[subscribed(), acknowledged(&starting)]);
    agent.cut_in_the_middle_of(&kill("t", None));
    let third = agent.wait_for_subscribe(3);
    assert_eq!(third.unacknowledged().unacknowledged_tasks.len(), 0);
    let updates = &third.unacknowledged().unacknowledged_updates;
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].status.state(), TaskRunning);

    agent.answer(|_| Answer::Usual);
    agent.send(&[subscribed(), kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    agent.cut();
    agent.wait_for_subscribe(4);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-7
#[test]
fn an_update_of_the_gap_is_delivered_after_it() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let go = executor.task("t").join("go");
    let command = format!("until test -e '{}'; do sleep 0.02; done", go.display());
    agent.send(&[launch(task("t", &command))]);
    agent.wait_for_state("t", TaskRunning);
    agent.answer(|_| Answer::Status(503, "Agent has not finished recovery"));
    agent.cut();
    agent.wait_for_subscribe(2);
    std::fs::write(go, "").unwrap();
    executor.wait_for_log("TASK_FINISHED");
    agent.answer(|_| Answer::Usual);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-8 and P-16
#[test]
fn a_closed_connection_for_calls_leads_to_a_new_subscription() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.close_calls();
    agent.wait_for_subscribe(2);
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-16 and P-21
#[test]
fn an_update_whose_answer_never_comes_is_sent_again() {
    let agent = Agent::start();
    let mut closed = false;
    agent.answer(move |received| {
        let close = !closed && received.status().is_some();
        closed |= close;
        if close { Answer::Close } else { Answer::Usual }
    });
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_subscribe(2);
    agent.wait_for_state("t", TaskFinished);
    let statuses = agent.statuses("t");
    assert_eq!(statuses[0], statuses[1]);
    assert_eq!(statuses[0].state(), TaskStarting);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-12, P-17 and P-33
#[test]
fn without_checkpointing_a_lost_stream_ends_the_tasks_and_the_executor() {
    let agent = Agent::start();
    let executor = Executor::start_with(&agent, &[("MESOS_CHECKPOINT", "0")]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.cut();
    let status = executor.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(agent.subscribes(), 1);
}

/// P-11 and P-12
#[test]
fn an_agent_that_only_answers_503_is_given_up_at_the_recovery_timeout() {
    let agent = Agent::start();
    // Its first subscription has to come within it, too.
    let executor = Executor::start_with(&agent, &[("MESOS_RECOVERY_TIMEOUT", "5secs")]);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.answer(|_| Answer::Status(503, "Agent has not finished recovery"));
    agent.cut();
    // Neither being connected to nor being answered by it begins the timeout anew.
    let status = executor.end();
    assert_eq!(status.code(), Some(1));
    assert!(agent.subscribes() > 2, "it tried only once");
}

/// P-12
#[test]
fn an_agent_that_never_was_there_is_given_up_at_the_recovery_timeout() {
    let agent = Agent::deaf();
    let executor = Executor::start_with(&agent, &[("MESOS_RECOVERY_TIMEOUT", "1secs")]);
    executor.wait_for_log("Connection refused");
    executor.end();
}

/// P-7
#[test]
fn an_agent_that_has_forgotten_the_executor_is_not_asked_again() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.answer(|_| Answer::Status(400, "Executor cannot be found"));
    agent.cut();
    let status = executor.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(agent.subscribes(), 2);
}

/// P-7
#[test]
fn tasks_are_ended_when_the_agent_forgets_the_executor_while_they_report() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("stays", "sleep 1000"))]);
    agent.wait_for_state("stays", TaskRunning);
    agent.answer(|_| Answer::Status(400, "Framework cannot be found"));
    agent.send(&[launch(task("t", "exit 0"))]);
    let status = executor.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(agent.subscribes(), 1);
}

/// P-16
#[test]
fn a_task_outlives_many_subscriptions() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    for number in 2..10 {
        agent.cut();
        agent.wait_for_subscribe(number);
    }
    assert!(comes_true(|| executor
        .log()
        .matches("subscribed with")
        .count()
        >= 9));
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    assert_eq!(
        agent
            .states("t")
            .iter()
            .filter(|one| **one == TaskRunning)
            .count(),
        1
    );
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
