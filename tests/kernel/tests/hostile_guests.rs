//! Programs beside a task that do not want to end, or not alone.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use kernel_tests::guests::{KILLED, SERVER, finish, in_every_kind, nobody};
use kernel_tests::{
    Executor, Task, UNLIMITED, cgroups_named, processes_marked, until, wait_readable,
};
use sandbox::{EnterError, EnterPlan, Exit};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Each leaves its parent, its session or its group, and ignores what can be ignored.
const SCATTERED: &str = "\
    (sh -c 'sleep 1001 & sleep 1002 &') & \
    setsid sh -c 'trap \"\" TERM HUP INT; setsid sleep 1003 & (setsid sleep 1004 &) & wait' & \
    nohup sleep 1005 & \
    trap '' TERM HUP INT QUIT; echo up > up; sleep 1006; sleep 1007";

#[test]
fn a_kill_reaches_all_of_its_processes_and_none_of_the_tasks() {
    let executor = Executor::start(INIT);
    in_every_kind(&executor, |task, cgroup| {
        let place = task.directory.path.join("up");
        let script = SCATTERED.replace("> up", &format!("> {}", place.display()));
        let guest = task.enter_with(Task::guest(&script, cgroup)).unwrap();
        until("all of them", || {
            (processes_marked(&executor.container).len() == 1 + 8 && place.exists()).then_some(())
        });
        guest.kill().unwrap();
        assert_eq!(finish(guest).exit, KILLED);
    });
    executor.finish();
}

#[test]
fn dropping_it_does_so_too() {
    let executor = Executor::start(INIT);
    in_every_kind(&executor, |task, cgroup| {
        let guest = Task::guest("setsid sleep 1001 & sleep 1002", cgroup);
        let guest = task.enter_with(guest).unwrap();
        until("all of them", || {
            (processes_marked(&executor.container).len() == 1 + 3).then_some(())
        });
        drop(guest);
    });
    executor.finish();
}

#[test]
fn what_it_leaves_in_the_background_ends_with_it_and_its_open_output_holds_nothing_up() {
    let executor = Executor::start(INIT);
    in_every_kind(&executor, |task, cgroup| {
        let script = "setsid sleep 1001 & (setsid sh -c 'trap \"\" TERM; sleep 1002' &); echo over";
        let guest = task.enter_with(Task::guest(script, cgroup)).unwrap();
        let finished = finish(guest);
        assert_eq!(finished.exit, Exit::Exited(0));
        assert_eq!(finished.output, "over\n");
    });
    executor.finish();
}

#[test]
fn of_a_flood_of_output_the_end_is_kept_and_the_watcher_stays_small() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let finished = task.run_beside("head -c 20000000 /dev/zero; echo the end");
    assert_eq!(finished.exit, Exit::Exited(0));
    assert_eq!(finished.output.len(), 16 * 1024);
    assert!(finished.output.ends_with("the end\n"));
    let written = 20_000_000 + "the end\n".len() as u64;
    assert_eq!(finished.dropped, written - 16 * 1024);
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn an_endless_flood_can_be_killed() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let guest = task
        .enter("head -c 100000 /dev/zero; yes & setsid yes >&2 & exec yes")
        .unwrap();
    until("the flood", || {
        (processes_marked(&executor.container).len() == 4).then_some(())
    });
    guest.kill().unwrap();
    let finished = finish(guest);
    assert_eq!(finished.exit, KILLED);
    assert_eq!(finished.output.len(), 16 * 1024);
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn one_that_kills_everybody_it_may_leaves_nothing() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell(SERVER);
    task.lines(1);
    // As root it may kill its watcher, and the task.
    let guest = task.enter("kill -KILL -1; sleep 1000").unwrap();
    assert_eq!(task.wait(), KILLED);
    wait_readable(&guest, "the end of the guest");
    assert!(matches!(guest.reap(), Err(EnterError::Untold)));
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn a_user_who_kills_everybody_does_not_reach_the_watcher() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("trap '' TERM; echo up; sleep 7007");
    task.lines(1);
    let guest = EnterPlan {
        identity: Some(nobody()),
        ..Task::guest(
            "(setsid sleep 1000 &); kill -KILL -1; exit 5",
            Some(&task.cgroup),
        )
    };
    assert_eq!(
        finish(task.enter_with(guest).unwrap()).exit,
        Exit::Exited(5)
    );
    assert_eq!(task.subgroups(), Vec::<PathBuf>::new());
    task.process.kill().unwrap();
    assert_eq!(task.wait(), KILLED);
    drop(task);
    executor.finish();
}

#[test]
fn its_memory_counts_as_the_tasks() {
    let executor = Executor::start(INIT);
    let limits = cgroup::Limits {
        memory: Some(32 << 20),
        ..UNLIMITED
    };
    let task = executor.launch(Executor::plan(SERVER), &limits);
    let finished = task.run_beside("tail /dev/zero; echo $?");
    assert_eq!(finished.exit, Exit::Exited(0));
    assert!(finished.output.contains("137"), "{}", finished.output);
    assert_eq!(task.cgroup.oom_kills().unwrap(), 1);
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn a_guest_of_an_executor_that_is_killed_goes_too() {
    let mut probe = kernel_tests::Probe::start(INIT, &["guest", SERVER, SCATTERED], |_| {});
    let container = probe.line();
    until("the guest", || {
        (processes_marked(&container).len() == 1 + 8).then_some(())
    });
    probe.kill();
    until("the end of both", || {
        processes_marked(&container).is_empty().then_some(())
    });
    cgroup::sweep(&cgroup::Host::detect("/".as_ref()).unwrap()).unwrap();
    until("the sweep", || {
        cgroups_named(&container).is_empty().then_some(())
    });
}
