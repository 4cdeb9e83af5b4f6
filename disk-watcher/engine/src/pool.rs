//! Where walkers of one tree hand work to each other.
//!
//! Each walker works on a stack of its own, and gives part of it away only when another has none left: a queue
//! shared for every directory costs more in wake-ups and lock traffic than a second processor gains.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The jobs given away and not yet taken up, and who is there to take them.
#[derive(Debug)]
pub(crate) struct Pool<J> {
    state: Mutex<State<J>>,
    wake: Condvar,
    /// How many waiting walkers have no job: `state` in brief, to be read without the lock.
    hungry: AtomicUsize,
}

#[derive(Debug)]
struct State<J> {
    jobs: Vec<J>,
    /// Walkers that have a job. When the last of them comes back and there is none left, the walk is over.
    working: usize,
    waiting: usize,
    over: bool,
}

impl<J> Pool<J> {
    /// A pool with one member, who is working.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                jobs: Vec::new(),
                working: 1,
                waiting: 0,
                over: false,
            }),
            wake: Condvar::new(),
            hungry: AtomicUsize::new(0),
        }
    }

    /// Counts a new member as working; it must call [`next`](Membership::next) or be dropped.
    pub(crate) fn join(&self) -> Membership<'_, J> {
        self.lock().working += 1;
        Membership {
            pool: self,
            working: true,
        }
    }

    /// The membership of the one that [`new`](Self::new) counted.
    pub(crate) fn first(&self) -> Membership<'_, J> {
        Membership {
            pool: self,
            working: true,
        }
    }

    /// Whether a walker waits for work that nobody has given away yet.
    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    /// Gives work away.
    pub(crate) fn give(&self, job: J) {
        let mut state = self.lock();
        state.jobs.push(job);
        self.publish(&state);
        drop(state);
        self.wake.notify_one();
    }

    fn publish(&self, state: &State<J>) {
        self.hungry.store(
            state.waiting.saturating_sub(state.jobs.len()),
            Ordering::Relaxed,
        );
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One walker's place in the pool; leaving, even by a panic, never leaves the others waiting.
#[derive(Debug)]
pub(crate) struct Membership<'p, J> {
    pool: &'p Pool<J>,
    working: bool,
}

impl<J> Membership<'_, J> {
    /// Called when the member's own work is done: waits for a job, or for the end of the walk.
    pub(crate) fn next(&mut self) -> Option<J> {
        let pool = self.pool;
        let mut state = pool.lock();
        state.working -= 1;
        self.working = false;
        loop {
            if let Some(job) = state.jobs.pop() {
                state.working += 1;
                self.working = true;
                pool.publish(&state);
                return Some(job);
            }
            if state.working == 0 || state.over {
                state.over = true;
                pool.wake.notify_all();
                return None;
            }
            state.waiting += 1;
            pool.publish(&state);
            state = pool
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            pool.publish(&state);
        }
    }
}

impl<J> Drop for Membership<'_, J> {
    fn drop(&mut self) {
        if self.working {
            let mut state = self.pool.lock();
            state.working -= 1;
            state.over |= state.working == 0 && state.jobs.is_empty();
            drop(state);
            self.pool.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    #[test]
    fn every_job_is_done_once_and_everybody_leaves() {
        let pool = Pool::new();
        let done = AtomicU64::new(0);
        let work = |membership: &mut Membership<'_, u32>| {
            while let Some(job) = membership.next() {
                done.fetch_add(1, Ordering::Relaxed);
                if job > 0 {
                    pool.give(job - 1);
                    pool.give(job - 1);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                let mut membership = pool.join();
                scope.spawn(move || work(&mut membership));
            }
            pool.give(10);
            work(&mut pool.first());
        });
        assert_eq!(done.into_inner(), (1 << 11) - 1);
    }

    #[test]
    fn a_member_lost_to_a_panic_does_not_hold_up_the_others() {
        let pool = Pool::<u32>::new();
        thread::scope(|scope| {
            let lost = pool.join();
            let panicking = scope.spawn(move || {
                let _lost = lost;
                panic!("lost on purpose");
            });
            assert_eq!(pool.first().next(), None);
            assert!(panicking.join().is_err());
        });
    }
}
