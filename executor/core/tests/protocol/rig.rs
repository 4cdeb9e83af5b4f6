//! One core, its clock, and words for what an agent and a host say to it.

use std::time::Duration;

use executor_core::{
    Action, CommandEnd, Config, Core, Ended, Event, Instant, LinkEvent, Now, Outcome, Refusal,
    TaskEvent,
};
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::{Call, call, event};
use mesos_proto::v1::{
    AgentId, AgentInfo, ContainerId, DurationInfo, ExecutorId, ExecutorInfo, FrameworkId,
    FrameworkInfo, KillPolicy, TaskGroupInfo, TaskId, TaskInfoFields, TaskState, TaskStatus,
    executor, framework_info,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Rig {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    /// The connection that was opened last.
    pub(crate) attempt: u64,
    /// Everything that the core has asked for, and when.
    pub(crate) all: Vec<(Instant, Action)>,
}

/// Mesos's defaults, with checkpointing.
pub(crate) fn config() -> Config {
    let mut config = Config::new(
        FrameworkId { value: "f".into() },
        ExecutorId { value: "e".into() },
    );
    config.checkpoint = true;
    config
}

impl Rig {
    /// A core that has asked for its first subscription.
    pub(crate) fn new(config: Config) -> Self {
        let mut rig = Self {
            core: Core::new(config, [7; 32], Now::default()),
            now: Instant::default(),
            attempt: 0,
            all: Vec::new(),
        };
        rig.pass(Duration::ZERO);
        rig
    }

    /// A core that is subscribed.
    pub(crate) fn subscribed(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.agent(subscribed());
        rig
    }

    /// A core with one task that runs.
    pub(crate) fn running(task: TaskInfoFields) -> Self {
        let mut rig = Self::subscribed(config());
        let id = task.task_id.value.clone();
        rig.agent(launch(task));
        rig.task(&id, TaskEvent::Started);
        rig
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            at: self.now,
            unix: 1_700_000_000.25 + self.now.0.as_secs_f64(),
        }
    }

    pub(crate) fn give(&mut self, event: Event) -> Vec<Action> {
        self.core.handle(self.clock(), event);
        self.take()
    }

    /// An event on the open stream.
    pub(crate) fn agent(&mut self, event: executor::Event) -> Vec<Action> {
        let (attempt, event) = (self.attempt, Box::new(event));
        self.give(Event::Agent { attempt, event })
    }

    pub(crate) fn link(&mut self, event: LinkEvent) -> Vec<Action> {
        let attempt = self.attempt;
        self.give(Event::Link { attempt, event })
    }

    pub(crate) fn refuse(&mut self, status: Option<u16>, message: &str) -> Vec<Action> {
        self.link(LinkEvent::Refused(refusal(status, message)))
    }

    pub(crate) fn cut(&mut self) -> Vec<Action> {
        self.link(LinkEvent::Broken { why: "cut".into() })
    }

    pub(crate) fn task(&mut self, id: &str, event: TaskEvent) -> Vec<Action> {
        let task_id = task_id(id);
        self.give(Event::Task { task_id, event })
    }

    /// The task ends like this and leaves nothing behind.
    pub(crate) fn end(&mut self, id: &str, exit: CommandEnd) -> Vec<Action> {
        let mut actions = self.task(id, TaskEvent::Ended(ended(exit)));
        actions.extend(self.task(id, TaskEvent::CleanedUp));
        actions
    }

    /// Lets time pass, minding every deadline.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Action> {
        let until = self.now.plus(time);
        let mut actions = Vec::new();
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.clock());
            actions.extend(self.take());
        }
        self.now = until;
        actions
    }

    /// Acknowledges an update.
    pub(crate) fn acknowledge(&mut self, status: &TaskStatus) -> Vec<Action> {
        self.agent(acknowledged(status))
    }

    /// Acknowledges every update among these, and those that follow from that.
    pub(crate) fn acknowledge_all(&mut self, actions: &[Action]) -> Vec<Action> {
        let updates = updates(actions);
        updates
            .iter()
            .flat_map(|status| self.acknowledge(status))
            .collect()
    }

    /// How the executor left, if it has.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.all.iter().find_map(|(_, action)| match action {
            Action::Exit(outcome) => Some(*outcome),
            _ => None,
        })
    }

    /// The states of a task in the order they were sent, each update once.
    pub(crate) fn states(&self, id: &str) -> Vec<TaskState> {
        let mut seen = Vec::new();
        let all: Vec<Action> = self.all.iter().map(|(_, action)| action.clone()).collect();
        let mut states = Vec::new();
        for status in updates(&all) {
            if status.task_id.value == id && !seen.contains(&status.uuid) {
                states.push(status.state());
                seen.push(status.uuid);
            }
        }
        states
    }

    pub(crate) fn take(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.core.poll_action() {
            if let Action::Subscribe { attempt, .. } = &action {
                self.attempt = *attempt;
            }
            self.all.push((self.now, action.clone()));
            actions.push(action);
        }
        actions
    }
}

