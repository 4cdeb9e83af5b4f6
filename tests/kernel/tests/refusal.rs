//! Tasks that cannot be started: each failure has its name and its culprit, and leaves nothing.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use kernel_tests::{Executor, UNLIMITED, install};
use sandbox::identity::{Identity, lookup};
use sandbox::{Command, Fault, LaunchError, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn refusal(executor: &Executor, plan: Plan) -> LaunchError {
    executor.try_launch(plan, &UNLIMITED).unwrap_err()
}

fn program(file: &str) -> Plan {
    Plan {
        command: Command::Exec {
            file: file.to_owned(),
            argv: vec![],
        },
        ..Executor::plan("")
    }
}

#[test]
fn a_missing_program_is_named() {
    let executor = Executor::start(INIT);
    for file in ["./nope", "nope", "/nope/nope", ""] {
        let error = refusal(&executor, program(file));
        let expected = format!("exec '{file}': No such file or directory (os error 2)");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.fault(), Fault::Task);
    }
    executor.finish();
}

#[test]
fn a_file_that_is_no_program_is_named() {
    let executor = Executor::start(INIT);
    let path = executor.sandbox.path().join("text");
    fs::write(&path, "no program").unwrap();
    let error = refusal(&executor, program(path.to_str().unwrap())).to_string();
    assert_eq!(
        error,
        format!("exec '{}': Permission denied (os error 13)", path.display())
    );
    let path = executor.sandbox.path().join("executable-text");
    install(
        fs::File::open(executor.sandbox.path().join("text")).unwrap(),
        &path,
    );
    let error = refusal(&executor, program(path.to_str().unwrap()));
    assert_eq!(
        error.to_string(),
        format!("exec '{}': Exec format error (os error 8)", path.display())
    );
    assert_eq!(error.fault(), Fault::Task);
    executor.finish();
}

#[test]
fn a_working_directory_that_the_user_may_not_enter_is_named() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().join("private");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, PermissionsExt::from_mode(0o700)).unwrap();
    let mut plan = Executor::plan("true");
    plan.working_directory = directory.clone();
    plan.identity = Some(Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    });
    let error = refusal(&executor, plan);
    assert_eq!(
        error.to_string(),
        format!(
            "enter '{}': Permission denied (os error 13)",
            directory.display()
        )
    );
    // Directories are made by the executor.
    assert_eq!(error.fault(), Fault::Host);
    executor.finish();
}

#[test]
fn an_unknown_user_is_named() {
    let error = lookup("/".as_ref(), "no-such-user").unwrap_err();
    assert_eq!(error.to_string(), "unknown user 'no-such-user'");
    assert_eq!(error.fault(), Fault::Task);
}

#[test]
fn a_cgroup_that_is_gone_is_named_and_the_hosts_fault() {
    // `try_launch` fills in its own, so the launcher is used as it is.
    let launcher = sandbox::Launcher::start(sandbox::InitProgram::at(INIT)).unwrap();
    let mut plan = Executor::plan("true");
    plan.cgroup_procs = vec![PathBuf::from("/sys/fs/cgroup/gone/cgroup.procs")];
    let null = || {
        fs::File::options()
            .write(true)
            .open("/dev/null")
            .unwrap()
            .into()
    };
    let stdio = sandbox::Stdio {
        stdout: null(),
        stderr: null(),
    };
    let error = launcher.launch(plan, stdio, &Arc::default()).unwrap_err();
    let expected =
        "join cgroup '/sys/fs/cgroup/gone/cgroup.procs': No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.fault(), Fault::Host);
}

#[test]
fn an_environment_larger_than_the_kernel_takes_is_the_tasks_fault_and_hangs_nothing() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan("true");
    for number in 0..40 {
        plan.environment
            .insert(format!("V{number}"), "x".repeat(120_000));
    }
    let error = refusal(&executor, plan);
    assert_eq!(
        error.to_string(),
        "exec '/bin/sh': Argument list too long (os error 7)"
    );
    assert_eq!(error.fault(), Fault::Task);
    executor.finish();
}

#[test]
fn a_launch_after_a_failed_one_works() {
    let executor = Executor::start(INIT);
    refusal(&executor, program("./nope"));
    let mut task = executor.shell("exit 3");
    assert_eq!(task.wait(), sandbox::Exit::Exited(3));
    drop(task);
    executor.finish();
}
