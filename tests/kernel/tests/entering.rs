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

use kernel_tests::{
    Executor, Task, UNLIMITED, cgroups_named, processes_marked, until, wait_readable,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::identity::Identity;
use sandbox::{Command, EnterError, EnterPlan, Entered, Exit, Finished, Namespaces, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Tells a task's processes from its guests'.
const SERVER: &str = "echo up; exec sleep 7007";

fn killed() -> Exit {
    Exit::Signaled {
        signal: 9,
        core_dumped: false,
    }
}

fn finish(guest: Entered) -> Finished {
    wait_readable(&guest, "the end of a guest");
    guest.reap().unwrap()
}

fn run(task: &Task, script: &str) -> Finished {
    finish(task.enter(script).unwrap())
}

fn lines(finished: &Finished) -> Vec<&str> {
    finished.output.lines().collect()
}

/// The cgroups inside the task's.
fn subgroups(task: &Task) -> Vec<PathBuf> {
    let directories = task.cgroup.procs_files();
    let directories = directories.iter().filter_map(|file| file.parent());
    let entries = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// Waits until only the task itself is left, and looks that it lives.
fn assert_only_the_task(executor: &Executor, task: &Task) {
    let left = until("the end of the guest's processes", || {
        let left = processes_marked(&executor.container);
        (left.len() <= 1).then_some(left)
    });
    assert_eq!(left.len(), 1, "the task lives");
    let line = fs::read_to_string(format!("/proc/{}/cmdline", left[0])).unwrap();
    assert_eq!(line, "sleep\u{0}7007\u{0}");
    assert_eq!(subgroups(task), Vec::<PathBuf>::new());
}

fn without_namespaces() -> Plan {
    Plan {
        namespaces: Namespaces::NONE,
        ..Executor::plan(SERVER)
    }
}

/// With a task in every kind of sandbox, one after the other, each with the cgroup that its guests
/// are to have.
fn in_every_kind(executor: &Executor, look: impl Fn(&Task, Option<&Arc<cgroup::Cgroup>>)) {
    for plan in [Executor::plan(SERVER), without_namespaces()] {
        for has_cgroup in [true, false] {
            let task = executor.launch(plan.clone(), &UNLIMITED);
            task.lines(1);
            look(&task, has_cgroup.then_some(&task.cgroup));
            assert_only_the_task(executor, &task);
        }
    }
}

#[test]
fn its_end_and_its_output_are_told() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let finished = run(&task, "echo out; echo err >&2; exit 3");
    assert_eq!(finished.exit, Exit::Exited(3));
    assert_eq!(
        (lines(&finished), finished.dropped),
        (vec!["out", "err"], 0)
    );
    let finished = run(&task, "ulimit -c 0; printf 'a\\377b'; kill -SEGV $$");
    let fault = Exit::Signaled {
        signal: 11,
        core_dumped: false,
    };
    assert_eq!(
        (finished.exit, finished.output.as_str()),
        (fault, "a\u{fffd}b")
    );
    assert_only_the_task(&executor, &task);
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
        descriptor_limit: Some(256),
        environment: BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("MINE".to_owned(), "task".to_owned()),
            ("OURS".to_owned(), "task".to_owned()),
        ]),
        ..Executor::plan(
            "for n in pid mnt ipc uts net user cgroup; do readlink /proc/self/ns/$n; done; \
             echo over; exec sleep 7007",
        )
    };
    let task = executor.launch(plan, &UNLIMITED);
    let namespaces = task.lines(8);
    let mut guest = Task::guest(
        "for n in pid mnt ipc uts net user cgroup; do readlink /proc/self/ns/$n; done; echo over; \
         pwd; id -u; id -g; id -G; cat /proc/sys/kernel/hostname; ulimit -n; echo $MINE $OURS; \
         ls /proc/$$/fd; readlink /proc/$$/fd/0; read p c s pp group session rest < /proc/$$/stat; \
         [ $$ = $group ] && [ $$ = $session ] && echo leads",
        Some(&task.cgroup),
    );
    guest.environment.insert("OURS".into(), "guest".into());
    let finished = finish(task.enter_with(guest).unwrap());
    let found = lines(&finished);
    assert_eq!(found[..8], namespaces);
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
    assert_eq!(found[8..], expected);
    drop(task);
    executor.finish();
}

