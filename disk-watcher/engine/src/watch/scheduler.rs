//! The thread that hands out looks, and what it shares with those who look.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::crew::{Crew, Job};
use super::event::Event;
use super::settings::{QuotaUse, Settings, StartError};
use super::state::{Asleep, DRAIN_SELDOM, State};
use super::tracking::Tracking;
use crate::quota::{Heard, ProjectIds, Warnings};

/// The kernel's warnings are read no more often than this.
const DEAF: Duration = Duration::from_millis(20);

type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// What the threads of one [`Watch`](super::Watch) share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) sink: Sink,
    pub(super) crew: Crew,
    pub(super) tracking: Tracking,
    /// Where project quotas are used and the kernel tells of them.
    warnings: Option<Warnings>,
    /// With [`QuotaUse::Assign`].
    pub(super) ids: Option<ProjectIds>,
    state: Mutex<State>,
    wake: OwnedFd,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(settings: Settings, sink: Sink) -> Result<Self, StartError> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| {
            StartError::Wake {
                source: errno.into(),
            }
        })?;
        // Without the kernel's warnings limits are found by looking.
        let settings_use_quota = settings.quota != QuotaUse::Off;
        let ids = match &settings.quota {
            QuotaUse::Off | QuotaUse::Observe => None,
            QuotaUse::Assign(range) => {
                let ids = ProjectIds::open(&settings.project_records, range.clone(), Vec::new());
                Some(ids.map_err(|source| StartError::Records { source })?)
            }
        };
        Ok(Self {
            state: Mutex::new(State::new(Instant::now(), &settings)),
            tracking: Tracking::start(settings.tracking),
            settings,
            sink,
            warnings: if settings_use_quota {
                Warnings::subscribe().ok()
            } else {
                None
            },
            crew: Crew::default(),
            ids,
            wake,
        })
    }

    pub(super) fn threads(&self) -> usize {
        self.settings.threads.max(1)
    }

    /// Reads the state, or changes it in a way that the scheduler need not know of.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and wakes the scheduler if it would sleep for too long after that.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, wake) = self.read(|state| {
            let result = change(state);
            let wake = match state.asleep {
                Asleep::No => false,
                Asleep::Until(None) => state.stopping || state.schedule.next().is_some(),
                Asleep::Until(Some(until)) => {
                    state.stopping || state.schedule.next().is_some_and(|next| next < until)
                }
            };
            if wake {
                state.asleep = Asleep::No;
            }
            (result, wake)
        });
        if wake {
            // It fails only when it would overflow, and then a wake-up is pending.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
        result
    }

    /// Waits until somebody wakes it, until the kernel warns, or until then. Returns whether the kernel does.
    fn wait_until(&self, then: Option<Instant>, hear: bool) -> bool {
        let timeout = then.map(|then| {
            let left = then.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut wakers = vec![PollFd::new(&self.wake, PollFlags::IN)];
        let warnings = self.warnings.as_ref().filter(|_| hear);
        wakers.extend(warnings.map(|warnings| PollFd::new(warnings, PollFlags::IN)));
        // Interrupted, it is simply looked what is due.
        if poll(&mut wakers, timeout.as_ref()).is_err() {
            return false;
        }
        let ready = |waker: &PollFd<'_>| !waker.revents().is_empty();
        if wakers.first().is_some_and(ready) {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        wakers.get(1).is_some_and(ready)
    }

    /// Has the trees looked at that the kernel warns of.
    fn hear(&self) {
        let Some(heard) = self.warnings.as_ref().map(Warnings::read) else {
            return;
        };
        // It cannot be asked what was lost: all of them may be beyond their limits.
        let heard = heard.unwrap_or_else(|_| Heard {
            lost: true,
            ..Heard::default()
        });
        for event in self.read(|state| state.warned(Instant::now(), &heard)) {
            (self.sink)(event);
        }
    }

    /// Ends the threads, but waits no longer than this for looks under way.
    pub(super) fn stop(&self, patience: Duration) {
        self.change(State::stop);
        self.crew.stop(patience);
        self.tracking.end("the watch has ended");
    }
}

/// What the scheduler's thread does.
pub(super) fn run(shared: &Arc<Shared>) {
    // A task that goes on writing at its limit causes warnings as fast as it can.
    let mut deaf_until = Instant::now();
    let mut drain_due = Instant::now();
    loop {
        let now = Instant::now();
        for (dev, volume) in shared.read(|state| state.to_read(now)) {
            let used = volume.and_then(|volume| volume.used());
            shared.read(|state| state.read(now, dev, used));
        }
        let drain_at = drain(shared, now, &mut drain_due);
        while let Some(task) = shared.read(|state| state.take(now)) {
            shared.crew.hand_over(shared, Job::Look(task));
        }
        let next = shared.read(|state| {
            let deaf = (deaf_until > now).then_some(deaf_until);
            let next = state
                .schedule
                .next()
                .into_iter()
                .chain(drain_at)
                .chain(deaf)
                .min();
            state.asleep = Asleep::Until(next);
            (!state.stopping).then_some(next)
        });
        let Some(next) = next else {
            return;
        };
        if shared.wait_until(next, deaf_until <= now) {
            shared.hear();
            deaf_until = Instant::now() + DEAF;
        }
        shared.read(|state| state.asleep = Asleep::No);
    }
}

/// Reads what changes there were, if that is due, and returns when it is next. `None` where nothing can be tracked.
fn drain(shared: &Shared, now: Instant, due: &mut Instant) -> Option<Instant> {
    if shared.tracking.has_ended() {
        return None;
    }
    if *due > now {
        return Some(*due);
    }
    let every = shared.read(|state| state.drain_every());
    *due = now + every.unwrap_or(DRAIN_SELDOM);
    // Where a tree is being walked with it, the kernel keeps the events.
    if every.is_some()
        && let Some(mut borrowed) = shared.tracking.borrow(Duration::ZERO)
        && let Ok((_, overflowed)) = borrowed.drain(Duration::ZERO)
        && let Some(tracker) = borrowed.tracker()
    {
        let dirty: Vec<_> = tracker.dirty_trees().collect();
        drop(borrowed);
        shared.read(|state| state.touched(now, &dirty, overflowed));
    }
    Some(*due)
}
