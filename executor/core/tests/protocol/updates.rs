//! Updates and their acknowledgements.

use bytes::Bytes;
use executor_core::{CommandEnd, LinkEvent, Outcome, TaskEvent};
use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished, TaskRunning, TaskStarting};
use mesos_proto::v1::task_status::Source;

use crate::rig::{
    Rig, SECOND, config, ended, launch, refusal, subscribe, subscribed, task, update, updates,
};

/// P-14
#[test]
fn a_task_stays_among_the_unacknowledged_until_the_first_acknowledgement() {
    let mut rig = Rig::subscribed(config());
    let starting = update(&rig.agent(launch(task("t"))));
    let running = update(&rig.task("t", TaskEvent::Started));
    rig.cut();
    let call = subscribe(&rig.pass(SECOND));
    // Also while its updates travel in the same call.
    assert_eq!(call.unacknowledged_tasks.len(), 1);
    assert_eq!(call.unacknowledged_updates.len(), 2);
    rig.agent(subscribed());
    rig.acknowledge(&starting);
    rig.cut();
    let call = subscribe(&rig.pass(SECOND));
    assert_eq!(call.unacknowledged_tasks.len(), 0);
    assert_eq!(call.unacknowledged_updates[0].status, running);
}

#[test]
fn what_a_task_runs_without_is_told_with_its_first_running_and_no_later_one() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("t")));
    let lacks = "no limit of memory: no cgroups".to_owned();
    let running = update(&rig.task("t", TaskEvent::StartedWithout(lacks)));
    assert_eq!(running.state(), TaskRunning);
    assert_eq!(
        running.message.as_deref(),
        Some("The task runs with no limit of memory: no cgroups")
    );
    let finished = update(&rig.end("t", CommandEnd::Exited(0)));
    assert_eq!(
        finished.message.as_deref(),
        Some("Command exited with status 0")
    );
}

/// P-19
#[test]
fn an_update_has_what_the_agent_asks_for() {
    let mut rig = Rig::subscribed(config());
    let status = update(&rig.agent(launch(task("t"))));
    let uuid = status.uuid.clone().unwrap_or_default();
    assert_eq!(uuid.len(), 16);
    assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2), "version and variant");
    assert_eq!(status.source(), Source::Executor);
    assert_eq!(status.executor_id.as_ref().unwrap().value, "e");
    assert_eq!(status.reason, None);
    // Not cut to whole seconds.
    assert_eq!(status.timestamp, Some(1_700_000_000.25));
}

/// P-20
#[test]
fn an_update_leaves_the_agents_id_to_the_agent() {
    let mut rig = Rig::subscribed(config());
    assert_eq!(update(&rig.agent(launch(task("t")))).agent_id, None);
}

/// P-8, P-21
#[test]
fn what_is_sent_again_is_what_was_sent_in_the_same_order() {
    let mut rig = Rig::subscribed(config());
    let mut sent = updates(&rig.agent(launch(task("a"))));
    sent.extend(updates(&rig.agent(launch(task("b")))));
    sent.extend(updates(&rig.task("b", TaskEvent::Started)));
    sent.extend(updates(&rig.end("b", CommandEnd::Exited(0))));
    for _ in 0..3 {
        rig.cut();
        let call = subscribe(&rig.pass(SECOND));
        let again: Vec<_> = call
            .unacknowledged_updates
            .into_iter()
            .map(|update| update.status)
            .collect();
        assert_eq!(again, sent);
        // They are in the SUBSCRIBE already.
        assert!(updates(&rig.agent(subscribed())).is_empty());
    }
}

