//! Limits beside cpu time, memory and processes, and what is counted, on the real kernel.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cgroup::{Cpuset, Device, Devices, Io, IoCeiling, Limit, Limits};
use kernel_tests::{Executor, UNLIMITED, cgroups_named, until};
use nix::libc;

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// A disk of this host that can be opened, whatever it has: its node and its numbers.
fn disk() -> (PathBuf, Device) {
    for entry in fs::read_dir("/sys/block").unwrap().flatten() {
        let node = Path::new("/dev").join(entry.file_name());
        if let Ok(found) = fs::metadata(&node)
            && found.file_type().is_block_device()
            && fs::File::open(&node).is_ok()
        {
            let device = Device {
                major: libc::major(found.rdev()),
                minor: libc::minor(found.rdev()),
            };
            return (node, device);
        }
    }
    panic!("a host without a disk");
}

#[test]
fn a_task_opens_the_devices_that_it_may_and_makes_none() {
    let executor = Executor::start(INIT);
    let (disk, _) = disk();
    let limits = Limits {
        devices: Devices::standard([]),
        ..UNLIMITED
    };
    let script = format!(
        "head -c 1 /dev/zero > /dev/null && echo zero; \
         (: < {disk}) 2> /dev/null || echo no disk; \
         mknod made c 1 3 2> /dev/null || echo not made; \
         until (: < {disk}) 2> /dev/null; do sleep 0.01; done; echo disk; sleep 1000",
        disk = disk.display()
    );
    let mut plan = Executor::plan(&script);
    plan.working_directory = executor.sandbox.path().to_owned();
    let task = executor.launch(plan, &limits);
    assert_eq!(task.cgroup.degraded(), [], "root may hold everything here");
    assert_eq!(task.lines(3), ["zero", "no disk", "not made"]);
    assert_eq!(task.cgroup.update(&UNLIMITED).unwrap(), []);
    assert_eq!(task.lines(4).last().unwrap(), "disk", "once it is lifted");
    drop(task);
    executor.finish();
}

#[test]
fn a_task_runs_on_its_cpus_until_it_may_run_on_all() {
    let executor = Executor::start(INIT);
    let limits = Limits {
        cpuset: Cpuset {
            cpus: Some("0".to_owned()),
            mems: None,
        },
        ..UNLIMITED
    };
    let script = "cpus() { sed -n 's/^Cpus_allowed_list:.//p' /proc/self/status; }; \
        cpus; while [ $(cpus) = 0 ]; do sleep 0.01; done; echo more; sleep 1000";
    let task = executor.launch(Executor::plan(script), &limits);
    assert_eq!(task.lines(1), ["0"]);
    task.cgroup.update(&UNLIMITED).unwrap();
    assert_eq!(task.lines(2)[1], "more");
    drop(task);
    executor.finish();
}

#[test]
fn cpus_that_are_not_there_are_refused_with_the_kernels_answer_and_leave_nothing() {
    let executor = Executor::start(INIT);
    let host = executor.host().clone();
    let container = format!("{}-refused", executor.container);
    let parent = cgroup::Parent::create(&host, &container).unwrap();
    let limits = Limits {
        cpuset: Cpuset {
            cpus: Some("4711".to_owned()),
            mems: None,
        },
        ..UNLIMITED
    };
    let error = cgroup::Cgroup::create(&parent, "t", &limits).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("write '4711' to "), "{text}");
    parent.remove().unwrap();
    executor.finish();
}

#[test]
fn a_ceiling_of_a_disk_is_the_kernels_until_it_is_lifted() {
    let executor = Executor::start(INIT);
    let (_, device) = disk();
    let ceiling = IoCeiling {
        device,
        read_bytes: Some(1 << 20),
        write_bytes: None,
        read_operations: None,
        write_operations: Some(100),
    };
    let limits = Limits {
        io: Io {
            weight: None,
            ceilings: vec![ceiling],
        },
        ..UNLIMITED
    };
    let task = executor.launch(Executor::plan("echo up; sleep 1000"), &limits);
    task.lines(1);
    let held = || -> String {
        let files = cgroups_named(&executor.container).into_iter();
        let files = files.flat_map(|path| {
            let task = path.join("task-0");
            ["blkio.throttle.read_bps_device", "io.max"].map(|file| task.join(file))
        });
        files
            .filter_map(|file| fs::read_to_string(file).ok())
            .collect()
    };
    let found = held();
    assert!(
        found.contains(&format!("{device} ")) && found.contains("1048576"),
        "{found}"
    );
    task.cgroup.update(&UNLIMITED).unwrap();
    assert_eq!(held().trim(), "");
    drop(task);
    executor.finish();
}

