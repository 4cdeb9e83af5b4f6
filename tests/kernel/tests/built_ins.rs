//! Functions of the program itself that run in a task's place, as fetching does.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kernel_tests::{Executor, Task, UNLIMITED, processes_marked, until};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sandbox::identity::Identity;
use sandbox::{Command, Exit, Fault, Namespaces, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn built_in(name: &str, argument: &str) -> Plan {
    Plan {
        command: Command::BuiltIn {
            name: name.to_owned(),
            argument: argument.to_owned(),
        },
        ..Executor::plan("")
    }
}

fn run(executor: &Executor, plan: Plan) -> (Task, Exit, Option<String>) {
    let mut task = executor.launch(plan, &UNLIMITED);
    let exit = task.wait();
    let answer = task.process.answer();
    (task, exit, answer)
}

#[test]
fn it_runs_as_the_user_in_the_directory_and_cgroup_and_answers() {
    let executor = Executor::start(INIT);
    let leaked = fs::File::open("/dev/null").unwrap();
    fcntl(&leaked, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let place = executor.sandbox.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    let plan = Plan {
        working_directory: place.clone(),
        identity: Some(Identity {
            uid: 65534,
            gid: 65533,
            groups: vec![65533, 6],
            home: None,
        }),
        // To see where its cgroup is.
        namespaces: Namespaces {
            cgroup: false,
            ..Namespaces::ALL
        },
        ..built_in("look", "{\"an\": \"argument\"}")
    };
    let (task, exit, answer) = run(&executor, plan);
    assert_eq!(exit, Exit::Exited(0));
    let answer = answer.unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    // The argument; process id, user, group, groups; directory; threads; blocked signals;
    // descriptors; the size of the environment.
    let expected = [
        "{\"an\": \"argument\"}",
        "2",
        "65534",
        "65533",
        "6 65533",
        place.to_str().unwrap(),
        "1",
        "0000000000000000",
    ];
    assert_eq!(lines[..8], expected);
    let descriptors: Vec<&str> = lines[8].split(' ').collect();
    let own = task.directory.path.to_str().unwrap();
    let (stdout, stderr) = (format!("{own}/stdout"), format!("{own}/stderr"));
    assert_eq!(descriptors[..3], ["/dev/null", &stdout, &stderr]);
    // The directory in which it looks; where its answer goes.
    assert_eq!(descriptors[3], "/proc/2/fd");
    assert!(descriptors[4].starts_with("socket:"), "{descriptors:?}");
    assert_eq!(descriptors.len(), 5, "{descriptors:?}");
    assert_eq!(lines[9], "0");
    let own = lines[10..]
        .iter()
        .filter(|line| line.contains(&executor.container));
    assert_eq!(own.count(), task.cgroup.procs_files().len());
    assert_eq!(task.process.answer(), None, "it is given once");
    drop(task);
    executor.finish();
}

#[test]
fn its_output_is_the_tasks_and_its_status_its_own() {
    let executor = Executor::start(INIT);
    let (task, exit, answer) = run(&executor, built_in("print", "progress"));
    assert_eq!((exit, answer), (Exit::Exited(3), None));
    assert_eq!(task.stdout(), "progress");
    let stderr = fs::read_to_string(task.directory.path.join("stderr")).unwrap();
    assert_eq!(stderr, "to stderr");
    drop(task);
    executor.finish();
}

#[test]
fn an_answer_of_any_length_is_bounded() {
    let executor = Executor::start(INIT);
    let (task, exit, answer) = run(&executor, built_in("long", ""));
    assert_eq!(exit, Exit::Exited(0));
    assert_eq!(answer.unwrap().len(), 32 * 1024);
    drop(task);
    executor.finish();
}

#[test]
fn one_that_ends_without_an_answer_has_none() {
    let executor = Executor::start(INIT);
    let (task, exit, answer) = run(&executor, built_in("exit", ""));
    assert_eq!((exit, answer), (Exit::Exited(4), None));
    drop(task);
    // Of a program built to abort the end is a signal.
    let (task, exit, answer) = run(&executor, built_in("panic", ""));
    assert_eq!((exit, answer), (Exit::Exited(101), None));
    let stderr = fs::read_to_string(task.directory.path.join("stderr")).unwrap();
    assert!(stderr.contains("as it was told"), "{stderr}");
    drop(task);
    executor.finish();
}

#[test]
fn one_that_hangs_can_be_killed() {
    let executor = Executor::start(INIT);
    let mut task = executor.launch(built_in("hang", ""), &UNLIMITED);
    assert_eq!(task.cgroup.processes().unwrap().len(), 1);
    task.process.kill().unwrap();
    let killed = Exit::Signaled {
        signal: 9,
        core_dumped: false,
    };
    assert_eq!(task.wait(), killed);
    assert_eq!(task.process.answer(), None);
    drop(task);
    executor.finish();
}

#[test]
fn what_it_leaves_in_the_background_ends_with_it() {
    let executor = Executor::start(INIT);
    let (task, exit, answer) = run(&executor, built_in("child", &executor.container));
    assert_eq!(exit, Exit::Exited(0));
    assert_eq!(answer.unwrap(), "started");
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    drop(task);
    executor.finish();
}

#[test]
fn one_that_is_not_known_is_named_and_can_be_held_as_any_other() {
    let executor = Executor::start(INIT);
    let expected = "exec 'nope': No such file or directory (os error 2)";
    let error = executor
        .try_launch(built_in("nope", ""), &UNLIMITED)
        .unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.fault()),
        (expected, Fault::Task)
    );
    let error = executor.try_prepare(built_in("nope", "")).unwrap_err();
    assert_eq!(error.to_string(), expected);

    let held = executor.try_prepare(built_in("print", "ran")).unwrap();
    let directory = held.directory().to_owned();
    let mut task = held.release().unwrap();
    assert_eq!(task.wait(), Exit::Exited(3));
    assert_eq!(fs::read_to_string(directory.join("stdout")).unwrap(), "ran");
    drop(task);
    executor.finish();
}

#[test]
fn it_can_run_beside_a_task_too() {
    let executor = Executor::start(INIT);
    let task = executor.shell("echo up; sleep 1000");
    let mut guest = Task::guest("", Some(&task.cgroup));
    guest.command = built_in("print", "hello ").command;
    let guest = task.enter_with(guest).unwrap();
    kernel_tests::wait_readable(&guest, "its end");
    let finished = guest.reap().unwrap();
    assert_eq!(finished.exit, Exit::Exited(3));
    assert_eq!(finished.output, "hello to stderr");
    drop(task);
    until("its end", || {
        processes_marked(&executor.container)
            .is_empty()
            .then_some(())
    });
    executor.finish();
}
