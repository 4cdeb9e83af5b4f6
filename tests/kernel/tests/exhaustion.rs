//! A task that takes all it can get takes what is its own, and is gone when it is told to go.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use cgroup::Limits;
use kernel_tests::{Executor, Task, UNLIMITED, processes_marked, until};
use sandbox::{Command, Exit, Filesystem, Plan, Propagation, Shm, Source, Volume};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");
const ESCAPEE: &str = env!("CARGO_BIN_EXE_escapee");

const MEGABYTE: u64 = 1 << 20;

/// A plan for a deed of the program that tries to get out.
fn plan(deed: &str, argument: &str) -> Plan {
    let mut plan = Executor::private_plan("");
    let program = "./escapee";
    plan.command = Command::Exec {
        file: program.to_owned(),
        argv: [program, "do", deed, argument].map(str::to_owned).to_vec(),
    };
    let Filesystem::Private(files) = &mut plan.filesystem else {
        panic!("a private plan");
    };
    files.volumes.push(Volume {
        source: Source::Host(PathBuf::from(ESCAPEE)),
        target: PathBuf::from("escapee"),
        read_only: true,
        propagation: Propagation::Private,
    });
    plan
}

/// What all files below a directory take, in bytes.
fn usage(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => usage(&entry.path()),
        Ok(found) => std::os::unix::fs::MetadataExt::blocks(&found) * 512,
        // It is gone.
        Err(_) => 0,
    });
    sizes.sum()
}

fn killed() -> Exit {
    Exit::Signaled {
        signal: 9,
        core_dumped: false,
    }
}

/// Kills it and looks that nothing of it is there.
fn assert_ends(executor: &Executor, mut task: Task) {
    task.process.kill().unwrap();
    assert_eq!(task.wait(), killed());
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
}

#[test]
fn what_is_written_to_places_for_temporary_files_lies_in_the_tasks_own_directory() {
    let executor = Executor::start(INIT);
    for place in ["/tmp", "/var/tmp", "/dev/shm"] {
        let filler = Path::new(place).join("filler");
        let before = filler.exists();
        let task = executor.launch(plan("fill", place), &UNLIMITED);
        until(place, || {
            (usage(&task.directory.path) > 4 * MEGABYTE).then_some(())
        });
        assert_eq!(filler.exists(), before, "{place} of the host's");
        assert_ends(&executor, task);
    }
    executor.finish();
}

#[test]
fn shared_memory_that_is_memory_counts_as_the_tasks() {
    let executor = Executor::start(INIT);
    let mut plan = plan("fill", "/dev/shm");
    let Filesystem::Private(files) = &mut plan.filesystem else {
        panic!("a private plan");
    };
    files.shm = Shm::Memory {
        bytes: 256 * MEGABYTE,
    };
    let limits = Limits {
        memory: Some(32 * MEGABYTE),
        ..UNLIMITED
    };
    let mut task = executor.launch(plan, &limits);
    assert_eq!(task.wait(), killed());
    assert!(task.cgroup.broke_memory_limit().unwrap());
    drop(task);
    executor.finish();
}

#[test]
fn a_task_without_end_of_memory_ends_and_its_neighbour_does_not() {
    let executor = Executor::start(INIT);
    let limits = Limits {
        memory: Some(32 * MEGABYTE),
        ..UNLIMITED
    };
    let neighbour = executor.launch(Executor::private_plan("echo up; exec sleep 1000"), &limits);
    neighbour.lines(1);
    let mut task = executor.launch(plan("take-memory", ""), &limits);
    assert_eq!(task.wait(), killed());
    assert!(task.cgroup.broke_memory_limit().unwrap());
    assert!(!neighbour.cgroup.broke_memory_limit().unwrap());
    assert_eq!(neighbour.cgroup.processes().unwrap().len(), 1, "it lives");
    drop((task, neighbour));
    executor.finish();
}

#[test]
fn a_fork_bomb_fills_its_own_limit_and_dies_while_it_forks() {
    let executor = Executor::start(INIT);
    let limits = Limits {
        pids: Some(100),
        ..UNLIMITED
    };
    let is_full = |task: &Task| (task.cgroup.processes().unwrap().len() >= 90).then_some(());
    for by_cgroup in [false, true] {
        let task = executor.launch(plan("fork", ""), &limits);
        until("all that it may start", || is_full(&task));
        assert!(task.cgroup.processes().unwrap().len() <= 100);
        if by_cgroup {
            task.cgroup.kill().unwrap();
        }
        assert_ends(&executor, task);
    }
    executor.finish();
}

#[test]
fn what_leaves_its_session_its_user_and_its_parent_and_ignores_all_signals_goes_with_the_task() {
    let executor = Executor::start(INIT);
    // Once its first process is gone by itself, and once when it is killed.
    for deed in ["leave", "leave-and-wait"] {
        let task_plan = plan(deed, "/tmp/log");
        let mut task = executor.launch(task_plan, &UNLIMITED);
        let log = task.directory.path.join(".private/tmp/log");
        if deed == "leave" {
            assert_eq!(task.wait(), Exit::Exited(0));
        } else {
            until("both that were left", || {
                let text = fs::read_to_string(&log).unwrap_or_default();
                (text == "here\nhere\n").then_some(())
            });
            assert_eq!(task.cgroup.processes().unwrap().len(), 3);
            task.process.kill().unwrap();
            assert_eq!(task.wait(), killed());
        }
        assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
        drop(task);
    }
    executor.finish();
}
