//! The thread that keeps a spool: all that waits for a disk is done by it, and nobody waits for it.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Instant;

use tracing::{info, warn};

use super::directory::DirectoryError;
use super::store::{Losses, Place, Record, Store, StoreError};
use super::{SpoolConfig, SpoolName};
use crate::backoff::{Backoff, random};
use crate::queue::Waiting;
use crate::sink::{Desk, End, Link, Shared, State};

/// How many bytes of lines go to disk at once, a batch more or less.
const CHUNK: usize = 256 << 10;
/// A segment that could not be read so many times in a row is given up.
const READ_ATTEMPTS: u32 = 3;

/// Carries out what the [`Desk`] asks for.
pub(crate) struct Keeper {
    config: SpoolConfig,
    name: SpoolName,
    shared: Arc<Shared>,
    store: Option<Store>,
    /// What was lost with stores that are closed.
    before: Losses,
    /// The lowest number for the next segment, see [`Store::open`].
    least: u64,
    backoff: Backoff,
    /// After a failure to write: not before.
    retry_at: Option<Instant>,
    /// Failures to write since the last success, and to read.
    failures: u32,
    read_failures: u32,
    read_at: Option<Instant>,
    sync_at: Option<Instant>,
    ending: bool,
}

/// One piece of work.
enum Task {
    Open,
    Tidy {
        rewind: bool,
        confirmed: Option<Place>,
    },
    Store(Vec<Waiting>),
    Sync,
    Read,
    End,
}

/// What came of a piece of work, to be told under the lock.
enum Done {
    Nothing,
    Stored {
        first: u64,
        again: u64,
        refused: u64,
    },
    NotStored(Vec<Waiting>),
    Read(Record),
}

impl Keeper {
    /// Starts the thread. Without one the sink does without a spool.
    pub(crate) fn start(config: SpoolConfig, name: SpoolName, shared: Arc<Shared>) {
        let keeper = Self {
            config,
            name,
            shared: Arc::clone(&shared),
            store: None,
            before: Losses::default(),
            least: 0,
            backoff: Backoff::new(),
            retry_at: None,
            failures: 0,
            read_failures: 0,
            read_at: None,
            sync_at: None,
            ending: false,
        };
        let thread = thread::Builder::new().name("spool".to_owned());
        if let Err(error) = thread.spawn(move || keeper.run()) {
            warn!("no thread for the spool, which is not used: {error}");
            shared.lock().desk = None;
        }
    }

    fn run(mut self) {
        loop {
            let done = match self.next() {
                Task::Open => self.open(),
                Task::Tidy { rewind, confirmed } => self.tidy(rewind, confirmed),
                Task::Store(batches) => self.store(batches),
                Task::Sync => self.sync(),
                Task::Read => self.read(),
                Task::End => break,
            };
            self.report(done);
        }
        // Whoever waits for the end may open the spool again.
        self.store = None;
        if let Some(desk) = &mut self.shared.lock().desk {
            desk.ended = true;
        }
        self.shared.progress.notify_waiters();
    }

