//! What happens at a limit, and that it happens to nobody else.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;

use cgroup::{Ceiling, Cgroup, Controller, Limits};
use kernel_tests::{Executor, UNLIMITED, cgroups_named, until, wait_readable};
use sandbox::Exit;

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");
const MEBIBYTE: u64 = 1 << 20;

#[test]
fn at_the_memory_limit_the_task_dies_is_told_of_and_the_neighbour_lives() {
    let executor = Executor::start(INIT);
    assert!(executor.host().has(Controller::Memory));
    let mut neighbour = executor.shell("echo up; sleep 1000");
    let mut quiet = neighbour.cgroup.oom_events().unwrap();
    neighbour.lines(1);

    let limits = Limits {
        memory: Some(32 * MEBIBYTE),
        ..UNLIMITED
    };
    // It begins when told so, so that the event cannot come before it is watched for.
    let go = executor.sandbox.path().join("go");
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.01; done; exec tail /dev/zero",
        go.display()
    );
    let mut hog = executor.launch(Executor::plan(&script), &limits);
    let mut events = hog.cgroup.oom_events().unwrap();
    assert!(!events.drain().unwrap());
    fs::write(go, "").unwrap();

    // On v2 the descriptor tells of memory being reclaimed at the limit as well.
    let mut is_out_of_memory = false;
    while !is_out_of_memory {
        wait_readable(&events, "an out-of-memory event");
        is_out_of_memory = events.drain().unwrap();
    }
    assert_eq!(
        hog.wait(),
        Exit::Signaled {
            signal: 9,
            core_dumped: false
        }
    );
    assert!(hog.cgroup.oom_kills().unwrap() >= 1);
    let statistics = hog.cgroup.memory_statistics().unwrap();
    assert_eq!(statistics.limit, Ceiling::Bytes(32 * MEBIBYTE));
    assert!(
        statistics.max_usage > 31 * MEBIBYTE && statistics.max_usage <= 33 * MEBIBYTE,
        "{statistics:?}"
    );
    assert!(statistics.stat.lines().count() > 10 && statistics.stat.ends_with('\n'));

    assert!(!quiet.drain().unwrap());
    assert_eq!(neighbour.cgroup.oom_kills().unwrap(), 0);
    assert!(!neighbour.cgroup.processes().unwrap().is_empty());
    neighbour.process.kill().unwrap();
    neighbour.wait();
    drop((hog, neighbour));
    executor.finish();
}

#[test]
fn a_child_that_breaks_the_memory_limit_is_counted_though_the_task_itself_goes_on() {
    let executor = Executor::start(INIT);
    let limits = Limits {
        memory: Some(32 * MEBIBYTE),
        ..UNLIMITED
    };
    let mut task = executor.launch(Executor::plan("tail /dev/zero; exit 9"), &limits);
    assert_eq!(task.wait(), Exit::Exited(9));
    assert_eq!(task.cgroup.oom_kills().unwrap(), 1);
    drop(task);
    executor.finish();
}

#[test]
fn a_task_killed_for_the_limit_above_it_did_not_break_its_own() {
    let executor = Executor::start(INIT);
    let within = |mebibytes: u64| Limits {
        memory: Some(mebibytes * MEBIBYTE),
        ..UNLIMITED
    };
    let neighbour = executor.launch(Executor::plan("echo up; sleep 1000"), &within(512));
    neighbour.lines(1);
    limit_memory_of_all(&executor, 64 * MEBIBYTE);

    let hog = Executor::plan("exec tail /dev/zero");
    for (limit, is_its_own) in [(512, false), (32, true)] {
        let mut hog = executor.launch(hog.clone(), &within(limit));
        assert!(!hog.cgroup.broke_memory_limit().unwrap());
        let killed = Exit::Signaled {
            signal: 9,
            core_dumped: false,
        };
        assert_eq!(hog.wait(), killed);
        assert_eq!(hog.cgroup.oom_kills().unwrap(), 1);
        assert_eq!(hog.cgroup.broke_memory_limit().unwrap(), is_its_own);
        assert!(!neighbour.cgroup.broke_memory_limit().unwrap());
        assert_eq!(neighbour.cgroup.oom_kills().unwrap(), 0);
    }
    drop(neighbour);
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
fn removing_a_cgroup_is_no_out_of_memory_event() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("true");
    let mut events = task.cgroup.oom_events().unwrap();
    task.wait();
    task.cgroup.remove().unwrap();
    assert!(!events.drain().unwrap());
    drop(task);
    executor.finish();
}

