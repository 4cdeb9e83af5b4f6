//! What was seen of a task's shortage of memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cgroup::{Cgroup, Largest};
use mesos_proto::Bytes;

/// Kept while the task lives, the count over its restarts.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    times: AtomicU64,
    largest: Mutex<Option<Largest>>,
}

impl Pressure {
    /// How often the task was short of memory, each second counting once.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    /// What ran until now is no process of the task's any more.
    pub(crate) fn begin_run(&self) {
        *self.largest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// It is now. Blocks.
    pub(crate) fn count(&self, cgroup: &Cgroup) {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.sample(cgroup);
    }

    /// Keeps the largest process, for the message of the task's end. Blocks.
    pub(crate) fn sample(&self, cgroup: &Cgroup) {
        // A cgroup that is gone has none, and an earlier one is better than none.
        if let Ok(Some(largest)) = cgroup.largest_process() {
            *self.largest.lock().unwrap_or_else(PoisonError::into_inner) = Some(largest);
        }
    }

    /// The largest process when it was looked for the last time.
    pub(crate) fn largest(&self) -> Option<Largest> {
        let largest = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        largest.clone()
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seen {} times", self.times())?;
        match self.largest() {
            Some(largest) => write!(f, "; its largest process is {}", text(&largest)),
            None => Ok(()),
        }
    }
}

/// `'tail' with 63MB`. The name is the task's, and is shown on terminals.
pub(super) fn text(largest: &Largest) -> String {
    let tame = |character: char| match character.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => character,
    };
    let name: String = largest.name.chars().map(tame).collect();
    match largest.bytes {
        Some(bytes) => format!("'{name}' with {}", Bytes::new(bytes)),
        None => format!("'{name}'"),
    }
}
