//! A report as Prometheus is told it.

use std::collections::HashSet;
use std::sync::Arc;

use disk_figures::{Figure, Identity, OWN_SERIES, Report, SUBJECT_SERIES, Subject, Type};
use exposition::{Family, Labels, Page, Source};
use graphite::encode_value;

use super::{Asker, value};

impl Source for Asker {
    async fn page(&self) -> Option<Arc<Page>> {
        let report = self.report().await?;
        Some(Arc::new(page(&report)))
    }

    async fn is_well(&self) -> bool {
        self.report().await.is_some()
    }
}

/// `mesos_disk_<series>{labels}` of each directory, and `mesos_disk_watcher_<series>` of the daemon, a counter with
/// `_total` behind it.
fn page(report: &Report) -> Page {
    let labelled = labelled(&report.subjects);
    let of_subjects = SUBJECT_SERIES.iter().map(|series| {
        let name = format!("mesos_disk_{}", series.name);
        let mut family = Family::new(&name, of(series.of), series.help);
        for (labels, subject) in &labelled {
            add(&mut family, labels, (series.value)(subject));
        }
        family
    });
    let own = OWN_SERIES.iter().map(|series| {
        let name = format!("mesos_disk_watcher_{}", series.name);
        let mut family = Family::new(&name, of(series.of), series.help);
        add(&mut family, &Labels::default(), (series.value)(report));
        family
    });
    Page::new(of_subjects.chain(own))
}

fn of(of: Type) -> exposition::Type {
    match of {
        Type::Gauge => exposition::Type::Gauge,
        Type::Counter => exposition::Type::Counter,
    }
}

fn add(family: &mut Family, labels: &Labels, figure: Option<Figure>) {
    if let Some(figure) = figure {
        family.add(labels, |out| encode_value(out, value(figure)));
    }
}

/// Each with its labels, which no other has: a scrape in which two series are alike is refused as a whole.
fn labelled(subjects: &[Subject]) -> Vec<(Labels, &Subject)> {
    let mut taken = HashSet::new();
    let subjects = subjects.iter().map(|subject| {
        let mut labels = labels(subject, None);
        if taken.contains(&labels) {
            labels = self::labels(subject, Some(&subject.identity.path));
        }
        taken.insert(labels.clone());
        (labels, subject)
    });
    subjects.collect()
}

fn labels(subject: &Subject, path: Option<&str>) -> Labels {
    let identity = &subject.identity;
    let Identity {
        kind,
        framework_id,
        framework_name,
        executor_id,
        container_id,
        nested_container_ids,
        task_id,
        role,
        persistence_id,
        path: _,
    } = identity;
    let nested = nested_container_ids.join("/");
    let labels = [
        ("kind", kind.name()),
        (
            "framework",
            framework_name.as_deref().unwrap_or(framework_id),
        ),
        ("executor_id", executor_id),
        ("container_id", container_id),
        ("nested", &nested),
        ("task_id", task_id.as_deref().unwrap_or_default()),
        ("role", role.as_deref().unwrap_or_default()),
        (
            "persistence_id",
            persistence_id.as_deref().unwrap_or_default(),
        ),
        ("mode", subject.mode.map_or("", disk_figures::Mode::name)),
        ("path", path.unwrap_or_default()),
    ];
    labels.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use disk_figures::{Kind, Measured, Source};

    use super::*;

    fn subject(kind: Kind, task_id: Option<&str>, path: &str) -> Subject {
        Subject {
            identity: Identity {
                kind,
                framework_id: "F-0001".to_owned(),
                executor_id: "e".to_owned(),
                container_id: "c".to_owned(),
                task_id: task_id.map(str::to_owned),
                path: path.to_owned(),
                ..Identity::default()
            },
            limit_bytes: Some(2048),
            measured: Some(Measured {
                used_bytes: 1024,
                charged_bytes: 1024,
                inodes: 3,
                at_least: false,
                source: Source::Tracking,
                age_seconds: 0.5,
                look_seconds: 1e-7,
                growth_bytes_per_second: Some(-1.5),
                deleted_bytes: None,
                deleted_files: None,
                deleted_at_least: false,
                mounts_skipped: 0,
            }),
            ..Subject::default()
        }
    }

    fn exposed(subjects: Vec<Subject>) -> String {
        let mut report = Report::at(1000.0);
        report.subjects = subjects;
        let text = page(&report).chunks(exposition::Format::Text).concat();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_series_has_one_head_and_its_samples_behind_it() {
        let text = exposed(vec![
            subject(Kind::Container, None, "a"),
            subject(Kind::Task, Some("t"), "b"),
        ]);
        let used = "# HELP mesos_disk_used_bytes Allocated bytes, as du counts them; a project quota counts deleted \
                    files that are still open, too.\n# TYPE mesos_disk_used_bytes gauge\n\
                    mesos_disk_used_bytes{kind=\"container\",framework=\"F-0001\",executor_id=\"e\",container_id=\"c\"} \
                    1024\n\
                    mesos_disk_used_bytes{kind=\"task\",framework=\"F-0001\",executor_id=\"e\",container_id=\"c\",\
                    task_id=\"t\"} 1024\n";
        assert!(text.starts_with(used), "{text}");
        assert!(
            text.contains("mesos_disk_growth_bytes_per_second{kind=\"task\""),
            "{text}"
        );
        assert!(
            text.contains("} -1.5\n") && text.contains("} 1e-7\n"),
            "{text}"
        );
        assert!(
            text.contains("\n# TYPE mesos_disk_watcher_looks_total counter\n"),
            "{text}"
        );
        assert!(
            !text.contains("deleted_bytes{") && !text.contains("inode_limit"),
            "what is not known is not told"
        );
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn hostile_names_stay_within_their_quotes() {
        let text = exposed(vec![subject(Kind::Task, Some("a\"} 1\nforged 2\\"), "x")]);
        assert!(
            text.contains(r#"task_id="a\"} 1\nforged 2\\"} 1024"#),
            "{text}"
        );
        assert!(
            text.lines()
                .all(|line| line.starts_with('#') || line.starts_with("mesos_disk_"))
        );
    }

    #[test]
    fn no_two_series_are_alike() {
        let text = exposed(vec![
            subject(Kind::Task, Some("t"), "runs/c/tasks/t"),
            subject(Kind::Task, Some("t"), "runs/c/tasks/t.1"),
        ]);
        let mut seen = HashSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series), "{series} is there twice");
        }
        assert!(text.contains("path=\"runs/c/tasks/t.1\""), "{text}");
    }
}
