//! What went wrong, told once and not at each look.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::agent::AgentError;
use crate::checkpoints::LimitsError;
use crate::directory::DirectoryError;
use crate::sandboxes::SandboxesError;

/// A trouble that lasts is told again after this.
const TOLD_AGAIN: Duration = Duration::from_secs(600);
/// So many are kept in mind, so that they are not told over and over; more are not told.
const MOST: usize = 1_000;

/// Why something may be missing, or be known less well than it could be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Sandboxes(#[from] SandboxesError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Checkpoint(#[from] LimitsError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error("cannot tell which directory {path:?} is")]
    Identity { path: PathBuf, source: io::Error },
    #[error("new sandboxes are noticed late, at the next look at all of them: there is no inotify")]
    NoWatches { source: io::Error },
    #[error(
        "new sandboxes are noticed late where nothing can be watched, as {path:?}: raise fs.inotify.max_user_watches"
    )]
    NoWatch { path: PathBuf, source: io::Error },
}

/// Those that were not told yet, and those that were.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    new: Vec<Trouble>,
    told: HashMap<String, Instant>,
}

impl Troubles {
    pub(super) fn of(new: Vec<Trouble>) -> Self {
        Self {
            new,
            told: HashMap::new(),
        }
    }

    /// Whether it is one that was not told of late.
    pub(super) fn add(&mut self, trouble: Trouble) -> bool {
        let now = Instant::now();
        self.told.retain(|_, told| *told + TOLD_AGAIN > now);
        let text = trouble.to_string();
        let is_new = self.told.len() < MOST && !self.told.contains_key(&text);
        if is_new {
            self.told.insert(text, now);
            self.new.push(trouble);
        }
        is_new
    }

    /// Those that were added since this was asked last.
    pub(super) fn take(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.new)
    }
}
