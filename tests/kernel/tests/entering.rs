//! Programs that run beside a task in its sandbox, as checks do.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kernel_tests::guests::{SERVER, finish, nobody};
use kernel_tests::{Executor, Task, UNLIMITED, processes_marked, until, wait_readable};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::identity::Identity;
use sandbox::{
    Bound, Command, EnterError, EnterPlan, Exit, Finished, Namespaces, Plan, Resource, Rlimit,
};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn lines(finished: &Finished) -> Vec<&str> {
    finished.output.lines().collect()
}

#[test]
fn its_end_and_its_output_are_told() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let finished = task.run_beside("echo out; echo err >&2; exit 3");
    assert_eq!(finished.exit, Exit::Exited(3));
    assert_eq!(
        (lines(&finished), finished.dropped),
        (vec!["out", "err"], 0)
    );
    let finished = task.run_beside("ulimit -c 0; printf 'a\\377b'; kill -SEGV $$");
    let fault = Exit::Signaled {
        signal: 11,
        core_dumped: false,
    };
    assert_eq!(
        (finished.exit, finished.output.as_str()),
        (fault, "a\u{fffd}b")
    );
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn it_has_everything_from_the_task() {
    let executor = Executor::start(INIT);
    let place = executor.sandbox.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    let plan = Plan {
        working_directory: place.clone(),
        hostname: Some("task-box".to_owned()),
        identity: Some(Identity {
            uid: 65534,
            gid: 65533,
            groups: vec![65533, 6],
            home: None,
        }),
        rlimits: vec![Rlimit {
            resource: Resource::OpenFiles,
            soft: Bound::At(256),
            hard: Bound::Inherited,
        }],
        environment: BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("MINE".to_owned(), "task".to_owned()),
            ("OURS".to_owned(), "task".to_owned()),
        ]),
        ..Executor::plan(
            "for n in pid mnt ipc uts net user; do readlink /proc/self/ns/$n; done; \
             echo over; exec sleep 7007",
        )
    };
    let task = executor.launch(plan, &UNLIMITED);
    let namespaces = task.lines(7);
    let mut guest = Task::guest(
        "for n in pid mnt ipc uts net user; do readlink /proc/self/ns/$n; done; echo over; \
         pwd; id -u; id -g; id -G; cat /proc/sys/kernel/hostname; ulimit -n; echo $MINE $OURS; \
         ls /proc/$$/fd; readlink /proc/$$/fd/0; read p c s pp group session rest < /proc/$$/stat; \
         [ $$ = $group ] && [ $$ = $session ] && echo leads",
        Some(&task.cgroup),
    );
    guest.environment.insert("OURS".into(), "guest".into());
    let finished = finish(task.enter_with(guest).unwrap());
    let found = lines(&finished);
    assert_eq!(found[..7], namespaces);
    let expected = [
        place.to_str().unwrap(),
        "65534",
        "65533",
        "65533 6",
        "task-box",
        "256",
        "task guest",
        "0",
        "1",
        "2",
        "/dev/null",
        "leads",
    ];
    assert_eq!(found[7..], expected);
    drop(task);
    executor.finish();
}

#[test]
fn it_can_be_another_user_than_the_task() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let guest = EnterPlan {
        identity: Some(nobody()),
        ..Task::guest("id -u", Some(&task.cgroup))
    };
    assert_eq!(lines(&finish(task.enter_with(guest).unwrap())), ["65534"]);
    drop(task);
    executor.finish();
}

