use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_engine::{Deleted, FileId, Limits, Processes, Sample, Settings, Tree, Usage, Watch};
use mesos_proto::Bytes;
use mesos_proto::paths::{ExecutorPath, Id, RunPath};
use serde_json::Value;

use super::*;
use crate::directory::Directory;
use crate::inventory::{Framework, Key};

/// A task's directory, with a name that is up to no good.
pub(crate) fn subject(directory: &Path) -> Subject {
    let id = |name: &str| Id::new(name).unwrap();
    let run = RunPath {
        executor: ExecutorPath {
            agent_id: id("S"),
            framework_id: id("F"),
            executor_id: id("E"),
        },
        container_id: id("C"),
    };
    let directory = Directory::open(directory).unwrap();
    Subject {
        key: Key::Task(run.clone(), "evil\n".into()),
        path: PathBuf::from("/work/tasks/evil\n\u{1b}[2J"),
        id: FileId::of(&directory).unwrap(),
        directory: Arc::new(directory),
        task_id: Some("evil\"task\n".to_owned()),
        executor_id: Some("E".to_owned()),
        framework: Some(Arc::new(Framework {
            id: "F".to_owned(),
            name: Some("marathon".to_owned()),
            ..Framework::default()
        })),
        labels: Vec::new(),
        limit: Some(Bytes::new(1 << 20)),
        listed: None,
        inside: None,
        exclude: Vec::new(),
        holders: vec![run],
    }
}

/// A tree's id can be had of a watch alone.
fn breach(directory: &Path) -> Breach {
    let watch = Watch::start(Settings::default(), |_| {}).unwrap();
    let root = disk_engine::open_root(directory).unwrap();
    let tree = watch.add(Tree {
        root,
        inside: None,
        exclude: Vec::new(),
        limits: Limits::default(),
        processes: Processes::Nobody,
        cross_mounts: false,
    });
    Breach {
        tree,
        of: Amount::Bytes,
        sample: Sample {
            usage: Usage {
                bytes: 2 << 20,
                inodes: 7,
                ..Usage::default()
            },
            deleted: Some(Deleted {
                bytes: 4096,
                files: 1,
                at_least: false,
            }),
            source: Source::Walk,
            taken: Instant::now(),
            cost: Duration::ZERO,
        },
        limit: 1 << 20,
        counts_deleted: true,
        growth: Some(1024.0),
        largest: vec![disk_engine::Largest {
            path: PathBuf::from("core\n"),
            bytes: 1 << 20,
            inodes: 1,
            is_directory: false,
        }],
        confirmed: true,
    }
}

fn json(event: &Event<'_>) -> Value {
    let line = event.line(1000.5);
    let ends = line.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((ends, line.last()), (1, Some(&b'\n')));
    assert!(!line.contains(&0x1b), "it could steer a terminal");
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn a_breach_tells_whose_how_much_of_what_and_why_on_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let (subject, breach) = (subject(directory.path()), breach(directory.path()));
    let told = json(&Event::Breach {
        subject: &subject,
        mode: Mode::Enforce,
        breach: &breach,
    });
    let wanted = serde_json::json!({
        "time": 1000.5, "event": "breach", "kind": "task", "framework_id": "F", "framework_name": "marathon",
        "executor_id": "E", "container_id": "C", "task_id": "evil\"task\n", "path": "/work/tasks/evil\n\u{1b}[2J",
        "used_bytes": 2 << 20, "charged_bytes": (2 << 20) + 4096, "inodes": 7, "source": "walk",
        "growth_bytes_per_second": 1024.0, "deleted_bytes": 4096, "mode": "enforce", "limit_bytes": 1 << 20,
        "largest": [{"path": "core\n", "bytes": 1 << 20, "inodes": 1, "is_directory": false}],
        "message": breach.message(),
    });
    assert_eq!(told, wanted);
    let message = told["message"].as_str().unwrap();
    assert!(
        message.starts_with("Disk usage (2052KB) exceeds quota (1MB)"),
        "{message}"
    );
}

/// One of each, at least.
fn all<'a>(subject: &'a Subject, breach: &'a Breach, errors: &'a [String]) -> Vec<Event<'a>> {
    let mode = Mode::Warn;
    let how = How::Agent;
    vec![
        Event::Started {
            work_dir: Path::new("/work"),
        },
        Event::Stopped,
        Event::Reloaded { errors },
        Event::Came { subject },
        Event::Changed { subject },
        Event::Gone { subject },
        Event::Layer {
            file_system: "ext4 8:1",
            source: Source::Walk,
            why: "no quota",
        },
        Event::SoftLimit {
            subject,
            mode,
            breach,
        },
        Event::Breach {
            subject,
            mode,
            breach,
        },
        Event::Recovered { subject },
        Event::Enforced { subject, how },
        Event::EnforcementFailed {
            subject,
            how,
            why: "it is away",
        },
        Event::Drift { subject, bytes: -1 },
        Event::Strayed {
            subject,
            files: 2,
            example: Path::new("a\nb"),
        },
        Event::Trouble {
            subject: None,
            text: "x",
        },
        Event::Trouble {
            subject: Some(subject),
            text: "x",
        },
        Event::Lost { events: 3 },
    ]
}

#[test]
fn of_every_event_there_is_what_it_is_when_and_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let (subject, breach) = (subject(directory.path()), breach(directory.path()));
    let errors = ["a".to_owned(), "b".to_owned()];
    for event in all(&subject, &breach, &errors) {
        let told = json(&event);
        assert_eq!(told["time"], 1000.5, "{told}");
        assert!(!told["event"].as_str().unwrap().is_empty(), "{told}");
        assert!(!told["message"].as_str().unwrap().is_empty(), "{told}");
    }
}

