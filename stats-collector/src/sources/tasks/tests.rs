use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use graphite::{PointTime, Value};
use task_figures::{Report, Usage, VolumeUse};

use super::*;
use crate::names::{Ceiling, NamesSettings, Naming, Selection};
use crate::output::OutputSettings;

#[derive(Debug, Default)]
struct Numbers(BTreeMap<String, Value>);

impl Put for Numbers {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        let name = match along {
            Some(along) => format!("{}[{along}]", field.name),
            None => field.name.to_owned(),
        };
        assert!(self.0.insert(name, value).is_none(), "{} twice", field.name);
    }

    fn put_unknown(&mut self, name: &str, _: Value) {
        panic!("{name} is in no table");
    }
}

fn numbers(task: &Task, at: f64, memory: &mut Memory) -> BTreeMap<String, Value> {
    let mut numbers = Numbers::default();
    put(task, at, memory, &mut numbers);
    numbers.0
}

#[test]
fn a_report_is_of_now_and_of_the_container_that_was_asked_for() {
    let work_dir = tempfile::tempdir().unwrap();
    let sandbox = "slaves/s/frameworks/f/executors/e/runs/c";
    let directory = work_dir.path().join(sandbox).join(task_figures::DIRECTORY);
    fs::create_dir_all(&directory).unwrap();
    let mut report = Report::at(1000.0);
    report.container_id = "another".to_owned();
    report.tasks.push(Task::default());
    fs::write(directory.join(task_figures::FILE), report.line()).unwrap();
    let work_dir = WorkDir::open(work_dir.path()).unwrap();
    let found = told(&work_dir, run(), 1010.0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].run.container_id, "c");
    assert!(told(&work_dir, run(), 2000.0).is_empty());
}

#[test]
fn what_is_not_counted_has_no_number_and_what_grew_has_a_rate() {
    let mut task = Task {
        usage: Usage {
            cpu_seconds: Some(1.5),
            memory_bytes: Some(4096),
            ..Usage::default()
        },
        ..Task::default()
    };
    let mut memory = Memory::default();
    let first = numbers(&task, 1000.0, &mut memory);
    let wanted = [
        ("cpu_seconds", Value::Float(1.5)),
        ("memory_bytes", Value::Integer(4096)),
        ("restarts", Value::Integer(0)),
    ];
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(first, wanted);
    task.usage.cpu_seconds = Some(6.5);
    task.usage.memory_limit_bytes = Some(8192);
    let second = numbers(&task, 1010.0, &mut memory);
    assert_eq!(second["cpus_used"], Value::Float(0.5));
    assert_eq!(second["memory_used_share"], Value::Float(0.5));
    // Its executor was replaced by one that counts anew.
    task.usage.cpu_seconds = Some(0.5);
    let third = numbers(&task, 1020.0, &mut memory);
    assert!(!third.contains_key("cpus_used"), "{third:?}");
}

#[test]
fn disks_are_told_of_the_directory_and_of_each_volume_once() {
    let disk = DiskUse {
        used_bytes: 1024,
        limit_bytes: Some(4096),
        deleted_bytes: Some(1024),
        age_seconds: 2.0,
        ..DiskUse::default()
    };
    let volume = |id: &str| VolumeUse {
        id: id.to_owned(),
        disk,
    };
    let task = Task {
        disk: Some(disk),
        volumes: vec![volume("a"), volume("b/../c\n"), volume("a")],
        ..Task::default()
    };
    let numbers = numbers(&task, 1000.0, &mut Memory::default());
    for name in [
        "disk_used_share",
        "volumes.used_share[a]",
        "volumes.used_share[b/../c\n]",
    ] {
        assert_eq!(numbers[name], Value::Float(0.5), "{name}");
    }
    assert!(!numbers.contains_key("disk_inodes"));
}

#[test]
fn no_two_numbers_have_one_name() {
    let mut names: Vec<_> = fields().map(|field| field.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn who_publishes_more_tasks_than_there_can_be_is_told_of_in_part() {
    let work_dir = tempfile::tempdir().unwrap();
    let sandbox = "slaves/s/frameworks/f/executors/e/runs/c";
    let directory = work_dir.path().join(sandbox).join(task_figures::DIRECTORY);
    fs::create_dir_all(&directory).unwrap();
    let mut report = Report::at(1000.0);
    report.tasks = (0..1000).map(|number| task(&number.to_string())).collect();
    fs::write(directory.join(task_figures::FILE), report.line()).unwrap();
    let work_dir = WorkDir::open(work_dir.path()).unwrap();
    assert_eq!(told(&work_dir, run(), 1000.0).len(), MOST_TASKS);
}

fn task(id: &str) -> Task {
    Task {
        task_id: id.to_owned(),
        ..Task::default()
    }
}

fn run() -> Run {
    Run {
        framework_id: "f".to_owned(),
        executor_id: "e".to_owned(),
        container_id: "c".to_owned(),
    }
}

#[tokio::test]
async fn slots_rest_though_for_a_turn_nobody_publishes_anything() {
    let prefix = graphite::MetricPath::parse("m").unwrap();
    let settings = NamesSettings::new(prefix, "h".to_owned());
    let naming = Arc::new(Naming::new(&settings).unwrap());
    let mut registry = Registry::new(naming, Duration::from_secs(60));
    let nowhere = OutputSettings {
        graphite: None,
        prometheus: None,
        json: None,
        dry_run: false,
        patience: Duration::ZERO,
    };
    let selection = Selection::new(&settings).unwrap();
    let mut outlet =
        Outlet::open(nowhere, selection, Ceiling::new(1000), PointTime::Exact).unwrap();
    let there = |id: &str| Told {
        id: id.to_owned(),
        task: task("web"),
        run: run(),
        at: 1000.0,
    };
    for (now, all) in [
        (1000.0, vec![there("a"), there("b")]),
        (1010.0, Vec::new()),
        (1020.0, vec![there("c"), there("b")]),
    ] {
        tell(&all, now, &mut registry, &mut outlet).await;
    }
    registry.take_in(Kind::Task, [there("c"), there("b")].iter(), 1030);
    let mut slot = |id: &str| registry.call(Kind::Task, id).unwrap().subject.slot;
    assert_eq!((slot("b"), slot("c")), (Some(1), Some(2)));
}
