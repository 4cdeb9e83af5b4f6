//! The disks' part of a turn: what mesos-disk-watcher publishes, as points.

use std::path::PathBuf;
use std::time::Duration;

use disk_figures::Points;
use graphite::{Batch, MetricPath, PointTime};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

/// What is remembered of the watcher from one turn to the next.
#[derive(Debug)]
pub(crate) struct DiskScrape {
    points: Points,
    /// None when disks are not wanted.
    socket: Option<PathBuf>,
    patience: Duration,
    /// What kept the watcher from telling, last time.
    trouble: Option<String>,
}

impl DiskScrape {
    /// Points below `base`, which is `<prefix>.<host>.disk`.
    pub(crate) fn new(base: MetricPath, socket: Option<PathBuf>, patience: Duration) -> Self {
        Self {
            points: Points::new(base),
            socket,
            patience,
            trouble: None,
        }
    }

    /// Adds the points of everything that the watcher knows. One that is away has none, and holds nothing else up for
    /// longer than the patience.
    pub(crate) async fn add(&mut self, batch: &mut Batch, time: PointTime) {
        let Some(socket) = self.socket.clone() else {
            return;
        };
        let patience = self.patience;
        let read = spawn_blocking(move || disk_figures::read(&socket, patience)).await;
        let trouble = match read {
            Ok(Ok(report)) => {
                self.points.add(batch, &report, time);
                if self.trouble.take().is_some() {
                    info!("figures of disks again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // Told when it begins or changes, not each time.
        if self.trouble.as_ref() != Some(&trouble) {
            warn!("no figures of disks: {trouble}");
            self.trouble = Some(trouble);
        }
    }
}
