//! An executor that is killed with SIGKILL takes its tasks along, and the next program on that agent finds nothing left.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use mesos_proto::v1::TaskState::{TaskFinished, TaskRunning, TaskStarting};
use mesos_tests::{SOON, Scene};
use serde_json::{Value, json};
use test_support::{ExecutorBuilder, TaskBuilder, binaries, task};
use test_support::{FrameworkOptions, Settings};

const TASKS: usize = 12;

/// An image that has directories alone and gets the rest as volumes.
fn image(scene: &Scene) -> PathBuf {
    let image = scene.mesos.work_dir().join("image");
    for name in [
        "proc",
        "sys",
        "dev",
        "tmp",
        "var/tmp",
        "etc",
        "usr",
        "bin",
        "lib",
        "lib64",
        "mnt/mesos/sandbox",
    ] {
        fs::create_dir_all(image.join(name)).unwrap();
    }
    image
}

/// What the `n`th task asks of its sandbox: each kind of mounts that there is.
fn wishes(n: usize, image: &Path) -> Value {
    let volume =
        |from: &str, to: &str| json!({ "mode": "RO", "host_path": from, "container_path": to });
    match n % 3 {
        0 => json!({}),
        1 => json!({ "network": "own", "volumes": [volume("/etc", "data")] }),
        _ => json!({
            "network": "own",
            "root": { "directory": image },
            "volumes": [
                volume("/usr", "/usr"),
                volume("/usr/bin", "/bin"),
                volume("/usr/lib", "/lib"),
                volume("/usr/lib64", "/lib64"),
            ],
        }),
    }
}

/// Tasks that have all that can be left behind: mounts, networks, hooks that run, pipes of logs, processes that left.
fn demanding(n: usize, executor: &ExecutorBuilder, image: &Path) -> TaskBuilder {
    let data = json!({
        "version": 1,
        "command": { "value": "setsid sleep 987 & while :; do echo line; sleep 0.01; done" },
        "sandbox": wishes(n, image),
        "hooks": {
            "before_start": { "command": "sleep 0.05" },
            "after_start": { "command": "sleep 0.05" },
        },
        "logs": { "rotate": true, "timestamps": true },
    });
    task(&format!("t{n}"))
        .executor(executor)
        .data(data.to_string())
        .cpus(0.05)
}

/// Waits for the end of all, and looks that nothing is left before and after the next executor has come and gone.
fn assert_nothing_is_left(scene: &Scene) {
    for n in 0..TASKS {
        scene
            .scheduler
            .wait_for_end(&format!("t{n}"), SOON)
            .unwrap();
    }
    scene.mesos.leftovers().assert_none();
    let next = scene.executor("next");
    scene
        .scheduler
        .launch([scene.task("next", &next, "exit 0")])
        .unwrap();
    scene
        .scheduler
        .wait_for("next", TaskFinished, SOON)
        .unwrap();
    scene.mesos.leftovers().assert_none();
}

#[test]
fn an_executor_killed_in_the_middle_of_launches_leaves_nothing_to_the_next() {
    // From the first launch on, in which it is at each of them at another place.
    for (round, scene) in Scene::under_each_launcher()
        .chain(Scene::under_each_launcher())
        .enumerate()
    {
        let image = image(&scene);
        let executor = scene.executor("e");
        let tasks = (0..TASKS).map(|n| demanding(n, &executor, &image));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        scene.scheduler.wait_for("t0", TaskStarting, SOON).unwrap();
        sleep(Duration::from_millis(20 * round as u64));
        scene.kill_executors();
        assert_nothing_is_left(&scene);
    }
}

#[test]
fn an_executor_killed_while_its_tasks_run_leaves_nothing_to_the_next() {
    for scene in Scene::under_each_launcher() {
        let image = image(&scene);
        let executor = scene.executor("e");
        let tasks = (0..TASKS).map(|n| demanding(n, &executor, &image));
        scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
        for n in 0..TASKS {
            scene
                .scheduler
                .wait_for(&format!("t{n}"), TaskRunning, SOON)
                .unwrap();
        }
        scene.kill_executors();
        assert_nothing_is_left(&scene);
    }
}

#[test]
fn command_executors_killed_while_their_tasks_run_leave_nothing() {
    for settings in [Settings::posix(), Settings::linux()] {
        let settings = settings.command_executor(&binaries::sandbox_executor());
        let scene = Scene::with(settings, FrameworkOptions::default());
        for n in 0..3 {
            scene.run(task(&format!("t{n}")).command("setsid sleep 987 & sleep 1000"));
        }
        scene.kill_command_executors();
        for n in 0..3 {
            scene
                .scheduler
                .wait_for_end(&format!("t{n}"), SOON)
                .unwrap();
        }
        scene.mesos.leftovers().assert_none();
    }
}
