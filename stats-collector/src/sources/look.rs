//! Looking at what may hang: a disk, a file system, a socket.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// Why there is nothing to be seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// It takes too long.
    #[error("look at {what}: nothing came within {after:?}")]
    TimedOut {
        /// What was looked at.
        what: &'static str,
        /// The patience.
        after: Duration,
    },
    /// An earlier look has not ended yet; there is no second one beside it.
    #[error("look at {what}: an earlier look hangs")]
    Hanging {
        /// What was looked at.
        what: &'static str,
    },
    /// It panicked.
    #[error("look at {what}: {source}")]
    Panicked {
        /// What was looked at.
        what: &'static str,
        /// What tokio says.
        source: JoinError,
    },
    /// The agent's work directory cannot be read.
    #[error(transparent)]
    WorkDir(#[from] task_figures::WorkDirError),
    /// The disk watcher does not tell.
    #[error(transparent)]
    Watcher(#[from] disk_figures::ReadError),
}

impl LookError {
    /// What errors of this kind are counted by.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } | Self::Hanging { .. } => "timeout",
            Self::Panicked { .. } => "panic",
            Self::WorkDir(_) => "work_dir",
            Self::Watcher(disk_figures::ReadError::Connect { .. }) => "unreachable",
            Self::Watcher(_) => "unreadable",
        }
    }
}

/// Looks on a thread, one look at a time.
#[derive(Debug)]
pub(super) struct Looker {
    what: &'static str,
    patience: Duration,
    /// Its other end goes with the look that hangs.
    hanging: Option<Receiver<()>>,
}

impl Looker {
    pub(super) fn new(what: &'static str, patience: Duration) -> Self {
        Self {
            what,
            patience,
            hanging: None,
        }
    }

    /// What `look` comes to, if that is within the patience. One that is not goes on by itself, and until it has ended
    /// there is no other: a disk that hangs costs one thread.
    ///
    /// # Errors
    /// It comes to nothing, or not in time.
    pub(super) async fn look<T: Send + 'static>(
        &mut self,
        look: impl FnOnce() -> Result<T, LookError> + Send + 'static,
    ) -> Result<T, LookError> {
        let what = self.what;
        if let Some(hanging) = &self.hanging {
            if hanging.try_recv() == Err(TryRecvError::Empty) {
                return Err(LookError::Hanging { what });
            }
            self.hanging = None;
        }
        let (looking, ended) = channel();
        let looked = spawn_blocking(move || {
            // Goes when the look is over.
            let _looking = looking;
            look()
        });
        match timeout(self.patience, looked).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(source)) => Err(LookError::Panicked { what, source }),
            Err(_) => {
                self.hanging = Some(ended);
                let after = self.patience;
                Err(LookError::TimedOut { what, after })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_hangs_is_told_and_joined_by_no_second_one_until_it_has_ended() {
        let mut looker = Looker::new("a disk", Duration::from_millis(20));
        let (end, ending) = channel::<()>();
        let hangs = looker.look(move || {
            // Until the other end is dropped.
            let _ = ending.recv();
            Ok(())
        });
        assert!(matches!(hangs.await, Err(LookError::TimedOut { .. })));
        let second = looker.look(|| -> Result<(), _> { panic!("there are two") });
        assert!(matches!(second.await, Err(LookError::Hanging { .. })));
        drop(end);
        looker.patience = Duration::from_secs(30);
        let ended = async {
            while let Err(LookError::Hanging { .. }) = looker.look(|| Ok(())).await {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), ended)
            .await
            .expect("it hangs for ever");
    }

    #[tokio::test]
    async fn a_look_that_panics_is_an_error() {
        let mut looker = Looker::new("a disk", Duration::from_secs(30));
        let panics = looker.look(|| -> Result<(), _> { panic!("as it is meant to") });
        assert_eq!(panics.await.unwrap_err().kind(), "panic");
    }
}
