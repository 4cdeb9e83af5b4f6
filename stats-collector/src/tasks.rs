//! What mesos-sandbox-executor publishes of its tasks: `.mesos-sandbox-executor/figures.json` in the sandboxes of the
//! containers that the agent lists.
//!
//! A sandbox belongs to the framework's user, who may put into it what he likes: everything is opened by one name relative
//! to the directory before it, no link is followed, nothing is waited for, and what is read is bounded and may be nonsense.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use graphite::Value;
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, open, openat};
use serde::Deserialize;

/// Longer is no report of an executor.
const LONGEST: u64 = 8 << 20;

/// More tasks than any executor has.
const MOST_TASKS: usize = 10_000;

/// More agents than one work directory has had.
const MOST_AGENTS: usize = 64;

/// A report is written at least once a minute while there are tasks; what is older was left by an executor that is gone.
const OLDEST_SECS: f64 = 180.0;

/// What is shipped of a task's usage, under these names.
const FIELDS: [&str; 17] = [
    "cpu_seconds",
    "cpu_user_seconds",
    "cpu_system_seconds",
    "cpu_throttled_seconds",
    "memory_bytes",
    "memory_anonymous_bytes",
    "memory_peak_bytes",
    "memory_limit_bytes",
    "processes",
    "process_limit",
    "io_read_bytes",
    "io_written_bytes",
    "pressure_cpu_seconds",
    "pressure_memory_seconds",
    "pressure_io_seconds",
    "log_bytes",
    "log_dropped_lines",
];

/// Which container's sandbox to look into.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) framework_id: String,
    pub(crate) executor_id: String,
    pub(crate) container_id: String,
}

/// What one executor publishes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// In seconds since the epoch.
    pub(crate) time: f64,
    pub(crate) tasks: Vec<Task>,
}

