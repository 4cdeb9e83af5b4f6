//! A task's memory: when it runs out, at whose limit, and who had it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Cgroup;
use crate::host::Controller;
use crate::kernel_log::{Kill, is_within};
use crate::kill::processes;
use crate::largest::{Largest, largest};
use crate::memory::{broke_limit, oom_kills, statistics};
use crate::parent::Parent;
use crate::version::Version;
use crate::{Error, MemoryPressure, MemoryStatistics, OomEvents};

impl Cgroup {
    /// Subscribes to the out-of-memory events.
    ///
    /// # Errors
    /// The host has no memory controller, or the kernel refuses.
    pub fn oom_events(&self) -> Result<OomEvents, Error> {
        let (path, version) = self.memory()?;
        OomEvents::watch(path, version)
    }

    /// How many of its processes the kernel has killed for want of memory.
    ///
    /// # Errors
    /// The host has no memory controller, or the counter cannot be read.
    pub fn oom_kills(&self) -> Result<u64, Error> {
        let (path, version) = self.memory()?;
        oom_kills(path, version)
    }

    /// Whether the kernel has killed here because this cgroup's own limit was reached. When that of
    /// a cgroup above it is, as the container's, the kernel may kill here as well, and on v1 it
    /// tells the [`OomEvents`] of every cgroup below.
    ///
    /// Where the kernel's log can be read, as by root, that says it. Elsewhere v1 can blame a task
    /// too much: it counts that the limit was reached even when reclaim then made room
    /// (`memory.failcnt`), as it does for a task that reads many files. If that task is killed later
    /// on because of a limit above its own, it is still counted as its own. So it is where swap is
    /// accounted for and the limit was lowered to less than was once in use.
    ///
    /// # Errors
    /// The host has no memory controller, or a counter cannot be read.
    pub fn broke_memory_limit(&self) -> Result<bool, Error> {
        let (path, version) = self.memory()?;
        let kills = oom_kills(path, version)?;
        if kills == 0 {
            return Ok(false);
        }
        let known = self.kills();
        if known.iter().any(|(_, is_own)| *is_own) {
            return Ok(true);
        }
        // The log leaves kills out when there are many.
        match known.len() as u64 >= kills {
            true => Ok(false),
            false => broke_limit(path, version),
        }
    }

    /// The process that was killed when memory ran out at this cgroup's own limit, the largest if
    /// there were several; `None` when the kernel's log does not say, or cannot be read.
    pub fn killed_for_memory(&self) -> Option<Largest> {
        let own = self.kills().into_iter().filter(|(_, is_own)| *is_own);
        let largest = own.map(|(kill, _)| kill).max_by_key(|kill| kill.bytes)?;
        Some(Largest {
            name: largest.name,
            bytes: largest.bytes,
        })
    }

    /// The kills here that the kernel's log tells of, and whether it was at the limit here.
    fn kills(&self) -> Vec<(Kill, bool)> {
        let Some((log, end)) = &self.log else {
            return Vec::new();
        };
        let with_place = |kill: Kill| {
            let is_own = is_within(&kill.limit_of, end);
            (kill, is_own)
        };
        log.kills_in(end).into_iter().map(with_place).collect()
    }

    /// Has the kernel's log tell of this cgroup, and not of an earlier one of its name.
    pub(super) fn follow_log(&mut self, parent: &Parent) {
        let (Some(log), Some(memory)) = (parent.log(), self.of(Controller::Memory)) else {
            return;
        };
        // Ours, the container's, the task's.
        let names: Vec<_> = memory.path.components().rev().take(3).collect();
        let end = names
            .iter()
            .rev()
            .fold(PathBuf::from("/"), |end, name| end.join(name));
        let end = end.to_string_lossy().into_owned();
        log.forget(&end);
        self.log = Some((Arc::clone(log), end));
    }

    /// The process that has the most memory now, of the first 256; `None` when none can be looked
    /// at.
    ///
    /// # Errors
    /// A `cgroup.procs` cannot be read.
    pub fn largest_process(&self) -> Result<Option<Largest>, Error> {
        let path = self.memory()?.0.to_owned();
        Ok(largest(&processes(&[path])?))
    }

    /// Subscribes to a shortage of memory.
    ///
    /// # Errors
    /// The host has no memory controller, or the kernel refuses.
    pub fn memory_pressure(&self) -> Result<MemoryPressure, Error> {
        let (path, version) = self.memory()?;
        MemoryPressure::watch(path, version)
    }

    /// What the message of an out-of-memory death is made of.
    ///
    /// # Errors
    /// The host has no memory controller, or a file cannot be read.
    pub fn memory_statistics(&self) -> Result<MemoryStatistics, Error> {
        let (path, version) = self.memory()?;
        statistics(path, version)
    }

    fn memory(&self) -> Result<(&Path, Version), Error> {
        self.of(Controller::Memory)
            .map(|directory| (directory.path.as_path(), directory.version))
            .ok_or(Error::NoController {
                controller: Controller::Memory,
            })
    }
}