#[test]
fn the_pids_limit_stops_a_fork_bomb() {
    let executor = Executor::start(INIT);
    assert!(executor.host().has(Controller::Pids));
    let limits = Limits {
        pids: Some(16),
        ..UNLIMITED
    };
    let bomb = "(for i in $(seq 200); do sleep 1000 & done; echo all) 2>&1; echo over; sleep 1000 || exit 0";
    let mut task = executor.launch(Executor::plan(bomb), &limits);
    let lines = until("the end of the bomb", || {
        let lines = task.lines(1);
        lines.contains(&"over".to_owned()).then_some(lines)
    });
    assert!(!lines.contains(&"all".to_owned()), "{lines:?}");
    let running = task.cgroup.processes().unwrap().len();
    assert!((10..=16).contains(&running), "{running} processes");
    task.process.kill().unwrap();
    task.wait();
    assert!(task.cgroup.processes().unwrap().is_empty());
    drop(task);
    executor.finish();
}

#[test]
fn limits_can_be_changed_and_lifted_while_the_task_runs() {
    let executor = Executor::start(INIT);
    let task = executor.shell("echo up; sleep 1000");
    task.lines(1);
    let limit = || task.cgroup.memory_statistics().unwrap().limit;
    assert_eq!(limit(), Ceiling::Max);
    let some = Limits {
        cpus: 0.5,
        cpu_quota: Some(0.5),
        memory: Some(64 * MEBIBYTE),
        pids: Some(5),
        ..UNLIMITED
    };
    task.cgroup.update(&some).unwrap();
    assert_eq!(limit(), Ceiling::Bytes(64 * MEBIBYTE));
    task.cgroup.update(&UNLIMITED).unwrap();
    assert_eq!(limit(), Ceiling::Max);
    drop(task);
    executor.finish();
}

#[test]
fn the_task_is_in_every_cgroup_and_its_init_in_none() {
    let executor = Executor::start(INIT);
    let task = executor.shell("echo up; exec sleep 1000");
    task.lines(1);
    let processes = task.cgroup.processes().unwrap();
    assert_eq!(processes.len(), 1, "{processes:?}");
    assert!(!processes.contains(&(task.process.pid() as u32)));
    for file in task.cgroup.procs_files() {
        assert_eq!(
            fs::read_to_string(&file).unwrap().lines().count(),
            1,
            "{}",
            file.display()
        );
    }
    drop(task);
    executor.finish();
}

#[test]
fn a_discarded_cgroup_takes_whatever_is_in_it_along() {
    let executor = Executor::start(INIT);
    let mut empty = executor.shell("exit 0");
    empty.wait();
    empty.cgroup.discard().unwrap();
    assert!(empty.cgroup.procs_files().iter().all(|file| !file.exists()));

    let mut full = executor.shell("echo up; setsid sleep 1000 & sleep 1000");
    full.lines(1);
    let subgroup = full.cgroup.subgroup().unwrap();
    full.cgroup.discard().unwrap();
    assert!(full.cgroup.procs_files().iter().all(|file| !file.exists()));
    subgroup.remove().unwrap();
    full.wait();
    drop((empty, full));
    executor.finish();
}

#[test]
fn cgroups_that_the_task_made_itself_go_with_it() {
    let executor = Executor::start(INIT);
    let script = "for d in $(cat dirs); do mkdir $d/own $d/own/deeper; echo $$ > $d/own/deeper/cgroup.procs; done; echo up; sleep 1000";
    let mut plan = Executor::plan(&format!(
        "while [ ! -s dirs ]; do sleep 0.01; done; {script}"
    ));
    plan.working_directory = executor.sandbox.path().to_owned();
    let mut task = executor.launch(plan, &UNLIMITED);
    // Only where no limit of a v2 parent forbids it: the pids hierarchy is enough to show it.
    let pids = task.cgroup.procs_files().pop().unwrap();
    fs::write(
        executor.sandbox.path().join("dirs"),
        pids.parent().unwrap().to_str().unwrap(),
    )
    .unwrap();
    task.lines(1);
    assert!(!task.cgroup.processes().unwrap().is_empty());
    task.cgroup.kill().unwrap();
    task.wait();
    task.cgroup.remove().unwrap();
    assert!(!pids.exists());
    drop(task);
    executor.finish();
}

#[test]
fn a_second_cgroup_of_the_same_task_is_refused_and_the_first_stays() {
    let executor = Executor::start(INIT);
    let host = executor.host().clone();
    let container = format!("{}-twice", executor.container);
    let parent = cgroup::Parent::create(&host, &container).unwrap();
    let first = Cgroup::create(&parent, "t", &UNLIMITED).unwrap();
    let error = Cgroup::create(&parent, "t", &UNLIMITED)
        .unwrap_err()
        .to_string();
    assert!(error.contains("File exists"), "{error}");
    for file in first.procs_files() {
        assert!(file.exists(), "{}", file.display());
    }
    first.remove().unwrap();
    parent.remove().unwrap();
    executor.finish();
}
