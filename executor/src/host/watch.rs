//! Watching one task: its end, its memory, its disk.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cgroup::Cgroup;
use disk_engine::{Completeness, Options, Pace, Sample};
use executor_core::{CommandEnd, Ended, Event, Limitation, TaskEvent};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use sandbox::{Exit, Process};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::warn;

use super::launch::Belongings;
use super::limits::TaskLimits;
use crate::driver::Wake;
use crate::sys;

/// Wakes the driver with [`Wake::Ending`] when the task's main process has ended.
pub(super) fn end(
    watches: &mut JoinSet<()>,
    task_id: &TaskId,
    process: &Process,
    wakes: &UnboundedSender<Wake>,
) -> io::Result<()> {
    let ended = sys::readable(process)?;
    let (task_id, wakes) = (task_id.clone(), wakes.clone());
    watches.spawn(async move {
        // An error here is the runtime's own end.
        if ended.readable().await.is_ok() {
            drop(wakes.send(Wake::Ending(task_id)));
        }
    });
    Ok(())
}

/// How the task ended. Blocks until its namespace is empty.
pub(super) fn ended(process: &mut Process, belongings: &Belongings) -> Ended {
    let (exit, description) = match process.reap() {
        Ok(exit) => (
            match exit {
                Exit::Exited(status) => CommandEnd::Exited(status),
                Exit::Signaled { signal, .. } => CommandEnd::Signalled(signal),
            },
            exit.describe(),
        ),
        Err(error) => (
            CommandEnd::Unknown,
            format!("ended in an unknown way: {error}"),
        ),
    };
    // The kernel may have ended it before the event of that was read.
    let limitation = belongings.cgroup.as_ref().and_then(|cgroup| {
        let broke = cgroup.broke_memory_limit().unwrap_or_else(|error| {
            warn!("whether a task broke its memory limit is unknown: {error}");
            false
        });
        broke
            .then(|| memory_limitation(cgroup, &belongings.limits))
            .flatten()
    });
    // Nobody of it is left to say more.
    belongings.kept.drain();
    let stderr_tail = match exit {
        // Nobody needs the last words of what went well.
        CommandEnd::Exited(code) if belongings.success_codes.contains(&code) => None,
        CommandEnd::Exited(_) | CommandEnd::Signalled(_) | CommandEnd::Unknown => {
            belongings.kept.last_words()
        }
    };
    Ended {
        exit,
        description,
        limitation,
        refused: None,
        stderr_tail,
    }
}

/// Reports the first time that the task runs out of the memory that it may have. The event also comes when a cgroup above
/// the task's runs out; then it is the kernel's choice who dies, and no limit of the task was broken.
pub(super) fn memory(
    watches: &mut JoinSet<()>,
    task_id: &TaskId,
    belongings: &Arc<Belongings>,
    wakes: &UnboundedSender<Wake>,
) {
    let Some(cgroup) = &belongings.cgroup else {
        return;
    };
    if belongings.limits.memory.is_none() {
        return;
    }
    let mut events = match cgroup.oom_events() {
        Ok(events) => events,
        Err(error) => return blind(task_id, &error),
    };
    let readable = match sys::readable(&events) {
        Ok(readable) => readable,
        Err(error) => return blind(task_id, &error),
    };
    let (cgroup, belongings) = (Arc::clone(cgroup), Arc::clone(belongings));
    let (task_id, wakes) = (task_id.clone(), wakes.clone());
    watches.spawn(async move {
        while let Ok(mut ready) = readable.readable().await {
            ready.clear_ready();
            match events.drain() {
                Ok(false) => {}
                Ok(true) => match kernel_has_killed(&cgroup).await {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Some(limitation) = memory_limitation(&cgroup, &belongings.limits) {
                            report(&wakes, task_id, limitation);
                        }
                        return;
                    }
                    Err(error) => return blind(&task_id, &error),
                },
                Err(error) => return blind(&task_id, &error),
            }
        }
    });
}

/// The event comes just before the kernel chooses whom to kill.
async fn kernel_has_killed(cgroup: &Cgroup) -> Result<bool, cgroup::Error> {
    for _ in 0..KILL_LOOKS {
        if cgroup.broke_memory_limit()? {
            return Ok(true);
        }
        tokio::time::sleep(KILL_LOOK).await;
    }
    Ok(false)
}

/// How often, and how long apart, the kernel's count of its kills is looked at after an event.
const KILL_LOOKS: u32 = 50;
const KILL_LOOK: Duration = Duration::from_millis(10);

/// Without the events the kernel enforces all the same, and the task's end tells.
fn blind(task_id: &TaskId, error: &dyn std::fmt::Display) {
    warn!(
        "task '{}': an end for memory is seen late: {error}",
        task_id.value
    );
}

fn memory_limitation(cgroup: &Cgroup, limits: &TaskLimits) -> Option<Limitation> {
    match cgroup.memory_statistics() {
        Ok(found) => Some(limits.memory_limitation(&found)),
        Err(error) => {
            warn!("no statistics of a task that ran out of memory: {error}");
            None
        }
    }
}

/// Measures the task's directory, each time when it could next have reached its limit, and reports a breach. A breach
/// is found by an exact walk, and confirmed by a second one, before it is believed.
pub(super) fn disk(
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
        let mut next = pace.observe(Sample {
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
                spawn_blocking(move || (look(&belongings.directory, limit), turn)).await
            };
            // The runtime is shutting down.
            let Ok((look, turn)) = looked else {
                return;
            };
            drop(turn);
            let trouble;
            (next, trouble) = match look {
                Ok(Look::Over(used)) => {
                    report(
                        &wakes,
                        task_id,
                        belongings.limits.disk_limitation(used, limit),
                    );
                    return;
                }
                Ok(Look::Within(mut sample, gaps)) => {
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
pub(super) struct Walking {
    /// How many trees this executor measures.
    pub(super) measured: Arc<AtomicU32>,
    /// Held while walking, so that trees on a disk that hangs leave threads for everything else.
    pub(super) walks: Arc<Semaphore>,
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

enum Look {
    /// And what of the tree could not be read, if anything.
    Within(Sample, Option<String>),
    /// In bytes, as `du -k` rounds.
    Over(u64),
}

fn look(directory: &OwnedFd, limit: Bytes) -> Result<Look, disk_engine::Error> {
    let begin = Instant::now();
    let usage = disk_engine::measure(directory.as_fd(), &Options::default())?;
    let sample = Sample {
        at: Instant::now(),
        cost: begin.elapsed(),
        bytes: usage.bytes,
    };
    let gaps = match &usage.completeness {
        Completeness::Complete => None,
        Completeness::LowerBound(gaps) => Some(gaps.to_string()),
    };
    if !usage.exceeds(limit.as_u64()) {
        return Ok(Look::Within(sample, gaps));
    }
    // A file that was renamed from one directory to another in the middle of the walk is counted twice.
    let again = disk_engine::measure(directory.as_fd(), &Options::default())?;
    if again.exceeds(limit.as_u64()) {
        Ok(Look::Over(again.kib_rounded_up() * 1024))
    } else {
        Ok(Look::Within(sample, gaps))
    }
}

fn report(wakes: &UnboundedSender<Wake>, task_id: TaskId, limitation: Limitation) {
    let event = TaskEvent::Limited(limitation);
    drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
}
