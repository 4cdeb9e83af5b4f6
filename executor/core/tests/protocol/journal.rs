//! What an executor takes over from one that was killed.

use executor_core::{Action, CommandEnd, Core, Now, Outcome, Record, TaskEvent};
use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished};
use mesos_proto::v1::executor::call;
use mesos_proto::v1::task_status::Reason;

use crate::rig::{
    Rig, SECOND, calls, config, launch, launch_group, subscribe, subscribed, task, update, updates,
};

/// What would be in the file.
fn records(rig: &Rig) -> Vec<Record> {
    let records = rig.all.iter().filter_map(|(_, action)| match action {
        Action::Record { record, .. } => Some(record.clone()),
        _ => None,
    });
    records.collect()
}

/// Another executor begins with this journal. Returns it and what its SUBSCRIBE carries.
fn follow(records: Vec<Record>) -> (Rig, call::Subscribe) {
    let mut rig = Rig {
        core: Core::new(config(), [8; 32], Now::default()),
        now: Default::default(),
        attempt: 0,
        all: Vec::new(),
    };
    rig.core.recover(rig.clock(), records);
    let mut actions = rig.take();
    actions.extend(rig.pass(SECOND / 10));
    let call = subscribe(&actions);
    (rig, call)
}

#[test]
fn a_record_comes_before_the_call_that_depends_on_it_and_is_named_by_it() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("t")));
    rig.task("t", TaskEvent::Started);
    rig.end("t", CommandEnd::Exited(0));
    let mut recorded = Vec::new();
    let mut last = 0;
    for (_, action) in &rig.all {
        match action {
            Action::Record { sequence, record } => {
                assert_eq!(*sequence, last + 1);
                last = *sequence;
                if let Record::Update(status) = record {
                    assert_eq!(record.wants_sync(), status.state().is_terminal());
                    recorded.push((*sequence, status.as_ref().clone()));
                }
            }
            Action::Send { call, after, .. } => {
                if let Some(update) = &call.update {
                    assert!(recorded.contains(&(*after, update.status.clone())));
                }
            }
            Action::Subscribe { after, .. } => assert_eq!(*after, last),
            _ => {}
        }
    }
    assert_eq!(recorded.len(), 3);
}

#[test]
fn what_was_not_acknowledged_comes_back_in_order_with_its_uuids() {
    let mut rig = Rig::subscribed(config());
    let mut sent = updates(&rig.agent(launch(task("a"))));
    sent.extend(updates(&rig.agent(launch(task("b")))));
    sent.extend(updates(&rig.task("a", TaskEvent::Started)));
    sent.extend(updates(&rig.end("a", CommandEnd::Exited(0))));
    rig.acknowledge(&sent[0]);
    for records in [records(&rig), rig.core.snapshot()] {
        let (_, call) = follow(records);
        let tasks: Vec<&str> = call
            .unacknowledged_tasks
            .iter()
            .map(|task| task.task_id.value.as_str())
            .collect();
        assert_eq!(tasks, ["b"]);
        let mut updates = call.unacknowledged_updates.into_iter();
        for expected in &sent[1..] {
            assert_eq!(
                updates.next().map(|update| update.status).as_ref(),
                Some(expected)
            );
        }
        let killed = updates.next().map(|update| update.status).unwrap();
        assert_eq!(
            (killed.task_id.value.as_str(), killed.state()),
            ("b", TaskFailed)
        );
        assert_eq!(updates.next(), None);
    }
}

#[test]
fn a_task_that_ran_when_its_executor_was_killed_has_failed() {
    let mut rig = Rig::subscribed(config());
    let mut all = rig.agent(launch(task("t")));
    all.extend(rig.task("t", TaskEvent::Started));
    rig.acknowledge_all(&all);
    for records in [records(&rig), rig.core.snapshot()] {
        let (mut next, call) = follow(records);
        assert!(call.unacknowledged_tasks.is_empty());
        let status = call.unacknowledged_updates[0].status.clone();
        assert_eq!(status.state(), TaskFailed);
        assert_eq!(status.reason(), Reason::ExecutorTerminated);
        assert_eq!(
            status.message(),
            "The executor was killed, and the task's processes with it"
        );
        // Nobody runs it: the acknowledgement is all that is waited for.
        next.agent(subscribed());
        next.acknowledge(&status);
        next.pass(6 * SECOND);
        assert_eq!(next.outcome(), Some(Outcome::Complete));
    }
}

#[test]
fn what_was_delivered_is_not_taken_over() {
    let mut rig = Rig::subscribed(config());
    let mut all = rig.agent(launch(task("t")));
    all.extend(rig.task("t", TaskEvent::Started));
    all.extend(rig.end("t", CommandEnd::Exited(0)));
    rig.acknowledge_all(&all);
    assert_eq!(rig.core.snapshot(), []);
    let (_, call) = follow(records(&rig));
    assert_eq!(call, call::Subscribe::default());
}

#[test]
fn a_journal_taken_over_twice_says_the_same() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch_group(vec![task("a"), task("b")]));
    let (next, first) = follow(records(&rig));
    let (_, second) = follow(next.core.snapshot());
    assert_eq!(first, second);
}

#[test]
fn an_executor_with_an_inheritance_takes_new_tasks() {
    let mut rig = Rig::subscribed(config());
    rig.agent(launch(task("old")));
    let (mut next, _) = follow(records(&rig));
    next.agent(subscribed());
    next.agent(launch(task("new")));
    next.task("new", TaskEvent::Started);
    let status = update(&next.end("new", CommandEnd::Exited(0)));
    assert_eq!(status.state(), TaskFinished);
    assert!(calls(&next.pass(SECOND), call::Type::Update).is_empty());
}
