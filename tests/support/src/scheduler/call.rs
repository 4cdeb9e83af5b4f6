//! The scheduler's calls.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mesos_proto::resources::scalar;
use mesos_proto::v1::offer::Operation;
use mesos_proto::v1::scheduler::Call;
use mesos_proto::v1::scheduler::call::{
    Accept, Acknowledge, Decline, Kill, Message, Reconcile, Revive, Shutdown, Subscribe, Suppress,
    Type, reconcile,
};
use mesos_proto::v1::{
    AgentId, DurationInfo, ExecutorInfo, Filters, FrameworkInfo, KillPolicy, Offer, Resource,
    TaskInfoFields, TaskStatus,
};

use super::{executor_id, task_id};

fn call(kind: Type, fill: impl FnOnce(&mut Call)) -> Call {
    let mut call = Call {
        r#type: Some(kind.into()),
        ..Call::default()
    };
    fill(&mut call);
    call
}

/// Without offers for the while: REVIVE asks for them.
pub(super) fn subscribe(framework: FrameworkInfo) -> Call {
    call(Type::Subscribe, |call| {
        call.framework_id.clone_from(&framework.id);
        call.subscribe = Some(Subscribe {
            suppressed_roles: vec![framework.role().to_owned()],
            framework_info: framework,
        });
    })
}

pub(super) fn teardown() -> Call {
    call(Type::Teardown, |_| ())
}

pub(super) fn revive() -> Call {
    call(Type::Revive, |call| call.revive = Some(Revive::default()))
}

pub(super) fn suppress() -> Call {
    call(Type::Suppress, |call| {
        call.suppress = Some(Suppress::default());
    })
}

/// The rest of an offer comes again as soon as it is asked for.
fn no_filter() -> Filters {
    Filters {
        refuse_seconds: Some(0.0),
    }
}

pub(super) fn accept(offer: &Offer, operation: Operation) -> Call {
    call(Type::Accept, |call| {
        call.accept = Some(Accept {
            offer_ids: vec![offer.id.clone()],
            operations: vec![operation],
            filters: Some(no_filter()),
        });
    })
}

pub(super) fn decline(offers: &[Offer]) -> Call {
    call(Type::Decline, |call| {
        call.decline = Some(Decline {
            offer_ids: offers.iter().map(|offer| offer.id.clone()).collect(),
            filters: Some(no_filter()),
        });
    })
}

pub(super) fn kill(task: &str, agent_id: Option<AgentId>, grace: Option<Duration>) -> Call {
    let nanoseconds =
        |grace: Duration| i64::try_from(grace.as_nanos()).expect("a time that Mesos can express");
    call(Type::Kill, |call| {
        call.kill = Some(Kill {
            task_id: task_id(task),
            agent_id,
            kill_policy: grace.map(|grace| KillPolicy {
                grace_period: Some(DurationInfo {
                    nanoseconds: nanoseconds(grace),
                }),
            }),
        });
    })
}

pub(super) fn message(executor: &str, agent_id: AgentId, data: Bytes) -> Call {
    call(Type::Message, |call| {
        call.message = Some(Message {
            agent_id,
            executor_id: executor_id(executor),
            data,
        });
    })
}

pub(super) fn shutdown(executor: &str, agent_id: AgentId) -> Call {
    call(Type::Shutdown, |call| {
        call.shutdown = Some(Shutdown {
            executor_id: executor_id(executor),
            agent_id,
        });
    })
}

pub(super) fn reconcile(tasks: &[&str]) -> Call {
    call(Type::Reconcile, |call| {
        call.reconcile = Some(Reconcile {
            tasks: tasks
                .iter()
                .map(|task| reconcile::Task {
                    task_id: task_id(task),
                    agent_id: None,
                })
                .collect(),
        });
    })
}

/// None for an update that wants no acknowledgement: one of the master's own.
pub(super) fn acknowledge(status: &TaskStatus) -> Option<Call> {
    let uuid = status.uuid.clone().filter(|uuid| !uuid.is_empty())?;
    let agent_id = status.agent_id.clone()?;
    let task_id = status.task_id.clone();
    Some(call(Type::Acknowledge, |call| {
        call.acknowledge = Some(Acknowledge {
            agent_id,
            task_id,
            uuid,
        });
    }))
}

/// Whether an offer has enough for these tasks and the executors that they bring, but for those that run there already.
pub(super) fn fits(
    offer: &Offer,
    tasks: &[TaskInfoFields],
    executor: Option<&ExecutorInfo>,
) -> bool {
    let executors: BTreeMap<&str, &ExecutorInfo> = tasks
        .iter()
        .filter_map(|task| task.executor.as_ref())
        .chain(executor)
        .filter(|executor| !offer.executor_ids.contains(&executor.executor_id))
        .map(|executor| (executor.executor_id.value.as_str(), executor))
        .collect();
    let wanted: Vec<&Resource> = tasks
        .iter()
        .flat_map(|task| &task.resources)
        .chain(executors.values().flat_map(|executor| &executor.resources))
        .collect();
    ["cpus", "mem", "disk"].iter().all(|name| {
        let sum: f64 = wanted
            .iter()
            .filter(|resource| resource.name == *name)
            .filter_map(|resource| Some(resource.scalar.as_ref()?.value))
            .sum();
        // Mesos keeps three decimal places.
        sum <= scalar(&offer.resources, name).unwrap_or_default() + 0.0005
    })
}
