//! The survey's result, as a table for people and as JSON for programs.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use disk_engine::{Completeness, Usage};
use disk_figures::{Identity, Kind, Measured, Report, Source, Subject};
use mesos_proto::Bytes;
use mesos_proto::paths::RunPath;
use serde::Serialize;
use terminal::units::{growth, in_units, percent};
use terminal::{escaped, text};

use crate::sandboxes::Place;

/// One sandbox, measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) run: RunPath,
    pub(crate) place: Place,
    /// Of the task that has it, where its executor tells.
    pub(crate) task_id: Option<String>,
    /// Below the work directory.
    pub(crate) path: PathBuf,
    pub(crate) usage: Usage,
    /// What measuring it took.
    pub(crate) cost: Duration,
    pub(crate) limit: Option<Bytes>,
}

/// What a daemon knows beside what was measured just now.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// By the path below the work directory.
    measured: HashMap<String, Measured>,
    /// No walk of sandboxes meets them.
    volumes: Vec<Subject>,
}

impl Watched {
    /// What this daemon tells, if there is one, and if it watches this work directory.
    pub(crate) fn new(told: Option<Report>, work_dir: &Path) -> Self {
        let mut watched = Self::default();
        for subject in told.map(|report| report.subjects).unwrap_or_default() {
            if subject.identity.kind == Kind::Volume {
                watched.volumes.push(subject);
            } else if let Ok(below) = Path::new(&subject.identity.path).strip_prefix(work_dir)
                && let Some(measured) = subject.measured
            {
                watched.measured.insert(text(below.as_os_str()), measured);
            }
        }
        // Another work directory's daemon tells nothing of this one's volumes, either.
        if watched.measured.is_empty() {
            watched.volumes.clear();
        }
        watched
    }

    fn of(&self, row: &Row) -> Option<&Measured> {
        self.measured.get(&text(row.path.as_os_str()))
    }
}

impl Row {
    /// As the views show it.
    pub(crate) fn subject(&self) -> Subject {
        let executor = &self.run.executor;
        let (kind, nested_container_ids, task) = match &self.place {
            Place::Container => (Kind::Container, Vec::new(), None),
            Place::Nested(ids) => (Kind::Nested, ids.iter().map(|id| text(id)).collect(), None),
            Place::Task(name) => (Kind::Task, Vec::new(), Some(text(name))),
        };
        Subject {
            identity: Identity {
                kind,
                framework_id: text(executor.framework_id.as_os_str()),
                executor_id: text(executor.executor_id.as_os_str()),
                container_id: text(self.run.container_id.as_os_str()),
                nested_container_ids,
                task_id: self.task_id.clone().or(task),
                path: text(self.path.as_os_str()),
                ..Identity::default()
            },
            limit_bytes: self.limit.map(Bytes::as_u64),
            measured: Some(Measured {
                used_bytes: self.usage.bytes,
                charged_bytes: self.usage.bytes,
                inodes: self.usage.inodes,
                at_least: self.usage.completeness != Completeness::Complete,
                source: Source::Walk,
                age_seconds: 0.0,
                look_seconds: self.cost.as_secs_f64(),
                growth_bytes_per_second: None,
                deleted_bytes: None,
                deleted_files: None,
                deleted_at_least: false,
                mounts_skipped: self.usage.mounts_skipped,
            }),
            ..Subject::default()
        }
    }

    /// Used bytes as part of the limit; infinite where there is something and may be nothing.
    fn share(&self) -> Option<f64> {
        let used = self.usage.bytes as f64;
        self.limit.map(|limit| {
            if used > 0.0 {
                used / limit.as_u64() as f64
            } else {
                0.0
            }
        })
    }
}

/// The largest share of its limit first; those without a limit after, by usage.
pub(crate) fn fullest_first(a: &Row, b: &Row) -> Ordering {
    let share = |row: &Row| row.share().unwrap_or(-1.0);
    share(b)
        .total_cmp(&share(a))
        .then(b.usage.bytes.cmp(&a.usage.bytes))
        .then_with(|| a.path.cmp(&b.path))
}

const COLUMNS: [&str; 10] = [
    "USED",
    "LIMIT",
    "USE%",
    "INODES",
    "DELETED",
    "GROWTH",
    "WATCHED",
    "FRAMEWORK",
    "EXECUTOR",
    "CONTAINER",
];
/// Numbers are flush right, texts flush left.
const FIRST_TEXT: usize = 6;

