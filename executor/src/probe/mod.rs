//! Looking at a task: what [`executor_core::Action::Probe`] asks for.
//!
//! A command is run by the task's own init, in the task's sandbox. HTTP and TCP are spoken by this very process, on
//! sockets of the task's network namespace; there is no helper process to start, to wait for, or to leave behind.

mod command;
mod http;
mod names;
mod netns;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::collections::HashMap;
use std::time::Duration;

use dialect::Probe;
use executor_core::{Event, Probed, TaskEvent};
use mesos_proto::v1::TaskId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::driver::Wake;
pub(crate) use command::{Place, look as beside};
pub(crate) use netns::{Network, NetworkError};
pub(crate) use tls::Trust;

/// The looks that are under way.
pub(crate) struct Probes {
    trust: Trust,
    wakes: UnboundedSender<Wake>,
    /// By task and check, what ends the look when it is dropped.
    under_way: HashMap<(String, usize), oneshot::Sender<()>>,
}

/// What is looked at.
#[derive(Debug)]
pub(crate) struct View {
    /// The task's network.
    pub(crate) network: Result<Network, NetworkError>,
    /// The task's sandbox.
    pub(crate) place: std::io::Result<Place>,
}

impl Probes {
    /// `trust` says whom the certificates of servers have to be signed by, where a check asks for that.
    pub(crate) fn new(trust: Trust, wakes: UnboundedSender<Wake>) -> Self {
        Self {
            trust,
            wakes,
            under_way: HashMap::new(),
        }
    }

    /// Begins a look at a task, which is answered by one [`TaskEvent::Probed`]. Without a view the task has ended.
    pub(crate) fn begin(
        &mut self,
        task_id: TaskId,
        check: usize,
        view: Option<View>,
        probe: Probe,
        timeout: Option<Duration>,
    ) {
        // Those that are through need not be kept.
        self.under_way.retain(|_, end| !end.is_closed());
        let (end, ended) = oneshot::channel();
        self.under_way.insert((task_id.value.clone(), check), end);
        let (trust, wakes) = (self.trust.clone(), self.wakes.clone());
        tokio::spawn(async move {
            let error = |message: &str| Probed::Error {
                message: message.to_owned(),
            };
            let look = async {
                match view {
                    Some(view) => view.look(&trust, &probe, timeout).await,
                    None => error("the task has ended"),
                }
            };
            let outcome = tokio::select! {
                outcome = look => outcome,
                _ = ended => error("the look was called off"),
            };
            let event = TaskEvent::Probed { check, outcome };
            // Whoever does not listen any more is on the way out.
            drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
        });
    }

    /// Ends a look, if it is still under way, and whatever it started.
    pub(crate) fn cancel(&mut self, task_id: &TaskId, check: usize) {
        self.under_way.remove(&(task_id.value.clone(), check));
    }
}

impl View {
    /// Looks once. Dropping the future ends the look, and leaves nothing of it.
    async fn look(self, trust: &Trust, probe: &Probe, timeout: Option<Duration>) -> Probed {
        let until = deadline(timeout);
        let outcome = match (probe, self.place, &self.network) {
            (
                Probe::Command {
                    program,
                    environment,
                },
                Ok(place),
                _,
            ) => Some(command::look(place, program, environment, timeout).await),
            (Probe::Http(probe), _, Ok(network)) => {
                within(until, http::look(network, trust, probe)).await
            }
            (Probe::Tcp { target }, _, Ok(network)) => {
                within(until, tcp::look(network, target)).await
            }
            (Probe::Command { .. }, Err(error), _) => Some(Probed::Error {
                message: format!("reach the task's sandbox: {error}"),
            }),
            (Probe::Http(_) | Probe::Tcp { .. }, _, Err(error)) => Some(Probed::Error {
                message: error.to_string(),
            }),
        };
        let output = String::new();
        outcome.unwrap_or(Probed::TimedOut { output })
    }
}

/// How many looks block at the same time, so that some that hang leave threads for everything else.
const MOST_TURNS: usize = 16;

static TURNS: Semaphore = Semaphore::const_new(MOST_TURNS);

/// Waits until one more look may block.
async fn turn() -> Option<SemaphorePermit<'static>> {
    // It is closed never.
    TURNS.acquire().await.ok()
}

/// Does on a thread of its own what may block, as whoever has this turn. It is over when the work is, also when nobody
/// waits for that any more.
fn blocking<T: Send + 'static>(
    turn: Option<SemaphorePermit<'static>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    })
}

/// When `timeout` will have passed; none is never.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(timeout?)
}

/// What comes of `work`, if it is done at `until`.
async fn within<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        None => Some(work.await),
        Some(until) => timeout_at(until, work).await.ok(),
    }
}
