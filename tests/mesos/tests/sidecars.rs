//! The watcher and the collector beside a real agent.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::TaskRunning;
use mesos_tests::{SOON, Scene};
use test_support::{Graphite, binaries};

#[test]
fn the_watcher_shows_each_sandbox_with_dus_usage_and_the_agents_limit() {
    let scene = Scene::new();
    let executor = scene.executor("e").disk(20.0);
    let writer =
        "head -c 3000000 /dev/zero > file; mkdir sub; ln file sub/again; touch ready; sleep 1000";
    scene.run(scene.task("t", &executor, writer).disk(10.0));
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    scene.await_file("e", "tasks/t/ready");

    for with_agent in [false, true] {
        let mut watcher = Command::new(binaries::disk_watcher());
        watcher
            .arg("--once")
            .arg(scene.mesos.work_dir())
            .arg("--json");
        if with_agent {
            watcher.args(["--agent", &scene.mesos.agent_url()]);
        }
        let output = watcher.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // Paths are told relative to the work directory.
        let row = |path: &std::path::Path| {
            let path = path.strip_prefix(scene.mesos.work_dir()).unwrap();
            let rows = rows.as_array().unwrap().iter();
            let found = rows
                .clone()
                .find(|row| row["path"] == path.to_str().unwrap());
            found
                .unwrap_or_else(|| panic!("no row of {}: {rows:?}", path.display()))
                .clone()
        };
        let container = row(&sandbox);
        assert_eq!(container["limit_bytes"], (20 + 10) << 20, "{container}");
        assert_eq!(container["used_bytes"], du(&sandbox), "{container}");
        assert_eq!(container["executor_id"], "e", "{container}");
        let task = row(&sandbox.join("tasks/t"));
        assert_eq!(task["limit_bytes"], 10 << 20, "{task}");
        assert_eq!(task["used_bytes"], du(&sandbox.join("tasks/t")), "{task}");
    }
}

fn du(path: &std::path::Path) -> u64 {
    let output = Command::new("du")
        .args(["-s", "-B1"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn one_shipped_sample_is_in_graphite_as_the_agent_said_it() {
    let scene = Scene::new();
    let graphite = Graphite::start();
    let executor = scene
        .executor("shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002")
        .mem(48.0);
    scene
        .scheduler
        .launch([scene
            .task("t", &executor, "sleep 1000")
            .mem(16.0)
            .disk(10.0)])
        .unwrap();
    scene.scheduler.wait_for("t", TaskRunning, SOON).unwrap();
    // The collector ships what the executor has published before.
    scene.await_file(
        "shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002",
        ".mesos-sandbox-executor/figures.json",
    );
    let output = Command::new(binaries::stats_collector())
        .args(["--once", "--host", "agent-1", "--work-dir"])
        .arg(scene.mesos.work_dir())
        .args(["--agent", &scene.mesos.agent_url()])
        .args(["--graphite", &format!("tcp://{}", graphite.carbon())])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The numbers that do not change from one moment to the next: executor and task together.
    for (field, expected) in [
        ("mem_limit_bytes", f64::from((48 + 16) << 20)),
        ("disk_limit_bytes", f64::from(10 << 20)),
        ("cpus_soft_limit", 0.2),
    ] {
        let series = format!("mesos.agent-1.containers.shop_web.0.{field}");
        assert_eq!(last_point(&graphite, &series), expected, "{series}");
    }
    let limit = last_point(&graphite, "mesos.agent-1.tasks.t.0.memory_limit_bytes");
    assert_eq!(limit, f64::from(16 << 20));
    let containers = last_point(&graphite, "mesos.agent-1.collector.containers");
    assert_eq!(containers, 1.0);
}

/// Carbon writes a series some moments after it has read its first point.
fn last_point(graphite: &Graphite, series: &str) -> f64 {
    let deadline = Instant::now() + SOON;
    loop {
        if let Ok(points) = graphite.points(series, "-10min")
            && let Some(point) = points.last()
        {
            return *point;
        }
        assert!(Instant::now() < deadline, "{series} never came to Graphite");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ended when it is dropped.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_the_watchers_daemon_knows_is_in_graphite_by_itself_and_by_the_collector() {
    let scene = Scene::new();
    let graphite = Graphite::start();
    let executor = scene
        .executor("shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002")
        .disk(20.0);
    let writer = "head -c 3000000 /dev/zero >file; touch ready; sleep 1000";
    scene.run(scene.task("t", &executor, writer).disk(10.0));
    scene.await_file(
        "shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002",
        "tasks/t/ready",
    );
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("figures.sock");
    let carbon = format!("tcp://{}", graphite.carbon());
    let mut daemon = Command::new(binaries::disk_watcher());
    daemon
        .args(["run", "--output-host", "own", "--output-graphite", &carbon])
        .args(["--agent-address", &scene.mesos.agent_url()])
        .arg("--work-dir")
        .arg(scene.mesos.work_dir())
        .arg("--output-socket")
        .arg(&socket);
    let _daemon = Daemon(daemon.spawn().unwrap());
    let sandbox = scene.mesos.sandbox(
        &scene.scheduler.framework_id(),
        "shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002",
    );
    let used = du(&sandbox.join("tasks/t")) as f64;

    // By itself, each 10 seconds.
    let own = "mesos.own.disk";
    assert_eq!(
        last_point(&graphite, &format!("{own}.tasks.t.0.used_bytes")),
        used
    );
    assert_eq!(
        last_point(&graphite, &format!("{own}.tasks.t.0.limit_bytes")),
        f64::from(10 << 20)
    );
    let limit = last_point(
        &graphite,
        &format!("{own}.containers.shop_web.0.limit_bytes"),
    );
    assert_eq!(limit, f64::from((20 + 10) << 20));
    assert!(last_point(&graphite, &format!("{own}.watcher.looks")) >= 2.0);

    let output = Command::new(binaries::stats_collector())
        .args(["--once", "--host", "agent-1", "--disk-watcher"])
        .arg(&socket)
        .args(["--agent", &scene.mesos.agent_url()])
        .args(["--graphite", &carbon])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let collected = "mesos.agent-1.disk";
    assert_eq!(
        last_point(&graphite, &format!("{collected}.tasks.t.0.used_bytes")),
        used
    );
    let share = last_point(&graphite, &format!("{collected}.tasks.t.0.limit_share"));
    assert!(share > 0.28 && share < 0.31, "{share}");
}
