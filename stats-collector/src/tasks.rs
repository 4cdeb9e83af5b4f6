//! What mesos-sandbox-executor publishes of its tasks, as values of series.

use std::path::Path;

use graphite::Value;
use task_figures::{Run, Task, Usage, WorkDir, WorkDirError};

/// What one executor publishes.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) run: Run,
    /// In seconds since the epoch.
    pub(crate) time: f64,
    pub(crate) tasks: Vec<Task>,
}

/// The fresh reports of these runs below the agent's work directory, at this time. Blocks.
///
/// # Errors
/// The work directory itself cannot be read.
pub(crate) fn reports(
    work_dir: &Path,
    runs: Vec<Run>,
    now_secs: f64,
) -> Result<Vec<Report>, WorkDirError> {
    let work_dir = WorkDir::open(work_dir)?;
    let found = runs.into_iter().filter_map(|run| {
        let report = work_dir.report(&run)?;
        report.is_fresh(now_secs).then_some(Report {
            run,
            time: report.time,
            tasks: report.tasks,
        })
    });
    Ok(found.collect())
}

/// What is shipped of a task, by the names of its series.
pub(crate) fn values(task: &Task) -> Vec<(&'static str, Value)> {
    let Usage {
        cpu_seconds,
        cpu_user_seconds,
        cpu_system_seconds,
        cpu_throttled_seconds,
        memory_bytes,
        memory_anonymous_bytes,
        memory_peak_bytes,
        memory_limit_bytes,
        memory_shortages,
        processes,
        process_limit,
        io_read_bytes,
        io_written_bytes,
        pressure_cpu_seconds,
        pressure_memory_seconds,
        pressure_io_seconds,
        log_bytes,
        log_dropped_lines,
    } = &task.usage;
    let disk = task.disk.as_ref();
    let seconds = [
        ("cpu_seconds", *cpu_seconds),
        ("cpu_user_seconds", *cpu_user_seconds),
        ("cpu_system_seconds", *cpu_system_seconds),
        ("cpu_throttled_seconds", *cpu_throttled_seconds),
        ("pressure_cpu_seconds", *pressure_cpu_seconds),
        ("pressure_memory_seconds", *pressure_memory_seconds),
        ("pressure_io_seconds", *pressure_io_seconds),
    ];
    let counts = [
        ("memory_bytes", *memory_bytes),
        ("memory_anonymous_bytes", *memory_anonymous_bytes),
        ("memory_peak_bytes", *memory_peak_bytes),
        ("memory_limit_bytes", *memory_limit_bytes),
        ("memory_shortages", *memory_shortages),
        ("processes", *processes),
        ("process_limit", *process_limit),
        ("io_read_bytes", *io_read_bytes),
        ("io_written_bytes", *io_written_bytes),
        ("log_bytes", *log_bytes),
        ("log_dropped_lines", *log_dropped_lines),
        ("restarts", Some(task.restarts)),
        ("disk_used_bytes", disk.map(|disk| disk.used_bytes)),
        ("disk_limit_bytes", disk.and_then(|disk| disk.limit_bytes)),
    ];
    let seconds = seconds.map(|(name, value)| (name, value.map(Value::from)));
    let counts = counts.map(|(name, value)| (name, value.map(Value::from)));
    let all = seconds.into_iter().chain(counts);
    all.filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_report_is_of_now_and_of_the_container_that_was_asked_for() {
        let work_dir = tempfile::tempdir().unwrap();
        let sandbox = "slaves/s/frameworks/f/executors/e/runs/c";
        let directory = work_dir.path().join(sandbox).join(task_figures::DIRECTORY);
        fs::create_dir_all(&directory).unwrap();
        let mut report = task_figures::Report::at(1000.0);
        report.container_id = "another".to_owned();
        report.tasks.push(Task::default());
        fs::write(directory.join(task_figures::FILE), report.line()).unwrap();
        let run = Run {
            framework_id: "f".to_owned(),
            executor_id: "e".to_owned(),
            container_id: "c".to_owned(),
        };
        let found = reports(work_dir.path(), vec![run.clone()], 1010.0).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].run.container_id.as_str(), found[0].tasks.len()),
            ("c", 1)
        );
        let later = reports(work_dir.path(), vec![run], 2000.0).unwrap();
        assert!(later.is_empty());
    }

    #[test]
    fn what_is_not_counted_has_no_series() {
        let task = Task {
            usage: Usage {
                cpu_seconds: Some(1.5),
                memory_bytes: Some(4096),
                ..Usage::default()
            },
            ..Task::default()
        };
        let wanted = [
            ("cpu_seconds", Value::Float(1.5)),
            ("memory_bytes", Value::Integer(4096)),
            ("restarts", Value::Integer(0)),
        ];
        assert_eq!(values(&task), wanted);
    }
}
