//! The machine as a whole: routes every event, keeps the phases, decides when to exit.

mod agent;
mod connection;
mod ending;
mod groups;
mod memory;
mod news;
mod recovery;
mod talk;
mod tasks;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mesos_proto::v1::executor::{Call, call};
use mesos_proto::v1::{ContainerId, ExecutorInfo, TaskId, TaskStatus};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::action::{Action, Note};
use crate::config::Config;
use crate::event::Event;
use crate::journal::Record;
use crate::ledger::{Ledger, is_terminal};
use crate::link::{Due, Link};
use crate::status::{Circumstances, Report};
use crate::task::{Input, Task};
use crate::time::{Instant, Now};
use ending::{Phase, Shutdown};
use groups::Groups;
use memory::Memory;
use talk::Questions;

/// The executor. See the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Core {
    config: Config,
    random: ChaCha12Rng,
    phase: Phase,
    link: Link,
    ledger: Ledger,
    tasks: BTreeMap<String, Task>,
    /// The terminal updates of tasks that are over and acknowledged, for a KILL that repeats.
    finished: Memory<TaskStatus>,
    /// Tasks that a KILL named before any LAUNCH did.
    killed_early: Memory<()>,
    /// The newest of what checks have found, by task, where the agent has enough to acknowledge as it is.
    withheld: BTreeMap<String, Report>,
    /// This executor as the agent described it.
    executor: Option<ExecutorInfo>,
    /// The container that the executor runs in.
    container_id: Option<ContainerId>,
    groups: Groups,
    /// Questions of the framework that the edge has not answered yet.
    questions: Questions,
    /// The number of the last record that was handed to the journal.
    recorded: u64,
    /// The framework has the capability TASK_KILLING_STATE.
    sends_killing: bool,
    ever_launched: bool,
    idle_since: Option<Instant>,
    /// When the last call went out.
    spoke_at: Instant,
    /// When the last event came.
    heard_at: Instant,
    actions: VecDeque<Action>,
}

impl Core {
    /// An executor that subscribes as soon as [`Core::handle_timeout`] is called. `seed` feeds uuids and waits.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        let patience = if config.checkpoint {
            config.recovery_timeout
        } else {
            config.registration_timeout
        };
        Self {
            link: Link::begin(now.at, now.at.plus(patience)),
            config,
            random: ChaCha12Rng::from_seed(seed),
            phase: Phase::Serving,
            ledger: Ledger::default(),
            tasks: BTreeMap::new(),
            finished: Memory::default(),
            killed_early: Memory::default(),
            withheld: BTreeMap::new(),
            executor: None,
            container_id: None,
            groups: Groups::default(),
            questions: Questions::default(),
            recorded: 0,
            sends_killing: false,
            ever_launched: false,
            idle_since: None,
            spoke_at: now.at,
            heard_at: now.at,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Core::handle_timeout`] must be called if nothing happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Done => return None,
            Phase::Serving | Phase::ShuttingDown { .. } => {}
        }
        let tasks = self.tasks.values().filter_map(Task::next_deadline);
        tasks
            .chain(self.link.next_deadline())
            .chain(self.keep_alive_deadline())
            .chain(self.exit_deadline().map(|(at, _)| at))
            .min()
    }

    /// Takes an event in.
    pub fn handle(&mut self, now: Now, event: Event) {
        if self.phase == Phase::Done {
            return;
        }
        match event {
            Event::Link { attempt, event } if self.link.attempt() == Some(attempt) => {
                self.on_link(now, attempt, event);
            }
            Event::Agent { attempt, event } if self.link.attempt() == Some(attempt) => {
                self.heard_at = now.at;
                self.on_agent(now, *event);
            }
            // A connection that was given up speaks no more, whatever is still on its way from it.
            Event::Link { .. } | Event::Agent { .. } => {}
            Event::Task { task_id, event } => self.on_task(now, &task_id, event),
            Event::Answered { number, answer } => self.on_answer(now, number, answer),
            Event::Stop => self.shut_down(now, Shutdown::Stopped),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.phase == Phase::Done {
            return;
        }
        match self.link.due(now.at, self.config.subscribe_timeout) {
            Due::Nothing => {}
            Due::Subscribe(attempt) => {
                let subscribe = self.ledger.subscribe(attempt);
                let call = Box::new(Call {
                    subscribe: Some(subscribe),
                    ..self.call(call::Type::Subscribe)
                });
                let after = self.recorded;
                self.actions.push_back(Action::Subscribe {
                    attempt,
                    call,
                    after,
                });
            }
            Due::TooSlow => self.lost(now, "the agent did not answer SUBSCRIBE in time".to_owned()),
            Due::GiveUp => self.shut_down(now, Shutdown::GaveUp),
        }
        self.keep_alive(now);
        let due: Vec<String> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.next_deadline().is_some_and(|at| now.at >= at))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.drive(now, &id, Input::Deadline);
        }
        self.settle(now);
    }

    /// What every turn ends with: updates go out, and the executor goes when it is done.
    fn settle(&mut self, now: Now) {
        self.flush(now);
        let idle = self.ever_launched && self.tasks.is_empty() && self.ledger.waiting() == 0;
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now.at));
        if let Some((at, outcome)) = self.exit_deadline()
            && now.at >= at
        {
            self.phase = Phase::Done;
            self.actions.push_back(Action::Exit(outcome));
        }
    }

    /// Hands a record to the journal. Returns its number.
    fn record(&mut self, record: Record) -> u64 {
        self.recorded += 1;
        self.actions.push_back(Action::Record {
            sequence: self.recorded,
            record,
        });
        self.recorded
    }

    /// Makes an update, records it, and leaves the sending to [`Core::settle`].
    fn update(&mut self, now: Now, task_id: &TaskId, report: Report) {
        self.actions.push_back(Action::Note(Note::Update {
            task_id: task_id.clone(),
            state: report.state,
            message: report.message.clone(),
        }));
        let task = self.tasks.get(&task_id.value);
        let about = Circumstances {
            task_id: task_id.clone(),
            executor_id: self.config.executor_id.clone(),
            container_id: self.container_id.clone(),
            healthy: task.and_then(Task::healthy),
            check_status: task.and_then(Task::check_status),
            uuid: self.uuid(),
            now,
        };
        if let Some(task) = self.tasks.get_mut(&task_id.value) {
            task.told(report.state, now);
        }
        let status = report.into_status(about);
        let record = self.record(Record::Update(Box::new(status.clone())));
        self.ledger.record_update(status, record, now.at);
    }

    /// An update has left the ledger. If it was a task's terminal one, the task is over.
    fn let_go(&mut self, now: Now, status: TaskStatus) {
        let task_id = status.task_id.clone();
        self.record(Record::Acknowledged {
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone().unwrap_or_default(),
        });
        if is_terminal(&status) {
            let id = status.task_id.value.clone();
            let group = self.tasks.remove(&id).and_then(|task| task.group);
            if let Some(group) = group {
                self.groups.leave(group, &id);
            }
            self.finished.insert(id, status);
        }
        self.tell_withheld(now, &task_id);
    }

    fn uuid(&mut self) -> Bytes {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        // RFC 9562: version 4, variant 1.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Bytes::copy_from_slice(&bytes)
    }
}
