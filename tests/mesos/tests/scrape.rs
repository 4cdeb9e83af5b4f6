//! What the collector asks a real agent.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use mesos_tests::{SOON, Scene};
use serde_json::{Value, json};
use test_support::{RealMesos, Settings, binaries};

/// The collector in its loop, which prints what it would send; ended when it is dropped.
struct DryRun {
    program: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl DryRun {
    fn start(agent: &str, options: &[&str]) -> Self {
        let mut program = Command::new(binaries::stats_collector())
            .args([
                "--dry-run",
                "--interval=1secs",
                "--host=h",
                "--agent",
                agent,
            ])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(program.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more when the test is over.
                let _ = sender.send(line);
            }
        });
        Self {
            program,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits for a line that begins so and has all of these in it.
    fn wait_for(&mut self, begin: &str, parts: &[&str]) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no {begin} {parts:?}: {:#?}", self.heard));
            self.heard.push(line.clone());
            if line.starts_with(begin) && parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }
}

impl Drop for DryRun {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A call of the agent's v1 API, as this user if one is given.
fn call(mesos: &RealMesos, user: Option<&str>, call: &Value) {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-f", "-H", "Content-Type: application/json", "-d"])
        .arg(call.to_string())
        .arg(format!("{}/slave(1)/api/v1", mesos.agent_url()));
    if let Some(user) = user {
        curl.args(["-u", user]);
    }
    let output = curl.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    // What is waited for may be over already.
    let is_over = call["type"].to_string().contains("WAIT_") && error.contains("404");
    assert!(output.status.success() || is_over, "{call}: {error}");
}

#[test]
fn containers_and_those_in_them_are_told_and_never_without_their_tags() {
    let scene = Scene::new();
    let options = [
        "--names-form=tags",
        "--names-tags=host,app,slot,framework,task_id,tier",
        "--names-labels=tier",
    ];
    let mut collector = DryRun::start(&scene.mesos.agent_url(), &options);
    collector.wait_for("mesos.collector.containers;", &[" 0 "]);
    collector.wait_for("mesos.agent.slave.tasks_running;", &[" 0 "]);

    let id = "shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002";
    let executor = scene.executor(id);
    let task = scene
        .task(id, &executor, "sleep 1000")
        .label("tier", "gold");
    scene.run(task.mem(16.0));
    let labelled = [
        ";app=shop_web;",
        ";slot=0;",
        ";tier=gold",
        &format!(";task_id={id}"),
    ];
    collector.wait_for("mesos.containers.mem_limit_bytes;", &labelled);
    collector.wait_for("mesos.containers.cpus_used;", &labelled);
    collector.wait_for("mesos.agent.slave.tasks_running;", &[" 1 "]);

    let state = scene.mesos.agent_state();
    let parent = &state["frameworks"][0]["executors"][0]["container"];
    let nested = json!({"value": "debug", "parent": {"value": parent}});
    let launch = json!({"type": "LAUNCH_CONTAINER", "launch_container":
        {"container_id": nested, "command": {"value": "sleep 600"},
         "resources": [{"name": "mem", "type": "SCALAR", "scalar": {"value": 8.0}},
                       {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}]}});
    call(&scene.mesos, None, &launch);
    collector.wait_for("mesos.nested.mem_limit_bytes;", &[";app=debug;"]);
    collector.wait_for("mesos.nested.mem_limit_bytes;", &[";app=debug;"]);

    let of_containers = collector
        .heard
        .iter()
        .filter(|line| line.starts_with("mesos.containers.") || line.starts_with("mesos.nested."));
    for line in of_containers {
        assert!(line.contains(";framework="), "{line}");
        assert!(line.contains(";tier=gold"), "{line}");
    }
    drop(collector);

    for what in ["kill_container", "wait_container"] {
        let end = json!({"type": what.to_uppercase(), what: {"container_id": nested}});
        call(&scene.mesos, None, &end);
    }
}

const SECRET: &str = "hush-hush";

fn credential(directory: &Path, secret: &str) -> String {
    let path = directory.join(format!("credential-of-{}", secret.len()));
    std::fs::write(&path, format!("reader {secret}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn once(agent: &str, options: &[&str]) -> Output {
    Command::new(binaries::stats_collector())
        .args([
            "--once",
            "--dry-run",
            "--host=h",
            "--log=debug",
            "--agent",
            agent,
        ])
        .args(options)
        .output()
        .unwrap()
}

#[test]
fn an_agent_that_wants_to_know_who_asks_is_told_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let known = json!({"credentials": [{"principal": "reader", "secret": SECRET}]});
    let credentials = directory.path().join("credentials.json");
    std::fs::write(&credentials, known.to_string()).unwrap();
    let credentials = credentials.display().to_string();
    let mut settings = Settings::posix();
    for flag in ["credentials", "http_credentials"] {
        settings = settings.flag(flag, &credentials);
    }
    for flag in ["authenticate_http_readonly", "authenticate_http_readwrite"] {
        settings = settings.flag(flag, "true");
    }
    let mesos = RealMesos::start(settings);
    let user = format!("reader:{SECRET}");
    let launch = json!({"type": "LAUNCH_CONTAINER", "launch_container":
        {"container_id": {"value": "alone"}, "command": {"value": "sleep 600"},
         "resources": [{"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}},
                       {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}]}});
    call(&mesos, Some(&user), &launch);

    let right = credential(directory.path(), SECRET);
    let wrong = credential(directory.path(), "not-it");
    for api in ["v1", "v0"] {
        let api = format!("--agent-api={api}");
        let known = format!("--agent-credential-file={right}");
        let output = once(&mesos.agent_url(), &[&api, &known]);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        // It has a container of no framework, which v0 does not list.
        if api.ends_with("v1") {
            assert!(output.status.success(), "{log}");
            assert!(
                shown.contains("mesos.h.standalone.alone.0.mem_limit_bytes 33554432 "),
                "{shown}"
            );
        } else {
            assert!(log.contains("lists no container"), "{log}");
        }
        assert!(
            shown.contains("mesos.h.agent.slave.uptime_secs "),
            "{shown}"
        );
        assert!(!shown.contains(".errors."), "{shown}");

        let stranger = format!("--agent-credential-file={wrong}");
        for options in [vec![api.as_str()], vec![&api, &stranger]] {
            let output = once(&mesos.agent_url(), &options);
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{log}");
            assert!(log.contains("401 Unauthorized"), "{log}");
            for secret in ["hush", "not-it", "cmVhZGVy"] {
                assert!(!log.contains(secret), "{log}");
            }
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                shown.contains(".collector.errors.unauthorized 2 "),
                "{shown}"
            );
            assert!(!shown.contains(".standalone."), "{shown}");
        }
    }
    for what in ["kill_container", "wait_container"] {
        let end = json!({"type": what.to_uppercase(), what: {"container_id": {"value": "alone"}}});
        call(&mesos, Some(&user), &end);
    }
}
