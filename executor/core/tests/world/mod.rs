//! A simulated agent and host around the core. Time jumps from one thing due to the next.

mod messages;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use executor_core::{
    Action, CommandEnd, Config, Core, Ended, Event, Fault, Instant, LinkEvent, Now, Outcome,
    Refusal, StartFailure, TaskEvent,
};
use mesos_proto::v1::executor::{self, event};
use mesos_proto::v1::{ExecutorId, FrameworkId, TaskId, TaskStatus};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use messages::{agent, kill, launch, limitation, short, subscribed, typed};

/// How unfriendly the world is; probabilities are for each time step.
#[derive(Clone, Copy)]
pub(crate) struct Chance {
    pub(crate) checkpoint: bool,
    pub(crate) disconnect: f64,
    pub(crate) refuse: f64,
    pub(crate) shutdown: f64,
    pub(crate) agent_dies: bool,
}

/// What is due at a moment.
enum Due {
    /// Reaches the core, if its connection is still the open one.
    Core(Event),
    /// The agent wants to launch this task.
    Launch(String),
    /// The agent wants this task killed.
    Kill(String, Option<u64>),
    /// A launch is through, unless it was cancelled.
    Start(String),
    Disconnect,
    Shutdown,
}

#[derive(Default)]
struct Host {
    cancelled: BTreeSet<String>,
    started: BTreeSet<String>,
    ended: BTreeSet<String>,
    cleaned: BTreeSet<String>,
}

