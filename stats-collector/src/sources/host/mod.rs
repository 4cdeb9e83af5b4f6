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

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

use crate::model::Field;

pub(crate) use sample::Sample;

/// Why the machine does not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// It takes too long, as where a file system hangs.
    #[error("look at the machine: nothing came within {0:?}")]
    TimedOut(Duration),
    /// An earlier look has not ended yet; there is no second one beside it.
    #[error("look at the machine: an earlier look hangs")]
    Hanging,
    /// It panicked.
    #[error("look at the machine: {0}")]
    Panicked(#[from] JoinError),
}

impl HostError {
    /// What errors of this kind are counted by.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut(_) | Self::Hanging => "timeout",
            Self::Panicked(_) => "panic",
        }
    }
}

/// Looks at the machine, one look at a time.
#[derive(Debug)]
pub(crate) struct Host {
    /// The agent's, where it is known: its file system is told by that name.
    work_dir: Option<PathBuf>,
    patience: Duration,
    /// Its other end goes with the look that hangs.
    hanging: Option<Receiver<()>>,
}

impl Host {
    /// Looks that take so long at the most.
    pub(crate) fn new(work_dir: Option<PathBuf>, patience: Duration) -> Self {
        Self {
            work_dir,
            patience,
            hanging: None,
        }
    }

    /// What there is to tell of it now. Never waits for longer than the patience.
    ///
    /// # Errors
    /// See [`HostError`].
    pub(crate) async fn ask(&mut self) -> Result<Sample, HostError> {
        if let Some(look) = &self.hanging {
            if look.try_recv() == Err(TryRecvError::Empty) {
                return Err(HostError::Hanging);
            }
            self.hanging = None;
        }
        let (looking, look) = channel();
        let work_dir = self.work_dir.clone();
        let looked = spawn_blocking(move || {
            // Goes when the look is over.
            let _looking = looking;
            Sample::take(work_dir.as_deref())
        });
        match timeout(self.patience, looked).await {
            Ok(sample) => Ok(sample?),
            Err(_) => {
                self.hanging = Some(look);
                Err(HostError::TimedOut(self.patience))
            }
        }
    }
}

/// All that there can be of a machine, for the reference.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    fields::all()
}

#[cfg(test)]
mod tests;
