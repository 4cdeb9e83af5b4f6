//! Writes down who has which slot, beside the turns: a disk that hangs holds none of them up.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing::warn;

use crate::model::Memory;
use crate::names::{Registry, SlotFile, SlotFileError};

/// Keeps slots in a file, if there is one.
#[derive(Debug)]
pub(super) struct SlotKeeper {
    path: Option<PathBuf>,
    writing: Option<JoinHandle<Result<(), SlotFileError>>>,
    /// Whether it failed the last time, which was told.
    has_failed: bool,
}

impl SlotKeeper {
    /// Gives the registry what was kept, at this time in seconds since the epoch. Blocks. A file that is somebody else's
    /// is left alone; one that is damaged is begun anew.
    pub(super) fn recall(path: Option<PathBuf>, registry: &mut Registry<Memory>, now: u64) -> Self {
        let path = path.filter(|path| match SlotFile::read(path) {
            Ok(None) => true,
            Ok(Some(file)) => {
                registry.recall(file, now);
                true
            }
            Err(error @ SlotFileError::Damaged { .. }) => {
                warn!("slots are given anew: {error}");
                true
            }
            Err(error) => {
                warn!("slots are given anew, and not kept: {error}");
                false
            }
        });
        Self {
            path,
            writing: None,
            has_failed: false,
        }
    }

    /// Writes down what has changed, unless it still writes.
    pub(super) async fn keep(&mut self, registry: &mut Registry<Memory>) {
        if self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
        {
            return;
        }
        self.written().await;
        let Some(path) = self.path.clone() else {
            return;
        };
        if let Some(file) = registry.slots() {
            self.writing = Some(spawn_blocking(move || file.write(&path)));
        }
    }

    /// Writes down the last changes, within this time.
    pub(super) async fn finish(mut self, registry: &mut Registry<Memory>, deadline: Duration) {
        let last = async {
            self.written().await;
            self.keep(registry).await;
            self.written().await;
        };
        if timeout(deadline, last).await.is_err() {
            warn!("the last changes of slots are not kept: the disk takes too long");
        }
    }

    /// Waits for what is being written.
    async fn written(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let failed = match writing.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &failed
            && !self.has_failed
        {
            warn!("slots are not kept: {error}");
        }
        self.has_failed = failed.is_some();
    }
}
