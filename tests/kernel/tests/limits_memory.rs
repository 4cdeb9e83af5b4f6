//! Running out of memory, on the real kernel: who is said to have, at whose limit, and the word before.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::fd::AsFd;

use cgroup::Limits;
use kernel_tests::{DEADLINE, Executor, UNLIMITED, cgroups_named, until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

const MEBIBYTE: u64 = 1 << 20;

fn within(mebibytes: u64) -> Limits {
    Limits {
        memory: Some(mebibytes * MEBIBYTE),
        ..UNLIMITED
    }
}

#[test]
fn the_process_that_was_killed_is_known_by_name_and_size() {
    let executor = Executor::start(INIT);
    let script = "sleep 1000 & tail /dev/zero; exit 9";
    let mut task = executor.launch(Executor::plan(script), &within(32));
    task.wait();
    assert!(task.cgroup.broke_memory_limit().unwrap());
    let killed = until("its size", || {
        task.cgroup
            .killed_for_memory()
            .filter(|one| one.bytes.is_some())
    });
    assert_eq!(killed.name, "tail");
    let bytes = killed.bytes.unwrap();
    assert!((16 * MEBIBYTE..48 * MEBIBYTE).contains(&bytes), "{bytes}");
    drop(task);
    executor.finish();
}

#[test]
fn the_largest_of_a_task_that_runs_is_known_by_name_and_size() {
    let executor = Executor::start(INIT);
    let script = "(head -c 20M /dev/zero; sleep 1000) | tail -c 30M & sleep 1000";
    let task = executor.launch(Executor::plan(script), &within(64));
    let largest = until("20 MB in use", || {
        let largest = task.cgroup.largest_process().unwrap();
        largest.filter(|one| one.bytes > Some(18 * MEBIBYTE))
    });
    assert_eq!(largest.name, "tail");
    drop(task);
    executor.finish();
}

/// v1's counters alone cannot tell this from a death at the task's own limit.
#[test]
fn a_task_that_was_at_its_limit_before_is_not_blamed_for_that_of_the_one_above() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().to_owned();
    let script = "head -c 128M /dev/zero > filled; rm filled; echo filled; \
        until [ -e go ]; do sleep 0.01; done; exec tail /dev/zero";
    let mut plan = Executor::plan(script);
    plan.working_directory = directory.clone();
    let mut task = executor.launch(plan, &within(64));
    task.lines(1);
    let figures = task.cgroup.figures().unwrap();
    let most = figures.memory.peak.or(figures.memory.current);
    assert!(most > Some(60 * MEBIBYTE), "{figures:?}");
    limit_memory_of_all(&executor, 40 * MEBIBYTE);
    fs::write(directory.join("go"), "").unwrap();
    task.wait();
    assert_eq!(task.cgroup.oom_kills().unwrap(), 1);
    assert!(!task.cgroup.broke_memory_limit().unwrap());
    assert_eq!(
        task.cgroup.killed_for_memory(),
        None,
        "not at its own limit"
    );
    drop(task);
    executor.finish();
}

/// Limits the cgroup that those of the executor's tasks are in.
fn limit_memory_of_all(executor: &Executor, bytes: u64) {
    let files: Vec<_> = cgroups_named(&executor.container)
        .iter()
        .flat_map(|path| ["memory.limit_in_bytes", "memory.max"].map(|name| path.join(name)))
        .filter(|file| file.exists())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::write(&files[0], bytes.to_string()).unwrap();
}

#[test]
fn a_shortage_of_memory_is_told_while_the_task_lives() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().to_owned();
    // Most of it is in use and cannot be dropped, and files are read again and again with the rest.
    let script = "until [ -e go ]; do sleep 0.01; done; \
        (head -c 59M /dev/zero; sleep 1000) | tail -c 80M & \
        head -c 24M /dev/urandom > file; while :; do cat file > /dev/null; done";
    let mut plan = Executor::plan(script);
    plan.working_directory = directory.clone();
    let task = executor.launch(plan, &within(64));
    let mut pressure = task.cgroup.memory_pressure().unwrap();
    fs::write(directory.join("go"), "").unwrap();
    let flag = match pressure.is_priority() {
        true => PollFlags::POLLPRI,
        false => PollFlags::POLLIN,
    };
    loop {
        let mut polled = [PollFd::new(pressure.as_fd(), flag)];
        let timeout = PollTimeout::try_from(DEADLINE).unwrap();
        assert_eq!(poll(&mut polled, timeout), Ok(1), "no word of it");
        if pressure.drain().unwrap() {
            break;
        }
    }
    assert_eq!(task.cgroup.oom_kills().unwrap(), 0);
    drop(task);
    executor.finish();
}
