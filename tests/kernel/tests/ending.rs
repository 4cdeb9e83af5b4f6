//! How tasks end, by themselves and by others, and that nothing of them stays.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use kernel_tests::{DEADLINE, Executor, processes_marked, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Exit, Namespaces, TaskSignal};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn killed() -> Exit {
    Exit::Signaled {
        signal: 9,
        core_dumped: false,
    }
}

/// Two shells and five sleepers, which left their parent, their session or their user.
const SCATTERED: &str = "\
    (sh -c 'sleep 1001 & sleep 1002 &') & \
    setsid sh -c 'trap \"\" TERM; setsid sleep 1003 & wait' & \
    setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1004 & \
    nohup sleep 1005 & \
    echo up; wait; sleep 1006";

#[test]
fn the_exit_status_is_the_tasks_own() {
    let executor = Executor::start(INIT);
    for status in [0, 1, 3, 126, 255] {
        let mut task = executor.shell(&format!("exit {status}"));
        assert_eq!(task.wait(), Exit::Exited(status));
    }
    executor.finish();
}

#[test]
fn a_signal_the_task_sends_itself_is_reported_as_such() {
    let executor = Executor::start(INIT);
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("USR1", 10)] {
        let mut task = executor.shell(&format!("ulimit -c 0; kill -{name} $$"));
        assert_eq!(
            task.wait(),
            Exit::Signaled {
                signal: number,
                core_dumped: false
            }
        );
    }
    executor.finish();
}

#[test]
fn what_the_task_leaves_in_the_background_ends_with_it() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("setsid sleep 1000 & echo; exit 5");
    assert_eq!(task.wait(), Exit::Exited(5));
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn a_kill_reaches_children_that_left_parent_session_and_user() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell(SCATTERED);
    task.lines(1);
    until("all of them", || {
        (processes_marked(&executor.container).len() == 7).then_some(())
    });
    task.process.kill().unwrap();
    assert_eq!(task.wait(), killed());
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn without_a_pid_namespace_a_kill_reaches_them_too() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan(SCATTERED);
    plan.namespaces = Namespaces::NONE;
    let mut task = executor.launch(plan, &kernel_tests::UNLIMITED);
    task.lines(1);
    until("all of them", || {
        (processes_marked(&executor.container).len() == 7).then_some(())
    });
    task.process.kill().unwrap();
    assert_eq!(task.wait(), killed());
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn the_cgroup_alone_kills_them_too() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan(SCATTERED);
    plan.namespaces = Namespaces::NONE;
    let mut task = executor.launch(plan, &kernel_tests::UNLIMITED);
    task.lines(1);
    until("all of them", || {
        (processes_marked(&executor.container).len() == 7).then_some(())
    });
    task.cgroup.kill().unwrap();
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    assert_eq!(task.wait(), killed());
    drop(task);
    executor.finish();
}

#[test]
fn a_signal_goes_to_every_process_of_the_task() {
    let executor = Executor::start(INIT);
    let trap = "trap \"echo got it; exit 4\" TERM; echo up; while :; do sleep 0.01; done";
    let mut task = executor.shell(&format!(
        "setsid sh -c '{trap}' & {}",
        trap.replace('"', "'").replace("exit", "wait; exit")
    ));
    task.lines(2);
    task.process.signal(TaskSignal::Terminate).unwrap();
    assert_eq!(task.wait(), Exit::Exited(4));
    assert_eq!(task.stdout().matches("got it").count(), 2);
    drop(task);
    executor.finish();
}

#[test]
fn another_signal_goes_to_the_group_of_the_first_process_alone() {
    let signals = [
        (TaskSignal::Hangup, "HUP"),
        (TaskSignal::Interrupt, "INT"),
        (TaskSignal::Quit, "QUIT"),
        (TaskSignal::User1, "USR1"),
        (TaskSignal::User2, "USR2"),
    ];
    let executor = Executor::start(INIT);
    for namespaces in [Namespaces::ALL, Namespaces::NONE] {
        for (signal, name) in signals {
            let script = format!(
                "setsid sh -c 'echo up; exec sleep 7007' & away=$!; \
                 trap 'read p c state rest < /proc/$away/stat; [ $state != Z ]; exit $((4 + $?))' {name}; \
                 echo up; while :; do sleep 0.01; done"
            );
            let mut plan = Executor::plan(&script);
            plan.namespaces = namespaces;
            let mut task = executor.launch(plan, &kernel_tests::UNLIMITED);
            task.lines(2);
            task.process.signal(signal).unwrap();
            assert_eq!(
                task.wait(),
                Exit::Exited(4),
                "{name}: what left the group lives"
            );
        }
    }
    executor.finish();
}

#[test]
fn an_init_killed_by_somebody_else_takes_the_task_along_and_is_reported() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("echo up; sleep 1000");
    task.lines(1);
    kill(Pid::from_raw(task.process.pid()), Signal::SIGKILL).unwrap();
    assert_eq!(task.wait(), killed());
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn a_task_cannot_end_its_init_from_inside() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("kill -KILL 1; kill -STOP 1; kill -SEGV 1; exit 6");
    assert_eq!(task.wait(), Exit::Exited(6));
    drop(task);
    executor.finish();
}

#[test]
fn the_end_is_told_the_same_however_often_it_is_asked() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("exit 7");
    assert_eq!(task.wait(), Exit::Exited(7));
    assert_eq!(task.process.reap().unwrap(), Exit::Exited(7));
    task.process.kill().unwrap();
    drop(task);
    executor.finish();
}

#[test]
fn a_hundred_orphans_are_all_reaped() {
    let executor = Executor::start(INIT);
    let count = "ls -d /proc/[0-9]* | wc -l";
    let script = format!(
        "for i in $(seq 100); do (sleep 0 &); done; sleep 0.2; while [ $({count}) -gt 5 ]; do sleep 0.05; done; echo reaped; sleep 1000"
    );
    let task = executor.shell(&script);
    assert_eq!(task.lines(1), ["reaped"], "within {DEADLINE:?}");
    drop(task);
    executor.finish();
}
