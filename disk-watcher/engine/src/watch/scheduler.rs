//! The thread that hands out looks, and what it shares with those who look.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::crew::Crew;
use super::event::Event;
use super::settings::{QuotaUse, Settings, StartError};
use super::state::{Asleep, State};
use crate::quota::ProjectIds;

type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// What the threads of one [`Watch`](super::Watch) share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) sink: Sink,
    pub(super) crew: Crew,
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
        let ids = match &settings.quota {
            QuotaUse::Off | QuotaUse::Observe => None,
            QuotaUse::Assign(range) => {
                let ids = ProjectIds::open(&settings.project_records, range.clone(), Vec::new());
                Some(ids.map_err(|source| StartError::Records { source })?)
            }
        };
        Ok(Self {
            state: Mutex::new(State::new(Instant::now(), &settings)),
            settings,
            sink,
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

    /// Waits until somebody wakes it, or until then.
    fn wait_until(&self, then: Option<Instant>) {
        let timeout = then.map(|then| {
            let left = then.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut wakers = [PollFd::new(&self.wake, PollFlags::IN)];
        // Interrupted, it is simply looked what is due.
        if poll(&mut wakers, timeout.as_ref()).is_ok_and(|ready| ready > 0) {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
    }

    /// Ends the threads, but waits no longer than this for looks under way.
    pub(super) fn stop(&self, patience: Duration) {
        self.change(State::stop);
        self.crew.stop(patience);
    }
}

/// What the scheduler's thread does.
pub(super) fn run(shared: &Arc<Shared>) {
    loop {
        let now = Instant::now();
        for (dev, volume) in shared.read(|state| state.to_read(now)) {
            let used = volume.and_then(|volume| volume.used());
            shared.read(|state| state.read(now, dev, used));
        }
        while let Some(task) = shared.read(|state| state.take(now)) {
            shared.crew.hand_over(shared, task);
        }
        let next = shared.read(|state| {
            let next = state.schedule.next();
            state.asleep = Asleep::Until(next);
            (!state.stopping).then_some(next)
        });
        let Some(next) = next else {
            return;
        };
        shared.wait_until(next);
        shared.read(|state| state.asleep = Asleep::No);
    }
}
