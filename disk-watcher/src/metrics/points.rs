//! The figures as points of Graphite.
//!
//! ```text
//!   <base>.<kind>.<app>.<slot>.<series>     of each directory: containers, nested, tasks, volumes
//!   <base>.watcher.<series>                 of the daemon
//! ```
//!
//! App and slot are those of [`graphite::Roster`]: names that people gave, and never a UUID.

use disk_figures::{Kind, OWN_SERIES, Report, SUBJECT_SERIES};
use graphite::{Batch, MetricPath, PointTime, Roster};

use super::value;

const KINDS: [Kind; 4] = [Kind::Container, Kind::Nested, Kind::Task, Kind::Volume];

/// Makes points, and remembers who has which slot.
#[derive(Debug)]
pub(super) struct Points {
    base: MetricPath,
    /// One for each of [`KINDS`]: slots are given within a kind.
    rosters: [Roster; KINDS.len()],
}

impl Points {
    /// Points below `base`.
    pub(super) fn new(base: MetricPath) -> Self {
        Self {
            base,
            rosters: Default::default(),
        }
    }

    /// Adds a point for everything that this report knows. None at all if whisper cannot hold its time.
    pub(super) fn add(&mut self, batch: &mut Batch, report: &Report, time: PointTime) {
        let Some(timestamp) = time.of(report.time) else {
            return;
        };
        let base = &mut self.base;
        let mark = base.mark();
        for (kind, roster) in KINDS.iter().zip(&mut self.rosters) {
            let subjects = report.subjects.iter();
            let of_kind = subjects.filter(|subject| subject.identity.kind == *kind);
            let identities = of_kind.clone().map(|subject| &subject.identity);
            roster.take_in(identities.map(|one| (one.path.as_str(), one.readable_id())));
            for subject in of_kind {
                let Some(member) = roster.call(&subject.identity.path) else {
                    continue;
                };
                base.push(kind.plural()).push(&member.app);
                base.push(&member.slot.to_string());
                let within = base.mark();
                for series in SUBJECT_SERIES {
                    if let Some(figure) = (series.value)(subject) {
                        batch.add(base.push(series.name), value(figure), timestamp);
                        base.rewind(within);
                    }
                }
                base.rewind(mark);
            }
        }
        base.push("watcher");
        let within = base.mark();
        for series in OWN_SERIES {
            if let Some(figure) = (series.value)(report) {
                batch.add(base.push(series.name), value(figure), timestamp);
                base.rewind(within);
            }
        }
        base.rewind(mark);
    }
}

#[cfg(test)]
mod tests {
    use disk_figures::{Identity, Measured, Source, Subject};

    use super::*;

    const UUID: &str = "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002";

    fn subject(kind: Kind, executor_id: &str, path: &str) -> Subject {
        let identity = Identity {
            kind,
            executor_id: executor_id.to_owned(),
            path: path.to_owned(),
            ..Identity::default()
        };
        Subject {
            identity,
            limit_bytes: Some(1024),
            measured: Some(Measured {
                used_bytes: 512,
                charged_bytes: 512,
                inodes: 1,
                at_least: false,
                source: Source::Walk,
                age_seconds: 0.5,
                look_seconds: 0.001,
                growth_bytes_per_second: None,
                deleted_bytes: None,
                deleted_files: None,
                deleted_at_least: false,
                mounts_skipped: 0,
            }),
            ..Subject::default()
        }
    }

    fn lines(points: &mut Points, subjects: Vec<Subject>) -> String {
        let mut report = Report::at(1000.5);
        report.subjects = subjects;
        let mut batch = Batch::default();
        points.add(&mut batch, &report, PointTime::Aligned(10));
        assert_eq!(batch.refused(), 0);
        String::from_utf8(batch.bytes().to_vec()).unwrap()
    }

    #[test]
    fn instances_of_an_app_have_slots_and_never_a_uuid() {
        let mut points = Points::new(MetricPath::parse("mesos.h.disk").unwrap());
        let web = |n: u32| {
            subject(
                Kind::Container,
                &format!("web.{UUID}"),
                &format!("runs/{n}"),
            )
        };
        let all = lines(&mut points, vec![web(1), web(2)]);
        assert!(
            all.contains("mesos.h.disk.containers.web.0.used_bytes 512 1000\n"),
            "{all}"
        );
        assert!(
            all.contains("mesos.h.disk.containers.web.1.limit_share 0.5 1000\n"),
            "{all}"
        );
        assert!(
            all.contains("mesos.h.disk.watcher.subjects 2 1000\n"),
            "{all}"
        );
        assert!(!all.contains(UUID) && !all.contains("growth"), "{all}");
        let second = lines(&mut points, vec![web(2)]);
        assert!(
            second.contains("containers.web.1.used_bytes"),
            "it keeps its slot: {second}"
        );
        assert!(!second.contains("containers.web.0."), "{second}");
    }

    #[test]
    fn a_volume_and_a_task_are_named_by_their_own_ids() {
        let mut points = Points::new(MetricPath::parse("d").unwrap());
        let mut volume = subject(Kind::Volume, "", "volumes/x");
        volume.identity.persistence_id = Some(format!("shop#data#{UUID}"));
        let mut task = subject(Kind::Task, "executor", "tasks/x");
        task.identity.task_id = Some("../evil task\n.1".to_owned());
        let all = lines(&mut points, vec![volume, task]);
        assert!(
            all.contains("d.volumes.shop_data.0.used_bytes 512 1000\n"),
            "{all}"
        );
        assert!(
            all.contains("d.tasks.evil_task.0.used_bytes 512 1000\n"),
            "{all}"
        );
    }

    #[test]
    fn a_report_of_no_possible_time_has_no_points() {
        let mut points = Points::new(MetricPath::parse("d").unwrap());
        let mut batch = Batch::default();
        points.add(&mut batch, &Report::at(-1.0), PointTime::Exact);
        assert!(batch.is_empty());
    }
}
