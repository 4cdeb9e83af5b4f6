//! A queue in front of carbon, and the task that empties it.
//!
//! ```text
//!   push ──> queue ──> window ──> connection ──> carbon
//!   never      oldest    kept until      lost: back off, connect,
//!   waits      dropped   newer follow    write the window again
//! ```
//!
//! The happy path: the task connects, and moves batch after batch from the queue into the window
//! and onto the wire. Carbon being down, slow or gone shows only in [`Counters`] and in the log;
//! whoever pushes is never held up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::Batch;
use crate::connection::{Connection, ConnectionError, Timeouts};
use crate::counters::Counters;
use crate::destination::Destination;
use crate::queue::Queue;
use crate::spool::{SpoolConfig, SpoolName};
use crate::ways::Ways;
use crate::window::{Window, Written};

/// With less than this waiting, the task still has something to write while more is being encoded.
const LOW_WATER: usize = 4 * Batch::FULL;

/// The wait between attempts once time is short.
const HURRIED_PAUSE: Duration = Duration::from_millis(100);

/// What a [`Sink`] needs to know.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Where points go.
    pub destination: Destination,
    /// Where else they may go, best first, while none of those before can be reached.
    pub fallbacks: Vec<Destination>,
    /// How long a connection attempt may take, looking up the name included.
    pub connect_timeout: Duration,
    /// How long carbon may take nothing more of what is written.
    pub write_timeout: Duration,
    /// How many bytes may wait in memory while carbon is down or slow.
    pub queue_bytes: usize,
    /// Where points go that carbon does not take in time, under the name of this destination.
    pub spool: Option<(SpoolConfig, SpoolName)>,
}

/// Why [`Sink::finish`] could not hand over everything.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Carbon took everything but never said that it had read it.
    #[error("all points were written, but maybe not read: {0}")]
    Unconfirmed(ConnectionError),
    /// Time was up.
    #[error("{waiting} points were not delivered within {deadline:?}")]
    Slow {
        /// Points left.
        waiting: u64,
        /// The time given.
        deadline: Duration,
    },
    /// Time was up, and carbon was not to be reached.
    #[error("{waiting} points were not delivered within {deadline:?}: {last}")]
    Unreachable {
        /// Points left.
        waiting: u64,
        /// The time given.
        deadline: Duration,
        /// Why the last attempt failed.
        last: ConnectionError,
    },
    /// The task is gone: it panicked, or its runtime shut down.
    #[error("the task that writes to carbon ended early")]
    Ended,
}

/// Takes batches and gets them to carbon as best as can be. Dropping it ends the task at once;
/// [`Sink::finish`] lets it end well.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    courier: JoinHandle<Result<(), ConnectionError>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something was pushed, or the end was announced.
    work: Notify,
    /// Something was taken from the queue, or the link changed.
    progress: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    counters: Counters,
    link: Link,
    finishing: bool,
}

#[derive(Debug)]
enum Link {
    /// An attempt is under way whose predecessor had not failed.
    Connecting,
    Up,
    /// The last attempt failed.
    Down(ConnectionError),
}

