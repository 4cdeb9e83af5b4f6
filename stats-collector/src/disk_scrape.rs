//! The disks' part of a turn: what mesos-disk-watcher publishes.

use std::path::PathBuf;
use std::time::Duration;

use disk_figures::{Figure, OWN_SERIES, Report, SUBJECT_SERIES, Subject};
use graphite::Value;
use tokio::task::spawn_blocking;

use crate::model::{Kind, Memory, Origin, Put};
use crate::names::{Entry, Identity, Registry};
use crate::output::Outlet;

/// Asks the watcher.
#[derive(Debug)]
pub(crate) struct DiskScrape {
    /// None when disks are not wanted.
    socket: Option<PathBuf>,
    patience: Duration,
}

impl DiskScrape {
    pub(crate) fn new(socket: Option<PathBuf>, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// All that the watcher knows; `None` if it is not to be asked.
    pub(crate) async fn ask(&self) -> Option<Result<Report, String>> {
        let socket = self.socket.clone()?;
        let patience = self.patience;
        let read = spawn_blocking(move || disk_figures::read(&socket, patience)).await;
        Some(match read {
            Ok(read) => read.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Identity for &Subject {
    fn id(&self) -> &str {
        &self.identity.path
    }

    fn origin(&self) -> Origin {
        Origin {
            executor_id: Some(self.identity.readable_id().to_owned()),
            ..Origin::default()
        }
    }
}

/// Puts the points of a report.
pub(crate) fn tell(report: &Report, registry: &mut Registry<Memory>, outlet: &mut Outlet) {
    for (theirs, kind) in [
        (disk_figures::Kind::Container, Kind::DiskContainer),
        (disk_figures::Kind::Nested, Kind::DiskNested),
        (disk_figures::Kind::Task, Kind::DiskTask),
        (disk_figures::Kind::Volume, Kind::DiskVolume),
    ] {
        let subjects = report.subjects.iter();
        let all: Vec<&Subject> = subjects
            .filter(|subject| subject.identity.kind == theirs)
            .collect();
        registry.take_in(kind, all.iter(), report.time as u64);
        for one in all {
            let Some(Entry { subject, head, .. }) = registry.call(kind, &one.identity.path) else {
                continue;
            };
            if let Some(mut writer) = outlet.begin(subject, head, report.time) {
                for series in SUBJECT_SERIES {
                    if let Some(figure) = (series.value)(one) {
                        writer.put_unknown(series.name, value(figure));
                    }
                }
            }
        }
    }
    let Entry { subject, head, .. } = registry.single(Kind::Watcher);
    if let Some(mut writer) = outlet.begin(subject, head, report.time) {
        for series in OWN_SERIES {
            if let Some(figure) = (series.value)(report) {
                writer.put_unknown(series.name, value(figure));
            }
        }
    }
}

fn value(figure: Figure) -> Value {
    match figure {
        Figure::Integer(value) => value.into(),
        Figure::Float(value) => value.into(),
    }
}
