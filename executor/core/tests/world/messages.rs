//! What goes over the simulated wire, and how the log shows it.

use std::time::Duration;

use bytes::Bytes;
use executor_core::{Action, Event, LimitKind, Limitation};
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::{self, event};
use mesos_proto::v1::{
    AgentId, AgentInfo, CheckInfo, ContainerId, DurationInfo, ExecutorInfo, FrameworkInfo,
    HealthCheck, KillPolicy, TaskGroupInfo, TaskId, TaskInfoFields, TaskState, TaskStatus,
    check_info, framework_info, health_check, task_status,
};
use serde_json::json;

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
        | Action::Hook { .. }
        | Action::CancelHook { .. }
        | Action::PutAside { .. }
        | Action::Relaunch { .. }
        | Action::Signal { .. }
        | Action::Ask { .. }
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
        container_id: Some(ContainerId {
            value: "c".into(),
            parent: None,
        }),
    };
    executor::Event {
        subscribed: Some(subscribed),
        ..typed(event::Type::Subscribed)
    }
}

/// Some of the tasks have checks, some a time limit, some hooks, some are started again, some say nothing that could be run.
fn task(id: &str) -> TaskInfo {
    let kind = id.bytes().last().unwrap_or_default() % 5;
    let health_check = HealthCheck {
        r#type: Some(health_check::Type::Tcp.into()),
        tcp: Some(health_check::TcpCheckInfo {
            port: 1,
            protocol: None,
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.3),
        consecutive_failures: Some(3),
        grace_period_seconds: Some(0.5),
        ..Default::default()
    };
    let check = CheckInfo {
        r#type: Some(check_info::Type::Tcp.into()),
        tcp: Some(check_info::Tcp { port: 1 }),
        delay_seconds: Some(0.1),
        interval_seconds: Some(0.5),
        ..Default::default()
    };
    let most = DurationInfo {
        nanoseconds: 2_000_000_000,
    };
    TaskInfo::from(TaskInfoFields {
        name: id.into(),
        task_id: TaskId { value: id.into() },
        agent_id: AgentId { value: "a".into() },
        data: (id != "t7").then(|| data(id).into()),
        health_check: (kind == 1).then_some(health_check),
        check: (kind == 1 || kind == 2).then_some(check),
        max_completion_time: (kind == 3).then_some(most),
        ..Default::default()
    })
}

/// How long each hook may take.
pub(super) const HOOK: Duration = Duration::from_millis(800);

fn data(id: &str) -> String {
    let kind = id.bytes().last().unwrap_or_default() - b'0';
    let hook =
        |fails: &str| json!({ "command": "true", "timeout_seconds": 0.8, "on_failure": fails });
    let mut data = json!({ "version": 1, "command": { "value": "true" } });
    if [0, 4, 5, 6].contains(&kind) {
        data["hooks"] = json!({ "before_start": hook("ignore"), "after_start": hook("fail"),
                                "before_stop": hook("ignore"), "after_stop": hook("ignore") });
        data["stop"] = json!({ "deregister": hook("fail"), "drain_seconds": 0.5, "signal": "INT",
                               "signal_seconds": 0.7 });
    }
    if [1, 3, 4, 8].contains(&kind) {
        data["restart"] = json!({ "policy": "on_failure", "max_restarts": 2, "backoff_seconds": 0.2,
                                  "on_limit": kind == 4 });
    }
    if kind == 4 {
        data["messages"] = json!(["usage", "disk"]);
    }
    data.to_string()
}

pub(super) fn launch(id: &str) -> executor::Event {
    executor::Event {
        launch: Some(event::Launch { task: task(id) }),
        ..typed(event::Type::Launch)
    }
}

pub(super) fn launch_group(ids: &[String]) -> executor::Event {
    let tasks = ids.iter().map(|id| task(id)).collect();
    let task_group = TaskGroupInfo { tasks };
    executor::Event {
        launch_group: Some(event::LaunchGroup { task_group }),
        ..typed(event::Type::LaunchGroup)
    }
}

pub(super) fn message(text: &'static str) -> executor::Event {
    executor::Event {
        message: Some(event::Message { data: text.into() }),
        ..typed(event::Type::Message)
    }
}

pub(super) fn acknowledged(status: &TaskStatus) -> executor::Event {
    let acknowledged = event::Acknowledged {
        task_id: status.task_id.clone(),
        uuid: status.uuid.clone().expect("every update has a uuid"),
    };
    executor::Event {
        acknowledged: Some(acknowledged),
        ..typed(event::Type::Acknowledged)
    }
}

/// Why the agent would refuse an update, or a scheduler would misread it (Mesos: src/common/validation.cpp,
/// `validateStatusUpdate`).
pub(super) fn problem(status: &TaskStatus) -> Option<&'static str> {
    if status.uuid.as_ref().map(Bytes::len) != Some(16) {
        return Some("its uuid is not of 16 bytes");
    }
    if status.source() != task_status::Source::Executor {
        return Some("its source is not the executor");
    }
    if status.state() == TaskState::TaskStaging {
        return Some("its state is staging");
    }
    if status.reason == Some(0) {
        return Some("its reason is the deprecated one");
    }
    if status.agent_id.is_some() {
        return Some("it names an agent");
    }
    if status.timestamp.is_none() {
        return Some("it has no timestamp");
    }
    if let Some(check) = &status.check_status {
        let bodies = [
            (check_info::Type::Command, check.command.is_some()),
            (check_info::Type::Http, check.http.is_some()),
            (check_info::Type::Tcp, check.tcp.is_some()),
        ];
        let fits = |(kind, body)| body == (check.r#type == Some(i32::from(kind)));
        if !bodies.into_iter().all(fits) {
            return Some("its check status does not fit its type");
        }
    }
    None
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
