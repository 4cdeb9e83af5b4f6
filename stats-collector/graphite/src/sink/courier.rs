//! The task that writes to carbon.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::shared::{Link, Shared};
use crate::Batch;
use crate::connection::{Connection, ConnectionError};
use crate::spool;
use crate::ways::Ways;
use crate::window::{Origin, Parcel};

/// The wait between attempts once time is short.
const HURRIED_PAUSE: Duration = Duration::from_millis(100);

/// The task behind a [`Sink`](super::Sink).
pub(super) struct Courier {
    ways: Ways,
    shared: Arc<Shared>,
    /// The moment from which replayed points are timed.
    start: Instant,
}

/// What to do next on an open connection.
enum Next {
    Write(Arc<Batch>),
    /// Until something happens, or for so long.
    Wait(Option<Duration>),
    Finish,
}

impl Courier {
    pub(super) fn new(ways: Ways, shared: Arc<Shared>) -> Self {
        Self {
            ways,
            shared,
            start: Instant::now(),
        }
    }

    /// Ends once finishing was asked for and nothing is left to do, or nothing but what the spool
    /// can do.
    pub(super) async fn run(mut self) -> Result<(), ConnectionError> {
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
                waiting = self.shared.lock().counters().waiting(),
                "lost {}: {lost}",
                self.ways.destination()
            );
            self.shared.rewind();
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
            let left = self.shared.lock().is_left_to_the_spool();
            if left || matches!(self.next(), Next::Finish) {
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
            waiting = state.counters().waiting(),
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
            Ok(()) => self.shared.confirm(),
            // What it may not have read, the better one gets.
            Err(_) => self.shared.rewind(),
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
                Next::Write(batch) => {
                    connection.write(&batch).await?;
                    self.shared.note_written(self.start.elapsed());
                }
                Next::Wait(wait) => {
                    let until = Instant::now() + wait.unwrap_or(Duration::MAX / 4);
                    tokio::select! {
                        () = self.shared.work.notified() => {}
                        () = sleep_until(until), if wait.is_some() => {}
                        lost = connection.lost() => return Err(lost),
                        better = self.ways.better() => {
                            connection = self.move_to(better, connection).await;
                        }
                    }
                }
                Next::Finish => {
                    connection.finish().await?;
                    self.shared.confirm();
                    return Ok(());
                }
            }
        }
    }

    /// Takes the next batch into the window if that has nothing left to write: first what was pushed,
    /// and only when none of that waits, a piece from the disk.
    fn next(&mut self) -> Next {
        let mut state = self.shared.lock();
        if let Some(batch) = state.window.to_write() {
            return Next::Write(Arc::clone(batch));
        }
        if let Some(waiting) = state.queue.pop() {
            let batch = Arc::clone(&waiting.batch);
            state.window.push(Parcel {
                batch: waiting.batch,
                again: waiting.again,
                origin: Origin::Memory,
            });
            drop(state);
            self.shared.progress.notify_waiters();
            return Next::Write(batch);
        }
        if state.finishing {
            return Next::Finish;
        }
        // Only onto a connection: the way there may be long, and time counts.
        let up = matches!(state.link, Link::Up);
        let Some(desk) = state.desk.as_mut().filter(|_| up) else {
            return Next::Wait(None);
        };
        match desk.replay.next(self.start.elapsed()) {
            spool::Next::Piece { batch, again, end } => {
                let batch = Arc::new(batch);
                state.window.push(Parcel {
                    batch: Arc::clone(&batch),
                    again,
                    origin: Origin::Disk(end),
                });
                drop(state);
                self.shared.keeper.notify_one();
                Next::Write(batch)
            }
            spool::Next::Wait(wait) => Next::Wait(Some(wait)),
            spool::Next::Nothing => Next::Wait(None),
        }
    }

    /// Waits before the next attempt, but hurries once finishing is asked for.
    async fn pause(&mut self) {
        let until = self.ways.due();
        while !self.shared.lock().finishing {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.shared.work.notified() => {}
            }
        }
        sleep(HURRIED_PAUSE).await;
    }
}
