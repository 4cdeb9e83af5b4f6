//! What goes over the simulated wire, and how the log shows it.

use executor_core::{Action, Event, LimitKind, Limitation};
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::{self, event};
use mesos_proto::v1::{
    AgentId, AgentInfo, DurationInfo, ExecutorInfo, FrameworkInfo, KillPolicy, TaskId,
    TaskInfoFields, TaskState, TaskStatus, framework_info,
};

pub(super) fn rank(status: &TaskStatus) -> u8 {
    match TaskState::try_from(status.state).expect("a state that exists") {
        TaskState::TaskStarting => 0,
        TaskState::TaskRunning => 1,
        TaskState::TaskKilling => 2,
        TaskState::TaskFinished
        | TaskState::TaskFailed
        | TaskState::TaskKilled
        | TaskState::TaskError => 3,
        other => panic!("{other:?} is never sent"),
    }
}

pub(super) fn short(action: &Action) -> String {
    match action {
        Action::Note(note) => note.to_string(),
        Action::Subscribe { attempt, .. } => format!("-> SUBSCRIBE {attempt}"),
        Action::Send { call, .. } => {
            format!("-> {:?}", call.update.as_ref().map(|u| u.status.state))
        }
        Action::Launch { task, held, .. } => {
            format!("launch {} held {held}", task.task_id.value)
        }
        Action::Record { sequence, .. } => format!("record {sequence}"),
        Action::Disconnect { .. }
        | Action::CancelLaunch { .. }
        | Action::Release { .. }
        | Action::Probe { .. }
        | Action::CancelProbe { .. }
        | Action::Signal { .. }
        | Action::KillTree { .. }
        | Action::CleanUp { .. }
        | Action::Exit(_) => format!("{action:?}"),
    }
}

pub(super) fn agent(attempt: u64, event: executor::Event) -> Event {
    let event = Box::new(event);
    Event::Agent { attempt, event }
}

pub(super) fn typed(kind: event::Type) -> executor::Event {
    executor::Event {
        r#type: Some(kind.into()),
        ..Default::default()
    }
}

pub(super) fn subscribed() -> executor::Event {
    let capability = framework_info::Capability {
        r#type: Some(framework_info::capability::Type::TaskKillingState.into()),
    };
    let framework_info = FrameworkInfo {
        capabilities: vec![capability],
        ..Default::default()
    };
    let subscribed = event::Subscribed {
        executor_info: ExecutorInfo::default(),
        framework_info,
        agent_info: AgentInfo::default(),
        container_id: None,
    };
    executor::Event {
        subscribed: Some(subscribed),
        ..typed(event::Type::Subscribed)
    }
}

pub(super) fn launch(id: &str) -> executor::Event {
    let task = TaskInfo::from(TaskInfoFields {
        name: id.into(),
        task_id: TaskId { value: id.into() },
        agent_id: AgentId { value: "a".into() },
        data: Some("true".into()),
        ..Default::default()
    });
    executor::Event {
        launch: Some(event::Launch { task }),
        ..typed(event::Type::Launch)
    }
}

pub(super) fn kill(id: &str, grace: Option<u64>) -> executor::Event {
    let grace_period = grace.map(|s| DurationInfo {
        nanoseconds: s as i64 * 1_000_000_000,
    });
    let kill = event::Kill {
        task_id: TaskId { value: id.into() },
        kill_policy: grace_period.map(|grace| KillPolicy {
            grace_period: Some(grace),
        }),
    };
    executor::Event {
        kill: Some(kill),
        ..typed(event::Type::Kill)
    }
}

pub(super) fn limitation() -> Limitation {
    Limitation {
        kind: LimitKind::Disk,
        message: "over".into(),
        resources: vec![],
    }
}