/// P-22
#[test]
fn acknowledgements_may_come_in_any_order_and_twice() {
    let mut rig = Rig::subscribed(config());
    let starting = update(&rig.agent(launch(task("t"))));
    let running = update(&rig.task("t", TaskEvent::Started));
    rig.acknowledge(&running);
    rig.acknowledge(&running);
    rig.cut();
    let call = subscribe(&rig.pass(SECOND));
    assert_eq!(call.unacknowledged_updates.len(), 1);
    assert_eq!(call.unacknowledged_updates[0].status, starting);
    rig.agent(subscribed());
    rig.acknowledge(&starting);
    rig.cut();
    assert!(
        subscribe(&rig.pass(SECOND))
            .unacknowledged_updates
            .is_empty()
    );
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_changes_nothing() {
    let mut rig = Rig::subscribed(config());
    let mut status = update(&rig.agent(launch(task("t"))));
    status.uuid = Some(Bytes::from_static(&[1; 16]));
    rig.acknowledge(&status);
    rig.cut();
    assert_eq!(subscribe(&rig.pass(SECOND)).unacknowledged_updates.len(), 1);
}

/// P-23
#[test]
fn an_acknowledgement_that_never_comes_is_not_waited_for_for_ever() {
    let mut config = config();
    config.checkpoint = false;
    let mut rig = Rig::subscribed(config);
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.end("t", CommandEnd::Exited(0));
    rig.pass(59 * SECOND);
    assert_eq!(rig.outcome(), None);
    rig.pass(2 * SECOND);
    assert_eq!(rig.outcome(), Some(Outcome::Unacknowledged(3)));
}

/// P-24
#[test]
fn nothing_follows_the_one_terminal_update() {
    let mut rig = Rig::running(task("t"));
    rig.end("t", CommandEnd::Exited(0));
    rig.task("t", TaskEvent::Started);
    rig.end("t", CommandEnd::Exited(1));
    rig.pass(30 * SECOND);
    assert_eq!(rig.states("t"), [TaskStarting, TaskRunning, TaskFinished]);
}

/// P-25
#[test]
fn the_executor_goes_after_the_last_acknowledgement_and_not_before() {
    let mut rig = Rig::subscribed(config());
    let mut all = rig.agent(launch(task("t")));
    all.extend(rig.task("t", TaskEvent::Started));
    all.extend(rig.end("t", CommandEnd::Exited(0)));
    rig.pass(60 * SECOND);
    assert_eq!(rig.outcome(), None);
    rig.acknowledge_all(&all);
    rig.pass(4 * SECOND);
    assert_eq!(rig.outcome(), None);
    rig.pass(2 * SECOND);
    assert_eq!(rig.outcome(), Some(Outcome::Complete));
}

/// P-26
#[test]
fn an_update_names_the_container_and_leaves_the_rest_to_the_agent() {
    let mut rig = Rig::subscribed(config());
    let status = update(&rig.agent(launch(task("t"))));
    let container = status.container_status.unwrap();
    assert_eq!(container.container_id.unwrap().value, "c");
    assert!(container.network_infos.is_empty() && container.cgroup_info.is_none());
}

/// P-27: the agent shrinks the container on that update, and must find no cgroup in its way.
#[test]
fn the_terminal_update_follows_the_clean_up() {
    let mut rig = Rig::running(task("t"));
    let actions = rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(1))));
    assert!(updates(&actions).is_empty());
    let actions = rig.task("t", TaskEvent::CleanedUp);
    assert_eq!(update(&actions).state(), TaskFailed);
}

#[test]
fn a_clean_up_that_does_not_end_holds_the_terminal_update_up_for_a_while_only() {
    let mut rig = Rig::running(task("t"));
    rig.task("t", TaskEvent::Ended(ended(CommandEnd::Exited(1))));
    let actions = rig.pass(10 * SECOND);
    assert_eq!(update(&actions).state(), TaskFailed);
}

/// P-36
#[test]
fn a_running_executor_takes_more_tasks() {
    let mut rig = Rig::running(task("a"));
    rig.agent(launch(task("b")));
    rig.task("b", TaskEvent::Started);
    rig.end("a", CommandEnd::Exited(0));
    rig.end("b", CommandEnd::Exited(1));
    assert_eq!(rig.states("a"), [TaskStarting, TaskRunning, TaskFinished]);
    assert_eq!(rig.states("b"), [TaskStarting, TaskRunning, TaskFailed]);
}

#[test]
fn a_task_that_is_launched_twice_is_one_task() {
    let mut rig = Rig::running(task("t"));
    assert!(updates(&rig.agent(launch(task("t")))).is_empty());
    assert_eq!(rig.states("t"), [TaskStarting, TaskRunning]);
}

/// It would take every other update down with it in a SUBSCRIBE.
#[test]
fn an_update_that_the_agent_will_never_take_is_not_sent_again() {
    let mut rig = Rig::subscribed(config());
    let starting = update(&rig.agent(launch(task("t"))));
    rig.link(LinkEvent::CallRefused {
        uuid: starting.uuid,
        refusal: refusal(Some(400), "Failed to validate"),
    });
    rig.cut();
    assert!(
        subscribe(&rig.pass(SECOND))
            .unacknowledged_updates
            .is_empty()
    );
}