#[test]
fn it_can_be_another_user_than_the_task() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let identity = Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    };
    let guest = EnterPlan {
        identity: Some(identity),
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
        let own = subgroups(&task)
            .into_iter()
            .find(|path| path.starts_with(&directory));
        // Where it has no cgroup of its own it counts for the task's limits directly.
        let counted = fs::read_to_string(&file).unwrap().lines().count();
        assert_eq!(counted, if own.is_some() { 1 } else { 3 }, "{inside:?}");
    }
    assert_eq!(subgroups(&task).len(), 1);
    drop(guest);
    assert_only_the_task(&executor, &task);
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
    assert_only_the_task(&executor, &task);
    drop(task);
    executor.finish();
}

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
        assert_eq!(finish(guest).exit, killed());
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
        assert_eq!(lines(&finished), ["over"]);
    });
    executor.finish();
}

#[test]
fn of_a_flood_of_output_the_end_is_kept_and_the_watcher_stays_small() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let finished = run(&task, "head -c 20000000 /dev/zero; echo the end");
    assert_eq!(finished.exit, Exit::Exited(0));
    assert_eq!(finished.output.len(), 16 * 1024);
    assert!(finished.output.ends_with("the end\n"));
    let written = 20_000_000 + "the end\n".len() as u64;
    assert_eq!(finished.dropped, written - 16 * 1024);
    assert_only_the_task(&executor, &task);
    drop(task);
    executor.finish();
}

#[test]
fn an_endless_flood_can_be_killed() {
    let executor = Executor::start(INIT);
    let task = executor.shell(SERVER);
    let guest = task.enter("yes & setsid yes >&2 & exec yes").unwrap();
    until("the flood", || {
        (processes_marked(&executor.container).len() == 4).then_some(())
    });
    guest.kill().unwrap();
    let finished = finish(guest);
    assert_eq!(finished.exit, killed());
    assert_eq!(finished.output.len(), 16 * 1024);
    assert_only_the_task(&executor, &task);
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
    assert_eq!(task.wait(), killed());
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
    let identity = Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    };
    let guest = EnterPlan {
        identity: Some(identity),
        ..Task::guest(
            "(setsid sleep 1000 &); kill -KILL -1; exit 5",
            Some(&task.cgroup),
        )
    };
    assert_eq!(
        finish(task.enter_with(guest).unwrap()).exit,
        Exit::Exited(5)
    );
    assert_eq!(subgroups(&task), Vec::<PathBuf>::new());
    task.process.kill().unwrap();
    assert_eq!(task.wait(), killed());
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
    assert_eq!(subgroups(&task), Vec::<PathBuf>::new());
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
        (!subgroups(&task).is_empty()).then_some(())
    });
    assert!(!entering.is_finished());
    cancelled.store(true, Ordering::Release);
    let error = entering.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cancelled before it started");
    kill(init, Signal::SIGCONT).unwrap();
    // Its init goes on as if nothing had been.
    assert_eq!(run(&task, "exit 4").exit, Exit::Exited(4));
    assert_only_the_task(&executor, &task);
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
    assert_only_the_task(&executor, &task);
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
    let finished = run(&task, "tail /dev/zero; echo $?");
    assert_eq!(finished.exit, Exit::Exited(0));
    assert!(finished.output.contains("137"), "{}", finished.output);
    assert_eq!(task.cgroup.oom_kills().unwrap(), 1);
    assert_only_the_task(&executor, &task);
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
