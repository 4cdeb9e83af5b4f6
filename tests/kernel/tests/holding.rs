//! Launches that are held right before exec, and then released or given up.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;

use kernel_tests::{Executor, Held, processes_executing, processes_marked};
use sandbox::{Command, Exit, Fault, Namespaces, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn program(file: &str) -> Plan {
    Plan {
        command: Command::Exec {
            file: file.to_owned(),
            argv: vec![],
        },
        ..Executor::plan("")
    }
}

fn in_namespaces_and_without(script: &str) -> [Plan; 2] {
    [Namespaces::ALL, Namespaces::NONE].map(|namespaces| Plan {
        namespaces,
        ..Executor::plan(script)
    })
}

#[test]
fn nothing_of_a_held_task_runs_until_it_is_released() {
    let executor = Executor::start(INIT);
    for (number, plan) in in_namespaces_and_without("touch ran; exit 3")
        .into_iter()
        .enumerate()
    {
        let place = executor.sandbox.path().join(number.to_string());
        fs::create_dir(&place).unwrap();
        let plan = Plan {
            working_directory: place.clone(),
            ..plan
        };
        let held = executor.try_prepare(plan).unwrap();
        assert_eq!(held.processes().len(), 1, "in its cgroup it is already");
        let pid = *held.processes().first().unwrap();
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        assert_eq!(program, fs::canonicalize(INIT).unwrap());
        let inside = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        assert_eq!(inside, fs::canonicalize(&place).unwrap());
        assert!(!place.join("ran").exists());

        let mut task = held.release().unwrap();
        assert_eq!(task.wait(), Exit::Exited(3));
        assert!(place.join("ran").exists());
    }
    executor.finish();
}

#[test]
fn of_a_held_task_that_is_given_up_nothing_is_left() {
    let executor = Executor::start(INIT);
    for plan in in_namespaces_and_without("touch ran; exit 3") {
        let held = executor.try_prepare(plan).unwrap();
        let directory = held.directory().to_owned();
        let pid = *held.processes().first().unwrap();
        held.give_up();
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
        assert_eq!(
            fs::read_dir(directory).unwrap().count(),
            2,
            "stdout, stderr"
        );
    }
    executor.finish();
}

#[test]
fn all_of_a_group_are_held_at_once_and_run_together() {
    let executor = Executor::start(INIT);
    let held: Vec<Held> = (0..20)
        .map(|number| executor.try_prepare(Executor::plan(&format!("exit {number}"))))
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(processes_marked(&executor.container), Vec::<i32>::new());
    let tasks: Vec<_> = held.into_iter().map(Held::release).collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let status = i32::try_from(number).unwrap();
        assert_eq!(task.unwrap().wait(), Exit::Exited(status));
    }
    executor.finish();
}

#[test]
fn a_program_that_is_not_there_is_found_out_before_the_release() {
    let executor = Executor::start(INIT);
    fs::write(executor.sandbox.path().join("text"), "no program").unwrap();
    let text = executor.sandbox.path().join("text");
    let text = text.to_str().unwrap();
    for (file, why) in [
        ("./nope", "No such file or directory (os error 2)"),
        ("nope", "No such file or directory (os error 2)"),
        ("/etc", "Permission denied (os error 13)"),
        (text, "Permission denied (os error 13)"),
    ] {
        let error = executor.try_prepare(program(file)).unwrap_err();
        assert_eq!(error.to_string(), format!("exec '{file}': {why}"));
        assert_eq!(error.fault(), Fault::Task);
    }
    executor.finish();
}

#[test]
fn a_program_that_goes_while_it_is_held_is_a_failed_release() {
    let executor = Executor::start(INIT);
    let path = executor.sandbox.path().join("program");
    kernel_tests::install(fs::File::open("/bin/true").unwrap(), &path);
    let path = path.to_str().unwrap();
    let held = executor.try_prepare(program(path)).unwrap();
    fs::remove_file(path).unwrap();
    let error = held.release().unwrap_err();
    let expected = format!("exec '{path}': No such file or directory (os error 2)");
    assert_eq!(error.to_string(), expected);
    executor.finish();
}

#[test]
fn a_held_task_that_is_killed_by_somebody_is_no_released_one() {
    let executor = Executor::start(INIT);
    let held = executor.try_prepare(Executor::plan("exit 3")).unwrap();
    let pid = i32::try_from(*held.processes().first().unwrap()).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    kernel_tests::until("its end", || held.processes().is_empty().then_some(()));
    let error = held.release().unwrap_err();
    assert_eq!(error.to_string(), "init ended before it started the task");
    executor.finish();
}

#[test]
fn the_inits_of_a_dropped_launcher_do_not_stay() {
    let place = tempfile::tempdir().unwrap();
    let init = place.path().join("init");
    kernel_tests::install(fs::File::open(INIT).unwrap(), &init);
    let executor = Executor::start(init.to_str().unwrap());
    let held = executor.try_prepare(Executor::plan("exit 3")).unwrap();
    assert!(!processes_executing(&init).is_empty());
    held.give_up();
    executor.finish();
    kernel_tests::until("the end of the inits", || {
        processes_executing(&init).is_empty().then_some(())
    });
}