#[test]
fn it_is_in_the_tasks_cgroups_and_in_one_of_its_own() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    task.lines(1);
    let guest = task.enter("sleep 1000").unwrap();
    let inside = until("the guest", || {
        let all = task.cgroup.processes().unwrap();
        (all.len() == 3).then_some(all)
    });
    for file in task.cgroup.procs_files() {
        let directory = file.parent().unwrap().to_owned();
        let own = task
            .subgroups()
            .into_iter()
            .find(|path| path.starts_with(&directory));
        // Where it has no cgroup of its own it counts for the task's limits directly.
        let counted = fs::read_to_string(&file).unwrap().lines().count();
        assert_eq!(counted, if own.is_some() { 1 } else { 3 }, "{inside:?}");
    }
    assert_eq!(task.subgroups().len(), 1);
    drop(guest);
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn a_program_that_is_not_there_is_named_and_leaves_nothing() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    task.lines(1);
    let guest = EnterPlan {
        command: Command::Exec {
            file: "./nope".into(),
            argv: vec![],
        },
        ..Task::guest("", Some(&task.cgroup))
    };
    let error = task.enter_with(guest).unwrap_err();
    assert_eq!(
        error.to_string(),
        "exec './nope': No such file or directory (os error 2)"
    );
    let error = task.enter("a\0b").unwrap_err();
    assert_eq!(error.to_string(), "NUL byte in the command");
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn it_ends_with_the_task_and_does_not_change_the_tasks_end() {
    let executor = Executor::start(INIT);
    for namespaces in [Namespaces::ALL, Namespaces::NONE] {
        let go = executor.sandbox.path().join("go");
        let plan = Plan {
            namespaces,
            ..Executor::plan(&format!(
                "while [ ! -e {} ]; do sleep 0.01; done; exit 6",
                go.display()
            ))
        };
        let mut task = executor.launch(plan, &UNLIMITED);
        let guests: Vec<_> = (0..5)
            .map(|_| {
                task.enter("trap '' TERM; setsid sleep 1001 & sleep 1002")
                    .unwrap()
            })
            .collect();
        fs::write(&go, "").unwrap();
        assert_eq!(task.wait(), Exit::Exited(6));
        assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
        // Before the guests' own clean-up, as it may be.
        task.cgroup.kill().unwrap();
        task.cgroup.remove().unwrap();
        for guest in guests {
            wait_readable(&guest, "the end of a guest");
            assert!(matches!(guest.reap(), Err(EnterError::Untold)));
        }
        fs::remove_file(&go).unwrap();
        drop(task);
    }
    executor.finish();
}

#[test]
fn into_an_ended_task_nothing_goes() {
    let executor = Executor::start(INIT);
    let mut task = executor.shell("exit 0");
    let door = task.process.door().unwrap();
    task.wait();
    let cancelled = AtomicBool::new(false);
    let error = door
        .enter(Task::guest("true", None), &cancelled)
        .unwrap_err();
    assert!(matches!(error, EnterError::TaskEnded), "{error}");
    let guest = Task::guest("true", Some(&task.cgroup));
    let error = door.enter(guest, &cancelled).unwrap_err();
    assert!(matches!(error, EnterError::TaskEnded), "{error}");
    assert_eq!(task.subgroups(), Vec::<PathBuf>::new());
    drop(task);
    executor.finish();
}

#[test]
fn entering_while_the_task_ends_is_never_misreported_and_leaves_nothing() {
    let executor = Executor::start(INIT);
    for _ in 0..40 {
        let mut task = executor.shell("exit 7");
        let door = task.process.door().unwrap();
        let guest = Task::guest("sleep 1000", Some(&task.cgroup));
        let entering = thread::spawn(move || door.enter(guest, &AtomicBool::new(false)));
        assert_eq!(task.wait(), Exit::Exited(7));
        let entered = entering.join().unwrap();
        task.cgroup.kill().unwrap();
        task.cgroup.remove().unwrap();
        drop((entered, task));
    }
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    executor.finish();
}

#[test]
fn an_init_that_does_not_answer_holds_up_until_it_is_cancelled() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let init = Pid::from_raw(task.process.pid());
    kill(init, Signal::SIGSTOP).unwrap();
    let cancelled = Arc::new(AtomicBool::new(false));
    let door = task.process.door().unwrap();
    let guest = Task::guest("echo ran > ran", Some(&task.cgroup));
    let entering = {
        let cancelled = Arc::clone(&cancelled);
        thread::spawn(move || door.enter(guest, &cancelled))
    };
    until("the guest's cgroup", || {
        (!task.subgroups().is_empty()).then_some(())
    });
    assert!(!entering.is_finished());
    cancelled.store(true, Ordering::Release);
    let error = entering.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cancelled before it started");
    kill(init, Signal::SIGCONT).unwrap();
    // Its init goes on as if nothing had been.
    assert_eq!(task.run_beside("exit 4").exit, Exit::Exited(4));
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}

#[test]
fn many_at_once_and_one_after_the_other_leave_the_init_no_descriptor() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let descriptors = || {
        let own = format!("/proc/{}/fd", task.process.pid());
        fs::read_dir(own).unwrap().count()
    };
    let before = descriptors();
    for _ in 0..5 {
        let guests: Vec<_> = (0..8)
            .map(|number| task.enter(&format!("exit {number}")).unwrap())
            .collect();
        for (number, guest) in guests.into_iter().enumerate() {
            let status = i32::try_from(number).unwrap();
            assert_eq!(finish(guest).exit, Exit::Exited(status));
        }
    }
    assert_eq!(descriptors(), before);
    task.assert_alone(&executor);
    drop(task);
    executor.finish();
}
