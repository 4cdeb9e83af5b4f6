//! The thread that hands out looks, and what it shares with those who look.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::crew::Crew;
use super::event::Event;
use super::settings::{Settings, StartError};
use super::state::State;

type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// What the threads of one [`Watch`](super::Watch) share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) sink: Sink,
    pub(super) crew: Crew,
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
        Ok(Self {
            settings,
            sink,
            crew: Crew::default(),
            state: Mutex::default(),
            wake,
        })
    }

    pub(super) fn threads(&self) -> usize {
        self.settings.threads.max(1)
    }

    /// Reads the state, or changes it without the scheduler having to know at once.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and has the scheduler look at what is due again.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.read(change);
        self.wake();
        result
    }

    fn wake(&self) {
        // It fails only when it would overflow, and then a wake-up is pending.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Waits until somebody wakes it, or until then.
    fn wait_until(&self, then: Option<Instant>) {
        let timeout = then.map(|then| {
            let left = then.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut wakers = [PollFd::new(&self.wake, PollFlags::IN)];
        // Interrupted, it is simply looked what is due.
        let _ = poll(&mut wakers, timeout.as_ref());
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// Ends the threads, but waits no longer than this for looks under way.
    pub(super) fn stop(&self, patience: Duration) {
        self.change(|state| state.stopping = true);
        self.crew.stop(patience);
    }
}

/// What the scheduler's thread does.
pub(super) fn run(shared: &Arc<Shared>) {
    loop {
        let (stopping, due) = shared.read(|state| {
            (
                state.stopping,
                state.take_due(Instant::now(), shared.threads()),
            )
        });
        if stopping {
            return;
        }
        for (subject, limits) in due {
            shared.crew.hand_over(shared, subject, limits);
        }
        let next = shared.read(|state| state.next_due(shared.threads()));
        shared.wait_until(next);
    }
}
