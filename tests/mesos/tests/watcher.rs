//! The disk watcher under a real Mesos: what breaks its limit is ended, with the reason where people look, and nobody
//! else is.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::{TaskFailed, TaskRunning, TaskStarting};
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::{TaskInfoFields, TaskState};
use mesos_tests::{SOON, Scene};
use serde_json::Value;
use test_support::{TaskBuilder, binaries, task};

/// A watcher of a Mesos, ended when it is dropped.
struct Watcher {
    child: Child,
    config: PathBuf,
    directory: tempfile::TempDir,
}

impl Watcher {
    /// Starts one that asks the agent often; `more` is more of its configuration.
    fn start(scene: &Scene, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("watcher.toml");
        fs::write(&config, settings(scene, directory.path(), more)).unwrap();
        let child = spawn(&config, directory.path());
        let watcher = Self {
            child,
            config,
            directory,
        };
        watcher.await_event("it started", |event| event["event"] == "started");
        watcher
    }

    /// Other settings, by SIGHUP.
    fn reload(&self, scene: &Scene, more: &str) {
        let before = self.events_of("reloaded").len();
        fs::write(&self.config, settings(scene, self.directory.path(), more)).unwrap();
        self.signal("-HUP");
        let deadline = Instant::now() + SOON;
        while self.events_of("reloaded").len() == before {
            assert!(
                Instant::now() < deadline,
                "it never read its settings again"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Killed with SIGKILL at this very moment, and started anew.
    fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.config, self.directory.path());
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.unwrap().success());
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join("events")).unwrap_or_default();
        // The last line may be written at this moment.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.collect()
    }

    fn events_of(&self, kind: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == kind);
        events
    }

    fn await_event(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(event) = self.events().into_iter().find(&is_it) {
                return event;
            }
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        format!("{log}\n{:#?}", self.events())
    }

    /// Told to end, which it does soon and leaving nothing behind.
    fn stop(mut self) {
        let deadline = Instant::now() + SOON;
        // Before it has begun, SIGTERM is nothing to it.
        let status = format!("/proc/{}/status", self.child.id());
        while !catches_sigterm(&fs::read_to_string(&status).unwrap()) {
            assert!(Instant::now() < deadline, "it never began\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.signal("-TERM");
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}\n{}", self.log());
        assert_eq!(self.events().last().unwrap()["event"], "stopped");
        assert!(!self.directory.path().join("figures.sock").exists());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The watcher:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process has a handler for SIGTERM, by its /proc/PID/status.
fn catches_sigterm(status: &str) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (15 - 1)) != 0)
}

fn settings(scene: &Scene, directory: &Path, more: &str) -> String {
    let work_dir = scene.mesos.work_dir();
    let agent = scene.mesos.agent_url();
    let tracking = match more.contains("engine.tracking") {
        true => "",
        // A mark makes every program that writes to the file system a little slower.
        false => "engine.tracking = false",
    };
    format!(
        "work_dir = '{}'\ninterval = '200ms'\nagent.address = '{agent}'\n\
         output.events = '{}'\noutput.socket = '{}'\n{tracking}\n{more}\n",
        work_dir.display(),
        directory.join("events").display(),
        directory.join("figures.sock").display(),
    )
}

