//! Tasks of mesos-sandbox-executor, from their executor's sandbox to carbon.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::carbons::Carbon;
use crate::fakes::Agent;
use crate::replies::body;

const REPLY: &str =
    r#"[{"container_id":"c","executor_id":"e","framework_id":"f","statistics":{"timestamp":1}}]"#;

fn publish(work_dir: &Path, tasks: &str) {
    let directory =
        work_dir.join("slaves/s/frameworks/f/executors/e/runs/c/.mesos-sandbox-executor");
    fs::create_dir_all(&directory).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let text = format!(r#"{{"version":1,"time":{now},"tasks":{tasks}}}"#);
    fs::write(directory.join("figures.json"), text).unwrap();
}

/// What carbon hears about tasks of one sample that the program ships.
fn shipped(work_dir: &Path) -> Vec<String> {
    let (agent, carbon) = (Agent::start([body(REPLY)]), Carbon::start());
    let status = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
        .args(["--once", "--agent-api=v0"])
        .arg(format!("--agent=http://{}", agent.place()))
        .arg(format!("--graphite=tcp://{}", carbon.place()))
        .args(["--host=h", "--machine=false", "--work-dir"])
        .arg(work_dir)
        .status()
        .unwrap();
    assert!(status.success());
    let lines = carbon.lines().into_iter();
    let about_tasks = lines.filter_map(|line| Some(line.split_once("h.tasks.")?.1.to_owned()));
    let without_time = about_tasks.map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
    without_time.collect()
}

#[test]
fn each_task_has_series_by_its_name_and_slot() {
    let work_dir = tempfile::tempdir().unwrap();
    publish(
        work_dir.path(),
        r#"[{"task_id":"web.1","restarts":1,"usage":{"memory_bytes":4096}},
            {"task_id":"web.2","usage":{"cpu_seconds":0.5},"disk":{"used_bytes":7,"age_seconds":1.0}}]"#,
    );
    assert_eq!(
        shipped(work_dir.path()),
        [
            "web.0.memory_bytes 4096",
            "web.0.restarts 1",
            "web.1.cpu_seconds 0.5",
            "web.1.restarts 0",
            "web.1.disk_used_bytes 7",
            "web.1.disk_age_seconds 1",
        ]
    );
}

#[test]
fn a_name_that_would_forge_a_line_or_another_series_does_not() {
    let work_dir = tempfile::tempdir().unwrap();
    publish(
        work_dir.path(),
        r#"[{"task_id":"a b 1 2\nmesos.h.forged 1 2\n../..","usage":{"memory_bytes":1}}]"#,
    );
    let lines = shipped(work_dir.path());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.split(' ').count() == 2),
        "{lines:?}"
    );
}

#[test]
fn a_sandbox_without_a_report_costs_nobody_else_anything() {
    let work_dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(work_dir.path().join("slaves/s")).unwrap();
    assert_eq!(shipped(work_dir.path()), [""; 0]);
}
