//! The figures as series of a monitoring system: one table for all of them.

use crate::{Report, Source, Subject};

/// A value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A count or an amount.
    Integer(u64),
    /// Anything else.
    Float(f64),
}

impl From<u64> for Figure {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// What a series' values mean to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Each for itself.
    Gauge,
    /// Growing for as long as the daemon runs.
    Counter,
}

/// One series: its name, with the unit in it, and where its value comes from.
#[derive(Debug)]
pub struct Series<T> {
    /// Lower case letters and `_`.
    pub name: &'static str,
    /// See [`Type`].
    pub of: Type,
    /// One sentence for people.
    pub help: &'static str,
    /// `None`: not known, and therefore no point.
    pub value: fn(&T) -> Option<Figure>,
}

const fn gauge<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> Option<Figure>,
) -> Series<T> {
    Series {
        name,
        of: Type::Gauge,
        help,
        value,
    }
}

const fn counter<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> Option<Figure>,
) -> Series<T> {
    Series {
        name,
        of: Type::Counter,
        help,
        value,
    }
}

/// Of each directory that is watched.
pub const SUBJECT_SERIES: &[Series<Subject>] = &[
    gauge(
        "used_bytes",
        "Allocated bytes, as du counts them; a project quota counts deleted files that are still open, too.",
        |s| Some(s.measured.as_ref()?.used_bytes.into()),
    ),
    gauge(
        "charged_bytes",
        "What counts towards the limit: used_bytes, and deleted_bytes if those do.",
        |s| Some(s.measured.as_ref()?.charged_bytes.into()),
    ),
    gauge(
        "limit_bytes",
        "What it may hold; absent without a limit.",
        |s| Some(s.limit_bytes?.into()),
    ),
    gauge(
        "soft_limit_bytes",
        "From when on it is warned about.",
        |s| Some(s.soft_limit_bytes?.into()),
    ),
    gauge(
        "limit_share",
        "charged_bytes divided by limit_bytes; more than 1 is a breach.",
        |s| Some(s.limit_share()?.into()),
    ),
    gauge(
        "growth_bytes_per_second",
        "How fast it grew between the last looks; negative while it shrinks.",
        |s| Some(s.measured.as_ref()?.growth_bytes_per_second?.into()),
    ),
    gauge(
        "inodes",
        "Files and directories, each inode once, its own included.",
        |s| Some(s.measured.as_ref()?.inodes.into()),
    ),
    gauge(
        "inode_limit",
        "How many inodes it may hold; absent without a limit.",
        |s| Some(s.inode_limit?.into()),
    ),
    gauge(
        "deleted_bytes",
        "Allocated bytes of files that are deleted but still open; absent where used_bytes has them.",
        |s| Some(s.measured.as_ref()?.deleted_bytes?.into()),
    ),
    gauge(
        "deleted_files",
        "Files that are deleted but still open; absent where used_bytes has them.",
        |s| Some(s.measured.as_ref()?.deleted_files?.into()),
    ),
    gauge("mounts_skipped", "Mounts in it that were left out.", |s| {
        Some(s.measured.as_ref()?.mounts_skipped.into())
    }),
    gauge(
        "at_least",
        "1 when something could not be read and used_bytes is a lower bound, else 0.",
        |s| Some(u64::from(s.measured.as_ref()?.at_least).into()),
    ),
    gauge(
        "source",
        "How it was measured: 0 by project quota, 1 by change tracking, 2 by a walk.",
        |s| Some(s.measured.as_ref()?.source.rank().into()),
    ),
    gauge("age_seconds", "How long ago it was measured.", |s| {
        Some(s.measured.as_ref()?.age_seconds.into())
    }),
    gauge("look_seconds", "What the last look at it took.", |s| {
        Some(s.measured.as_ref()?.look_seconds.into())
    }),
];

