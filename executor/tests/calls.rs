//! What every call has to be, whatever it says.

use std::collections::HashSet;
use std::time::Duration;

use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning, TaskStarting};
use mesos_proto::v1::executor::call;
use mesos_proto::v1::task_status::Source;

use crate::agent::events::{AGENT, EXECUTOR, launch, shutdown, task};
use crate::agent::{Agent, Answer};
use crate::executor::Executor;

/// P-1 and P-5
#[test]
fn every_call_goes_to_the_agents_own_path_and_names_one_media_type() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    let received = agent.received();
    assert!(received.len() >= 4, "SUBSCRIBE and three updates");
    for one in received {
        let request = &one.request;
        assert_eq!(request.method, "POST");
        assert_eq!(request.path, "/slave(1)/api/v1/executor");
        assert_eq!(request.header("host"), Some(agent.endpoint().as_str()));
        for name in ["content-type", "accept"] {
            assert_eq!(request.header(name), Some("application/x-protobuf"));
        }
        // That is the scheduler's API.
        assert_eq!(request.header("mesos-stream-id"), None);
    }
}

/// P-19 and P-20: the agent id is best left for the agent to fill in; another one's is not found out.
#[test]
fn every_update_is_what_the_agent_lets_through() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    for (id, command) in [("good", "exit 0"), ("bad", "exit 1"), ("none", "")] {
        agent.send(&[launch(task(id, command))]);
    }
    agent.wait_for_state("good", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
    let mut uuids = HashSet::new();
    for id in ["good", "bad", "none"] {
        let statuses = agent.statuses(id);
        assert!(!statuses.is_empty(), "{id}");
        for status in statuses {
            assert_eq!(status.source(), Source::Executor);
            assert_eq!(status.uuid.as_ref().map(bytes::Bytes::len), Some(16));
            assert!(uuids.insert(status.uuid), "two updates with one uuid");
            assert!(status.timestamp.is_some());
            let executor = status.executor_id.map(|id| id.value);
            assert!(executor.is_none_or(|id| id == EXECUTOR));
            let agent = status.agent_id.map(|id| id.value);
            assert!(agent.is_none_or(|id| id == AGENT));
        }
    }
}

/// P-8
#[test]
fn an_update_is_not_sent_before_the_one_ahead_of_it_is_answered() {
    let agent = Agent::start();
    let mut silent = false;
    agent.answer(move |received| {
        let first = !silent && received.status().is_some();
        silent |= first;
        if first {
            Answer::Silence
        } else {
            Answer::Usual
        }
    });
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0")), launch(task("u", "exit 0"))]);
    // The answer is given up in the end, and everything is carried by a new subscription.
    let again = agent.wait_for_subscribe(2);
    let before = agent.received().into_iter();
    let before = before.take_while(|one| one.request.body != again.request.body);
    let updates = before.filter(|one| one.status().is_some()).count();
    assert_eq!(updates, 1, "another one overtook it");
    let carried = &again.unacknowledged().unacknowledged_updates;
    assert_eq!(carried[0].status.state(), TaskStarting);
    for id in ["t", "u"] {
        let states: Vec<_> = carried
            .iter()
            .map(|update| &update.status)
            .filter(|status| status.task_id.value == id)
            .map(mesos_proto::v1::TaskStatus::state)
            .collect();
        assert_eq!(states, [TaskStarting, TaskRunning, TaskFinished], "{id}");
    }
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-7: the agent has been restarted, and the connection for calls has outlived that.
#[test]
fn a_call_that_is_refused_for_want_of_a_subscription_leads_to_one() {
    for (status, text) in [
        (403, "Executor is not subscribed"),
        (404, ""),
        (500, "Internal Server Error"),
    ] {
        let agent = Agent::start();
        let mut refused = false;
        agent.answer(move |received| {
            let refuse = !refused && received.status().is_some();
            refused |= refuse;
            if refuse {
                Answer::Status(status, text)
            } else {
                Answer::Usual
            }
        });
        let executor = Executor::start(&agent);
        agent.wait_for_subscribe(1);
        agent.send(&[launch(task("t", "exit 0"))]);
        agent.wait_for_subscribe(2);
        agent.wait_for_state("t", TaskFinished);
        agent.send(&[shutdown()]);
        assert!(executor.end().success(), "{status}");
    }
}

/// P-10, and better than P-12: Mesos's library gives up at the first connection that fails.
#[test]
fn without_checkpointing_too_the_first_subscription_is_tried_for_again_and_again() {
    let mut agent = Agent::deaf();
    agent.answer(crate::agent::at_first([
        Answer::Status(503, "Agent has not finished recovery"),
        Answer::Close,
    ]));
    let executor = Executor::start_with(&agent, &[("MESOS_CHECKPOINT", "0")]);
    executor.wait_for_log("Connection refused");
    agent.listen();
    agent.wait_for_subscribe(3);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-9
#[test]
fn an_idle_connection_is_tried_with_heartbeats() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let beat = agent.wait_for("a HEARTBEAT", |received| {
        let beats = received.iter().map(|one| &one.call);
        let mut beats = beats.filter(|call| call.r#type() == call::Type::Heartbeat);
        beats.next().cloned()
    });
    assert!(beat.subscribe.is_none() && beat.update.is_none());
    assert_eq!(agent.subscribes(), 1);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-32, also for the fractions that a duration of the agent's may be.
#[test]
fn a_shutdown_that_leaves_no_time_leaves_no_task_either() {
    for grace in ["0ns", "0.5secs", "1secs", "1.5secs"] {
        let agent = Agent::start();
        let grace = [("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", grace)];
        let executor = Executor::start_with(&agent, &grace);
        agent.wait_for_subscribe(1);
        let stubborn = "trap '' TERM; while true; do sleep 0.1; done";
        agent.send(&[launch(task("t", stubborn))]);
        agent.wait_for_state("t", TaskRunning);
        agent.send(&[shutdown()]);
        agent.wait_for_state("t", TaskKilled);
        // By force it would be 10 s later.
        executor.end_within(Duration::from_secs(60));
    }
}
