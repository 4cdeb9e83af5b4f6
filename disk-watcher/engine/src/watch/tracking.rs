//! The tracker of changes, which whoever needs it borrows for a while.
//!
//! There is one for all trees. Whoever walks a tree with it keeps others waiting, so nobody waits for long: who does not
//! get it in time walks by himself.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tree::TreeId;
use crate::track::{NoTracking, Tracker};

pub(super) struct Tracking {
    desk: Mutex<Desk>,
    back: Condvar,
}

#[derive(Default)]
struct Desk {
    /// `None` while it is lent, and once it is given up.
    tracker: Option<Tracker>,
    /// Why there is none to come back.
    ended: Option<String>,
    /// Trees to forget, as soon as somebody has it.
    gone: Vec<TreeId>,
    drained: Option<Instant>,
    done: Tracked,
}

/// What the tracker did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tracked {
    pub(super) directories: u64,
    pub(super) events: u64,
    pub(super) overflows: u64,
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").finish_non_exhaustive()
    }
}

/// The tracker in somebody's hands; given back when it is dropped.
pub(super) struct Borrowed<'a> {
    tracking: &'a Tracking,
    tracker: Option<Tracker>,
}

impl Tracking {
    /// Starts to track, if that is wanted and possible.
    pub(super) fn start(wanted: bool) -> Self {
        let started = if wanted {
            Tracker::start().map_err(|error| error.to_string())
        } else {
            Err("tracking of changes is switched off".to_owned())
        };
        let mut desk = Desk::default();
        match started {
            Ok(tracker) => desk.tracker = Some(tracker),
            Err(why) => desk.ended = Some(why),
        }
        Self {
            desk: Mutex::new(desk),
            back: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is tracked; `None` while something can be.
    pub(super) fn why_not(&self) -> Option<String> {
        self.lock().ended.clone()
    }

    /// Whether nothing is tracked any more, or ever was.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Has a tree forgotten, without waiting for that.
    pub(super) fn forget(&self, tree: TreeId) {
        let mut desk = self.lock();
        if desk.ended.is_none() {
            desk.gone.push(tree);
        }
    }

    pub(super) fn done(&self) -> Tracked {
        self.lock().done
    }

    /// When it was read last what has happened.
    pub(super) fn drained(&self) -> Option<Instant> {
        self.lock().drained
    }

    /// Borrows the tracker, if it comes back within that time.
    pub(super) fn borrow(&self, patience: Duration) -> Option<Borrowed<'_>> {
        let until = Instant::now() + patience;
        let mut desk = self.lock();
        loop {
            if desk.ended.is_some() {
                return None;
            }
            if let Some(mut tracker) = desk.tracker.take() {
                for tree in std::mem::take(&mut desk.gone) {
                    tracker.remove(tree);
                }
                return Some(Borrowed {
                    tracking: self,
                    tracker: Some(tracker),
                });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            desk = self
                .back
                .wait_timeout(desk, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends all tracking and takes the marks back; one that is lent ends when it comes back.
    pub(super) fn end(&self, why: &str) {
        let mut desk = self.lock();
        desk.ended.get_or_insert_with(|| why.to_owned());
        let tracker = desk.tracker.take();
        drop(desk);
        drop(tracker);
    }
}

impl Borrowed<'_> {
    /// The tracker itself.
    pub(super) fn tracker(&mut self) -> Option<&mut Tracker> {
        self.tracker.as_mut()
    }

    /// Reads what has happened, unless that was done so short a time ago; returns when it was done, and whether events
    /// were lost. To do it at once after each event makes writers slow.
    ///
    /// # Errors
    /// When that is not possible any more; then nothing is tracked from now on.
    pub(super) fn drain(&mut self, unless_within: Duration) -> Result<(Instant, bool), NoTracking> {
        let now = Instant::now();
        let last = self.tracking.drained();
        if let Some(last) = last.filter(|last| now.saturating_duration_since(*last) < unless_within)
        {
            return Ok((last, false));
        }
        let tracker = self.tracker.as_mut().ok_or(NoTracking::NotTracked)?;
        match tracker.drain() {
            Ok(drained) => {
                let mut desk = self.tracking.lock();
                desk.drained = Some(now);
                desk.done.events += drained.events;
                desk.done.overflows += u64::from(drained.overflowed);
                Ok((now, drained.overflowed))
            }
            Err(error) => {
                self.tracker = None;
                self.tracking.end(&error.to_string());
                Err(error)
            }
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let Some(tracker) = self.tracker.take() else {
            return;
        };
        let mut desk = self.tracking.lock();
        desk.done.directories = tracker.directories() as u64;
        if desk.ended.is_none() {
            desk.tracker = Some(tracker);
            drop(desk);
            self.tracking.back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tracking_is_not_wanted_there_is_none_and_it_is_said_why() {
        let tracking = Tracking::start(false);
        assert!(tracking.borrow(Duration::ZERO).is_none());
        assert_eq!(
            tracking.why_not().as_deref(),
            Some("tracking of changes is switched off")
        );
    }

    #[test]
    fn nobody_waits_for_long_for_a_tracker_that_is_lent() {
        let tracking = Tracking::start(true);
        let lent = tracking
            .borrow(Duration::ZERO)
            .expect("this test runs as root");
        assert!(tracking.borrow(Duration::from_millis(1)).is_none());
        drop(lent);
        assert!(tracking.borrow(Duration::ZERO).is_some());
    }

    #[test]
    fn a_tracker_that_is_lent_when_all_ends_does_not_come_back() {
        let tracking = Tracking::start(true);
        let lent = tracking
            .borrow(Duration::ZERO)
            .expect("this test runs as root");
        tracking.end("over");
        drop(lent);
        assert!(tracking.borrow(Duration::ZERO).is_none());
    }
}