/// Writes the rows in columns, the numbers flush right.
pub(crate) fn write_table(rows: &[Row], watched: &Watched, out: &mut impl Write) -> io::Result<()> {
    let lines: Vec<[String; COLUMNS.len()]> = std::iter::once(COLUMNS.map(str::to_owned))
        .chain(rows.iter().map(|row| cells(row, watched.of(row))))
        .chain(watched.volumes.iter().map(volume_cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    for line in &lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = if column < FIRST_TEXT {
                write!(text, "{cell:>width$}  ")
            } else {
                write!(text, "{cell:width$}  ")
            };
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn cells(row: &Row, watched: Option<&Measured>) -> [String; COLUMNS.len()] {
    let executor = &row.run.executor;
    let container = row.place.below(row.run.container_id.as_os_str().into());
    let subject = row.subject();
    let share = row.share().map_or_else(unknown, percent);
    let [deleted, growth, source] = watched_cells(watched);
    [
        used(&subject),
        subject.limit_bytes.map_or_else(unknown, in_units),
        share,
        row.usage.inodes.to_string(),
        deleted,
        growth,
        source,
        escaped(executor.framework_id.as_os_str()),
        escaped(executor.executor_id.as_os_str()),
        escaped(container.as_os_str()),
    ]
}

/// Of a volume there is what the daemon tells alone.
fn volume_cells(volume: &Subject) -> [String; COLUMNS.len()] {
    let identity = &volume.identity;
    let plain = |text: &str| escaped(OsStr::new(text));
    let [deleted, growth, source] = watched_cells(volume.measured.as_ref());
    let name = |text: &str| match text {
        "" => unknown(),
        text => plain(text),
    };
    [
        used(volume),
        volume.limit_bytes.map_or_else(unknown, in_units),
        volume.limit_share().map_or_else(unknown, percent),
        volume
            .measured
            .as_ref()
            .map_or_else(unknown, |measured| measured.inodes.to_string()),
        deleted,
        growth,
        source,
        name(&identity.framework_id),
        name(&identity.executor_id),
        format!(
            "volume {} of {}",
            plain(identity.persistence_id.as_deref().unwrap_or_default()),
            plain(identity.role.as_deref().unwrap_or_default())
        ),
    ]
}

fn used(subject: &Subject) -> String {
    subject.measured.as_ref().map_or_else(unknown, |measured| {
        let at_least = if measured.at_least { ">=" } else { "" };
        format!("{at_least}{}", in_units(measured.used_bytes))
    })
}

/// What is deleted but still open, how fast it grows, and by what it is watched.
fn watched_cells(watched: Option<&Measured>) -> [String; 3] {
    let rate = watched.and_then(|watched| watched.growth_bytes_per_second);
    [
        watched
            .and_then(|watched| watched.deleted_bytes)
            .map_or_else(unknown, in_units),
        rate.map_or_else(unknown, growth),
        watched.map_or_else(unknown, |watched| watched.source.name().to_owned()),
    ]
}

fn unknown() -> String {
    "-".to_owned()
}

/// A row: [`Subject`]'s keys, with these beside and instead.
#[derive(Serialize)]
struct JsonRow {
    #[serde(flatten)]
    identity: Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
    /// The name of a task's directory, which is its id or what could be made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    used_bytes: Option<u64>,
    limit_bytes: Option<u64>,
    inodes: Option<u64>,
    mounts_skipped: u64,
    complete: bool,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete_because: Option<String>,
    /// What the daemon tells of it; not there when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    watched: Option<Measured>,
}

/// Writes the rows as a JSON array.
pub(crate) fn write_json(rows: &[Row], watched: &Watched, out: &mut impl Write) -> io::Result<()> {
    let sandboxes = rows.iter().map(|row| json_row(row, watched.of(row)));
    let volumes = watched.volumes.iter().map(json_volume);
    let rows: Vec<JsonRow> = sandboxes.chain(volumes).collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

fn json_row(row: &Row, watched: Option<&Measured>) -> JsonRow {
    let mut identity = row.subject().identity;
    identity.task_id.clone_from(&row.task_id);
    JsonRow {
        identity,
        agent_id: Some(text(row.run.executor.agent_id.as_os_str())),
        task: match &row.place {
            Place::Task(name) => Some(text(name)),
            Place::Container | Place::Nested(_) => None,
        },
        used_bytes: Some(row.usage.bytes),
        limit_bytes: row.limit.map(Bytes::as_u64),
        inodes: Some(row.usage.inodes),
        mounts_skipped: row.usage.mounts_skipped,
        complete: row.usage.completeness == Completeness::Complete,
        incomplete_because: match &row.usage.completeness {
            Completeness::Complete => None,
            Completeness::LowerBound(gaps) => Some(gaps.to_string()),
        },
        watched: watched.cloned(),
    }
}

fn json_volume(volume: &Subject) -> JsonRow {
    let measured = volume.measured.as_ref();
    JsonRow {
        identity: volume.identity.clone(),
        agent_id: None,
        task: None,
        used_bytes: measured.map(|measured| measured.used_bytes),
        limit_bytes: volume.limit_bytes,
        inodes: measured.map(|measured| measured.inodes),
        mounts_skipped: measured.map_or(0, |measured| measured.mounts_skipped),
        complete: measured.is_some_and(|measured| !measured.at_least),
        incomplete_because: None,
        watched: measured.cloned(),
    }
}

#[cfg(test)]
mod tests;
