//! The threads that look at trees.
//!
//! A thread is started when there is work and none is idle; how many there can be at once is bounded by how many looks
//! are under way, which the scheduler bounds for each file system. One that hangs on a dead disk is in nobody's way.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::event::Event;
use super::lift::Lift;
use super::look::Task;
use super::scheduler::Shared;

/// An idle thread ends after this long.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Crew {
    queue: Mutex<Queue>,
    /// Told when there is work, or none to come any more.
    work: Condvar,
    /// Told when a thread ends.
    ended: Condvar,
}

/// What a thread is to do.
pub(super) enum Job {
    /// A look, which is under way in the state.
    Look(Task),
    Lift(Lift),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// That have not said that they end, and all that were not seen to have ended.
    threads: usize,
    handles: Vec<thread::JoinHandle<()>>,
    idle: usize,
    stopping: bool,
}

impl Crew {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has somebody do this.
    pub(super) fn hand_over(&self, shared: &Arc<Shared>, job: Job) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        if queue.jobs.len() <= queue.idle {
            self.work.notify_one();
            return;
        }
        queue.threads += 1;
        drop(queue);
        let hired = thread::Builder::new().name("disk-look".into()).spawn({
            let shared = Arc::clone(shared);
            move || shared.crew.work(&shared)
        });
        let mut queue = self.lock();
        queue.handles.retain(|handle| !handle.is_finished());
        match hired {
            Ok(handle) => queue.handles.push(handle),
            Err(error) => {
                queue.threads -= 1;
                // Those that there are will come to it; without any, it is tried again.
                if queue.threads == 0
                    && let Some(job) = queue.jobs.pop_front()
                {
                    drop(queue);
                    let text = format!("cannot start a thread to look at a tree: {error}");
                    if let Job::Look(task) = job {
                        shared.read(|state| state.finish(task.subject.id, None));
                    }
                    (shared.sink)(Event::Trouble { tree: None, text });
                }
            }
        }
    }

    fn work(&self, shared: &Shared) {
        while let Some(job) = self.next() {
            let mut task = match job {
                Job::Look(task) => task,
                Job::Lift(lift) => {
                    lift.carry_out(shared);
                    continue;
                }
            };
            loop {
                let outcome = task.look(shared);
                let layer = outcome.layer.clone();
                let (events, found) = shared.read(|state| state.note(&task, outcome));
                if task.subject.stop.is_stopped() {
                    // It was removed, and may have come to be tracked, or limited, after that.
                    shared.tracking.forget(task.subject.id);
                    if !shared.read(|state| state.has(task.subject.id))
                        && let Some(lift) = Lift::of(&task.subject, &task.limits, &layer)
                    {
                        lift.carry_out(shared);
                    }
                }
                for event in events {
                    (shared.sink)(event);
                }
                // What else is due need not wait for another thread.
                let next = shared.change(|state| {
                    state.finish(task.subject.id, found);
                    if state.stopping {
                        None
                    } else {
                        state.take(Instant::now())
                    }
                });
                let Some(next) = next else {
                    break;
                };
                task = next;
            }
        }
        self.lock().threads -= 1;
        self.ended.notify_all();
    }

    /// The next job; `None` when this thread is to end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.stopping {
                return None;
            }
            queue.idle += 1;
            let (woken, wait) = self
                .work
                .wait_timeout(queue, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.idle -= 1;
            if wait.timed_out() && queue.jobs.is_empty() {
                return None;
            }
        }
    }

    /// Has every thread end after what it is doing, and waits for that, but no longer than this.
    pub(super) fn stop(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut queue = self.lock();
        queue.stopping = true;
        queue.jobs.retain(|job| matches!(job, Job::Lift(_)));
        self.work.notify_all();
        while queue.threads > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self
                .ended
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let all_end = queue.threads == 0;
        let handles = std::mem::take(&mut queue.handles);
        drop(queue);
        for handle in handles {
            let own = handle.thread().id() == thread::current().id();
            if !own && (all_end || handle.is_finished()) {
                // It panics never; were it to, its message has been printed.
                let _ = handle.join();
            }
        }
    }
}
