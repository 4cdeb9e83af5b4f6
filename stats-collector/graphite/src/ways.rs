//! The ways to carbon: the one that is wanted, and those that are taken while it is gone.
//!
//! ```text
//!   best ──────── lost, put off ─────────> next ...
//!     ^                                     │
//!     └── back once a scout got through <───┘
//! ```
//!
//! Each way has its own waits: one that fails over and over does not hold back the others.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::backoff::{Backoff, random};
use crate::connection::{Connection, ConnectionError, Timeouts};
use crate::destination::Destination;

/// A connection that held this long was a good one: the next attempt need not wait.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// All ways, best first, and which of them is in use.
#[derive(Debug)]
pub(crate) struct Ways {
    ways: Vec<Way>,
    timeouts: Timeouts,
    current: usize,
    scout: Option<Scout>,
}

#[derive(Clone, Debug)]
struct Way {
    destination: Destination,
    backoff: Backoff,
    /// Not to be tried before.
    due: Instant,
}

impl Ways {
    pub(crate) fn new(best: Destination, others: Vec<Destination>, timeouts: Timeouts) -> Self {
        let due = Instant::now();
        let way = |destination| Way {
            destination,
            backoff: Backoff::new(),
            due,
        };
        Self {
            ways: std::iter::once(best).chain(others).map(way).collect(),
            timeouts,
            current: 0,
            scout: None,
        }
    }

    /// Where the last connection went, or the last attempt.
    pub(crate) fn destination(&self) -> &Destination {
        &self.ways[self.current].destination
    }

    /// When the next attempt is worth it.
    pub(crate) fn due(&self) -> Instant {
        let all = self.ways.iter().map(|way| way.due);
        all.min().unwrap_or_else(Instant::now)
    }

    /// Tries the ways that are due, best first, and all of them if `hurried`. The error is that of the last one tried.
    pub(crate) async fn open(&mut self, hurried: bool) -> Result<Connection, ConnectionError> {
        self.scout = None;
        let latest = Instant::now().max(self.due());
        let mut last = None;
        for (index, way) in self.ways.iter_mut().enumerate() {
            if way.due > latest && !hurried {
                continue;
            }
            self.current = index;
            match way.open(self.timeouts).await {
                Ok(connection) => {
                    self.send_scout();
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("one way at least is due at the latest when the first one is"))
    }

    /// Notes that the connection in use is lost after it `held` for so long.
    pub(crate) fn lost(&mut self, error: &ConnectionError, held: Duration) {
        self.scout = None;
        let way = &mut self.ways[self.current];
        // One that takes connections but reads nothing is none the better for holding them long.
        let stuck = matches!(error, ConnectionError::WriteTimeout { .. });
        if held >= GOOD_CONNECTION && !stuck {
            way.backoff.reset();
            way.due = Instant::now();
        } else {
            way.put_off();
        }
    }

    /// Whether [`Ways::better`] has an answer.
    pub(crate) fn is_better_known(&self) -> bool {
        self.scout
            .as_ref()
            .is_some_and(|scout| scout.0.is_finished())
    }

    /// Waits until a way that is better than the one in use is there again, for ever if there is no better one. From then
    /// on it is the one in use. Nothing is lost when this is dropped half-way.
    pub(crate) async fn better(&mut self) -> Connection {
        loop {
            let Some(scout) = &mut self.scout else {
                std::future::pending::<()>().await;
                continue;
            };
            let found = (&mut scout.0).await;
            self.scout = None;
            // Its task ends early only together with the runtime.
            if let Ok((index, connection)) = found {
                self.current = index;
                self.send_scout();
                return connection;
            }
        }
    }

    fn send_scout(&mut self) {
        let better = self.ways[..self.current].to_vec();
        let timeouts = self.timeouts;
        self.scout = (!better.is_empty()).then(|| Scout(tokio::spawn(search(better, timeouts))));
    }
}

impl Way {
    async fn open(&mut self, timeouts: Timeouts) -> Result<Connection, ConnectionError> {
        let opened = Connection::open(&self.destination, timeouts).await;
        if opened.is_err() {
            self.put_off();
        }
        opened
    }

    fn put_off(&mut self) {
        self.due = Instant::now() + self.backoff.wait(random());
    }
}

/// The task that looks for a better way. Ends when it is dropped.
#[derive(Debug)]
struct Scout(JoinHandle<(usize, Connection)>);

impl Drop for Scout {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tries these ways until one is open, and tells which.
async fn search(mut ways: Vec<Way>, timeouts: Timeouts) -> (usize, Connection) {
    loop {
        for (index, way) in ways.iter_mut().enumerate() {
            if way.due <= Instant::now()
                && let Ok(connection) = way.open(timeouts).await
            {
                return (index, connection);
            }
        }
        if let Some(next) = ways.iter().map(|way| way.due).min() {
            sleep_until(next).await;
        }
    }
}