fn spawn(config: &Path, directory: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    Command::new(binaries::disk_watcher())
        .args(["run", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A task of Mesos's command executor with 10 MB of disk.
fn command_task(id: &str, command: &str) -> TaskBuilder {
    task(id).disk(10.0).command(command)
}

const FILL: &str = "head -c 30000000 /dev/zero > big; exec sleep 1000";
const STAY: &str = "head -c 3000000 /dev/zero > small; exec sleep 1000";

fn is_of(event: &Value, kind: &str, executor: &str) -> bool {
    event["event"] == kind && event["executor_id"] == executor
}

fn runs(scene: &Scene, id: &str) -> bool {
    scene.scheduler.states_of(id) == [TaskStarting, TaskRunning]
}

fn end(scene: &Scene, ids: &[&str]) {
    for id in ids {
        scene.scheduler.kill(id, None).unwrap();
        scene.scheduler.wait_for_end(id, SOON).unwrap();
    }
}

#[test]
fn what_breaks_its_limit_is_ended_with_the_reason_in_its_sandbox_and_its_neighbour_is_not() {
    for scene in Scene::under_each_launcher() {
        let more = "mode.default = 'enforce'\nengine.tracking = true";
        let watcher = Watcher::start(&scene, more);
        scene.run(command_task("neighbour", STAY));
        scene.run(command_task("hog", FILL));
        let status = scene.scheduler.wait_for_end("hog", SOON).unwrap();
        assert_eq!(status.state(), TaskFailed);
        assert_eq!(status.source(), Source::Agent);
        assert_eq!(status.reason(), Reason::ExecutorTerminated);
        let framework = scene.scheduler.framework_id();
        let sandbox = scene.mesos.sandbox(&framework, "hog");
        let note = fs::read_to_string(sandbox.join("disk-watcher.txt")).unwrap();
        assert!(note.starts_with("Disk usage ("), "{note}");
        assert!(note.contains(") exceeds quota (10MB)\n"), "{note}");
        assert!(note.contains("big"), "the largest file: {note}");
        let breach = watcher.await_event("the breach", |event| is_of(event, "breach", "hog"));
        assert_eq!(breach["mode"], "enforce");
        assert_eq!(breach["limit_bytes"], 10 << 20);
        watcher.await_event("the end", |event| {
            is_of(event, "enforced", "hog") && event["how"] == "agent"
        });
        scene.await_no_process_in(&sandbox);
        assert!(runs(&scene, "neighbour"), "{}", scene.scheduler.timeline());
        watcher.stop();
        end(&scene, &["neighbour"]);
    }
}

#[test]
fn without_the_agents_api_the_containers_own_processes_are_killed_and_no_others() {
    for scene in Scene::under_each_launcher() {
        let more = "mode.default = 'enforce'\nenforce.methods = ['processes']";
        let watcher = Watcher::start(&scene, more);
        scene.run(command_task("neighbour", STAY));
        scene.run(command_task("hog", FILL));
        let status = scene.scheduler.wait_for_end("hog", SOON).unwrap();
        assert_eq!(status.state(), TaskFailed);
        let how = watcher.await_event("the end", |event| is_of(event, "enforced", "hog"));
        assert_eq!(how["how"], "processes");
        let framework = scene.scheduler.framework_id();
        scene.await_no_process_in(&scene.mesos.sandbox(&framework, "hog"));
        assert!(runs(&scene, "neighbour"), "{}", scene.scheduler.timeline());
        watcher.stop();
        end(&scene, &["neighbour"]);
    }
}

#[test]
fn our_executor_is_told_and_the_framework_sees_the_true_reason() {
    let scene = Scene::new();
    let more = "mode.default = 'enforce'\nlimit.default = '300MB'";
    let watcher = Watcher::start(&scene, more);
    let executor = scene.executor("e");
    scene.run(scene.task("neighbour", &executor, STAY));
    let fill = "head -c 400000000 /dev/zero > big; exec sleep 1000";
    scene.run(scene.task("hog", &executor, fill));
    let status = scene.scheduler.wait_for_end("hog", SOON).unwrap();
    assert_eq!(status.state(), TaskFailed, "{}", watcher.log());
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
    assert_eq!(status.source(), Source::Executor);
    let message = status.message();
    assert!(message.starts_with("Disk usage ("), "{message}");
    assert!(message.contains(") exceeds quota (300MB)"), "{message}");
    watcher.await_event("the end", |event| {
        is_of(event, "enforced", "e") && event["how"] == "executor"
    });
    // What the hog has left is there still, and nobody's fault.
    std::thread::sleep(Duration::from_secs(15));
    assert!(runs(&scene, "neighbour"), "{}", scene.scheduler.timeline());
    watcher.stop();
    end(&scene, &["neighbour"]);
}

#[test]
fn who_observes_or_warns_ends_nobody_and_a_reload_does() {
    let scene = Scene::new();
    let watcher = Watcher::start(&scene, "[[rule]]\nlabel = 'told=yes'\nmode = 'warn'");
    scene.run(command_task("observed", FILL));
    scene.run(command_task("warned", FILL).label("told", "yes"));
    watcher.await_event("the warning", |event| is_of(event, "breach", "warned"));
    std::thread::sleep(Duration::from_secs(2));
    for id in ["observed", "warned"] {
        assert!(runs(&scene, id), "{}", scene.scheduler.timeline());
        let framework = scene.scheduler.framework_id();
        let sandbox = scene.mesos.sandbox(&framework, id);
        assert!(!sandbox.join("disk-watcher.txt").exists(), "{id}");
    }
    assert!(
        !watcher
            .events()
            .iter()
            .any(|event| is_of(event, "breach", "observed"))
    );
    assert!(watcher.events_of("enforced").is_empty());

    watcher.reload(&scene, "mode.default = 'nonsense'\nlimit.grace = 1");
    let refused = &watcher.events_of("reloaded")[0]["message"];
    let refused = refused.as_str().unwrap();
    assert!(refused.contains("mode.default = \"nonsense\""), "{refused}");
    assert!(refused.contains("limit.grace = 1"), "{refused}");
    assert!(runs(&scene, "warned"));

    let rules = "[[rule]]\nlabel = 'told=yes'\nmode = 'enforce'";
    watcher.reload(&scene, rules);
    let status = scene.scheduler.wait_for_end("warned", SOON).unwrap();
    assert_eq!(status.state(), TaskFailed);
    assert!(runs(&scene, "observed"), "{}", scene.scheduler.timeline());
    watcher.stop();
    end(&scene, &["observed"]);
}

#[test]
fn a_grace_lasts_and_who_makes_room_meanwhile_is_spared() {
    let scene = Scene::new();
    let more = "mode.default = 'enforce'\nlimit.grace = '3secs'";
    let watcher = Watcher::start(&scene, more);
    let sorry = "head -c 30000000 /dev/zero > big; sleep 1; rm big; exec sleep 1000";
    scene.run(command_task("sorry", sorry));
    scene.run(command_task("hog", FILL));
    let status = scene.scheduler.wait_for_end("hog", SOON).unwrap();
    assert_eq!(status.state(), TaskFailed);
    assert!(runs(&scene, "sorry"), "{}", scene.scheduler.timeline());
    let time = |kind: &str| {
        let event = watcher.await_event(kind, |event| is_of(event, kind, "hog"));
        event["time"].as_f64().unwrap()
    };
    assert!(time("enforced") - time("breach") >= 3.0);
    watcher.stop();
    end(&scene, &["sorry"]);
}

#[test]
fn an_agent_that_is_restarted_leaves_no_gap() {
    let mut scene = Scene::new();
    let watcher = Watcher::start(&scene, "mode.default = 'enforce'");
    // Its disk fills up while there is no agent to ask.
    let late =
        "while [ ! -e go ]; do sleep 0.1; done; head -c 30000000 /dev/zero > big; exec sleep 1000";
    let executor = scene.executor("e");
    let task = scene.task("late", &executor, late);
    scene.run(task);
    scene.run(scene.task("neighbour", &executor, STAY));
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
    let directory = scene.task_directory("e", "late");
    scene.mesos.kill_9();
    fs::write(directory.join("go"), "").unwrap();
    // The executor has no disk to hold the task to; the container's limit comes with the reload.
    watcher.reload(&scene, "mode.default = 'enforce'\nlimit.default = '20MB'");
    std::thread::sleep(Duration::from_secs(1));
    scene.mesos.restart();
    let ends = |id: &str| -> Option<TaskState> {
        let last = scene.scheduler.states_of(id).pop()?;
        (last != TaskRunning && last != TaskStarting).then_some(last)
    };
    let deadline = Instant::now() + SOON;
    while ends("late").is_none() {
        assert!(
            Instant::now() < deadline,
            "{}\n{}",
            scene.scheduler.timeline(),
            watcher.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(sandbox);
    watcher.stop();
    if ends("neighbour").is_none() {
        end(&scene, &["neighbour"]);
    }
}

#[test]
fn a_watcher_that_is_killed_at_any_moment_enforces_after_its_next_start() {
    let scene = Scene::new();
    let mut watcher = Watcher::start(&scene, "mode.default = 'enforce'");
    scene.run(command_task("neighbour", STAY));
    for round in 0..6 {
        let id = format!("hog{round}");
        let launched: TaskInfoFields = command_task(&id, FILL).into();
        scene.scheduler.launch([launched]).unwrap();
        // Before, while and after it fills its disk.
        std::thread::sleep(Duration::from_millis(round * 120));
        watcher.kill_and_start();
        let status = scene.scheduler.wait_for_end(&id, SOON).unwrap();
        assert_eq!(status.state(), TaskFailed);
    }
    assert!(runs(&scene, "neighbour"), "{}", scene.scheduler.timeline());
    watcher.stop();
    end(&scene, &["neighbour"]);
}

#[test]
fn a_directory_that_is_replaced_or_a_socket_that_is_planted_costs_no_neighbour_anything() {
    let scene = Scene::new();
    scene.run(command_task("neighbour", STAY));
    let framework = scene.scheduler.framework_id();
    let neighbours = scene.mesos.sandbox(&framework, "neighbour");
    let watcher = Watcher::start(&scene, "mode.default = 'enforce'");
    // It fills its disk below another name of its sandbox, and puts its neighbour's in the place of its own.
    let swap = format!(
        "mkdir -p .mesos-sandbox-executor; \
         ln -s {0} link; here=$(pwd -P); \
         python3 -c 'import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind(\".mesos-sandbox-executor/commands.sock\")\ns.listen(8)\nwhile True:\n c, _ = s.accept()\n c.recv(9999)\n c.send(b\"{{\\\"accepted\\\":{{\\\"task_id\\\":\\\"neighbour\\\"}}}}\\n\")' & \
         while [ ! -e .mesos-sandbox-executor/commands.sock ]; do sleep 0.1; done; \
         head -c 30000000 /dev/zero > big; \
         mv \"$here\" \"$here.away\"; ln -s {0} \"$here\"; sleep 2; rm \"$here\"; mv \"$here.away\" \"$here\"; \
         exec sleep 1000",
        neighbours.display()
    );
    scene.run(command_task("hog", &swap));
    let status = scene.scheduler.wait_for_end("hog", SOON).unwrap();
    assert_eq!(status.state(), TaskFailed);
    assert!(runs(&scene, "neighbour"), "{}", scene.scheduler.timeline());
    assert!(!neighbours.join("disk-watcher.txt").exists());
    let told: Vec<Value> = watcher.events_of("enforced");
    assert!(
        told.iter().all(|event| event["executor_id"] == "hog"),
        "{told:#?}"
    );
    watcher.stop();
    end(&scene, &["neighbour"]);
}
