//! The one loop: an event, a deadline or a stop; then the core; then its actions. Nothing in it waits for work.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use executor_core::{Action, Config, Core, Event, Instant, Note, Now, Outcome, Record};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::{debug, info, warn};

use crate::agent::{Agent, Connection};
use crate::host::{Host, Job, Launched};
use crate::journal::Journal;
use crate::probe::{Probes, Trust};

/// What wakes the loop.
pub(crate) enum Wake {
    /// For the core.
    Event(Event),
    /// A task's main process has ended and wants to be reaped.
    Ending(mesos_proto::v1::TaskId),
    /// The agent's description of this executor and its framework came.
    Subscribed(Box<mesos_proto::v1::executor::event::Subscribed>),
}

/// What one turn of the loop is about.
enum Turn {
    Wake(Wake),
    Launched(Box<Launched>),
    Deadline,
}

/// The executor at work.
pub(crate) struct Driver {
    core: Core,
    agent: Arc<Agent>,
    host: Host,
    probes: Probes,
    connection: Option<Connection>,
    journal: Journal,
    /// Why the agent is out of reach, as far as that is in the log already.
    told_of: Option<String>,
    wakes: UnboundedReceiver<Wake>,
    to_self: UnboundedSender<Wake>,
    started: tokio::time::Instant,
}

impl Driver {
    /// `left` is what an executor before this one left in the journal.
    pub(crate) fn new(
        config: Config,
        seed: [u8; 32],
        agent: Agent,
        host: Host,
        (journal, left): (Journal, Vec<Record>),
        to_self: UnboundedSender<Wake>,
        wakes: UnboundedReceiver<Wake>,
    ) -> Self {
        let started = tokio::time::Instant::now();
        let mut core = Core::new(config, seed, clock(started));
        if !left.is_empty() {
            info!("an executor before this one left {} records", left.len());
            core.recover(clock(started), left);
        }
        Self {
            core,
            agent: Arc::new(agent),
            host,
            probes: Probes::new(Trust::of_environment(), to_self.clone()),
            connection: None,
            journal,
            told_of: None,
            wakes,
            to_self,
            started,
        }
    }

    /// Runs until the core says that the executor is done.
    ///
    /// # Errors
    ///
    /// When no signal handler can be set up.
    pub(crate) async fn run(mut self) -> std::io::Result<Outcome> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            while let Some(action) = self.core.poll_action() {
                if let Some(outcome) = self.carry_out(action) {
                    self.connection = None;
                    self.host.leave().await;
                    self.journal.close(outcome == Outcome::Complete).await;
                    return Ok(outcome);
                }
            }
            if self.journal.is_long() {
                self.journal.replace(&self.core.snapshot());
            }
            let (started, deadline) = (self.started, self.core.next_deadline());
            let turn = tokio::select! {
                biased;
                () = either(&mut terminate, &mut interrupt) => Turn::Wake(Wake::Event(Event::Stop)),
                Some(wake) = self.wakes.recv() => Turn::Wake(wake),
                launched = self.host.launched() => Turn::Launched(Box::new(launched)),
                () = until(started, deadline) => Turn::Deadline,
            };
            self.turn(turn);
        }
    }

    fn turn(&mut self, turn: Turn) {
        let now = clock(self.started);
        match turn {
            Turn::Deadline => self.core.handle_timeout(now),
            Turn::Wake(Wake::Event(event)) => self.core.handle(now, event),
            Turn::Wake(Wake::Ending(task_id)) => self.host.reap(task_id),
            Turn::Wake(Wake::Subscribed(subscribed)) => self.host.describe(*subscribed),
            // The host keeps the task's handles before the core hears of it.
            Turn::Launched(launched) => {
                if let Some(event) = self.host.take_in(*launched) {
                    self.core.handle(now, event);
                }
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::Subscribe {
                attempt,
                call,
                after,
            } => {
                // The old connection goes first: the agent would close it anyway when it sees the new one.
                self.connection = None;
                let (journal, wakes) = (self.journal.progress(), self.to_self.clone());
                let connection = self.agent.subscribe(attempt, *call, after, journal, wakes);
                self.connection = Some(connection);
            }
            Action::Disconnect { attempt } => {
                self.connection
                    .take_if(|connection| connection.attempt == attempt);
            }
            Action::Send {
                attempt,
                call,
                after,
            } => {
                if let Some(connection) = &self.connection
                    && connection.attempt == attempt
                {
                    connection.send(*call, after);
                }
            }
            Action::Record { sequence, record } => self.journal.append(sequence, &record),
            Action::Launch {
                task,
                request,
                held,
            } => self.host.launch(*task, *request, held),
            Action::Release { task_id } => self.host.release(&task_id),
            Action::Probe {
                task_id,
                check,
                probe,
                timeout,
            } => {
                let view = self.host.view(&task_id);
                self.probes.begin(task_id, check, view, *probe, timeout);
            }
            Action::CancelProbe { task_id, check } => self.probes.cancel(&task_id, check),
            Action::CancelLaunch { task_id } => self.host.cancel(&task_id),
            Action::Hook {
                task_id,
                moment,
                hook,
                timeout,
            } => {
                let job = Job {
                    task_id,
                    moment,
                    hook: *hook,
                    timeout,
                };
                self.host.hook(job);
            }
            Action::CancelHook { task_id, moment } => self.host.cancel_hook(&task_id, moment),
            Action::Signal { task_id, signal } => self.host.signal(&task_id, signal),
            Action::Ask {
                number,
                task_id,
                question,
            } => self.host.ask(number, &task_id, question),
            Action::KillTree { task_id } => self.host.kill(&task_id),
            Action::CleanUp { task_id } => self.host.clean_up(&task_id),
            Action::PutAside { task_id } => self.host.put_aside(&task_id),
            Action::Relaunch { task_id } => self.host.relaunch(&task_id),
            Action::Note(note) => self.log(&note),
            Action::Exit(outcome) => return Some(outcome),
        }
        None
    }

    fn log(&mut self, note: &Note) {
        match note {
            // An agent may be away for long, and what is tried meanwhile fails alike.
            Note::Disconnected { why } if self.told_of.as_ref() == Some(why) => debug!("{note}"),
            Note::Disconnected { why } => {
                self.told_of = Some(why.clone());
                warn!("{note}");
            }
            Note::UpdateRefused { .. } | Note::Overdue { .. } | Note::HookFailed { .. } => {
                warn!("{note}");
            }
            Note::Subscribed { .. } => {
                self.told_of = None;
                info!("{note}");
            }
            note => info!("{note}"),
        }
    }
}

async fn until(started: tokio::time::Instant, deadline: Option<Instant>) {
    match deadline {
        Some(Instant(after)) => tokio::time::sleep_until(started + after).await,
        None => pending().await,
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn clock(started: tokio::time::Instant) -> Now {
    // A clock before 1970 gives 0, which is what it means.
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Now {
        at: Instant(started.elapsed()),
        unix: unix.as_secs_f64(),
    }
}
