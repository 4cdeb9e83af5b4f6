//! What the parts of a sink have in common: who pushes, the task that writes to carbon, and the
//! thread that keeps the spool. Nobody waits for anything while it holds the lock.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::warn;

use crate::Batch;
use crate::connection::ConnectionError;
use crate::counters::Counters;
use crate::queue::{Dropped, Queue, Waiting};
use crate::spool::{Confirmed, Place, Replay, SpoolConfig};
use crate::window::{Window, Written};

/// With less than this waiting, the task still has something to write while more is being encoded.
pub(crate) const LOW_WATER: usize = 4 * Batch::FULL;

/// Points that are to go to disk while carbon is out of reach are gathered for so long: many at once
/// take less of it.
const GATHER: Duration = Duration::from_secs(1);

/// A disk that takes longer than this for one piece of work is not waited for.
const STALLED: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// For the task: something was pushed or read, or the end was announced.
    pub(crate) work: Notify,
    /// Something was taken from the queue, the link changed, or the spool's keeper ended.
    pub(crate) progress: Notify,
    /// For the spool's keeper: there may be something to do.
    pub(crate) keeper: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) window: Window,
    /// All but what [`State::counters`] adds.
    pub(crate) counters: Counters,
    pub(crate) link: Link,
    pub(crate) finishing: bool,
    /// Without a spool there is none.
    pub(crate) desk: Option<Desk>,
}

#[derive(Debug)]
pub(crate) enum Link {
    /// An attempt is under way whose predecessor had not failed.
    Connecting,
    Up,
    /// The last attempt failed.
    Down(ConnectionError),
}

/// What the sink and its spool's keeper tell each other.
#[derive(Debug)]
pub(crate) struct Desk {
    /// How long a batch may wait in memory while carbon takes points.
    pub(crate) hold: Duration,
    pub(crate) replay: Replay,
    /// For the keeper: the connection is lost, what was read and not confirmed is to be read again.
    pub(crate) rewind: bool,
    /// For the keeper: carbon can have read all up to here.
    pub(crate) confirmed: Option<Place>,
    pub(crate) end: Option<End>,
    /// From the keeper: whether points can be put on disk.
    pub(crate) works: bool,
    /// From the keeper: since when it has been at its present piece of work.
    pub(crate) busy_since: Option<Instant>,
    /// From the keeper: it has points in its hands that are not on disk yet.
    pub(crate) holds_points: bool,
    /// From the keeper: points that were not read yet, and the time of the oldest.
    pub(crate) unread: u64,
    pub(crate) oldest: Option<u64>,
    /// From the keeper: it is gone, and the spool free for others.
    pub(crate) ended: bool,
}

/// How the keeper is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Put everything that is in memory on disk first.
    Store,
    /// At once.
    Abandon,
}

impl Shared {
    pub(crate) fn new(queue_bytes: usize, spool: Option<&SpoolConfig>) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::new(queue_bytes),
                window: Window::default(),
                counters: Counters::default(),
                link: Link::Connecting,
                finishing: false,
                desk: spool.map(Desk::new),
            }),
            work: Notify::new(),
            progress: Notify::new(),
            keeper: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and what it guards is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_link(&self, link: Link) {
        self.lock().link = link;
        self.progress.notify_waiters();
        self.keeper.notify_one();
    }

    pub(crate) fn push(&self, batch: Waiting) {
        let mut state = self.lock();
        state.counters.pushed += batch.batch.points();
        let (now, first) = (batch.since, state.queue.since().is_none());
        let dropped = state.queue.push(batch);
        state.note_dropped(dropped);
        // Of what it need not do at once, the first to wait is enough to tell it when to look.
        let wake = first || state.is_spilling(now);
        drop(state);
        if wake {
            self.keeper.notify_one();
        }
        self.work.notify_one();
    }

    /// Notes what was written to carbon; `now` is the time since any fixed moment.
    pub(crate) fn note_written(&self, now: Duration) {
        let mut state = self.lock();
        let Some(written) = state.window.written() else {
            return;
        };
        state.note_written(&written, now);
        drop(state);
        if written.confirmed.is_some() {
            self.keeper.notify_one();
        }
    }

    /// Carbon is known to have read all that was written.
    pub(crate) fn confirm(&self) {
        let mut state = self.lock();
        let confirmed = state.window.confirmed();
        if let Some((confirmed, desk)) = confirmed.zip(state.desk.as_mut()) {
            desk.confirm(confirmed);
        }
        drop(state);
        self.keeper.notify_one();
    }

    /// Carbon may not have read what was written last.
    pub(crate) fn rewind(&self) {
        let mut state = self.lock();
        state.window.rewind();
        if let Some(desk) = &mut state.desk {
            desk.replay.rewind();
            desk.rewind = true;
        }
        drop(state);
        self.keeper.notify_one();
    }

    /// Tells the keeper to end.
    pub(crate) fn end(&self, end: End) {
        if let Some(desk) = &mut self.lock().desk {
            desk.end = Some(end);
        }
        self.keeper.notify_one();
    }
}

