//! Prometheus's text exposition, version 0.0.4 (Prometheus: docs/instrumenting/exposition_formats.md).

use std::collections::HashSet;
use std::fmt::Write;

use disk_figures::{Figure, Identity, OWN_SERIES, Report, SUBJECT_SERIES, Subject, Type};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `mesos_disk_<series>{labels}` of each directory, and `mesos_disk_watcher_<series>` of the daemon, a counter with
/// `_total` behind it.
pub(super) fn exposition(report: &Report) -> String {
    let mut text = String::new();
    let labelled = labelled(&report.subjects);
    for series in SUBJECT_SERIES {
        let name = format!("mesos_disk_{}", series.name);
        let mut has_head = false;
        for (labels, subject) in &labelled {
            let Some(figure) = (series.value)(subject) else {
                continue;
            };
            if !std::mem::replace(&mut has_head, true) {
                head(&mut text, &name, series.help, series.of);
            }
            sample(&mut text, &name, labels, figure);
        }
    }
    for series in OWN_SERIES {
        let Some(figure) = (series.value)(report) else {
            continue;
        };
        let end = match series.of {
            Type::Gauge => "",
            Type::Counter => "_total",
        };
        let name = format!("mesos_disk_watcher_{}{end}", series.name);
        head(&mut text, &name, series.help, series.of);
        sample(&mut text, &name, "", figure);
    }
    text
}

fn head(text: &mut String, name: &str, help: &str, of: Type) {
    let of = match of {
        Type::Gauge => "gauge",
        Type::Counter => "counter",
    };
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {of}");
}

fn sample(text: &mut String, name: &str, labels: &str, figure: Figure) {
    let _ = match figure {
        Figure::Integer(value) => writeln!(text, "{name}{labels} {value}"),
        Figure::Float(value) => writeln!(text, "{name}{labels} {value:?}"),
    };
}

/// Each with its labels, which no other has: a scrape in which two series are alike is refused as a whole.
fn labelled(subjects: &[Subject]) -> Vec<(String, &Subject)> {
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

fn labels(subject: &Subject, path: Option<&str>) -> String {
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
    let mut text = String::new();
    // A label without a value is the same as none.
    for (name, value) in labels.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push('}');
    text
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
        exposition(&report)
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
