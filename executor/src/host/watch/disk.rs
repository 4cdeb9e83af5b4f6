//! A task's directory against its quota.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use disk_engine::{Completeness, Options, Pace};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::warn;

use super::report;
use crate::driver::Wake;
use crate::host::launch::Belongings;

/// Measures the task's directory, each time when it could next have reached its limit, and reports a breach. A breach
/// is found by an exact walk, and confirmed by a second one, before it is believed.
pub(in crate::host) fn disk(
    watches: &mut JoinSet<()>,
    task_id: &TaskId,
    belongings: &Arc<Belongings>,
    walking: Walking,
    wakes: &UnboundedSender<Wake>,
) {
    let Walking { measured, walks } = walking;
    let Some(limit) = belongings.limits.disk else {
        return;
    };
    let (task_id, wakes) = (task_id.clone(), wakes.clone());
    let belongings = Arc::clone(belongings);
    let share = Share::of(measured);
    watches.spawn(async move {
        let mut pace = Pace::new(Some(limit.as_u64()));
        // Next to nothing is in the directory yet, and a task that is over in a moment need not be looked at.
        let mut next = pace.observe(disk_engine::Look {
            at: Instant::now(),
            cost: Duration::ZERO,
            bytes: 0,
        });
        let mut troubled = false;
        loop {
            tokio::time::sleep_until(next.into()).await;
            // Closed never; the semaphore lives as long as the host.
            let Ok(turn) = Arc::clone(&walks).acquire_owned().await else {
                return;
            };
            let looked = {
                let belongings = Arc::clone(&belongings);
                spawn_blocking(move || (look(&belongings, limit), turn)).await
            };
            // The runtime is shutting down.
            let Ok((look, turn)) = looked else {
                return;
            };
            drop(turn);
            let trouble;
            (next, trouble) = match look {
                Ok(Found::Over(used)) => {
                    report(
                        &wakes,
                        task_id,
                        belongings.limits.disk_limitation(used, limit),
                    );
                    return;
                }
                Ok(Found::Within(mut sample, gaps)) => {
                    sample.cost *= share.of_how_many();
                    (pace.observe(sample), gaps)
                }
                Err(error) => (Instant::now() + AFTER_AN_ERROR, Some(error.to_string())),
            };
            if let Some(trouble) = trouble
                && !std::mem::replace(&mut troubled, true)
            {
                warn!(
                    "task '{}': its disk usage is known in part only: {trouble}",
                    task_id.value
                );
            }
        }
    });
}

/// A tree that could not be measured at all is tried again after this long.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// What the trees of all tasks share.
pub(in crate::host) struct Walking {
    /// How many trees this executor measures.
    pub(in crate::host) measured: Arc<AtomicU32>,
    /// Held while walking, so that trees on a disk that hangs leave threads for everything else.
    pub(in crate::host) walks: Arc<Semaphore>,
}

/// One of the trees that share what measuring may cost: each looks as seldom as if all of it were as dear as the sum.
struct Share(Arc<AtomicU32>);

impl Share {
    fn of(measured: Arc<AtomicU32>) -> Self {
        measured.fetch_add(1, Ordering::Relaxed);
        Self(measured)
    }

    fn of_how_many(&self) -> u32 {
        self.0.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Found {
    /// And what of the tree could not be read, if anything.
    Within(disk_engine::Look, Option<String>),
    /// In bytes, as `du -k` rounds.
    Over(u64),
}

fn look(belongings: &Belongings, limit: Bytes) -> Result<Found, disk_engine::Error> {
    let directory = &belongings.directory;
    let begin = Instant::now();
    let usage = disk_engine::measure(directory.as_fd(), &Options::default())?;
    let sample = disk_engine::Look {
        at: Instant::now(),
        cost: begin.elapsed(),
        bytes: usage.bytes,
    };
    let gaps = match &usage.completeness {
        Completeness::Complete => None,
        Completeness::LowerBound(gaps) => Some(gaps.to_string()),
    };
    let measured = &belongings.measured;
    measured.note(sample.at, sample.cost, usage.bytes, gaps.is_none());
    if !usage.exceeds(limit.as_u64()) {
        return Ok(Found::Within(sample, gaps));
    }
    // A file that was renamed from one directory to another in the middle of the walk is counted twice.
    let again = disk_engine::measure(directory.as_fd(), &Options::default())?;
    if again.exceeds(limit.as_u64()) {
        Ok(Found::Over(again.kib_rounded_up() * 1024))
    } else {
        Ok(Found::Within(sample, gaps))
    }
}