/// One task of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) task_id: String,
    /// By the names of series.
    pub(crate) values: Vec<(&'static str, Value)>,
    /// Processor time, for a rate.
    pub(crate) cpu_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct RawReport {
    version: u32,
    time: f64,
    tasks: Vec<RawTask>,
}

#[derive(Deserialize)]
struct RawTask {
    task_id: String,
    #[serde(default)]
    restarts: u64,
    #[serde(default)]
    usage: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    disk: Option<RawDisk>,
}

#[derive(Deserialize)]
struct RawDisk {
    used_bytes: Option<u64>,
    limit_bytes: Option<u64>,
}

/// Reads a report. `None` when it is of another version, too large, or none at all.
pub(crate) fn parse(text: &[u8]) -> Option<Report> {
    let raw: RawReport = serde_json::from_slice(text).ok()?;
    if raw.version != 1 || !raw.time.is_finite() || raw.tasks.len() > MOST_TASKS {
        return None;
    }
    let tasks = raw.tasks.into_iter().map(|task| {
        let number = |name: &str| value_of(task.usage.get(name)?);
        let mut values: Vec<(&'static str, Value)> = FIELDS
            .into_iter()
            .filter_map(|name| Some((name, number(name)?)))
            .collect();
        values.push(("restarts", task.restarts.into()));
        if let Some(disk) = &task.disk {
            let disk = [
                ("disk_used_bytes", disk.used_bytes),
                ("disk_limit_bytes", disk.limit_bytes),
            ];
            values.extend(
                disk.into_iter()
                    .filter_map(|(name, value)| Some((name, value?.into()))),
            );
        }
        Task {
            values,
            cpu_seconds: task
                .usage
                .get("cpu_seconds")
                .and_then(serde_json::Value::as_f64),
            task_id: task.task_id,
        }
    });
    Some(Report {
        time: raw.time,
        tasks: tasks.collect(),
    })
}

fn value_of(number: &serde_json::Value) -> Option<Value> {
    match number.as_u64() {
        Some(whole) => Some(whole.into()),
        None => number.as_f64().map(Value::from),
    }
}

/// The reports of these runs below the agent's work directory, each with the id of its container, at this time. What
/// cannot be read is not there: most containers have none. Blocks.
///
/// # Errors
/// The work directory itself cannot be read.
pub(crate) fn reports(
    work_dir: &Path,
    runs: &[Run],
    now_secs: f64,
) -> Result<Vec<(String, Report)>, WorkDirError> {
    let failed = |source: rustix::io::Errno| WorkDirError {
        path: work_dir.join("slaves"),
        source: source.into(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The operator's own path, links and all.
    let slaves = open(work_dir.join("slaves"), flags, Mode::empty()).map_err(failed)?;
    let mut agents = Vec::new();
    for entry in Dir::read_from(&slaves).map_err(failed)?.take(MOST_AGENTS) {
        let entry = entry.map_err(failed)?;
        agents.extend(entry.file_name().to_str().map(str::to_owned).ok());
    }
    let found = runs.iter().filter_map(|run| {
        let mut reports = agents.iter().filter_map(|agent| {
            let text = read(&slaves, agent, run)?;
            parse(&text).filter(|report| (now_secs - report.time).abs() < OLDEST_SECS)
        });
        Some((run.container_id.clone(), reports.next()?))
    });
    Ok(found.collect())
}

/// Why there are no tasks' figures at all.
#[derive(Debug, thiserror::Error)]
#[error("read {}: {source}", path.display())]
pub(crate) struct WorkDirError {
    path: PathBuf,
    source: io::Error,
}

fn read(slaves: &impl std::os::fd::AsFd, agent: &str, run: &Run) -> Option<Vec<u8>> {
    // Mesos: src/slave/paths.cpp
    let directories = [
        agent,
        "frameworks",
        &run.framework_id,
        "executors",
        &run.executor_id,
        "runs",
        &run.container_id,
        ".mesos-sandbox-executor",
    ];
    let is_name =
        |name: &&str| !name.is_empty() && *name != "." && *name != ".." && !name.contains('/');
    if !directories.iter().all(is_name) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut here = slaves.as_fd().try_clone_to_owned().ok()?;
    for name in directories {
        here = openat(&here, name, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    }
    let file = openat(&here, "figures.json", flags, Mode::empty()).ok()?;
    if FileType::from_raw_mode(fstat(&file).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = Vec::new();
    File::from(file)
        .take(LONGEST + 1)
        .read_to_end(&mut text)
        .ok()?;
    (text.len() as u64 <= LONGEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const TEXT: &str = r#"{"version":1,"time":1000.5,"executor_id":"e","news":7,"tasks":[
        {"task_id":"web.1","restarts":2,"usage":{"cpu_seconds":1.5,"memory_bytes":4096,"mood":"good"},
         "disk":{"used_bytes":512,"age_seconds":3.0}}]}"#;

    fn run() -> Run {
        Run {
            framework_id: "f".to_owned(),
            executor_id: "e".to_owned(),
            container_id: "c".to_owned(),
        }
    }

    fn directory(work_dir: &Path) -> PathBuf {
        work_dir.join("slaves/s/frameworks/f/executors/e/runs/c/.mesos-sandbox-executor")
    }

    #[test]
    fn what_is_known_is_taken_and_the_rest_passed_over() {
        let report = parse(TEXT.as_bytes()).unwrap();
        let task = &report.tasks[0];
        assert_eq!(
            (report.time, task.task_id.as_str(), task.cpu_seconds),
            (1000.5, "web.1", Some(1.5))
        );
        let names: Vec<&str> = task.values.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["cpu_seconds", "memory_bytes", "restarts", "disk_used_bytes"]
        );
    }

    #[test]
    fn what_is_no_report_is_none_however_it_is_wrong() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"version":2,"time":1,"tasks":[]}"#,
            r#"{"version":1,"time":1e999,"tasks":[]}"#,
            r#"{"version":1,"time":1,"tasks":[{"task_id":7}]}"#,
            r#"{"version":1,"time":1,"tasks":[{"task_id":"t","restarts":-1}]}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        let odd =
            r#"{"version":1,"time":1,"tasks":[{"task_id":"t","usage":{"memory_bytes":"much"}}]}"#;
        assert_eq!(parse(odd.as_bytes()).unwrap().tasks[0].values.len(), 1);
    }

    /// Every report that differs in one byte, or is cut short.
    #[test]
    fn a_report_that_is_changed_anywhere_is_read_or_refused_and_bounded() {
        for at in 0..TEXT.len() {
            let mut bytes = TEXT.as_bytes().to_vec();
            for byte in [0, b'"', b'9', b'-', b'[', b'{', b',', 0xff] {
                bytes[at] = byte;
                if let Some(report) = parse(&bytes) {
                    assert!(report.time.is_finite());
                    assert!(
                        report
                            .tasks
                            .iter()
                            .all(|task| task.values.len() <= FIELDS.len() + 3)
                    );
                }
            }
            assert_eq!(parse(&TEXT.as_bytes()[..at]), None);
        }
    }

    #[test]
    fn a_report_is_found_by_the_ids_of_its_container_while_it_is_fresh() {
        let work_dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory(work_dir.path())).unwrap();
        fs::write(directory(work_dir.path()).join("figures.json"), TEXT).unwrap();
        let found = reports(work_dir.path(), &[run()], 1010.0).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "c");
        assert!(
            reports(work_dir.path(), &[run()], 2000.0)
                .unwrap()
                .is_empty()
        );
        let climbs = Run {
            container_id: "../c".to_owned(),
            ..run()
        };
        assert!(
            reports(work_dir.path(), &[climbs], 1010.0)
                .unwrap()
                .is_empty()
        );
        assert!(reports(&work_dir.path().join("gone"), &[run()], 1010.0).is_err());
    }

    #[test]
    fn links_pipes_and_floods_in_the_place_of_a_report_are_none() {
        let work_dir = tempfile::tempdir().unwrap();
        let directory = directory(work_dir.path());
        fs::create_dir_all(&directory).unwrap();
        let elsewhere = work_dir.path().join("elsewhere");
        fs::write(&elsewhere, TEXT).unwrap();
        let file = directory.join("figures.json");
        let none = || {
            reports(work_dir.path(), &[run()], 1010.0)
                .unwrap()
                .is_empty()
        };
        symlink(&elsewhere, &file).unwrap();
        assert!(none());
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(none());
        fs::remove_file(&file).unwrap();
        File::create(&file).unwrap().set_len(LONGEST + 1).unwrap();
        assert!(none());
        fs::remove_dir_all(&directory).unwrap();
        symlink(work_dir.path(), &directory).unwrap();
        fs::write(work_dir.path().join("figures.json"), TEXT).unwrap();
        assert!(none());
    }
}
