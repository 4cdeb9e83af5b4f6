//! A task's memory: its death when that runs out, and a word before.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cgroup::{Cgroup, Largest, MemoryPressure};
use executor_core::Limitation;
use mesos_proto::v1::TaskId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tracing::warn;

use super::report;
use crate::driver::Wake;
use crate::host::launch::Belongings;
use crate::host::limits::{Pressure, TaskLimits};
use crate::sys;

/// Reports the first time that the task runs out of the memory that it may have. The event also comes when a cgroup above
/// the task's runs out; then it is the kernel's choice who dies, and no limit of the task was broken.
///
/// Before that it warns, in the log and by a count, of a shortage.
pub(in crate::host) fn memory(
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
    watch_pressure(watches, task_id, cgroup, &belongings.limits.pressure);
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
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) => return blind(&task_id, &error),
            }
            let (cgroup, belongings) = (Arc::clone(&cgroup), Arc::clone(&belongings));
            let looked = spawn_blocking(move || after_event(&cgroup, &belongings.limits));
            match looked.await {
                Ok(Ok(Some(limitation))) => return report(&wakes, task_id, limitation),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return blind(&task_id, &error),
                // The runtime is shutting down.
                Err(_) => return,
            }
        }
    });
}

/// What came of an out-of-memory event, which the kernel tells just before it chooses whom to kill.
fn after_event(cgroup: &Cgroup, limits: &TaskLimits) -> Result<Option<Limitation>, cgroup::Error> {
    // Whoever is the largest now may be gone in a moment.
    limits.pressure.sample(cgroup);
    for _ in 0..KILL_LOOKS {
        if cgroup.broke_memory_limit()? {
            return Ok(limitation(cgroup, limits));
        }
        thread::sleep(KILL_LOOK);
    }
    Ok(None)
}

/// How often, and how long apart, the kernel's count of its kills is looked at after an event.
const KILL_LOOKS: u32 = 50;
const KILL_LOOK: Duration = Duration::from_millis(10);

/// The same for the size of who was killed, which the kernel writes down a moment after the kill.
const SIZE_LOOKS: u32 = 10;
const SIZE_LOOK: Duration = Duration::from_millis(2);

/// Without the events the kernel enforces all the same, and the task's end tells.
fn blind(task_id: &TaskId, error: &dyn Display) {
    warn!(
        "task '{}': an end for memory is seen late: {error}",
        task_id.value
    );
}

/// What there is to say of a task that ended for want of memory, when it did. Blocks.
pub(super) fn at_end(cgroup: &Cgroup, limits: &TaskLimits) -> Option<Limitation> {
    let broke = cgroup.broke_memory_limit().unwrap_or_else(|error| {
        warn!("whether a task broke its memory limit is unknown: {error}");
        false
    });
    broke.then(|| limitation(cgroup, limits)).flatten()
}

fn limitation(cgroup: &Cgroup, limits: &TaskLimits) -> Option<Limitation> {
    match cgroup.memory_statistics() {
        Ok(found) => {
            let largest = killed(cgroup).or_else(|| limits.pressure.largest());
            Some(limits.memory_limitation(&found, largest.as_ref()))
        }
        Err(error) => {
            warn!("no statistics of a task that ran out of memory: {error}");
            None
        }
    }
}

/// Whom the kernel killed, where it says so.
fn killed(cgroup: &Cgroup) -> Option<Largest> {
    let mut killed = cgroup.killed_for_memory();
    for _ in 0..SIZE_LOOKS {
        match &killed {
            Some(Largest { bytes: None, .. }) => thread::sleep(SIZE_LOOK),
            Some(_) | None => break,
        }
        killed = cgroup.killed_for_memory();
    }
    killed
}

/// From a task's start until its shortages are seen.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// Between two looks at a task that is short of memory, and between two lines about it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const WARN_AGAIN: Duration = Duration::from_secs(60);

fn watch_pressure(
    watches: &mut JoinSet<()>,
    task_id: &TaskId,
    cgroup: &Arc<Cgroup>,
    pressure: &Arc<Pressure>,
) {
    let (task_id, cgroup) = (task_id.clone(), Arc::clone(cgroup));
    let pressure = Arc::clone(pressure);
    watches.spawn(async move {
        let unseen = |error: &dyn Display| {
            warn!(
                "task '{}': a shortage of memory is not seen: {error}",
                task_id.value
            );
        };
        // On v1 the kernel takes milliseconds for it, which nobody else is to wait for, and a task that is over in a
        // moment not either.
        tokio::time::sleep(FIRST_LOOK).await;
        let of = Arc::clone(&cgroup);
        let mut events = match spawn_blocking(move || of.memory_pressure()).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return unseen(&error),
            // The runtime is shutting down.
            Err(_) => return,
        };
        let ready = match &events {
            events if events.is_priority() => sys::urgent(events),
            events => sys::readable(events),
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => return unseen(&error),
        };
        let mut quiet_until = Instant::now();
        while next(&ready, &events).await.is_ok() {
            let (looked_at, of) = (Arc::clone(&cgroup), Arc::clone(&pressure));
            let looked = spawn_blocking(move || {
                let is_short = events.drain();
                if matches!(is_short, Ok(true)) {
                    of.count(&looked_at);
                }
                (events, is_short)
            });
            // The runtime is shutting down, or the cgroup is gone.
            let Ok((given_back, Ok(is_short))) = looked.await else {
                return;
            };
            events = given_back;
            if is_short && Instant::now() >= quiet_until {
                quiet_until = Instant::now() + WARN_AGAIN;
                warn!("task '{}' is short of memory: {pressure}", task_id.value);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
}

async fn next(
    ready: &tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
    events: &MemoryPressure,
) -> io::Result<()> {
    let interest = match events.is_priority() {
        true => tokio::io::Interest::PRIORITY,
        false => tokio::io::Interest::READABLE,
    };
    ready.ready(interest).await?.clear_ready();
    Ok(())
}