impl Sink {
    /// Starts the task, which connects at once.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    #[must_use]
    pub fn start(config: SinkConfig) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: Queue::new(config.queue_bytes),
                counters: Counters::default(),
                link: Link::Connecting,
                finishing: false,
            }),
            work: Notify::new(),
            progress: Notify::new(),
        });
        let timeouts = Timeouts {
            connect: config.connect_timeout,
            write: config.write_timeout,
        };
        let courier = Courier {
            ways: Ways::new(config.destination, config.fallbacks, timeouts),
            shared: Arc::clone(&shared),
            window: Window::default(),
        };
        Self {
            shared,
            courier: tokio::spawn(courier.run()),
        }
    }

    /// Queues a batch. Never waits; the oldest batches go if there is no room.
    pub fn push(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let batch = batch.compact();
        let mut state = self.shared.lock();
        state.counters.pushed += batch.points();
        let dropped = state.queue.push(batch);
        if dropped > 0 && state.counters.dropped == 0 {
            warn!("the queue to carbon is full: dropping the oldest points");
        }
        state.counters.dropped += dropped;
        drop(state);
        self.shared.work.notify_one();
    }

    /// Waits until carbon has caught up, so that a producer faster than carbon need not fill the
    /// queue. Returns at once while carbon is out of reach: then waiting helps nobody. How long to
    /// wait for a slow carbon is the caller's to decide.
    pub async fn caught_up(&self) {
        loop {
            let progress = self.shared.progress.notified();
            if self.has_caught_up() {
                break;
            }
            progress.await;
        }
        // With room to spare nothing above gave the task a turn.
        tokio::task::yield_now().await;
    }

    /// Whether [`Sink::caught_up`] would return at once.
    pub(crate) fn has_caught_up(&self) -> bool {
        let state = self.shared.lock();
        state.queue.bytes() < LOW_WATER || matches!(state.link, Link::Down(_))
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// Delivers what waits, and makes sure that carbon has read it, for at most `deadline`.
    ///
    /// # Errors
    /// [`FinishError`] if anything may not have been read by then.
    pub async fn finish(mut self, deadline: Duration) -> Result<Counters, FinishError> {
        self.shared.lock().finishing = true;
        self.shared.work.notify_one();
        match timeout(deadline, &mut self.courier).await {
            Ok(Ok(Ok(()))) => Ok(self.counters()),
            Ok(Ok(Err(unconfirmed))) => Err(FinishError::Unconfirmed(unconfirmed)),
            Ok(Err(_)) => Err(FinishError::Ended),
            Err(_) => {
                let mut state = self.shared.lock();
                let waiting = state.counters.waiting();
                match std::mem::replace(&mut state.link, Link::Connecting) {
                    Link::Down(last) => Err(FinishError::Unreachable {
                        waiting,
                        deadline,
                        last,
                    }),
                    Link::Connecting | Link::Up => Err(FinishError::Slow { waiting, deadline }),
                }
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and counters and queue are whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_link(&self, link: Link) {
        self.lock().link = link;
        self.progress.notify_waiters();
    }
}

/// The task behind a [`Sink`].
struct Courier {
    ways: Ways,
    shared: Arc<Shared>,
    window: Window,
}

/// What to do next on an open connection.
enum Next {
    Write,
    Wait,
    Finish,
}

impl Courier {
    /// Ends once finishing was asked for and nothing is left to do.
    async fn run(mut self) -> Result<(), ConnectionError> {
        loop {
            let Some(connection) = self.connect().await else {
                return Ok(());
            };
            let connected_at = Instant::now();
            let lost = match self.serve(connection).await {
                Ok(()) => return Ok(()),
                Err(unconfirmed @ ConnectionError::Unconfirmed { .. }) => return Err(unconfirmed),
                Err(lost) => lost,
            };
            warn!(
                waiting = self.shared.lock().counters.waiting(),
                "lost {}: {lost}",
                self.ways.destination()
            );
            self.window.rewind();
            self.ways.lost(&lost, connected_at.elapsed());
            if self.ways.due() <= Instant::now() {
                self.shared.set_link(Link::Connecting);
            } else {
                self.shared.set_link(Link::Down(lost));
                self.pause().await;
            }
        }
    }

    /// Tries until there is a connection, or nothing left to want one for.
    async fn connect(&mut self) -> Option<Connection> {
        let mut complained = false;
        loop {
            if matches!(self.next(), Next::Finish) {
                return None;
            }
            let hurried = self.shared.lock().finishing;
            match self.ways.open(hurried).await {
                Ok(connection) => {
                    self.connected();
                    return Some(connection);
                }
                Err(error) => {
                    // Once an outage; its end is told by "connected".
                    if !complained {
                        warn!("{} is out of reach: {error}", self.ways.destination());
                        complained = true;
                    }
                    self.shared.set_link(Link::Down(error));
                    self.pause().await;
                }
            }
        }
    }

    fn connected(&self) {
        let mut state = self.shared.lock();
        state.counters.connections += 1;
        info!(
            waiting = state.counters.waiting(),
            "connected to {}",
            self.ways.destination()
        );
        drop(state);
        self.shared.set_link(Link::Up);
    }

    /// Goes on with a better carbon, and lets the one so far end well.
    async fn move_to(&mut self, better: Connection, so_far: Connection) -> Connection {
        self.connected();
        match so_far.finish().await {
            Ok(()) => self.window.confirmed(),
            // What it may not have read, the better one gets.
            Err(_) => self.window.rewind(),
        }
        better
    }

    /// Moves batches until the connection is lost or everything is delivered.
    async fn serve(&mut self, mut connection: Connection) -> Result<(), ConnectionError> {
        loop {
            if self.ways.is_better_known() {
                let better = self.ways.better().await;
                connection = self.move_to(better, connection).await;
            }
            match self.next() {
                Next::Write => {
                    while let Some(batch) = self.window.to_write() {
                        connection.write(batch).await?;
                        let written = self.window.written();
                        let counters = &mut self.shared.lock().counters;
                        match written {
                            Some(Written::First(points)) => counters.written += points,
                            Some(Written::Again(points)) => counters.resent += points,
                            None => {}
                        }
                    }
                }
                Next::Wait => {
                    tokio::select! {
                        () = self.shared.work.notified() => {}
                        lost = connection.lost() => return Err(lost),
                        better = self.ways.better() => {
                            connection = self.move_to(better, connection).await;
                        }
                    }
                }
                Next::Finish => return connection.finish().await,
            }
        }
    }

    /// Takes the next batch into the window if that has nothing left to write.
    fn next(&mut self) -> Next {
        if self.window.to_write().is_some() {
            return Next::Write;
        }
        let mut state = self.shared.lock();
        if let Some(batch) = state.queue.pop() {
            drop(state);
            self.window.push(batch);
            self.shared.progress.notify_waiters();
            Next::Write
        } else if state.finishing {
            Next::Finish
        } else {
            Next::Wait
        }
    }

    /// Waits before the next attempt, but hurries once finishing is asked for.
    async fn pause(&mut self) {
        let until = self.ways.due();
        while !self.shared.lock().finishing {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.shared.work.notified() => {}
            }
        }
        sleep(HURRIED_PAUSE).await;
    }
}
