//! The machine as a whole: routes every event, keeps the phases, decides when to exit.

mod agent;
mod memory;
mod recovery;
mod tasks;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mesos_proto::v1::executor::{Call, call};
use mesos_proto::v1::{ExecutorInfo, TaskId, TaskStatus};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::action::{Action, Note, Outcome};
use crate::config::Config;
use crate::event::{Event, LinkEvent, Refusal};
use crate::journal::Record;
use crate::ledger::{Ledger, is_terminal};
use crate::link::{Due, Link};
use crate::status::Report;
use crate::task::{Input, Task};
use crate::time::{Instant, Now};
use memory::Memory;

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
    /// This executor as the agent described it.
    executor: Option<ExecutorInfo>,
    /// The number of the last record that was handed to the journal.
    recorded: u64,
    /// The framework has the capability TASK_KILLING_STATE.
    sends_killing: bool,
    ever_launched: bool,
    idle_since: Option<Instant>,
    actions: VecDeque<Action>,
}

/// How far the executor's own life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Every task has been told to end. At `give_up_at` the executor goes even if one has not, at `acknowledged_by`
    /// even if updates wait for the agent.
    ShuttingDown {
        give_up_at: Instant,
        acknowledged_by: Option<Instant>,
    },
    Done,
}

/// Why the executor shuts down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    Asked,
    Stopped,
    NoCheckpoint,
    GaveUp,
    Disowned,
}