pub(crate) struct World {
    core: Core,
    random: ChaCha12Rng,
    chance: Chance,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Due>,
    serial: u64,
    connection: Option<u64>,
    alive: bool,
    asked_to_shut_down: bool,
    host: Host,
    received: Vec<TaskStatus>,
    pub(crate) log: Vec<String>,
    /// Tasks whose LAUNCH reached the core.
    pub(crate) delivered: BTreeSet<String>,
    /// The uuids of all updates in the order the core first showed them.
    pub(crate) produced: Vec<Bytes>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) launches_after_shutdown: usize,
    pub(crate) actions_after_exit: usize,
    pub(crate) dropped_by_the_agent: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, chance: Chance) -> Self {
        let mut config = Config::new(
            FrameworkId { value: "f".into() },
            ExecutorId { value: "e".into() },
        );
        config.checkpoint = chance.checkpoint;
        config.recovery_timeout = Duration::from_secs(120);
        let mut core_seed = [0; 32];
        core_seed[..8].copy_from_slice(&seed.to_le_bytes());
        let mut world = Self {
            core: Core::new(config, core_seed, Now::default()),
            random: ChaCha12Rng::seed_from_u64(seed),
            chance,
            now: Instant::default(),
            queue: BTreeMap::new(),
            serial: 0,
            connection: None,
            alive: true,
            asked_to_shut_down: false,
            host: Host::default(),
            received: Vec::new(),
            log: Vec::new(),
            delivered: BTreeSet::new(),
            produced: Vec::new(),
            outcome: None,
            launches_after_shutdown: 0,
            actions_after_exit: 0,
            dropped_by_the_agent: Vec::new(),
        };
        for n in 0..1 + world.below(6) {
            let id = format!("t{n}");
            let launch = world.below(8000);
            world.after(launch, Due::Launch(id.clone()));
            for _ in 0..world.below(3) {
                // Also before the launch, and repeatedly.
                let kill = world.below(12_000);
                let grace = [None, Some(0), Some(1), Some(5)][world.below(4) as usize];
                world.after(kill, Due::Kill(id.clone(), grace));
            }
        }
        for step in 0..200 {
            if world.happens(chance.disconnect) {
                world.after(step * 100, Due::Disconnect);
            }
            if world.happens(chance.shutdown) {
                world.after(step * 100, Due::Shutdown);
            }
        }
        world
    }

    /// Until the core exits, or until nothing can happen any more.
    pub(crate) fn run(&mut self) {
        self.turn(None);
        for _ in 0..20_000 {
            if self.outcome.is_some() {
                // What is still on its way must change nothing.
                while let Some((_, due)) = self.queue.pop_first() {
                    if let Due::Core(event) = due {
                        self.core.handle(self.clock(), event);
                        self.core.handle_timeout(self.clock());
                        self.actions_after_exit += usize::from(self.core.poll_action().is_some());
                    }
                }
                return;
            }
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let deadline = self.core.next_deadline();
            match (queued, deadline) {
                (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                    self.now = at;
                    if let Some((_, due)) = self.queue.pop_first() {
                        self.act(due);
                    }
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.turn(None);
                }
                (_, None) => self.tidy(),
            }
        }
        panic!("no end:\n{}", self.log.join("\n"));
    }

    /// Nobody asked for an end: the scheduler kills what still runs, and at last the agent asks the executor to go, as it
    /// does with one that has no tasks.
    fn tidy(&mut self) {
        let running: Vec<String> = self.unreaped();
        if running.is_empty() {
            self.act(Due::Shutdown);
        }
        for id in running {
            self.act(Due::Kill(id, Some(0)));
        }
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::Core(event) => self.turn(Some(event)),
            Due::Launch(id) => {
                // No agent does, but an executor must not rely on it.
                if self.asked_to_shut_down && self.happens(0.5) {
                    return;
                }
                match self.connection {
                    // An agent launches nothing on an executor that is not subscribed; it waits.
                    None => self.after(200, Due::Launch(id)),
                    Some(attempt) => {
                        self.log(format!("agent: LAUNCH {id}"));
                        self.delivered.insert(id.clone());
                        let event = launch(&id);
                        self.turn(Some(agent(attempt, event)));
                    }
                }
            }
            Due::Kill(id, grace) => {
                if let Some(attempt) = self.connection {
                    self.log(format!("agent: KILL {id} {grace:?}"));
                    self.turn(Some(agent(attempt, kill(&id, grace))));
                }
            }
            Due::Start(id) => self.start(&id),
            Due::Disconnect => {
                if let Some(attempt) = self.connection.take() {
                    self.log("agent: gone".to_owned());
                    if self.chance.agent_dies && self.happens(0.2) {
                        self.alive = false;
                    }
                    let event = LinkEvent::Broken { why: "gone".into() };
                    self.turn(Some(Event::Link { attempt, event }));
                }
            }
            Due::Shutdown => {
                self.asked_to_shut_down = true;
                match self.connection {
                    Some(attempt) => {
                        self.log("agent: SHUTDOWN".to_owned());
                        self.turn(Some(agent(attempt, typed(event::Type::Shutdown))));
                    }
                    None => self.turn(Some(Event::Stop)),
                }
            }
        }
    }

    fn turn(&mut self, event: Option<Event>) {
        let clock = self.clock();
        match event {
            Some(event) => self.core.handle(clock, event),
            None => self.core.handle_timeout(clock),
        }
        while let Some(action) = self.core.poll_action() {
            self.log(format!("{:?} {}", self.now.0, short(&action)));
            if self.outcome.is_some() {
                self.actions_after_exit += 1;
            }
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Subscribe { attempt, call, .. } => self.subscribe(attempt, *call),
            Action::Disconnect { attempt } => {
                if self.connection == Some(attempt) {
                    self.connection = None;
                }
            }
            Action::Send { attempt, call, .. } => {
                let status = call.update.expect("only updates are sent").status;
                self.note_produced(&status);
                if self.connection != Some(attempt) {
                    return;
                }
                if self.happens(self.chance.refuse / 20.0) {
                    // The agent is recovering: it takes no call before a new SUBSCRIBE.
                    self.connection = None;
                    let refusal = Refusal {
                        status: Some(503),
                        message: "not now".to_owned(),
                    };
                    let event = LinkEvent::CallRefused {
                        uuid: status.uuid,
                        refusal,
                    };
                    self.after(1, Due::Core(Event::Link { attempt, event }));
                } else {
                    self.receive(attempt, status);
                }
            }
            Action::Launch { task, .. } => {
                let id = task.task_id.value.clone();
                if self.asked_to_shut_down {
                    self.launches_after_shutdown += 1;
                }
                let delay = self.below(500);
                self.after(delay, Due::Start(id));
            }
            Action::CancelLaunch { task_id } => {
                self.host.cancelled.insert(task_id.value);
            }
            Action::Signal { task_id, .. } => {
                if self.happens(0.5) {
                    let delay = self.below(4000);
                    self.end(delay, &task_id.value, false);
                }
            }
            Action::KillTree { task_id } => {
                let delay = self.below(1500);
                self.end(delay, &task_id.value, false);
            }
            Action::CleanUp { task_id } => {
                self.host.ended.insert(task_id.value.clone());
                self.host.cleaned.insert(task_id.value.clone());
                // One in twenty takes longer than anybody waits for.
                let delay = if self.happens(0.05) {
                    20_000
                } else {
                    self.below(300)
                };
                self.task_event(delay, &task_id.value, TaskEvent::CleanedUp);
            }
            Action::Note(_) | Action::Record { .. } => {}
            Action::Release { .. } | Action::Probe { .. } | Action::CancelProbe { .. } => {
                unreachable!("nothing here is held or probed")
            }
            Action::Exit(outcome) => self.outcome = Some(outcome),
        }
    }

    /// A launch that was asked for some time ago is through.
    fn start(&mut self, id: &str) {
        // A cancellation may come too late.
        let cancelled = self.host.cancelled.contains(id) && self.happens(0.5);
        if cancelled || self.happens(0.1) {
            let fault = [Fault::Framework, Fault::Task, Fault::Host][self.below(3) as usize];
            let message = "no".to_owned();
            let failure = StartFailure { fault, message };
            self.task_event(0, id, TaskEvent::StartFailed(failure));
            return;
        }
        self.host.started.insert(id.to_owned());
        // News of the start may be overtaken: by a broken limit, by the end.
        let news = self.below(100);
        self.task_event(news, id, TaskEvent::Started);
        if self.happens(0.2) {
            let limit = self.below(3000);
            self.task_event(limit, id, TaskEvent::Limited(limitation()));
        }
        // One in five runs on until it is killed.
        if self.happens(0.8) {
            let life = self.below(6000);
            self.end(life, id, true);
        }
    }

    fn subscribe(&mut self, attempt: u64, call: executor::Call) {
        let subscribe = call.subscribe.expect("a SUBSCRIBE carries its lists");
        for update in &subscribe.unacknowledged_updates {
            self.note_produced(&update.status);
        }
        let delay = self.below(100);
        if self.happens(self.chance.refuse / 5.0) {
            // Never answered.
            return;
        }
        if !self.alive || self.happens(self.chance.refuse) {
            let status = [None, Some(503), Some(404)][self.below(3) as usize];
            let message = "not now".to_owned();
            let event = LinkEvent::Refused(Refusal { status, message });
            self.after(delay, Due::Core(Event::Link { attempt, event }));
            return;
        }
        self.connection = Some(attempt);
        if self.asked_to_shut_down {
            // Mesos: src/slave/slave.cpp, `Slave::subscribe`: a terminating executor gets SHUTDOWN, not SUBSCRIBED.
            self.after(
                delay,
                Due::Core(agent(attempt, typed(event::Type::Shutdown))),
            );
            return;
        }
        // The agent takes the updates in only after it has looked for tasks that are still staging (Mesos:
        // src/slave/slave.cpp, `Slave::subscribe`).
        for id in &self.delivered {
            let staging = !self
                .received
                .iter()
                .any(|status| status.task_id.value == *id);
            let known = subscribe
                .unacknowledged_tasks
                .iter()
                .any(|t| t.task_id.value == *id);
            if staging && !known {
                self.dropped_by_the_agent.push(id.clone());
            }
        }
        for update in subscribe.unacknowledged_updates {
            self.receive(attempt, update.status);
        }
        self.after(delay, Due::Core(agent(attempt, subscribed())));
    }

    /// The agent takes an update and acknowledges it, unless the connection breaks before.
    fn receive(&mut self, attempt: u64, status: TaskStatus) {
        let ack = event::Acknowledged {
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone().expect("every update has a uuid"),
        };
        self.received.push(status);
        let event = executor::Event {
            acknowledged: Some(ack),
            ..typed(event::Type::Acknowledged)
        };
        for _ in 0..1 + self.below(2) {
            let delay = 100 + self.below(50);
            self.after(delay, Due::Core(agent(attempt, event.clone())));
        }
    }

    fn end(&mut self, delay: u64, id: &str, by_itself: bool) {
        if self.host.ended.contains(id) {
            return;
        }
        let success = by_itself && self.happens(0.5);
        let limitation = (!success && self.happens(0.2)).then(limitation);
        let status = i32::from(!success);
        let ended = Ended {
            exit: CommandEnd::Exited(status),
            description: format!("exited with status {status}"),
            limitation,
            stderr_tail: None,
        };
        self.task_event(delay, id, TaskEvent::Ended(ended));
    }

    fn task_event(&mut self, delay: u64, id: &str, event: TaskEvent) {
        let task_id = TaskId {
            value: id.to_owned(),
        };
        self.after(delay, Due::Core(Event::Task { task_id, event }));
    }

    fn note_produced(&mut self, status: &TaskStatus) {
        let uuid = status.uuid.clone().expect("every update has a uuid");
        if !self.produced.contains(&uuid) {
            self.produced.push(uuid);
        }
    }

    fn after(&mut self, milliseconds: u64, due: Due) {
        self.serial += 1;
        let at = self.now.plus(Duration::from_millis(milliseconds));
        self.queue.insert((at, self.serial), due);
    }

    fn clock(&self) -> Now {
        Now {
            at: self.now,
            unix: self.now.0.as_secs_f64(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    fn happens(&mut self, probability: f64) -> bool {
        f64::from(self.random.next_u32()) / f64::from(u32::MAX) < probability
    }

    fn log(&mut self, line: String) {
        self.log.push(line);
    }
}