#[test]
fn what_is_measured_is_reported_as_it_is_with_its_age_and_its_owner() {
    use crate::metrics::{Row, Snapshot};
    let directory = tempfile::tempdir().unwrap();
    let (subject, breach) = (subject(directory.path()), breach(directory.path()));
    let snapshot = Snapshot {
        rows: vec![Row {
            subject: &subject,
            measured: Some(disk_engine::Measured {
                sample: breach.sample,
                growth: Some(2.0),
            }),
            limits: Limits {
                hard: Some(1 << 20),
                count_deleted: true,
                ..Limits::default()
            },
            mode: Mode::Observe,
        }],
        engine: disk_engine::Figures {
            looks: 5,
            cpu: Duration::from_millis(1500),
            ..disk_engine::Figures::default()
        },
        daemon: disk_figures::Daemon::default(),
        uptime: Duration::from_secs(60),
    };
    let report = snapshot.report();
    let told = &report.subjects[0];
    assert_eq!(told.identity, identity(&subject));
    assert_eq!(
        (told.limit_bytes, told.mode),
        (Some(1 << 20), Some(disk_figures::Mode::Observe))
    );
    let measured = told.measured.as_ref().unwrap();
    assert_eq!(
        (measured.used_bytes, measured.charged_bytes),
        (2 << 20, (2 << 20) + 4096)
    );
    assert!(measured.age_seconds >= 0.0 && measured.growth_bytes_per_second == Some(2.0));
    assert_eq!((report.engine.looks, report.engine.cpu_seconds), (5, 1.5));
    assert_eq!(report.uptime_seconds, 60.0);
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| {
            let told: Value = serde_json::from_str(line).unwrap();
            let word = told["message"].as_str().unwrap();
            format!(
                "{}:{}",
                told["event"].as_str().unwrap(),
                told["events"]
                    .as_u64()
                    .map_or_else(|| word.to_owned(), |n| n.to_string())
            )
        })
        .collect()
}

fn trouble(log: &EventLog, text: &str) {
    log.write(&Event::Trouble {
        subject: None,
        text,
    });
}

/// Waits until so many events were written or lost.
fn settled(log: &EventLog, events: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    while log.counts().0 + log.counts().1 < events {
        assert!(Instant::now() < until, "{:?}", log.counts());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_log_that_is_renamed_is_begun_anew_under_its_name_and_what_was_there_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (
        directory.path().join("events"),
        directory.path().join("events.1"),
    );
    fs::write(&path, "").unwrap();
    let log = EventLog::open(Some(&path)).unwrap();
    trouble(&log, "first");
    settled(&log, 1);
    fs::rename(&path, &old).unwrap();
    trouble(&log, "second");
    log.reopen();
    trouble(&log, "third");
    drop(log);
    assert_eq!(lines(&old), ["trouble:first"]);
    assert_eq!(lines(&path), ["trouble:second", "trouble:third"]);
}

#[test]
fn what_a_full_disk_does_not_take_is_counted_and_told_when_it_does_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, room) = (
        directory.path().join("events"),
        directory.path().join("room"),
    );
    symlink("/dev/full", &path).unwrap();
    let log = EventLog::open(Some(&path)).unwrap();
    trouble(&log, "lost");
    trouble(&log, "lost too");
    settled(&log, 2);
    assert_eq!(log.counts(), (0, 2));
    fs::write(&room, "").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&room, &path).unwrap();
    trouble(&log, "here");
    settled(&log, 3);
    assert_eq!(log.counts(), (1, 2));
    drop(log);
    assert_eq!(lines(&room), ["lost:2", "trouble:here"]);
}

#[test]
fn a_reader_that_has_stopped_reading_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    // Nobody reads it: that is an error, and none to wait for.
    assert!(EventLog::open(Some(&path)).is_err());
    let reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let log = EventLog::open(Some(&path)).unwrap();
    let long = "x".repeat(1_000);
    let events = 200;
    for _ in 0..events {
        trouble(&log, &long);
    }
    settled(&log, events);
    let (written, lost) = log.counts();
    assert!(written > 0 && lost > 0, "{written} written, {lost} lost");
    drop(log);
    drop(reader);
}

#[test]
fn without_a_place_to_write_nothing_is_written_or_lost() {
    let log = EventLog::open(None).unwrap();
    trouble(&log, "x");
    log.reopen();
    assert_eq!(log.counts(), (0, 0));
    let nowhere = EventLog::open(Some(Path::new("/nowhere/events"))).unwrap_err();
    assert!(nowhere.to_string().contains("/nowhere/events"), "{nowhere}");
}

#[test]
fn the_manual_has_every_series_and_every_event() {
    let manual = include_str!("../../../packaging/doc/disk-watcher.md");
    let is_there = |name: &str| manual.contains(&format!("`{name}`"));
    let subjects = disk_figures::SUBJECT_SERIES
        .iter()
        .map(|series| series.name);
    let own = disk_figures::OWN_SERIES.iter().map(|series| series.name);
    for name in subjects.chain(own) {
        assert!(is_there(name), "{name}");
    }
    let directory = tempfile::tempdir().unwrap();
    let (subject, breach) = (subject(directory.path()), breach(directory.path()));
    for event in all(&subject, &breach, &[]) {
        let told = json(&event);
        assert!(is_there(told["event"].as_str().unwrap()), "{told}");
        for key in told.as_object().unwrap().keys() {
            assert!(is_there(key), "{key}");
        }
    }
}
