//! A task that takes all it can get ends for that, and its neighbour has not noticed.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::Duration;

use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning, TaskStarting};
use mesos_proto::v1::task_status::Reason;
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{FileServer, FrameworkOptions, Settings, task};

const ESCAPEE: &str = env!("CARGO_BIN_EXE_escapee-under-mesos");

/// Where programs put what they do not mean to keep.
const PLACES: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// The neighbour of tasks that were ended runs on, and ends as it is told to.
fn assert_runs_on(scene: &Scene, task: &str) {
    assert_eq!(
        scene.scheduler.states_of(task),
        [TaskStarting, TaskRunning],
        "{}",
        scene.scheduler.timeline()
    );
    scene.scheduler.kill(task, None).unwrap();
    scene.scheduler.wait_for(task, TaskKilled, SOON).unwrap();
}

#[test]
fn whatever_is_written_to_places_for_temporary_files_counts_toward_the_quota() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        scene.run(scene.task("calm", &executor, "sleep 1000").disk(10.0));
        let fill = |place: &&str| {
            let command = format!("head -c 30000000 /dev/zero > {place}/big; sleep 1000");
            let id = place.replace('/', "-");
            scene.task(&id, &executor, &command).disk(10.0)
        };
        scene
            .scheduler
            .launch(PLACES.iter().map(fill).collect::<Vec<_>>())
            .unwrap();
        for place in PLACES {
            let id = place.replace('/', "-");
            let status = scene.scheduler.wait_for(&id, TaskFailed, SOON).unwrap();
            assert_eq!(status.reason(), Reason::ContainerLimitationDisk, "{place}");
        }
        assert_runs_on(&scene, "calm");
    }
}

#[test]
fn a_fork_bomb_is_killed_while_it_forks_and_nothing_of_it_is_left() {
    // Under the linux launcher a task's processes are limited where the container's are.
    let isolators = "filesystem/linux,cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid,disk/du";
    for settings in [Settings::posix(), Settings::linux().isolation(isolators)] {
        let scene = Scene::with(settings, FrameworkOptions::default());
        let files = FileServer::start();
        let url = files.offer(Path::new(ESCAPEE));
        let executor = scene.executor("e");
        scene.run(scene.task("calm", &executor, "sleep 1000"));
        let data = json!({
            "version": 1,
            "command": {
                "value": "exec ./escapee-under-mesos do fork bomb",
                "uris": [{ "value": url, "executable": true }],
            },
            "limits": { "pids": 200 },
        });
        let bomb = task("bomb")
            .executor(&executor)
            .data(data.to_string())
            .mem(512.0)
            .kill_grace(Duration::from_millis(200));
        scene.run(bomb);
        // It ignores every signal that can be ignored, and goes on.
        scene.scheduler.kill("bomb", None).unwrap();
        scene.scheduler.wait_for("bomb", TaskKilled, SOON).unwrap();
        assert_runs_on(&scene, "calm");
        // That no process of it is left is asserted when the scene is dropped.
    }
}