#[test]
fn what_a_task_has_used_is_counted() {
    let executor = Executor::start(INIT);
    let script = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo done; sleep 1000";
    let limits = Limits {
        memory: Some(64 << 20),
        pids: Some(20),
        ..UNLIMITED
    };
    let task = executor.launch(Executor::plan(script), &limits);
    task.lines(1);
    let figures = task.cgroup.figures().unwrap();
    assert!(figures.cpu.usage.unwrap() > Duration::ZERO, "{figures:?}");
    assert!(figures.memory.current.unwrap() > 0, "{figures:?}");
    let limit = Some(cgroup::Ceiling::Bytes(64 << 20));
    assert_eq!(figures.memory.limit, limit);
    assert_eq!(figures.pids.limit, Some(20));
    // The shell, and once it comes to that its sleep.
    assert!(figures.pids.current.unwrap() >= 1, "{figures:?}");
    assert_eq!(figures.pids.refused, Some(0));
    assert!(figures.io.is_some(), "{figures:?}");
    drop(task);
    executor.finish();
}

#[test]
fn who_was_refused_processes_is_known_by_it() {
    let executor = Executor::start(INIT);
    let limits = Limits {
        pids: Some(4),
        ..UNLIMITED
    };
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; sleep 1000";
    let task = executor.launch(Executor::plan(script), &limits);
    let refused = until("a refusal", || task.cgroup.refused_processes().unwrap());
    assert_eq!(refused.1, 4);
    drop(task);
    executor.finish();
}

#[test]
fn everything_can_be_asked_for_at_once_and_lifted_at_once() {
    let executor = Executor::start(INIT);
    let all = Limits {
        cpu_quota: Some(0.5),
        memory: Some(64 << 20),
        memory_soft: Some(32 << 20),
        swap: Some(16 << 20),
        oom_group: true,
        pids: Some(20),
        cpuset: Cpuset {
            cpus: Some("0".to_owned()),
            mems: Some("0".to_owned()),
        },
        devices: Devices::standard([]),
        ..UNLIMITED
    };
    let task = executor.launch(Executor::plan("echo up; sleep 1000"), &all);
    task.lines(1);
    // Whether swap is accounted for is the kernel's configuration.
    let mut degraded = task.cgroup.degraded().to_vec();
    degraded.retain(|degraded| degraded.limit != Limit::Swap);
    assert_eq!(degraded, []);
    for limits in [&UNLIMITED, &all, &UNLIMITED] {
        let mut degraded = task.cgroup.update(limits).unwrap();
        degraded.retain(|degraded| degraded.limit != Limit::Swap);
        assert_eq!(degraded, []);
    }
    drop(task);
    executor.finish();
}

#[test]
fn all_threads_that_a_task_makes_are_in_its_cgroups() {
    let executor = Executor::start(INIT);
    let task = executor.shell("sleep 1000 & echo up; wait");
    task.lines(1);
    let processes = until("both processes", || {
        let processes = task.cgroup.processes().unwrap();
        (processes.len() == 2).then_some(processes)
    });
    for file in task.cgroup.procs_files() {
        let procs = file.parent().unwrap().join("cgroup.procs");
        let listed = fs::read_to_string(&procs).unwrap();
        let listed: std::collections::BTreeSet<u32> =
            listed.lines().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(listed, processes, "{}", procs.display());
    }
    drop(task);
    executor.finish();
}

/// As an agent does it at once when it hears of the task's end.
#[test]
fn a_ceiling_of_cpu_time_above_can_be_lowered_as_soon_as_the_task_is_gone() {
    let executor = Executor::start(INIT);
    let all = |quota: &str| {
        let mut above = cgroups_named(&executor.container).into_iter();
        let file = above.find_map(|path| {
            let files = ["cpu.cfs_quota_us", "cpu.max"].map(|name| path.join(name));
            files.into_iter().find(|file| file.exists())
        });
        fs::write(file.expect("a controller of cpu time"), quota)
    };
    let limits = Limits {
        cpu_quota: Some(0.5),
        ..UNLIMITED
    };
    for _ in 0..20 {
        all("60000").unwrap();
        let mut task = executor.launch(Executor::plan("exit 0"), &limits);
        task.wait();
        task.cgroup.discard().unwrap();
        all("20000").unwrap();
    }
    executor.finish();
}
