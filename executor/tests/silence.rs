//! An agent, or a network, that says nothing any more without closing anything.

use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning};
use nix::sched::{CloneFlags, unshare};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::agent::link::Link;
use crate::executor::Executor;

/// Runs a test in a network of its own, which [`set_network`] can take down.
fn in_own_network(test: impl FnOnce() + Send + 'static) {
    let run = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        set_network("up");
        test();
    });
    if let Err(panic) = run.join() {
        resume_unwind(panic);
    }
}

fn set_network(state: &str) {
    let set = Command::new("ip")
        .args(["link", "set", "lo", state])
        .status();
    assert!(set.unwrap().success());
}

/// P-9: the agent's own heartbeats are half an hour apart, which is longer than any wait of a test.
#[test]
fn a_network_that_is_gone_is_noticed_although_nothing_is_sent() {
    in_own_network(|| {
        let agent = Agent::start();
        let executor = Executor::start(&agent);
        agent.wait_for_subscribe(1);
        agent.send(&[launch(task("t", "sleep 1000"))]);
        agent.wait_for_state("t", TaskRunning);
        set_network("down");
        executor.wait_for_log("not connected to the agent");
        set_network("up");
        agent.wait_for_subscribe(2);
        agent.send(&[kill("t", None)]);
        agent.wait_for_state("t", TaskKilled);
        agent.send(&[shutdown()]);
        assert!(executor.end().success());
    });
}

/// P-9: an agent that is stopped keeps its connections, and its kernel answers for it.
#[test]
fn an_agent_that_stops_answering_is_subscribed_with_anew() {
    let agent = Agent::start();
    let link = Link::plain(agent.address);
    agent.is_behind(&link.address);
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let go = executor.task("t").join("go");
    let command = format!("until test -e '{}'; do sleep 0.02; done", go.display());
    agent.send(&[launch(task("t", &command))]);
    agent.wait_for_state("t", TaskRunning);
    link.fall_silent();
    std::fs::write(go, "").unwrap();
    executor.wait_for_log("a call was not answered within");
    link.speak_again();
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// P-9: without anything to say, too.
#[test]
fn an_agent_that_stops_while_nothing_happens_is_subscribed_with_anew() {
    let agent = Agent::start();
    let link = Link::plain(agent.address);
    agent.is_behind(&link.address);
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "sleep 1000"))]);
    agent.wait_for_state("t", TaskRunning);
    link.fall_silent();
    executor.wait_for_log("a call was not answered within");
    link.speak_again();
    agent.wait_for_subscribe(2);
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
