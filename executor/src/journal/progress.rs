//! How far the journal's writer is, for those who wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// How long a record may take. A disk that takes longer is as good as none, and the agent waits for the update.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number that stands for every record: there is no journal any more.
const ALL: u64 = u64::MAX;

/// What both ends know.
#[derive(Debug, Default)]
struct Shared {
    /// Since when the writer has been writing what it writes. Those who wait come and go meanwhile.
    busy_since: Option<Instant>,
    /// Those who waited have lost patience.
    given_up: bool,
}

/// The writer's end.
pub(super) struct Reporter {
    reached: watch::Sender<u64>,
    shared: Arc<Mutex<Shared>>,
}

/// The end of those who wait.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    reached: watch::Receiver<u64>,
    shared: Arc<Mutex<Shared>>,
}

pub(super) fn new() -> (Reporter, Progress) {
    let (sender, receiver) = watch::channel(0);
    let shared = Arc::new(Mutex::new(Shared::default()));
    let reporter = Reporter {
        reached: sender,
        shared: Arc::clone(&shared),
    };
    let progress = Progress {
        reached: receiver,
        shared,
    };
    (reporter, progress)
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing in it can be half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reporter {
    /// Every record up to this one is as safe as it wants to be.
    pub(super) fn reached(&self, sequence: u64) {
        self.reached.send_replace(sequence);
    }

    /// Nothing more is written, and nobody need wait.
    pub(super) fn give_up(&self) {
        self.reached.send_replace(ALL);
    }

    /// Something is being written from now on.
    pub(super) fn begin(&self) {
        lock(&self.shared).busy_since = Some(Instant::now());
    }

    /// It has been.
    pub(super) fn end(&self) {
        lock(&self.shared).busy_since = None;
    }

    /// Whether those who waited have lost patience.
    pub(super) fn is_given_up(&self) -> bool {
        lock(&self.shared).given_up
    }
}

impl Progress {
    /// Waits until every record up to this one is safe, or the journal is given up.
    pub(crate) async fn until(&mut self, sequence: u64) {
        let deadline = {
            let shared = lock(&self.shared);
            if *self.reached.borrow() >= sequence || shared.given_up {
                return;
            }
            shared.busy_since.unwrap_or_else(Instant::now) + PATIENCE
        };
        let safe = self.reached.wait_for(|reached| *reached >= sequence);
        // A writer that is gone without a word is waited for no more than one that gave up.
        if timeout_at(deadline, safe).await.is_err() {
            let mut shared = lock(&self.shared);
            if !std::mem::replace(&mut shared.given_up, true) {
                warn!("no journal any more: its disk has not taken a record within {PATIENCE:?}");
            }
        }
    }

    /// Waits until the writer has gone.
    pub(super) async fn end(&mut self) {
        self.until(ALL).await;
    }
}
