//! The machine that the agent runs on.
//!
//! ```text
//!   sysinfo (memory, swap, load, cores, boot) ──┐
//!   procfs (cpu, pressure, devices, network) ───┼──> Sample ──put──> its numbers, and rates since the last one
//!   statvfs (file systems) ─────────────────────┘
//! ```
//!
//! Nothing in here is of a process, and nothing grows with containers: their mounts and their ends of virtual network
//! cables are left out. File systems are asked for by statvfs and not by sysinfo, which would ask every mount there is, in
//! sandboxes too.

mod devices;
mod fields;
mod filesystems;
mod interfaces;
mod sample;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LookError;
use super::look::Looker;
use crate::model::Field;

pub(crate) use sample::Sample;

/// Looks at the machine.
#[derive(Debug)]
pub(crate) struct Host {
    /// The agent's, where it is known: its file system is told by that name.
    work_dir: Option<PathBuf>,
    looker: Looker,
}

impl Host {
    /// Looks that take so long at the most.
    pub(crate) fn new(work_dir: Option<PathBuf>, patience: Duration) -> Self {
        Self {
            work_dir,
            looker: Looker::new("the machine", patience),
        }
    }

    /// The agent's work directory, if it was not known.
    pub(crate) fn learn(&mut self, work_dir: Option<&Path>) {
        if self.work_dir.is_none() {
            self.work_dir = work_dir.map(Path::to_owned);
        }
    }

    /// What there is to tell of it now.
    ///
    /// # Errors
    /// It takes too long, as where a file system hangs.
    pub(crate) async fn ask(&mut self) -> Result<Sample, LookError> {
        let work_dir = self.work_dir.clone();
        let look = move || Ok(Sample::take(work_dir.as_deref()));
        self.looker.look(look).await
    }
}

/// All that there can be of a machine, for the reference.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    fields::all()
}

#[cfg(test)]
mod tests;