impl Shutdown {
    fn why(self) -> &'static str {
        match self {
            Self::Asked => "the agent asked for it",
            Self::Stopped => "the executor was told to stop",
            Self::NoCheckpoint => {
                "the connection to the agent is lost, and the framework has no checkpointing"
            }
            Self::GaveUp => "the agent did not come back in time",
            Self::Disowned => "the agent does not know this executor any more",
        }
    }

    /// Whether an agent is left that could take updates.
    fn has_agent(self) -> bool {
        match self {
            Self::Asked | Self::Stopped => true,
            Self::NoCheckpoint | Self::GaveUp | Self::Disowned => false,
        }
    }
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
            executor: None,
            recorded: 0,
            sends_killing: false,
            ever_launched: false,
            idle_since: None,
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
                self.on_agent(now, *event);
            }
            // A connection that was given up speaks no more, whatever is still on its way from it.
            Event::Link { .. } | Event::Agent { .. } => {}
            Event::Task { task_id, event } => self.on_task(now, &task_id, event),
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

    fn on_link(&mut self, now: Now, attempt: u64, event: LinkEvent) {
        match event {
            LinkEvent::Refused(refusal) if refusal.is_final() => {
                self.note_lost(describe("SUBSCRIBE", &refusal));
                self.shut_down(now, Shutdown::Disowned);
            }
            LinkEvent::Refused(refusal) => self.lost(now, describe("SUBSCRIBE", &refusal)),
            LinkEvent::Broken { why } => self.lost(now, why),
            LinkEvent::CallRefused { uuid, refusal } => {
                self.on_call_refused(now, attempt, uuid, &refusal);
            }
        }
    }

    fn on_call_refused(&mut self, now: Now, attempt: u64, uuid: Option<Bytes>, refusal: &Refusal) {
        let why = describe("a call", refusal);
        if refusal.is_final() {
            self.actions.push_back(Action::Disconnect { attempt });
            self.note_lost(why);
            self.shut_down(now, Shutdown::Disowned);
        } else if refusal.status == Some(400) {
            // It fails the agent's validation and always will; in a SUBSCRIBE it would take every other update down
            // with it (Mesos: src/common/validation.cpp).
            if let Some(status) = uuid.and_then(|uuid| self.ledger.discard(&uuid)) {
                self.actions
                    .push_back(Action::Note(Note::UpdateRefused { why }));
                self.let_go(status);
            }
        } else {
            // The agent is recovering, or has forgotten the subscription: a new one carries everything again.
            self.lost(now, why);
        }
    }

    /// The open connection is of no use any more.
    fn lost(&mut self, now: Now, why: String) {
        if let Some(attempt) = self.link.attempt() {
            self.actions.push_back(Action::Disconnect { attempt });
        }
        self.note_lost(why);
        let retry_at = now.at.plus(self.retry_delay());
        let give_up_at = now.at.plus(self.config.recovery_timeout);
        self.link.lost(retry_at, give_up_at);
        if !self.config.checkpoint && self.link.ever_subscribed() {
            self.shut_down(now, Shutdown::NoCheckpoint);
        }
    }

    fn note_lost(&mut self, why: String) {
        self.actions
            .push_back(Action::Note(Note::Disconnected { why }));
    }

    /// Ends every task within the agent's grace, and then the executor.
    fn shut_down(&mut self, now: Now, cause: Shutdown) {
        if !cause.has_agent() {
            self.link.close();
        }
        if self.phase != Phase::Serving {
            return;
        }
        self.actions
            .push_back(Action::Note(Note::ShuttingDown { why: cause.why() }));
        let grace = self.config.shutdown_grace_period;
        let budget = shutdown_budget(grace);
        // An agent that is done with the framework acknowledges nothing, and kills when the grace is over (Mesos:
        // src/slave/slave.cpp, `statusUpdate`): half of what the budget leaves is for acknowledgements, half for an
        // orderly exit.
        let acknowledgements = (budget + (grace - budget) / 2).max(SHORTEST_WAIT);
        self.phase = Phase::ShuttingDown {
            give_up_at: now.at.plus(budget).plus(self.config.clean_up_timeout),
            acknowledged_by: (cause == Shutdown::Asked).then(|| now.at.plus(acknowledgements)),
        };
        let ids: Vec<String> = self.tasks.keys().cloned().collect();
        for id in ids {
            let own = self
                .tasks
                .get(&id)
                .map_or(budget, |task| self.grace(task, None));
            self.drive(now, &id, Input::Kill(own.min(budget)));
        }
    }

    /// What every turn ends with: updates go out, and the executor goes when it is done.
    fn settle(&mut self, now: Now) {
        self.flush();
        let idle = self.ever_launched && self.tasks.is_empty() && self.ledger.waiting() == 0;
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now.at));
        if let Some((at, outcome)) = self.exit_deadline()
            && now.at >= at
        {
            self.phase = Phase::Done;
            self.actions.push_back(Action::Exit(outcome));
        }
    }

    /// Sends what the open connection has not carried yet.
    fn flush(&mut self) {
        let Some(attempt) = self.link.subscribed() else {
            return;
        };
        for (update, after) in self.ledger.unsent(attempt) {
            self.send_update(attempt, update, after);
        }
    }

    fn send_update(&mut self, attempt: u64, update: call::Update, after: u64) {
        let call = Box::new(Call {
            update: Some(update),
            ..self.call(call::Type::Update)
        });
        self.actions.push_back(Action::Send {
            attempt,
            call,
            after,
        });
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

    fn call(&self, kind: call::Type) -> Call {
        Call {
            executor_id: self.config.executor_id.clone(),
            framework_id: self.config.framework_id.clone(),
            r#type: Some(kind.into()),
            ..Default::default()
        }
    }

    /// When the executor will exit if nothing happens before, and how. An instant in the past means now.
    fn exit_deadline(&self) -> Option<(Instant, Outcome)> {
        let busy = self
            .tasks
            .values()
            .filter(|task| !task.awaits_ack())
            .count();
        let waiting = self.ledger.waiting();
        let acknowledged_by = |since: Instant| since.plus(self.config.acknowledgement_timeout);
        // An agent that is silent for long may be stopped, not gone; one that recovers its executors is worth waiting
        // for as long as one that is away.
        let patience = match self.config.checkpoint {
            true => self
                .config
                .acknowledgement_timeout
                .max(self.config.recovery_timeout),
            false => self.config.acknowledgement_timeout,
        };
        match self.phase {
            Phase::Done => None,
            Phase::Serving if self.link.subscribed().is_some() && busy == 0 && waiting > 0 => {
                let at = self.ledger.waiting_since()?.plus(patience);
                Some((at, Outcome::Unacknowledged(waiting)))
            }
            Phase::Serving => {
                let at = self.idle_since?.plus(self.config.idle_timeout);
                Some((at, Outcome::Complete))
            }
            Phase::ShuttingDown { give_up_at, .. } if busy > 0 => {
                Some((give_up_at, Outcome::Unreaped(busy)))
            }
            Phase::ShuttingDown { .. } if waiting == 0 => {
                Some((Instant::default(), Outcome::Complete))
            }
            Phase::ShuttingDown { .. } if self.link.is_closed() => {
                Some((Instant::default(), Outcome::Unacknowledged(waiting)))
            }
            Phase::ShuttingDown {
                acknowledged_by: limit,
                ..
            } => {
                let at = acknowledged_by(self.ledger.waiting_since()?);
                let at = limit.map_or(at, |limit| at.min(limit));
                Some((at, Outcome::Unacknowledged(waiting)))
            }
        }
    }

    /// Makes an update, records it, and leaves the sending to [`Core::settle`].
    fn update(&mut self, now: Now, task_id: &TaskId, report: Report) {
        self.actions.push_back(Action::Note(Note::Update {
            task_id: task_id.clone(),
            state: report.state,
            message: report.message.clone(),
        }));
        let uuid = self.uuid();
        let status = report.into_status(task_id.clone(), &self.config, uuid, now);
        let record = self.record(Record::Update(Box::new(status.clone())));
        self.ledger.record_update(status, record, now.at);
    }

    /// An update has left the ledger. If it was a task's terminal one, the task is over.
    fn let_go(&mut self, status: TaskStatus) {
        self.record(Record::Acknowledged {
            task_id: status.task_id.clone(),
            uuid: status.uuid.clone().unwrap_or_default(),
        });
        if is_terminal(&status) {
            let id = status.task_id.value.clone();
            self.tasks.remove(&id);
            self.finished.insert(id, status);
        }
    }

    fn uuid(&mut self) -> Bytes {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        // RFC 9562: version 4, variant 1.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Bytes::copy_from_slice(&bytes)
    }

    /// A random wait of up to a quarter of the longest allowed one, so that a first failure after the agent's recovery
    /// leaves room for more attempts inside the agent's window.
    fn retry_delay(&mut self) -> Duration {
        let quarter = self.config.subscription_backoff_max / 4;
        let share = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        quarter
            .mul_f64(share)
            .max(SHORTEST_RETRY.min(self.config.subscription_backoff_max))
    }
}

/// No agent is asked more often than this.
const SHORTEST_RETRY: Duration = Duration::from_millis(50);

/// A last update gets this long to reach the agent, however short the grace.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// How much of the agent's grace the tasks get. The rest is for reaping, the last updates and their acknowledgements:
/// a second, or half of a grace that is shorter than two.
fn shutdown_budget(grace: Duration) -> Duration {
    grace - (grace / 2).min(Duration::from_secs(1))
}

fn describe(what: &str, refusal: &Refusal) -> String {
    match refusal.status {
        Some(status) => format!("{what} was answered with {status}: {}", refusal.message),
        None => format!("{what} was not answered: {}", refusal.message),
    }
}