    /// Waits for something to do.
    fn next(&mut self) -> Task {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            let now = Instant::now();
            let task = self.task(&mut state, now);
            if let Some(desk) = &mut state.desk {
                desk.busy_since = task.as_ref().map(|_| now);
                desk.holds_points = matches!(task, Some(Task::Store(_)));
            }
            if let Some(task) = task {
                return task;
            }
            let until = self.wake_at(&state).filter(|at| *at > now);
            state = match until {
                None => shared
                    .keeper
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let waited = shared.keeper.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// What is to be done at once.
    fn task(&mut self, state: &mut State, now: Instant) -> Option<Task> {
        let due = |at: Option<Instant>| at.is_none_or(|at| at <= now);
        let desk = state.desk.as_mut()?;
        if desk.end == Some(End::Abandon) {
            return Some(Task::End);
        }
        let ending = desk.end.is_some();
        if ending && !self.ending {
            // However it went so far: one attempt more.
            self.ending = true;
            self.retry_at = None;
        }
        if ending && self.retry_at.is_some() {
            return Some(Task::End);
        }
        let Some(store) = &self.store else {
            return due(self.retry_at).then_some(Task::Open);
        };
        let (rewind, confirmed) = (std::mem::take(&mut desk.rewind), desk.confirmed.take());
        if rewind || confirmed.is_some() {
            return Some(Task::Tidy { rewind, confirmed });
        }
        if self.sync_at.is_some_and(|at| at <= now) {
            return Some(Task::Sync);
        }
        if due(self.retry_at) {
            let chunk = spill(state, now);
            if !chunk.is_empty() {
                return Some(Task::Store(chunk));
            }
        }
        if ending {
            return Some(if store.is_unsynced() {
                Task::Sync
            } else {
                Task::End
            });
        }
        let desk = state.desk.as_ref()?;
        let wanted = matches!(state.link, Link::Up) && desk.replay.wants_more();
        (wanted && store.points() > 0 && due(self.read_at)).then_some(Task::Read)
    }

    /// When there may be something to do though nobody says so.
    fn wake_at(&self, state: &State) -> Option<Instant> {
        let spill = state
            .spill_at()
            .map(|at| self.retry_at.map_or(at, |retry| at.max(retry)));
        let open = self.retry_at.filter(|_| self.store.is_none());
        [spill, open, self.read_at, self.sync_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn open(&mut self) -> Done {
        let store = Store::open(
            &self.config.directory,
            &self.name,
            self.config.bytes,
            self.least,
        );
        match store {
            Ok(store) => {
                if store.points() > 0 {
                    info!("{} points wait in the spool {}", store.points(), self.name);
                }
                self.store = Some(store);
                self.wrote();
            }
            Err(error) => self.failed(&error),
        }
        Done::Nothing
    }

    fn tidy(&mut self, rewind: bool, confirmed: Option<Place>) -> Done {
        if let Some(store) = &mut self.store {
            if let Some(place) = confirmed {
                store.confirm(place);
            }
            if rewind {
                store.rewind();
            }
        }
        Done::Nothing
    }

    fn store(&mut self, batches: Vec<Waiting>) -> Done {
        let Some(store) = &mut self.store else {
            return Done::NotStored(batches);
        };
        let lots = batches
            .iter()
            .map(|waiting| (waiting.batch.bytes(), waiting.again));
        match store.append(lots) {
            Ok(encoded) => {
                if store.is_unsynced() && self.sync_at.is_none() {
                    self.sync_at = Some(Instant::now() + self.config.sync_interval);
                }
                self.wrote();
                Done::Stored {
                    first: encoded.first,
                    again: encoded.again,
                    refused: encoded.refused,
                }
            }
            Err(error) => {
                if matches!(error, StoreError::Directory(DirectoryError::Gone { .. })) {
                    self.give_up_store();
                }
                self.failed(&error);
                Done::NotStored(batches)
            }
        }
    }

    fn sync(&mut self) -> Done {
        self.sync_at = None;
        if let Some(store) = &mut self.store
            && let Err(error) = store.sync()
        {
            self.failed(&error);
        }
        Done::Nothing
    }

    fn read(&mut self) -> Done {
        self.read_at = None;
        let Some(store) = &mut self.store else {
            return Done::Nothing;
        };
        match store.read() {
            Ok(record) => {
                self.read_failures = 0;
                record.map_or(Done::Nothing, Done::Read)
            }
            Err(error) => {
                self.read_failures += 1;
                self.read_at = Some(Instant::now() + self.backoff.wait(random()));
                if self.read_failures == 1 {
                    warn!("the spool cannot be read: {error}");
                } else if self.read_failures >= READ_ATTEMPTS {
                    warn!("given up: {error}");
                    self.read_failures = 0;
                    store.skip();
                }
                self.shared.lock().counters.spool.errors += 1;
                Done::Nothing
            }
        }
    }

    /// The directory is gone, and with it what was in it.
    fn give_up_store(&mut self) {
        if let Some(store) = self.store.take() {
            self.least = store.next_number();
            self.before = self.before.and(store.losses());
            self.before.damaged += store.points();
        }
        self.sync_at = None;
    }

    fn failed(&mut self, error: &StoreError) {
        // Once; its end is told, too.
        if self.failures == 0 {
            warn!("the spool takes no points: {error}");
        }
        self.failures += 1;
        self.retry_at = Some(Instant::now() + self.backoff.wait(random()));
        self.shared.lock().counters.spool.errors += 1;
    }

    fn wrote(&mut self) {
        if self.failures > 0 {
            info!("the spool takes points again");
        }
        self.failures = 0;
        self.retry_at = None;
        self.backoff.reset();
    }

    fn report(&mut self, done: Done) {
        let losses = self
            .store
            .as_ref()
            .map_or(self.before, |store| self.before.and(store.losses()));
        let mut state = self.shared.lock();
        let State {
            counters,
            desk,
            queue,
            ..
        } = &mut *state;
        let Some(desk) = desk else { return };
        desk.works = self.store.is_some() && self.failures == 0;
        desk.unread = self.store.as_ref().map_or(0, Store::points);
        desk.oldest = self.store.as_ref().and_then(Store::oldest);
        counters.spool.bytes = self.store.as_ref().map_or(0, Store::bytes);
        counters.spool.dropped = losses.dropped;
        counters.spool.damaged = losses.damaged;
        counters.spool.damaged_places = losses.places;
        match done {
            Done::Nothing => {}
            Done::Stored {
                first,
                again,
                refused,
            } => {
                counters.spool.stored += first;
                counters.spool.stored_again += again;
                counters.dropped += refused;
            }
            Done::NotStored(batches) => {
                let dropped = queue.put_back(batches);
                state.note_dropped(dropped);
            }
            Done::Read(record) => {
                // What was read before a rewind that came meanwhile will be read again.
                if !desk.rewind {
                    desk.replay.offer(record);
                }
                self.shared.work.notify_one();
            }
        }
        drop(state);
        self.shared.progress.notify_waiters();
    }
}

/// Takes what is to go to disk now.
fn spill(state: &mut State, now: Instant) -> Vec<Waiting> {
    let ending = state
        .desk
        .as_ref()
        .is_some_and(|desk: &Desk| desk.end.is_some());
    if (ending || matches!(state.link, Link::Down(_))) && !state.window.is_empty() {
        // It is older than what waits in the queue.
        let recalled = state.window.recall().into_iter();
        return recalled
            .map(|parcel| Waiting {
                batch: parcel.batch,
                again: parcel.again,
                since: now,
            })
            .collect();
    }
    match state.spill_at() {
        Some(at) if at <= now => state.queue.take(CHUNK),
        _ => Vec::new(),
    }
}
