//! Quotas of disk under a real Mesos: what counts toward them, who is ended for them, and what is said.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::MetadataExt;

use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished, TaskRunning, TaskStarting};
use mesos_proto::v1::TaskStatus;
use mesos_proto::v1::task_status::Reason;
use mesos_tests::volumes::{DISKS, persistent, shop};
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{Settings, resource, task};

/// The task is ended for its disk usage.
fn breaks_its_quota(scene: &Scene, id: &str) -> TaskStatus {
    let status = scene.scheduler.wait_for(id, TaskFailed, SOON).unwrap();
    assert_eq!(
        status.reason(),
        Reason::ContainerLimitationDisk,
        "{}",
        status.message()
    );
    status
}

fn first_line(status: &TaskStatus) -> &str {
    status.message().lines().next().unwrap_or_default()
}

#[test]
fn a_task_that_fills_its_quota_at_full_speed_is_ended_before_it_is_far_beyond_it() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        scene.run(scene.task("calm", &executor, "exec sleep 1000").disk(10.0));
        let fill = "dd if=/dev/zero of=big bs=1M count=4000; exec sleep 1000";
        let fast = scene.task("fast", &executor, fill).disk(100.0);
        scene.scheduler.launch([fast]).unwrap();
        let status = breaks_its_quota(&scene, "fast");
        let told = first_line(&status);
        assert!(
            told.starts_with("Disk usage (") && told.ends_with("B) exceeds quota (100MB)"),
            "{told}"
        );
        assert!(status.message().contains("\"big\""), "{}", status.message());
        let resources = status.limitation.unwrap().resources;
        assert_eq!(resources.len(), 1);
        assert_eq!(resources[0].scalar, resource("disk", 100.0).scalar);
        let big = scene.task_directory("e", "fast").join("big");
        let written = std::fs::metadata(big).unwrap().blocks() * 512;
        assert!(written < 1500 << 20, "{} MB were written", written >> 20);
        assert_eq!(
            scene.scheduler.states_of("calm"),
            [TaskStarting, TaskRunning]
        );
    }
}

#[test]
fn what_is_deleted_and_still_open_counts_and_is_told_of() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let hides = "exec 3> hidden; rm hidden; head -c 30000000 /dev/zero >&3; exec sleep 1000";
        let task = scene.task("hides", &executor, hides).disk(10.0);
        scene.scheduler.launch([task]).unwrap();
        let status = breaks_its_quota(&scene, "hides");
        assert!(
            status.message().contains("1 file deleted but still open"),
            "{}",
            status.message()
        );
    }
}

#[test]
fn a_persistent_volume_is_held_to_its_own_quota_and_is_no_part_of_the_sandbox() {
    for settings in [Settings::posix(), Settings::linux()] {
        let scene = Scene::with(settings.resources(DISKS), shop());
        scene.create_volume("v1", "data");
        let executor = scene.executor("e");
        // More than its sandbox may hold, then more than the volume may.
        let command =
            "head -c 40000000 /dev/zero > data/fits; until test -e on; do sleep 0.05; done;
                       head -c 40000000 /dev/zero > data/not; exec sleep 1000";
        let data = json!({ "version": 1, "command": { "value": command } });
        let task = task("t").executor(&executor).data(data.to_string());
        let task = task
            .disk(10.0)
            .with(|task| task.resources.push(persistent("v1", "data")));
        scene.run(task);
        let kept = scene.mesos.work_dir().join("volumes/roles/shop/v1/fits");
        let directory = scene.task_directory("e", "t");
        let full = || std::fs::metadata(&kept).is_ok_and(|found| found.len() == 40_000_000);
        while !full() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        std::fs::write(directory.join("on"), "").unwrap();
        let status = breaks_its_quota(&scene, "t");
        let told = first_line(&status);
        assert!(
            told.starts_with("Disk usage (")
                && told.ends_with("B) exceeded quota (64MB) for volume 'v1'"),
            "{told}"
        );
        let resources = status.limitation.unwrap().resources;
        assert_eq!(resources.len(), 1);
        let disk = resources[0].disk.as_ref().unwrap();
        assert_eq!(disk.persistence.as_ref().unwrap().id, "v1");
    }
}

/// Beyond its quota in ways that measuring is known to fail at.
#[test]
fn no_tree_is_too_deep_or_too_wide_to_be_measured() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let deep = "python3 - <<'END'
import os
for _ in range(4000):
    os.mkdir('d'); os.chdir('d'); open('f', 'wb').write(b'x')
END
exec sleep 1000";
    let wide = "python3 - <<'END'
for number in range(40000):
    open('w%d' % number, 'wb').write(b'x')
END
exec sleep 1000";
    scene.run(scene.task("calm", &executor, "exec sleep 1000").disk(10.0));
    let deep = scene.task("deep", &executor, deep).disk(20.0);
    let wide = scene.task("wide", &executor, wide).disk(60.0);
    scene.scheduler.launch([deep, wide]).unwrap();
    for id in ["deep", "wide"] {
        breaks_its_quota(&scene, id);
    }
    assert_eq!(
        scene.scheduler.states_of("calm"),
        [TaskStarting, TaskRunning]
    );
}

/// A file that is renamed while it is walked to is met twice.
#[test]
fn a_task_within_its_quota_is_not_ended_for_moving_its_files_about() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let churn = "python3 - <<'END'
import os, time
for place in range(20):
    os.mkdir('p%d' % place)
for number in range(60):
    open('p0/f%d' % number, 'wb').write(b'x' * 100000)
end = time.time() + 6
place = 0
while time.time() < end:
    for number in range(60):
        os.rename('p%d/f%d' % (place, number), 'p%d/f%d' % ((place + 7) % 20, number))
    place = (place + 7) % 20
END";
    let task = scene.task("moves", &executor, churn).disk(8.0);
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for_end("moves", SOON).unwrap();
    assert_eq!(status.state(), TaskFinished, "{}", status.message());
}
