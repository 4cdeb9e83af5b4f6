//! A simulated agent, host and disk around the core. Time jumps from one thing due to the next.

mod agent;
mod host;
mod messages;
mod outcome;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use executor_core::{
    Action, Config, Core, Event, Instant, LinkEvent, Now, Outcome, Record, TaskEvent,
};
use mesos_proto::v1::executor::event;
use mesos_proto::v1::{ExecutorId, FrameworkId, TaskId, TaskStatus};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use host::Host;
use messages::{agent, kill, launch, launch_group, message, short, typed};

/// How unfriendly the world is; probabilities are for each time step.
#[derive(Clone, Copy)]
pub(crate) struct Chance {
    pub(crate) checkpoint: bool,
    pub(crate) disconnect: f64,
    pub(crate) refuse: f64,
    pub(crate) shutdown: f64,
    pub(crate) agent_dies: bool,
    /// The executor is killed, and another takes its journal over.
    pub(crate) crash: f64,
}

/// What is due at a moment.
enum Due {
    /// Reaches the core, if its connection is still the open one.
    Core(Event),
    /// News of a task's run, which nobody hears any more when the run was cleaned up.
    OfRun(u32, String, TaskEvent),
    /// The agent wants to launch these; one alone is no group.
    Launch(Vec<String>),
    /// The agent wants this task killed.
    Kill(String, Option<u64>),
    /// The framework has something to say.
    Message(&'static str),
    /// The sandbox of a held task is made, unless that was cancelled.
    Prepare(String),
    /// A launch is through, unless it was cancelled.
    Start(String),
    /// The journal has reached the disk up to this record.
    Durable(u64),
    Disconnect,
    Shutdown,
    Crash,
}

pub(crate) struct World {
    pub(crate) seed: u64,
    core: Core,
    random: ChaCha12Rng,
    pub(crate) chance: Chance,
    now: Instant,
    queue: BTreeMap<(Instant, u64), Due>,
    serial: u64,
    /// When nothing but the core's own deadlines is left by then, nothing will be.
    quiet_until: Instant,
    connection: Option<u64>,
    alive: bool,
    asked_to_shut_down: bool,
    host: Host,
    /// What the executor has recorded, with its numbers; those up to `durable` are on the disk.
    journal: Vec<(u64, Record)>,
    durable: u64,
    /// What waits for the disk.
    outbox: Vec<(u64, Action)>,
    received: Vec<TaskStatus>,
    pub(crate) replies: usize,
    pub(crate) heartbeats: usize,
    pub(crate) log: Vec<String>,
    /// Tasks whose LAUNCH reached the core, and was not forgotten in a crash.
    pub(crate) delivered: BTreeSet<String>,
    /// The groups in which they came.
    pub(crate) groups: Vec<Vec<String>>,
    /// The uuids of all updates in the order they first went out.
    pub(crate) produced: Vec<Bytes>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) launches_after_shutdown: usize,
    pub(crate) actions_after_exit: usize,
    pub(crate) dropped_by_the_agent: Vec<String>,
    /// What went wrong on the way, in words.
    pub(crate) faults: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, chance: Chance) -> Self {
        let mut world = Self {
            seed,
            core: core(seed, 0, chance, Instant::default()),
            random: ChaCha12Rng::seed_from_u64(seed),
            chance,
            now: Instant::default(),
            queue: BTreeMap::new(),
            serial: 0,
            quiet_until: Instant(QUIET),
            connection: None,
            alive: true,
            asked_to_shut_down: false,
            host: Host::default(),
            journal: Vec::new(),
            durable: 0,
            outbox: Vec::new(),
            received: Vec::new(),
            replies: 0,
            heartbeats: 0,
            log: Vec::new(),
            delivered: BTreeSet::new(),
            groups: Vec::new(),
            produced: Vec::new(),
            outcome: None,
            launches_after_shutdown: 0,
            actions_after_exit: 0,
            dropped_by_the_agent: Vec::new(),
            faults: Vec::new(),
        };
        let mut n = 0;
        for _ in 0..1 + world.below(4) {
            let members = if world.happens(0.4) {
                2 + world.below(2)
            } else {
                1
            };
            let ids: Vec<String> = (n..n + members).map(|n| format!("t{n}")).collect();
            n += members;
            let launch = world.below(8000);
            world.after(launch, Due::Launch(ids.clone()));
            for id in ids {
                for _ in 0..world.below(3) {
                    // Also before the launch, while that is under way, and repeatedly.
                    let kill = match world.below(2) {
                        0 => world.below(12_000),
                        _ => launch + world.below(600),
                    };
                    let grace = [None, Some(0), Some(1), Some(5)][world.below(4) as usize];
                    world.after(kill, Due::Kill(id.clone(), grace));
                }
            }
        }
        for text in [
            r#"{"request":"tasks"}"#,
            r#"{"request":"usage","task_id":"t4"}"#,
            r#"{"request":"disk","task_id":"t4"}"#,
            "no request",
            r#"{"reply":"ping"}"#,
        ] {
            let at = world.below(15_000);
            world.after(at, Due::Message(text));
        }
        for step in 0..200 {
            for (probability, due) in [
                (chance.disconnect, Due::Disconnect),
                (chance.shutdown, Due::Shutdown),
                (chance.crash, Due::Crash),
            ] {
                if world.happens(probability) {
                    world.after(step * 100, due);
                }
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
                (None, Some(at)) if at > self.quiet_until => {
                    self.quiet_until = at.plus(QUIET);
                    self.tidy();
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
            if self.is_in_a_broken_group(&id) {
                self.faults.push(format!("{id} outlives its group"));
            }
            self.act(Due::Kill(id, Some(0)));
        }
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::Core(event) => {
                if let Event::Task { task_id, event } = &event {
                    self.answered(&task_id.value, event);
                }
                self.turn(Some(event));
            }
            Due::OfRun(run, id, event) => {
                if self.is_heard(run, &id, &event) {
                    let task_id = TaskId { value: id };
                    self.turn(Some(Event::Task { task_id, event }));
                }
            }
            Due::Launch(ids) => self.launch(ids),
            Due::Kill(id, grace) => {
                if let Some(attempt) = self.connection {
                    self.log(format!("agent: KILL {id} {grace:?}"));
                    self.must_end(&id, grace.unwrap_or(3));
                    self.turn(Some(agent(attempt, kill(&id, grace))));
                }
            }
            Due::Message(text) => {
                if let Some(attempt) = self.connection {
                    self.turn(Some(agent(attempt, message(text))));
                }
            }
            Due::Prepare(id) => self.prepare(&id),
            Due::Start(id) => self.start(&id),
            Due::Durable(record) => self.reach_the_disk(record),
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
                self.all_must_end();
                match self.connection {
                    Some(attempt) => {
                        self.log("agent: SHUTDOWN".to_owned());
                        self.turn(Some(agent(attempt, typed(event::Type::Shutdown))));
                    }
                    None => self.turn(Some(Event::Stop)),
                }
            }
            Due::Crash => self.crash(),
        }
    }

    fn launch(&mut self, ids: Vec<String>) {
        // No agent does, but an executor must not rely on it.
        if self.asked_to_shut_down && self.happens(0.5) {
            return;
        }
        match self.connection {
            // An agent launches nothing on an executor that is not subscribed; it waits.
            None => self.after(200, Due::Launch(ids)),
            Some(attempt) => {
                self.log(format!("agent: LAUNCH {ids:?}"));
                self.delivered.extend(ids.iter().cloned());
                let event = match ids.as_slice() {
                    [id] => launch(id),
                    _ => launch_group(&ids),
                };
                if ids.len() > 1 {
                    self.groups.push(ids);
                }
                self.turn(Some(agent(attempt, event)));
            }
        }
    }

    fn turn(&mut self, event: Option<Event>) {
        let clock = self.clock();
        match event {
            Some(event) => self.core.handle(clock, event),
            None => self.core.handle_timeout(clock),
        }
        self.drain();
        self.look_for_late_ends();
    }

    fn drain(&mut self) {
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
            Action::Subscribe { after, .. } | Action::Send { after, .. } => {
                self.outbox.push((after, action));
                self.empty_the_outbox();
            }
            Action::Disconnect { attempt } => {
                if self.connection == Some(attempt) {
                    self.connection = None;
                }
            }
            Action::Record { sequence, record } => {
                self.journal.push((sequence, record));
                // Mostly at once, now and then a disk that is slow.
                let delay = [0, 0, 10, 200][self.below(4) as usize];
                self.after(delay, Due::Durable(sequence));
            }
            Action::Note(_) => {}
            Action::Exit(outcome) => self.outcome = Some(outcome),
            action => self.on_host(action),
        }
    }

    /// The journal is on the disk up to `record`, in order, as files are written.
    fn reach_the_disk(&mut self, record: u64) {
        self.durable = self.durable.max(record);
        self.empty_the_outbox();
    }

    /// What waits for no record that is not on the disk goes out, in order.
    fn empty_the_outbox(&mut self) {
        while let Some((after, _)) = self.outbox.first() {
            if *after > self.durable {
                return;
            }
            match self.outbox.remove(0).1 {
                Action::Subscribe { attempt, call, .. } => self.subscribe(attempt, *call),
                Action::Send { attempt, call, .. } => self.send(attempt, *call),
                other => unreachable!("{other:?} is no call"),
            }
        }
    }

    /// The executor is killed, its tasks die with it, and another one begins with its journal.
    fn crash(&mut self) {
        self.log("executor: killed".to_owned());
        if self.happens(0.3) {
            // It had just made its journal short.
            let records = self.core.snapshot().into_iter();
            self.journal = records.map(|record| (self.durable, record)).collect();
        }
        self.journal
            .retain(|(sequence, _)| *sequence <= self.durable);
        let records: Vec<Record> = self.journal.iter().map(|(_, one)| one.clone()).collect();
        let known: BTreeSet<String> = records.iter().filter_map(launched_by).collect();
        // The agent drops what was lost on the way to an executor.
        let seen: BTreeSet<String> = self
            .received
            .iter()
            .map(|s| s.task_id.value.clone())
            .collect();
        self.delivered
            .retain(|id| known.contains(id) || seen.contains(id));
        self.queue.retain(|_, due| {
            !matches!(
                due,
                Due::Core(_) | Due::OfRun(..) | Due::Prepare(_) | Due::Start(_) | Due::Durable(_)
            )
        });
        self.host.die();
        self.connection = None;
        self.outbox.clear();
        self.durable = 0;
        for (sequence, _) in &mut self.journal {
            *sequence = 0;
        }
        self.serial += 1;
        self.core = core(self.serial, 1, self.chance, self.now);
        self.core.recover(self.clock(), records);
        self.drain();
        self.turn(None);
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

/// Longer than anything that was planned takes.
const QUIET: Duration = Duration::from_secs(60);

fn launched_by(record: &Record) -> Option<String> {
    match record {
        Record::Task(info) => Some(info.task_id.value.clone()),
        Record::Update(_) | Record::Acknowledged { .. } => None,
    }
}

/// A core whose uuids no other one has.
fn core(seed: u64, life: u8, chance: Chance, now: Instant) -> Core {
    let mut config = Config::new(
        FrameworkId { value: "f".into() },
        ExecutorId { value: "e".into() },
    );
    config.checkpoint = chance.checkpoint;
    config.recovery_timeout = Duration::from_secs(120);
    let mut core_seed = [life; 32];
    core_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let unix = now.0.as_secs_f64();
    Core::new(config, core_seed, Now { at: now, unix })
}
