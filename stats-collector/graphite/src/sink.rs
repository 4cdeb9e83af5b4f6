//! A queue in front of carbon, the task that empties it, and the spool that helps out.
//!
//! ```text
//!   push ──> queue ──────────────> window ──> connection ──> carbon
//!   never     │ oldest first, when   ^ kept until    lost: back off, connect,
//!   waits     v carbon is away or    │ newer follow  write the window again
//!           spool  does not keep up ─┘
//!           on disk                at a limited rate, when the queue is empty
//! ```
//!
//! The happy path: the task connects, and moves batch after batch from the queue into the window
//! and onto the wire. Carbon being down, slow or gone shows only in [`Counters`] and in the log;
//! whoever pushes is never held up.
//!
//! There are two streams, and each keeps its order: live points, in the order in which they were
//! pushed, and replayed ones, in the order in which they went to disk, which is the order in which
//! they were pushed. Live points go ahead of replayed ones; whisper takes late points. What is
//! written again after a lost connection repeats what had gone out, in the same order.
//!
//! What is lost, and counted: with a spool, what exceeds its size (the oldest); what the disk does
//! not take, once the queue is full, too. What is lost, and nobody can count: what was only in
//! memory when the process is killed. That is the queue, at most
//! [`SinkConfig::queue_bytes`] and no older than [`SpoolConfig::hold`] (a second while carbon is out
//! of reach), and if carbon breaks at the same time what was written to it last, about 1 MiB. A
//! process that ends by [`Sink::finish`] loses nothing. A machine that loses its power loses what
//! came to disk since the last [`SpoolConfig::sync_interval`], too.

mod courier;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use self::courier::Courier;
pub(crate) use self::shared::{Desk, End, Link, Shared, State};
use crate::Batch;
use crate::connection::{ConnectionError, Timeouts};
use crate::counters::Counters;
use crate::destination::Destination;
use crate::queue::Waiting;
use crate::spool::{Keeper, SpoolConfig, SpoolName};
use crate::ways::Ways;

/// Of a deadline, so much at most is kept for the spool to take what carbon did not.
const FOR_THE_SPOOL: Duration = Duration::from_secs(5);

/// How often to look whether the disk hangs.
const LOOK: Duration = Duration::from_millis(250);

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

impl Sink {
    /// Starts the task, which connects at once, and the thread of the spool.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    #[must_use]
    pub fn start(config: SinkConfig) -> Self {
        let spool = config.spool.as_ref().map(|(spool, _)| spool);
        let shared = Arc::new(Shared::new(config.queue_bytes, spool));
        let timeouts = Timeouts {
            connect: config.connect_timeout,
            write: config.write_timeout,
        };
        let ways = Ways::new(config.destination, config.fallbacks, timeouts);
        let courier = Courier::new(ways, Arc::clone(&shared));
        if let Some((spool, name)) = config.spool {
            Keeper::start(spool, name, Arc::clone(&shared));
        }
        Self {
            shared,
            courier: tokio::spawn(courier.run()),
        }
    }

    /// Queues a batch. Never waits; the oldest batches go, to disk if there is a spool, when there
    /// is no room.
    pub fn push(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        self.shared.push(Waiting {
            batch: Arc::new(batch.compact()),
            again: false,
            since: std::time::Instant::now(),
        });
    }

    /// Waits until carbon has caught up, so that a producer faster than carbon need not fill the
    /// queue. While carbon is out of reach it waits for the spool instead, and without one, or with
    /// one whose disk fails or hangs, returns at once: then waiting helps nobody. With a spool it
    /// takes hardly longer than [`SpoolConfig::hold`], after which a slow carbon is waited for no
    /// longer; without, how long to wait is the caller's to decide.
    pub async fn caught_up(&self) {
        loop {
            let progress = self.shared.progress.notified();
            if self.has_caught_up() {
                break;
            }
            // A disk that hangs makes no progress to be told of.
            let _ = timeout(LOOK, progress).await;
        }
        // With room to spare nothing above gave the task a turn.
        tokio::task::yield_now().await;
    }

    /// Whether [`Sink::caught_up`] would return at once.
    pub(crate) fn has_caught_up(&self) -> bool {
        let now = std::time::Instant::now();
        self.shared.lock().is_caught_up(now)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters()
    }

    /// Delivers what waits in memory, and makes sure that carbon has read it, for at most
    /// `deadline`. What carbon does not confirm in time goes to the spool, if there is one: then
    /// everything is in good hands, too. What lies in the spool stays there.
    ///
    /// # Errors
    /// [`FinishError`] if anything may not have been read by then, and is not on disk.
    pub async fn finish(mut self, deadline: Duration) -> Result<Counters, FinishError> {
        let until = Instant::now() + deadline;
        let (spooled, for_carbon) = {
            let mut state = self.shared.lock();
            state.finishing = true;
            let spooled = state.desk.is_some();
            let reserve = FOR_THE_SPOOL.min(deadline / 2);
            (
                spooled,
                if spooled {
                    deadline - reserve
                } else {
                    deadline
                },
            )
        };
        self.shared.work.notify_one();
        let end = timeout(for_carbon, &mut self.courier).await;
        if end.is_err() {
            self.courier.abort();
        }
        if spooled {
            self.hand_over(until).await;
            if self.shared.lock().is_safe() {
                return Ok(self.counters());
            }
        }
        match end {
            Ok(Ok(Ok(()))) if !spooled => Ok(self.counters()),
            Ok(Ok(Err(unconfirmed))) => Err(FinishError::Unconfirmed(unconfirmed)),
            Ok(Err(_)) => Err(FinishError::Ended),
            Ok(Ok(Ok(()))) | Err(_) => Err(self.too_late(deadline)),
        }
    }

    /// Lets the spool take all that is in memory, and end, for as long as there is time.
    async fn hand_over(&self, until: Instant) {
        self.shared.end(End::Store);
        loop {
            let progress = self.shared.progress.notified();
            let ended = |desk: &Desk| desk.ended;
            if self.shared.lock().desk.as_ref().is_none_or(ended) {
                return;
            }
            if timeout_at(until, progress).await.is_err() {
                return;
            }
        }
    }

    fn too_late(&self, deadline: Duration) -> FinishError {
        let mut state = self.shared.lock();
        let waiting = state.counters().in_memory();
        match std::mem::replace(&mut state.link, Link::Connecting) {
            Link::Down(last) => FinishError::Unreachable {
                waiting,
                deadline,
                last,
            },
            Link::Connecting | Link::Up => FinishError::Slow { waiting, deadline },
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.courier.abort();
        self.shared.end(End::Abandon);
    }
}
