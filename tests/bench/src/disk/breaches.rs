//! How long a task goes on that breaks its quota, and how far it gets, beside Mesos's own isolator `disk/du` in the same run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mesos_proto::v1::TaskState::TaskFailed;
use mesos_proto::v1::task_status::Reason;
use test_support::{Settings, TaskBuilder, task};

use crate::sides::{Scene, Side};

/// What a task may take, in megabytes.
const QUOTA: u64 = 50;

/// What all tasks of a row together write, in megabytes a second.
const SPEED: u64 = 200;

/// A task stops to write so far beyond its quota, in megabytes, and what is said of it then is "at least".
const ENOUGH: u64 = 4000;

const SOON: Duration = Duration::from_secs(200);

/// Who holds tasks to their quotas.
#[derive(Clone, Copy)]
enum Watcher {
    /// Our executor, walking.
    Walk,
    /// Our executor, following changes.
    Tracking,
    /// Mesos's isolator, with so many seconds from one look to the next.
    Du(u64),
}

/// With how many tasks at once. Those of `disk/du` wait for each other: with 15 seconds there are few, as it would take
/// minutes.
const ROWS: [(Watcher, usize); 8] = [
    (Watcher::Walk, 1),
    (Watcher::Walk, 20),
    (Watcher::Tracking, 1),
    (Watcher::Tracking, 20),
    (Watcher::Du(1), 1),
    (Watcher::Du(1), 20),
    (Watcher::Du(15), 1),
    (Watcher::Du(15), 4),
];

/// Of one task.
struct Breach {
    took: Duration,
    /// Bytes.
    beyond: u64,
}

pub(super) fn measure() {
    println!(
        "| quotas of {QUOTA} MB, tasks that write {SPEED} MB/s together | tasks | breach to TASK_FAILED at the \
         scheduler, ms: median, last | beyond the quota, MB: median, most |\n|---|---|---|---|"
    );
    for (watcher, tasks) in ROWS {
        let mut breaches = watcher.breaches(tasks);
        breaches.sort_by_key(|breach| breach.took);
        let took = |index: usize| breaches[index].took.as_millis();
        let (middle, last) = (breaches.len() / 2, breaches.len() - 1);
        let times = format!("{}, {}", took(middle), took(last));
        breaches.sort_by_key(|breach| breach.beyond);
        let beyond = |index: usize| breaches[index].beyond >> 20;
        let sizes = format!("{}, {}", beyond(middle), beyond(last));
        println!("| {} | {tasks} | {times} | {sizes} |", watcher.name());
    }
    println!();
}

impl Watcher {
    fn name(self) -> String {
        match self {
            Self::Walk => "mesos-sandbox-executor, a walk".to_owned(),
            Self::Tracking => "mesos-sandbox-executor, change tracking".to_owned(),
            Self::Du(seconds) => format!("Mesos's disk/du, every {seconds} s"),
        }
    }

    fn settings(self) -> Settings {
        match self {
            Self::Walk | Self::Tracking => Settings::posix(),
            Self::Du(seconds) => Settings::posix()
                .flag("enforce_container_disk_quota", "true")
                .flag("container_disk_watch_interval", &format!("{seconds}secs")),
        }
    }

    fn task(self, scene: &Scene, id: &str, command: &str) -> TaskBuilder {
        let tracking = match self {
            Self::Walk => "0",
            Self::Tracking => "1",
            Self::Du(_) => return task(id).command(command),
        };
        let executor = scene.executor(Side::Ours);
        let executor = executor.variable("MESOS_SANDBOX_EXECUTOR_DISK_TRACKING", tracking);
        task(id).executor(&executor).data(command.to_owned())
    }

    /// Where the task has written.
    fn directory(self, scene: &Scene, id: &str) -> PathBuf {
        let sandbox = |executor: &str| {
            let framework = scene.scheduler.framework_id();
            scene.mesos.sandbox(&framework, executor)
        };
        match self {
            Self::Walk | Self::Tracking => {
                sandbox(&format!("{:?}", Side::Ours)).join("tasks").join(id)
            }
            Self::Du(_) => sandbox(id),
        }
    }

    fn breaches(self, tasks: usize) -> Vec<Breach> {
        let scene = Scene::with(self.settings());
        let ids: Vec<String> = (0..tasks).map(|number| format!("fills-{number}")).collect();
        let command = writer(SPEED / tasks as u64);
        let tasks = ids.iter().map(|id| {
            let task = self.task(&scene, id, &command).cpus(0.01).mem(32.0);
            task.disk(QUOTA as f64)
        });
        scene
            .scheduler
            .launch(tasks.collect::<Vec<_>>())
            .unwrap_or_else(|error| panic!("{error:?}"));
        let breach = |id: &String| {
            scene
                .scheduler
                .wait_for(id, TaskFailed, SOON)
                .unwrap_or_else(|error| panic!("{error:?}"));
            let updates = scene.scheduler.updates_of(id);
            let failed = updates.iter().find(|update| update.state == TaskFailed);
            let failed = failed.unwrap_or_else(|| panic!("{id} did not fail"));
            assert_eq!(
                failed.reason,
                Some(Reason::ContainerLimitationDisk),
                "{}",
                failed.message
            );
            written(&self.directory(&scene, id), failed.at)
        };
        ids.iter().map(breach).collect()
    }
}

/// What a task that has failed at that time left in its directory.
fn written(directory: &Path, failed: SystemTime) -> Breach {
    let of = |name: &str| {
        let path = directory.join(name);
        fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let broken = of("broken").modified().unwrap_or(failed);
    Breach {
        took: failed.duration_since(broken).unwrap_or_default(),
        beyond: (of("big").blocks() * 512).saturating_sub(QUOTA << 20),
    }
}

/// A shell command that writes at this speed, in megabytes a second, and marks the moment right before it breaks its quota,
/// of which its directory and its logs are a little.
fn writer(speed: u64) -> String {
    format!(
        "exec python3 -c '
import time
big, written, told, due = open(\"big\", \"wb\", buffering=0), 0, None, time.time()
step = bytes({speed} * 10000)
while written < {ENOUGH} << 20:
    if not told and written + len(step) > ({QUOTA} << 20) - 65536:
        told = open(\"broken\", \"w\")
    written += big.write(step)
    due += 0.01
    time.sleep(max(0, due - time.time()))
time.sleep(1000)'"
    )
}
