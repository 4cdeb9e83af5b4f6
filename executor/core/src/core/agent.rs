//! What the agent sends (Mesos: docs/executor-http-api.md).

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::{self, call, event};
use mesos_proto::v1::{KillPolicy, TaskId, framework_info};

use super::Core;
use super::ending::Shutdown;
use crate::action::{Action, Note};
use crate::task::{Cause, Input};
use crate::time::Now;

/// The agent's events, parsed: each with what it must carry.
enum AgentEvent {
    Subscribed(Box<event::Subscribed>),
    Launch(Box<TaskInfo>),
    LaunchGroup(Vec<TaskInfo>),
    Kill(TaskId, Option<KillPolicy>),
    Acknowledged(event::Acknowledged),
    Message(Bytes),
    Error(String),
    Shutdown,
    Heartbeat,
    /// Of a type that this version does not know, or without what its type promises.
    Unusable(&'static str),
}

impl AgentEvent {
    fn parse(event: executor::Event) -> Self {
        let Ok(kind) = event::Type::try_from(event.r#type.unwrap_or_default()) else {
            return Self::Unusable("an event of an unknown type");
        };
        let parsed = match kind {
            event::Type::Subscribed => event
                .subscribed
                .map(|subscribed| Self::Subscribed(Box::new(subscribed))),
            event::Type::Launch => event
                .launch
                .map(|launch| Self::Launch(Box::new(launch.task))),
            event::Type::LaunchGroup => event
                .launch_group
                .map(|launch| Self::LaunchGroup(launch.task_group.tasks)),
            event::Type::Kill => event
                .kill
                .map(|kill| Self::Kill(kill.task_id, kill.kill_policy)),
            event::Type::Acknowledged => event.acknowledged.map(Self::Acknowledged),
            event::Type::Message => event.message.map(|message| Self::Message(message.data)),
            event::Type::Error => event.error.map(|error| Self::Error(error.message)),
            event::Type::Shutdown => Some(Self::Shutdown),
            event::Type::Heartbeat => Some(Self::Heartbeat),
            event::Type::Unknown => Some(Self::Unusable("an event of an unknown type")),
        };
        parsed.unwrap_or(Self::Unusable("an event without its body"))
    }
}

impl Core {
    pub(super) fn on_agent(&mut self, now: Now, event: executor::Event) {
        match AgentEvent::parse(event) {
            AgentEvent::Subscribed(subscribed) => self.on_subscribed(now, *subscribed),
            AgentEvent::Launch(task) => self.launch(now, *task),
            AgentEvent::LaunchGroup(tasks) => self.launch_group(now, tasks),
            AgentEvent::Kill(task_id, policy) => self.kill(now, &task_id, policy.as_ref()),
            AgentEvent::Acknowledged(ack) => {
                // Unknown ones are repetitions: the agent acknowledges each resend.
                if let Some(status) = self.ledger.acknowledge(&ack.task_id, &ack.uuid) {
                    self.let_go(now, status);
                }
            }
            AgentEvent::Error(message) => {
                self.lost(now, format!("the agent sent ERROR: {message}"));
            }
            AgentEvent::Shutdown => self.shut_down(now, Shutdown::Asked),
            AgentEvent::Heartbeat => {}
            AgentEvent::Message(data) => self.on_message(now, &data),
            AgentEvent::Unusable(what) => {
                self.ignore(what, None, "it says nothing to this version");
            }
        }
    }

    fn on_subscribed(&mut self, now: Now, subscribed: event::Subscribed) {
        self.link.subscribe_succeeded();
        self.spoke_at = now.at;
        self.ledger.renew(now.at);
        let killing = i32::from(framework_info::capability::Type::TaskKillingState);
        self.sends_killing = subscribed
            .framework_info
            .capabilities
            .iter()
            .any(|capability| capability.r#type == Some(killing));
        self.executor = Some(subscribed.executor_info);
        self.container_id = subscribed.container_id;
        if let Some(attempt) = self.link.subscribed() {
            self.actions
                .push_back(Action::Note(Note::Subscribed { attempt }));
        }
    }

    fn kill(&mut self, now: Now, task_id: &TaskId, policy: Option<&KillPolicy>) {
        if let Some(task) = self.tasks.get(&task_id.value) {
            let grace = self.grace(task, policy);
            self.drive(now, &task_id.value, Input::Kill(grace, Cause::Killed));
        } else if let Some(status) = self.finished.get(&task_id.value) {
            // The scheduler does not know yet that it is over: say so again, with the uuid it had (Mesos:
            // src/slave/slave.cpp acknowledges it once more).
            let update = call::Update {
                status: status.clone(),
            };
            if let Some(attempt) = self.link.subscribed() {
                self.send_update(now, attempt, update, 0);
            }
        } else {
            // It overtook its LAUNCH, or the LAUNCH was lost: should that come, it is answered with TASK_KILLED.
            self.killed_early.insert(task_id.value.clone(), ());
            self.ignore("KILL", Some(task_id), "no such task has been launched");
        }
    }

    pub(super) fn ignore(
        &mut self,
        what: &'static str,
        task_id: Option<&TaskId>,
        why: &'static str,
    ) {
        self.actions.push_back(Action::Note(Note::Ignored {
            what,
            task_id: task_id.cloned(),
            why,
        }));
    }
}