/// The calls of a type among the actions.
pub(crate) fn calls(actions: &[Action], kind: call::Type) -> Vec<Call> {
    let calls = actions.iter().filter_map(|action| match action {
        Action::Send { call, .. } | Action::Subscribe { call, .. } => Some(call.as_ref().clone()),
        _ => None,
    });
    calls.filter(|call| call.r#type() == kind).collect()
}

/// The updates among the actions.
pub(crate) fn updates(actions: &[Action]) -> Vec<TaskStatus> {
    let calls = calls(actions, call::Type::Update).into_iter();
    calls
        .filter_map(|call| call.update)
        .map(|one| one.status)
        .collect()
}

/// The one update among the actions.
pub(crate) fn update(actions: &[Action]) -> TaskStatus {
    let mut updates = updates(actions);
    assert_eq!(updates.len(), 1, "{actions:?}");
    updates.remove(0)
}

/// The one SUBSCRIBE among the actions.
pub(crate) fn subscribe(actions: &[Action]) -> call::Subscribe {
    let mut calls = calls(actions, call::Type::Subscribe);
    assert_eq!(calls.len(), 1, "{actions:?}");
    calls.remove(0).subscribe.expect("a SUBSCRIBE has its body")
}

pub(crate) fn is_exit(action: &Action) -> bool {
    matches!(action, Action::Exit(_))
}

pub(crate) fn task_id(value: &str) -> TaskId {
    TaskId {
        value: value.into(),
    }
}

pub(crate) fn refusal(status: Option<u16>, message: &str) -> Refusal {
    Refusal {
        status,
        message: message.into(),
    }
}

pub(crate) fn ended(exit: CommandEnd) -> Ended {
    let description = match exit {
        CommandEnd::Exited(status) => format!("exited with status {status}"),
        CommandEnd::Signalled(15) => "terminated with signal Terminated".to_owned(),
        CommandEnd::Signalled(_) => "terminated with signal Killed".to_owned(),
        CommandEnd::Unknown => "ended in an unknown way".to_owned(),
    };
    Ended {
        exit,
        description,
        limitation: None,
        refused: None,
        stderr_tail: None,
    }
}

/// A task that says what to run.
pub(crate) fn task(id: &str) -> TaskInfoFields {
    TaskInfoFields {
        name: id.into(),
        task_id: task_id(id),
        agent_id: AgentId { value: "a".into() },
        data: Some("sleep 1000".into()),
        ..Default::default()
    }
}

/// A task with this as its data.
pub(crate) fn with_data(id: &str, data: &str) -> TaskInfoFields {
    TaskInfoFields {
        data: Some(data.to_owned().into()),
        ..task(id)
    }
}

pub(crate) fn length(time: Duration) -> DurationInfo {
    DurationInfo {
        nanoseconds: time.as_nanos() as i64,
    }
}

pub(crate) fn policy(grace: Duration) -> KillPolicy {
    KillPolicy {
        grace_period: Some(length(grace)),
    }
}

pub(crate) fn typed(kind: event::Type) -> executor::Event {
    executor::Event {
        r#type: Some(kind.into()),
        ..Default::default()
    }
}

/// SUBSCRIBED, of a framework that knows TASK_KILLING.
pub(crate) fn subscribed() -> executor::Event {
    let capability = framework_info::Capability {
        r#type: Some(framework_info::capability::Type::TaskKillingState.into()),
    };
    subscribed_with(vec![capability])
}

pub(crate) fn subscribed_with(capabilities: Vec<framework_info::Capability>) -> executor::Event {
    let subscribed = event::Subscribed {
        executor_info: ExecutorInfo::default(),
        framework_info: FrameworkInfo {
            capabilities,
            ..Default::default()
        },
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

pub(crate) fn launch(task: TaskInfoFields) -> executor::Event {
    executor::Event {
        launch: Some(event::Launch {
            task: TaskInfo::from(task),
        }),
        ..typed(event::Type::Launch)
    }
}

pub(crate) fn launch_group(tasks: Vec<TaskInfoFields>) -> executor::Event {
    let tasks = tasks.into_iter().map(TaskInfo::from).collect();
    executor::Event {
        launch_group: Some(event::LaunchGroup {
            task_group: TaskGroupInfo { tasks },
        }),
        ..typed(event::Type::LaunchGroup)
    }
}

pub(crate) fn kill(id: &str, grace: Option<Duration>) -> executor::Event {
    executor::Event {
        kill: Some(event::Kill {
            task_id: task_id(id),
            kill_policy: grace.map(policy),
        }),
        ..typed(event::Type::Kill)
    }
}

pub(crate) fn acknowledged(status: &TaskStatus) -> executor::Event {
    executor::Event {
        acknowledged: Some(event::Acknowledged {
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone().unwrap_or_default(),
        }),
        ..typed(event::Type::Acknowledged)
    }
}

pub(crate) fn message(text: &str) -> executor::Event {
    executor::Event {
        message: Some(event::Message {
            data: text.to_owned().into(),
        }),
        ..typed(event::Type::Message)
    }
}
