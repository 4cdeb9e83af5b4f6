//! What an agent sends.

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::prost::Message;
use mesos_proto::v1::executor::{Event, event};
use mesos_proto::v1::{
    AgentId, AgentInfo, CommandInfo, DurationInfo, ExecutorId, ExecutorInfo, FrameworkId,
    FrameworkInfo, KillPolicy, TaskGroupInfo, TaskId, TaskInfoFields, TaskStatus, framework_info,
};

pub(crate) const FRAMEWORK: &str = "f0000000-1111-2222-3333-444444444444-0000";
pub(crate) const EXECUTOR: &str = "the executor";
pub(crate) const AGENT: &str = "a0000000-1111-2222-3333-444444444444-S0";

/// An event of this type, without a body.
pub(crate) fn typed(kind: event::Type) -> Event {
    Event {
        r#type: Some(kind.into()),
        ..Default::default()
    }
}

/// The framework knows TASK_KILLING.
pub(crate) fn subscribed() -> Event {
    let killing = framework_info::capability::Type::TaskKillingState;
    Event {
        subscribed: Some(event::Subscribed {
            executor_info: ExecutorInfo {
                executor_id: ExecutorId {
                    value: EXECUTOR.into(),
                },
                ..Default::default()
            },
            framework_info: FrameworkInfo {
                user: "root".into(),
                name: "a framework".into(),
                id: Some(FrameworkId {
                    value: FRAMEWORK.into(),
                }),
                capabilities: vec![framework_info::Capability {
                    r#type: Some(killing.into()),
                }],
                ..Default::default()
            },
            agent_info: AgentInfo {
                hostname: "localhost".into(),
                id: Some(agent_id()),
                ..Default::default()
            },
            container_id: None,
        }),
        ..typed(event::Type::Subscribed)
    }
}

/// A task that runs a shell command.
pub(crate) fn task(id: &str, command: &str) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        name: format!("the task {id}"),
        task_id: task_id(id),
        agent_id: agent_id(),
        data: Some(Bytes::copy_from_slice(command.as_bytes())),
        ..Default::default()
    })
}

/// A task with a command and no executor, as the agent gives it to Mesos's command executor.
pub(crate) fn command_task(id: &str, command: &str) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        name: format!("the task {id}"),
        task_id: task_id(id),
        agent_id: agent_id(),
        command: Some(CommandInfo {
            value: Some(command.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// The same task from an agent of later days: with fields that this version does not know, before and after those it
/// does.
pub(crate) fn with_unknown_fields(task: &TaskInfo) -> TaskInfo {
    // Field 1000, a varint; field 1001, of length 3.
    let (before, after) = (
        [0xc0, 0x3e, 0xac, 0x02],
        [0xca, 0x3e, 0x03, b'n', b'e', b'w'],
    );
    let bytes = [&before[..], &task.encode_to_vec(), &after].concat();
    TaskInfo::decode(&bytes[..]).expect("a task with more fields is a task")
}

pub(crate) fn launch(task: TaskInfo) -> Event {
    Event {
        launch: Some(event::Launch { task }),
        ..typed(event::Type::Launch)
    }
}

pub(crate) fn launch_group(tasks: Vec<TaskInfo>) -> Event {
    Event {
        launch_group: Some(event::LaunchGroup {
            task_group: TaskGroupInfo { tasks },
        }),
        ..typed(event::Type::LaunchGroup)
    }
}

/// KILL, with a grace in seconds where one is given.
pub(crate) fn kill(id: &str, grace: Option<i64>) -> Event {
    let policy = |seconds| KillPolicy {
        grace_period: Some(DurationInfo {
            nanoseconds: seconds * 1_000_000_000,
        }),
    };
    Event {
        kill: Some(event::Kill {
            task_id: task_id(id),
            kill_policy: grace.map(policy),
        }),
        ..typed(event::Type::Kill)
    }
}

pub(crate) fn acknowledged(status: &TaskStatus) -> Event {
    acknowledgement(&status.task_id.value, status.uuid.as_deref().unwrap_or(b""))
}

/// ACKNOWLEDGED for any task and uuid.
pub(crate) fn acknowledgement(id: &str, uuid: &[u8]) -> Event {
    Event {
        acknowledged: Some(event::Acknowledged {
            task_id: task_id(id),
            uuid: Bytes::copy_from_slice(uuid),
        }),
        ..typed(event::Type::Acknowledged)
    }
}

pub(crate) fn shutdown() -> Event {
    typed(event::Type::Shutdown)
}

/// What a framework says to the executor.
pub(crate) fn message(text: &str) -> Event {
    Event {
        message: Some(event::Message {
            data: Bytes::copy_from_slice(text.as_bytes()),
        }),
        ..typed(event::Type::Message)
    }
}

pub(crate) fn error(message: &str) -> Event {
    Event {
        error: Some(event::Error {
            message: message.into(),
        }),
        ..typed(event::Type::Error)
    }
}

fn task_id(id: &str) -> TaskId {
    TaskId { value: id.into() }
}

fn agent_id() -> AgentId {
    AgentId {
        value: AGENT.into(),
    }
}
