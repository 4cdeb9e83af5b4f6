//! From the first attempt to connect to SUBSCRIBED, and what may come on the stream.

use mesos_proto::v1::TaskState::{
    self, TaskFailed, TaskFinished, TaskKilled, TaskRunning, TaskStarting,
};
use mesos_proto::v1::executor::{Event, event};

use crate::agent::events::{
    error, kill, launch, launch_group, shutdown, subscribed, task, typed, with_unknown_fields,
};
use crate::agent::{Agent, Answer, at_first};
use crate::executor::Executor;

const DONE: [TaskState; 3] = [TaskStarting, TaskRunning, TaskFinished];

/// P-6
#[test]
fn events_are_understood_byte_by_byte_and_several_in_one_chunk() {
    let agent = Agent::start();
    agent.answer(at_first([Answer::Bare]));
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let first = with_unknown_fields(&task("bytes", "exit 0"));
    agent.trickle(&[subscribed(), launch(first)]);
    agent.send(&[launch(task("one", "exit 0")), launch(task("two", "exit 0"))]);
    for id in ["bytes", "one", "two"] {
        agent.wait_for_state(id, TaskFinished);
        assert_eq!(agent.states(id), DONE);
    }
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 1);
}

/// P-35
#[test]
fn a_member_of_a_group_that_fails_takes_the_others_along() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch_group(vec![
        task("good", "sleep 1000"),
        task("bad", "exit 3"),
    ])]);
    let failed = agent.wait_for_state("bad", TaskFailed);
    assert_eq!(failed.message(), "Command exited with status 3");
    let killed = agent.wait_for_state("good", TaskKilled);
    assert_eq!(
        killed.message(),
        "Command terminated with signal Terminated: task 'bad' of its group is TASK_FAILED"
    );
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-35
#[test]
fn no_member_of_a_group_is_started_when_one_cannot_be() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let started = executor.task("good").join("started");
    let nobody = r#"{"version": 1, "command": {"value": "true", "user": "nobody-of-this-name"}}"#;
    agent.send(&[launch_group(vec![
        task("good", &format!("touch '{}'", started.display())),
        task("bad", nobody),
    ])]);
    agent.wait_for_state("bad", TaskFailed);
    let killed = agent.wait_for_state("good", TaskKilled);
    assert_eq!(
        killed.message(),
        "Killed before the command was started: task 'bad' of its group is TASK_FAILED"
    );
    assert!(!started.exists());
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-7 and P-11
#[test]
fn an_agent_that_refuses_at_first_is_asked_until_it_accepts() {
    let mut agent = Agent::deaf();
    agent.answer(at_first([
        Answer::Status(503, "Agent has not finished recovery"),
        Answer::Status(503, "Agent has not finished recovery"),
        Answer::Status(404, ""),
        Answer::Status(404, ""),
        Answer::Close,
    ]));
    let executor = Executor::start(&agent);
    executor.wait_for_log("Connection refused");
    agent.listen();
    agent.wait_for_subscribe(6);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    assert_eq!(agent.subscribes(), 6);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-11: an attempt that gets nowhere is short enough for another inside the agent's window.
#[test]
fn an_agent_that_never_says_subscribed_is_left_for_a_new_attempt() {
    let agent = Agent::start();
    agent.answer(at_first([Answer::Bare, Answer::Silence]));
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(3);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 3);
}

#[test]
fn heartbeats_and_events_of_later_days_change_nothing_and_a_message_is_answered() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let of_later_days = Event {
        r#type: Some(1000),
        ..launch(task("never", "exit 0"))
    };
    let message = Event {
        message: Some(event::Message {
            data: "hello".into(),
        }),
        ..typed(event::Type::Message)
    };
    agent.send(&[
        typed(event::Type::Heartbeat),
        of_later_days,
        message,
        Event::default(),
        // Without the body that its type promises.
        typed(event::Type::Launch),
        typed(event::Type::Heartbeat),
        launch(task("t", "exit 0")),
    ]);
    agent.wait_for_state("t", TaskFinished);
    assert_eq!(agent.states("never"), []);
    agent.wait_for("an answer", |received| {
        let mut messages = received.iter().filter_map(|one| one.call.message.as_ref());
        messages
            .any(|message| String::from_utf8_lossy(&message.data).contains("is no request"))
            .then_some(())
    });
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    assert_eq!(agent.subscribes(), 1);
}

/// P-18
#[test]
fn error_leads_to_a_new_subscription_and_tasks_run_on() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    agent.send(&[error("go away")]);
    agent.wait_for_subscribe(2);
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-6
#[test]
fn what_is_no_record_leads_to_a_new_subscription() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send_bytes(b"what is this?\n");
    agent.wait_for_subscribe(2);
    // A record, but no event: field 1 of a wire type that does not exist.
    agent.send_bytes(b"1\n\x0f");
    agent.wait_for_subscribe(3);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
