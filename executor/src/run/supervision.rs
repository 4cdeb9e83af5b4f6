//! One command from its launch to its last trace, without an agent: what the core decides for tasks, this does in a few
//! lines for one.

use std::future::pending;
use std::io;
use std::time::Duration;

use executor_core::{Ended, Event, Limitation, Signal, TaskEvent};
use mesos_proto::MesosDuration;
use mesos_proto::v1::TaskId;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::ending::Ending;
use super::order::Order;
use super::signals::{Heard, Signals};
use crate::driver::Wake;
use crate::host::Host;

/// How long the command may take, and how long it may take to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From its start; none is without limit.
    pub(super) timeout: Option<Duration>,
    /// From the signal that is to end it to SIGKILL.
    pub(super) grace: Duration,
}

/// A command that was killed, and is still not gone after this, is the kernel's to end.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Launches the command and waits until nothing of it is left.
///
/// # Errors
///
/// When signals cannot be listened to.
pub(super) async fn supervise(
    mut host: Host,
    wakes: UnboundedReceiver<Wake>,
    order: Order,
    patience: Patience,
) -> io::Result<Ending> {
    let signals = Signals::listen()?;
    let task_id = order.task.task_id.clone();
    host.launch(order.task, order.request, false);
    let mut command = Supervised {
        host,
        task_id,
        patience,
        runs: false,
        early: Vec::new(),
        told: None,
        timeout_at: None,
        kill_at: None,
        give_up_at: None,
        timed_out: false,
        limitation: None,
        ended: None,
    };
    let ending = command.watch(signals, wakes).await;
    command.host.leave().await;
    Ok(ending)
}

struct Supervised {
    host: Host,
    task_id: TaskId,
    patience: Patience,
    runs: bool,
    /// What came before it was known to run.
    early: Vec<Signal>,
    /// The first signal that told it to end.
    told: Option<Heard>,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    give_up_at: Option<Instant>,
    timed_out: bool,
    limitation: Option<Limitation>,
    ended: Option<Ended>,
}

impl Supervised {
    async fn watch(&mut self, mut signals: Signals, mut wakes: UnboundedReceiver<Wake>) -> Ending {
        loop {
            let event = tokio::select! {
                heard = signals.next() => {
                    self.pass_on(heard);
                    None
                }
                launched = self.host.launched() => self.host.take_in(launched),
                Some(wake) = wakes.recv() => match wake {
                    Wake::Event(event) => Some(event),
                    Wake::Ending(task_id) => {
                        self.host.reap(task_id);
                        None
                    }
                    // There is no agent.
                    Wake::Subscribed(_) => None,
                },
                () = until(self.timeout_at) => {
                    self.timeout_at = None;
                    self.timed_out = true;
                    self.end(Signal::Terminate);
                    None
                }
                () = until(self.kill_at) => {
                    self.kill();
                    None
                }
                () = until(self.give_up_at) => return Ending::Unreaped,
            };
            if let Some(Event::Task { event, .. }) = event
                && let Some(ending) = self.take(event)
            {
                return ending;
            }
        }
    }

    fn pass_on(&mut self, heard: Heard) {
        if !heard.ends {
            match self.runs {
                true => self.host.signal(&self.task_id, heard.signal),
                false if self.early.contains(&heard.signal) => {}
                false => self.early.push(heard.signal),
            }
            return;
        }
        self.told.get_or_insert(heard);
        if self.runs {
            self.end(heard.signal);
        } else {
            self.host.cancel(&self.task_id);
        }
    }

    /// Tells it to end; a second time does not prolong its grace.
    fn end(&mut self, signal: Signal) {
        self.host.signal(&self.task_id, signal);
        let deadline = Instant::now() + self.patience.grace;
        self.kill_at.get_or_insert(deadline);
    }

    fn kill(&mut self) {
        self.kill_at = None;
        self.host.kill(&self.task_id);
        let deadline = Instant::now() + KILL_PATIENCE;
        self.give_up_at.get_or_insert(deadline);
    }

    fn take(&mut self, event: TaskEvent) -> Option<Ending> {
        match event {
            // What it lacks is in the log, which whoever started this reads.
            TaskEvent::Started | TaskEvent::StartedWithout(_) => {
                self.runs = true;
                self.timeout_at = self.patience.timeout.map(|after| Instant::now() + after);
                for signal in self.early.drain(..) {
                    self.host.signal(&self.task_id, signal);
                }
                // It came too late to keep the command from starting.
                if let Some(heard) = self.told {
                    self.end(heard.signal);
                }
            }
            TaskEvent::StartFailed(failure) => {
                return Some(match self.told {
                    Some(Heard { number, .. }) => Ending::Cancelled { signal: number },
                    None => Ending::NotStarted(failure),
                });
            }
            TaskEvent::Limited(limitation) => {
                self.limitation.get_or_insert(limitation);
                self.kill();
            }
            TaskEvent::Ended(mut ended) => {
                if let Some(limitation) = ended.limitation.take() {
                    self.limitation.get_or_insert(limitation);
                }
                self.ended = Some(ended);
                (self.timeout_at, self.kill_at) = (None, None);
                // For the clean-up, too.
                self.give_up_at = Some(Instant::now() + KILL_PATIENCE);
                self.host.clean_up(&self.task_id);
            }
            TaskEvent::CleanedUp => return Some(self.ending()),
            // Neither is ever asked for.
            TaskEvent::Prepared | TaskEvent::Probed { .. } | TaskEvent::Hooked { .. } => {}
        }
        None
    }

    fn ending(&mut self) -> Ending {
        let timeout = self.patience.timeout.filter(|_| self.timed_out);
        match (self.limitation.take(), timeout, self.ended.take()) {
            (Some(limitation), _, _) => Ending::Limit(limitation),
            (None, Some(timeout), _) => {
                Ending::Timeout(MesosDuration::from_std(timeout).unwrap_or_default())
            }
            (None, None, Some(ended)) => Ending::Command(ended),
            (None, None, None) => Ending::Unreaped,
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