impl State {
    /// What happened so far, and how it is now.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        if let Some(desk) = &self.desk {
            counters.spool.points = desk.unread + desk.replay.points();
            counters.spool.oldest = [desk.oldest, desk.replay.oldest()]
                .into_iter()
                .flatten()
                .min();
        }
        counters
    }

    /// Whether waiting in memory is over for the oldest of what waits there, and if not, when it
    /// will be.
    pub(crate) fn spill_at(&self) -> Option<Instant> {
        let (since, desk) = (self.queue.since()?, self.desk.as_ref()?);
        let bytes = self.queue.bytes();
        let wait = match self.link {
            _ if desk.end.is_some() || self.queue.is_filling() => Duration::ZERO,
            Link::Down(_) if bytes >= LOW_WATER => Duration::ZERO,
            Link::Down(_) => GATHER.min(desk.hold),
            Link::Connecting | Link::Up => desk.hold,
        };
        Some(since + wait)
    }

    fn is_spilling(&self, now: Instant) -> bool {
        self.spill_at().is_some_and(|at| at <= now)
    }

    /// Whether who pushes need not wait, be it that there is room or that waiting would not help.
    pub(crate) fn is_caught_up(&self, now: Instant) -> bool {
        let out_of_reach = matches!(self.link, Link::Down(_));
        let spooled = self.desk.as_ref().is_some_and(|desk| desk.keeps_up(now));
        self.queue.bytes() < LOW_WATER || (out_of_reach && !spooled)
    }

    /// Whether this is the end, and can be left to the spool, as carbon is out of reach.
    pub(crate) fn is_left_to_the_spool(&self) -> bool {
        let works = self.desk.as_ref().is_some_and(|desk| desk.works);
        self.finishing && works && matches!(self.link, Link::Down(_))
    }

    /// Whether nothing would be lost with the process.
    pub(crate) fn is_safe(&self) -> bool {
        // What a hanging disk has in its hands is neither here nor there, and not counted if it went out before.
        let is_stored = self.desk.as_ref().is_none_or(|desk| !desk.holds_points);
        is_stored
            && self.window.is_empty()
            && self.queue.bytes() == 0
            && self.counters().in_memory() == 0
    }

    pub(crate) fn note_dropped(&mut self, dropped: Dropped) {
        let points = dropped.first + dropped.again;
        if points > 0 && self.counters.dropped == 0 {
            warn!("the queue to carbon is full: dropping the oldest points");
        }
        self.counters.dropped += points;
        // They had been counted there, and may be lost all the same.
        self.counters.written = self.counters.written.saturating_sub(dropped.again);
    }

    fn note_written(&mut self, written: &Written, now: Duration) {
        let counters = &mut self.counters;
        let repeated = match &mut self.desk {
            Some(desk) if written.from_disk => desk.replay.written(now, written.points),
            _ => 0,
        };
        let repeated = if written.again {
            written.points
        } else {
            repeated
        };
        counters.resent += repeated;
        if written.from_disk {
            counters.spool.replayed += written.points - repeated;
        } else {
            counters.written += written.points - repeated;
        }
        if let Some((confirmed, desk)) = written.confirmed.zip(self.desk.as_mut()) {
            desk.confirm(confirmed);
        }
    }
}

impl Desk {
    fn new(config: &SpoolConfig) -> Self {
        Self {
            hold: config.hold,
            replay: Replay::new(config.replay_points_per_second),
            rewind: false,
            confirmed: None,
            end: None,
            works: false,
            busy_since: None,
            holds_points: false,
            unread: 0,
            oldest: None,
            ended: false,
        }
    }

    fn confirm(&mut self, confirmed: Confirmed) {
        self.replay.confirm(confirmed);
        self.confirmed = Some(confirmed.place);
    }

    /// Whether the disk takes what is in memory, and soon.
    fn keeps_up(&self, now: Instant) -> bool {
        let stalled = |since| now.saturating_duration_since(since) > STALLED;
        self.works && !self.busy_since.is_some_and(stalled)
    }
}
