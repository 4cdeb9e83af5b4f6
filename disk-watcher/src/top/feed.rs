//! Where the figures come from: the daemon, or walks.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use disk_figures::{ReadError, Report};

use super::screen::Origin;
use crate::sandboxes::SandboxesError;
use crate::survey::{self, SurveyTarget};

/// A daemon that is well answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// One round.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) report: Report,
    pub(super) origin: Origin,
    /// Standard error has said what is missing.
    pub(super) is_flawed: bool,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("no daemon answers, and there is no work directory to walk: see top --help")]
    Nobody { source: ReadError },
    #[error(transparent)]
    Sandboxes(#[from] SandboxesError),
}

/// Tells round after round.
#[derive(Debug)]
pub(super) struct Feed {
    socket: PathBuf,
    work_dir: Option<PathBuf>,
    /// Of the walks before: how much was where, and when.
    before: Option<(Instant, HashMap<String, u64>)>,
}

impl Feed {
    pub(super) fn new(socket: PathBuf, work_dir: Option<PathBuf>) -> Self {
        Self {
            socket,
            work_dir,
            before: None,
        }
    }

    pub(super) fn next(&mut self) -> Result<Seen, FeedError> {
        match (disk_figures::read(&self.socket, PATIENCE), &self.work_dir) {
            (Ok(report), _) => Ok(Seen {
                report,
                origin: Origin::Daemon,
                is_flawed: false,
            }),
            (Err(source), None) => Err(FeedError::Nobody { source }),
            (Err(_), Some(work_dir)) => {
                let target = SurveyTarget::newest(work_dir.clone());
                let (mut report, is_flawed) = survey::report(&target)?;
                self.add_growth(&mut report);
                Ok(Seen {
                    report,
                    origin: Origin::Walks,
                    is_flawed,
                })
            }
        }
    }

    /// By what was found the time before.
    fn add_growth(&mut self, report: &mut Report) {
        let now = Instant::now();
        let mut found = HashMap::new();
        for subject in &mut report.subjects {
            let Some(measured) = &mut subject.measured else {
                continue;
            };
            let path = &subject.identity.path;
            if let Some((at, before)) = &self.before
                && let Some(bytes) = before.get(path)
            {
                let grown = measured.used_bytes as f64 - *bytes as f64;
                measured.growth_bytes_per_second = Some(grown / (now - *at).as_secs_f64());
            }
            found.insert(path.clone(), measured.used_bytes);
        }
        self.before = Some((now, found));
    }
}