/// Of the daemon itself.
pub const OWN_SERIES: &[Series<Report>] = &[
    gauge("uptime_seconds", "How long the daemon has run.", |r| {
        Some(r.uptime_seconds.into())
    }),
    gauge("subjects", "Directories that are watched.", |r| {
        Some((r.subjects.len() as u64).into())
    }),
    gauge(
        "subjects_over_limit",
        "Of these: over their limit now.",
        |r| {
            let over = r.subjects.iter().filter(|s| s.limit_share() > Some(1.0));
            Some((over.count() as u64).into())
        },
    ),
    gauge(
        "trees_quota",
        "Directories measured by project quota.",
        |r| Some(r.engine.trees(Source::Quota).into()),
    ),
    gauge(
        "trees_tracking",
        "Directories measured by change tracking.",
        |r| Some(r.engine.trees(Source::Tracking).into()),
    ),
    gauge("trees_walk", "Directories measured by walks.", |r| {
        Some(r.engine.trees(Source::Walk).into())
    }),
    counter(
        "cpu_seconds",
        "Processor time of the threads that measure.",
        |r| Some(r.engine.cpu_seconds.into()),
    ),
    counter("looks", "Looks at a directory, however cheap.", |r| {
        Some(r.engine.looks.into())
    }),
    counter("walks", "Of these: whole walks.", |r| {
        Some(r.engine.walks.into())
    }),
    counter(
        "walked_inodes",
        "Files and directories met by walks.",
        |r| Some(r.engine.entries.into()),
    ),
    counter(
        "deferred_looks",
        "Looks that were put off, since the budget of processor time was spent.",
        |r| Some(r.engine.deferred.into()),
    ),
    gauge("looks_under_way", "Looks under way.", |r| {
        Some(r.engine.under_way.into())
    }),
    gauge(
        "looks_hanging",
        "Of these: for so long that their disk seems to hang.",
        |r| Some(r.engine.hanging.into()),
    ),
    gauge(
        "tracked_directories",
        "Directories that change tracking has sums of.",
        |r| Some(r.engine.tracked_directories.into()),
    ),
    counter("tracking_events", "Changes that the kernel told of.", |r| {
        Some(r.engine.tracking_events.into())
    }),
    counter(
        "overflows",
        "Times that the kernel had more changes to tell than its queue holds; what they concern is walked again then.",
        |r| Some(r.engine.overflows.into()),
    ),
    counter(
        "reconciles",
        "Walks to find what change tracking did not see.",
        |r| Some(r.engine.reconciles.into()),
    ),
    counter(
        "drift_bytes",
        "What those walks found, added up without sign.",
        |r| Some(r.engine.drift_bytes.into()),
    ),
    counter(
        "quota_warnings",
        "Warnings of the kernel about project quotas.",
        |r| Some(r.engine.quota_warnings.into()),
    ),
    counter(
        "strayed_files",
        "Files found outside of the project of their directory.",
        |r| Some(r.daemon.strayed_files.into()),
    ),
    counter("soft_limits", "Soft limits crossed.", |r| {
        Some(r.daemon.soft_limits.into())
    }),
    counter("breaches", "Limits crossed, made sure of.", |r| {
        Some(r.daemon.breaches.into())
    }),
    counter("enforced", "Of these: ended, in whichever way.", |r| {
        Some(r.daemon.enforced.into())
    }),
    counter(
        "enforcement_failures",
        "Attempts to end one that failed.",
        |r| Some(r.daemon.enforcement_failures.into()),
    ),
    counter(
        "agent_failures",
        "Questions that the agent did not answer.",
        |r| Some(r.daemon.agent_failures.into()),
    ),
    counter("events_written", "Events written.", |r| {
        Some(r.daemon.events_written.into())
    }),
    counter(
        "events_lost",
        "Events lost, since what they are written to was full or too slow.",
        |r| Some(r.daemon.events_lost.into()),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_each_is_there_once() {
        let subjects = SUBJECT_SERIES.iter().map(|series| series.name);
        let own = OWN_SERIES.iter().map(|series| series.name);
        for mut names in [subjects.collect::<Vec<_>>(), own.collect()] {
            let all = names.len();
            assert!(
                names
                    .iter()
                    .all(|name| name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()))
            );
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn what_is_not_known_has_no_value() {
        let nothing = Subject::default();
        assert!(SUBJECT_SERIES.iter().all(|s| (s.value)(&nothing).is_none()));
    }
}
