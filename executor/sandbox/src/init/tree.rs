//! The processes below one of ours: reaping them, and ending them all.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::descendants::descendants;
use crate::sys;

/// How long a tree without a namespace is killed; a process with more rights than we have, or one
/// that hangs in the kernel, cannot hold up the report for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two rounds of killing.
const PAUSE: Duration = Duration::from_millis(2);

/// A first process, and all that come from it. Its orphans have to come to us: we are the init of
/// their namespace, or a child subreaper.
pub(super) struct Tree {
    /// The first process.
    main: i32,
    /// Its wait status, once it ended.
    ended: Option<i32>,
}

impl Tree {
    pub(super) fn of(main: i32) -> Tree {
        Tree { main, ended: None }
    }

    /// The first process, whose id is its own until it is told to have ended.
    pub(super) fn main(&self) -> i32 {
        self.main
    }

    /// The first process's wait status, once it ended.
    pub(super) fn ended(&self) -> Option<i32> {
        self.ended
    }

    /// Waits for whoever has ended; false when there are no children at all any more.
    pub(super) fn reap(&mut self) -> bool {
        loop {
            match sys::wait(-1, false) {
                Ok(Some((pid, status))) if pid == self.main => self.ended = Some(status),
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Kills until nobody is left. Having no children is having no descendants.
    pub(super) fn end(&mut self) {
        let started = Instant::now();
        while self.reap() && started.elapsed() < PATIENCE {
            if self.ended.is_none() {
                // It may be gone.
                let _ = sys::kill(self.main, libc::SIGKILL);
            }
            let Some(everybody) = everybody() else {
                if self.ended.is_some() {
                    // Whoever else there is cannot be found; killing the cgroup does.
                    return;
                }
                sleep(PAUSE);
                continue;
            };
            for pid in everybody {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
            sleep(PAUSE);
        }
    }
}

/// Our descendants; `None` when `/proc` is not that of our pid namespace and could only mislead.
pub(super) fn everybody() -> Option<Vec<i32>> {
    let link = fs::read_link("/proc/self").ok()?;
    let this: i32 = link.to_str()?.parse().ok()?;
    (this == std::process::id().cast_signed()).then(|| descendants(Path::new("/proc"), this))
}
