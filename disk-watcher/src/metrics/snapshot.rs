//! From what the engine and the inventory know to a report.

use std::time::{Duration, Instant, SystemTime};

use disk_engine::{Completeness, Limits, Measured};
use disk_figures::{Daemon, Engine, FileSystem, Identity, Kind, Report};
use mesos_proto::paths::Id;
use terminal::text;

use crate::inventory::{Key, Subject};
use crate::policy::Mode;

/// What the daemon knows at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    /// Everything that is watched.
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) engine: disk_engine::Figures,
    pub(crate) daemon: Daemon,
    /// How long the daemon has run.
    pub(crate) uptime: Duration,
}

/// One directory.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) subject: &'a Subject,
    /// `None` before the first look.
    pub(crate) measured: Option<Measured>,
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
}

impl Snapshot<'_> {
    /// The same as others read it. Ages are told as of now.
    pub(crate) fn report(&self) -> Report {
        let now = Instant::now();
        // A clock before 1970 gives 0, which is what it means.
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut report = Report::at(time.as_secs_f64());
        report.uptime_seconds = self.uptime.as_secs_f64();
        report.subjects = self.rows.iter().map(|row| row.subject(now)).collect();
        report.engine = engine(&self.engine);
        report.daemon = self.daemon.clone();
        report
    }
}

impl Row<'_> {
    fn subject(&self, now: Instant) -> disk_figures::Subject {
        let measured = self.measured.as_ref();
        disk_figures::Subject {
            identity: identity(self.subject),
            mode: Some(mode(self.mode)),
            limit_bytes: self.limits.hard,
            soft_limit_bytes: self.limits.soft,
            inode_limit: self.limits.inodes,
            measured: measured.map(|measured| self.measured(measured, now)),
        }
    }

    fn measured(&self, measured: &Measured, now: Instant) -> disk_figures::Measured {
        let Measured { sample, growth } = measured;
        disk_figures::Measured {
            used_bytes: sample.usage.bytes,
            charged_bytes: sample.charged(self.limits.count_deleted),
            inodes: sample.usage.inodes,
            at_least: sample.usage.completeness != Completeness::Complete,
            source: source(sample.source),
            age_seconds: now.saturating_duration_since(sample.taken).as_secs_f64(),
            look_seconds: sample.cost.as_secs_f64(),
            growth_bytes_per_second: *growth,
            deleted_bytes: sample.deleted.map(|deleted| deleted.bytes),
            deleted_files: sample.deleted.map(|deleted| deleted.files),
            deleted_at_least: sample.deleted.is_some_and(|deleted| deleted.at_least),
            mounts_skipped: sample.usage.mounts_skipped,
        }
    }
}

/// Whose a directory is, as others read it.
pub(crate) fn identity(subject: &Subject) -> Identity {
    let framework = subject.framework.as_deref();
    let id_of = |id: &Id| text(id.as_os_str());
    let mut identity = Identity {
        framework_id: framework.map_or_else(String::new, |framework| framework.id.clone()),
        framework_name: framework.and_then(|framework| framework.name.clone()),
        executor_id: subject.executor_id.clone().unwrap_or_default(),
        task_id: subject.task_id.clone(),
        path: text(subject.path.as_os_str()),
        ..Identity::default()
    };
    if let [run] = &subject.holders[..] {
        identity.container_id = id_of(&run.container_id);
    }
    match &subject.key {
        Key::Container(_) => identity.kind = Kind::Container,
        Key::Nested(_, ids) => {
            identity.kind = Kind::Nested;
            identity.nested_container_ids = ids.iter().map(id_of).collect();
        }
        Key::Task(..) => identity.kind = Kind::Task,
        Key::Volume {
            role,
            persistence_id,
            ..
        } => {
            identity.kind = Kind::Volume;
            identity.role = Some(role.clone());
            identity.persistence_id = Some(persistence_id.clone());
        }
    }
    identity
}

/// The engine's word for it as others read it.
pub(crate) fn source(source: disk_engine::Source) -> disk_figures::Source {
    match source {
        disk_engine::Source::ProjectQuota => disk_figures::Source::Quota,
        disk_engine::Source::ChangeTracking => disk_figures::Source::Tracking,
        disk_engine::Source::Walk => disk_figures::Source::Walk,
    }
}

fn mode(mode: Mode) -> disk_figures::Mode {
    match mode {
        Mode::Observe => disk_figures::Mode::Observe,
        Mode::Warn => disk_figures::Mode::Warn,
        Mode::Enforce => disk_figures::Mode::Enforce,
    }
}

fn engine(figures: &disk_engine::Figures) -> Engine {
    let file_systems = figures.file_systems.iter().map(|one| FileSystem {
        name: one.file_system.to_string(),
        source: source(one.source),
        why: one.why.clone(),
        trees: one.trees,
    });
    Engine {
        cpu_seconds: figures.cpu.as_secs_f64(),
        looks: figures.looks,
        walks: figures.walks,
        entries: figures.entries,
        deferred: figures.deferred,
        under_way: figures.under_way,
        hanging: figures.hanging,
        tracked_directories: figures.tracked_directories,
        tracking_events: figures.tracking_events,
        overflows: figures.overflows,
        reconciles: figures.reconciles,
        drift_bytes: figures.drift,
        quota_warnings: figures.quota_warnings,
        file_systems: file_systems.collect(),
    }
}
