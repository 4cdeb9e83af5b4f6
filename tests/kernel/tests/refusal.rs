//! Tasks that cannot be started: each failure has its name and its culprit, and leaves nothing.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kernel_tests::{Executor, UNLIMITED, install, nowhere, processes_executing, until};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use sandbox::identity::{Identity, lookup};
use sandbox::{Command, Exit, Fault, InitProgram, LaunchError, Launcher, Plan, Process};

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
    let launcher = Launcher::start(InitProgram::at(INIT)).unwrap();
    let mut plan = Executor::plan("true");
    plan.cgroup_procs = vec![PathBuf::from("/sys/fs/cgroup/gone/cgroup.procs")];
    let error = launcher
        .launch(plan, nowhere(), &Arc::default())
        .unwrap_err();
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

/// Launches through one launcher, some of which hang where they are to join their cgroup, until
/// somebody reads what they write there.
struct Hanging {
    place: tempfile::TempDir,
    /// A program of its own, by which its inits are found.
    init: PathBuf,
    launcher: Arc<Launcher>,
}

type Launching = thread::JoinHandle<Result<Process, LaunchError>>;

impl Hanging {
    fn new() -> Hanging {
        let place = tempfile::tempdir().unwrap();
        let init = place.path().join("init");
        install(fs::File::open(INIT).unwrap(), &init);
        mkfifo(&place.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let launcher = Arc::new(Launcher::start(InitProgram::at(&init)).unwrap());
        Hanging {
            place,
            init,
            launcher,
        }
    }

    fn hanging(&self, script: &str) -> Plan {
        let mut plan = Executor::plan(script);
        plan.cgroup_procs = vec![self.place.path().join("pipe")];
        plan
    }

    fn launch(&self, plan: Plan, cancelled: &Arc<AtomicBool>) -> Launching {
        let (launcher, cancelled) = (Arc::clone(&self.launcher), Arc::clone(cancelled));
        thread::spawn(move || launcher.launch(plan, nowhere(), &cancelled))
    }

    fn until_it_hangs(&self) {
        // What inits are forked from, its pid 1, and the task to be.
        until("a launch that hangs", || {
            (processes_executing(&self.init).len() >= 3).then_some(())
        });
    }

    fn finish(self) {
        drop(self.launcher);
        until("the end of the inits", || {
            processes_executing(&self.init).is_empty().then_some(())
        });
    }
}

#[test]
fn a_launch_that_hangs_does_not_hold_up_another() {
    let all = Hanging::new();
    let first = all.launch(all.hanging("exit 4"), &Arc::default());
    all.until_it_hangs();
    let second = all.launch(Executor::plan("exit 3"), &Arc::default());
    let mut second = second.join().unwrap().unwrap();
    assert_eq!(second.reap().unwrap(), Exit::Exited(3));
    assert!(!first.is_finished());

    let reader = fs::File::open(all.place.path().join("pipe")).unwrap();
    let mut first = first.join().unwrap().unwrap();
    assert_eq!(first.reap().unwrap(), Exit::Exited(4));
    drop((first, second, reader));
    all.finish();
}

#[test]
fn inits_go_on_being_made_after_what_they_are_forked_from_was_killed() {
    let all = Hanging::new();
    let first = all.launch(Executor::plan("sleep 1000"), &Arc::default());
    let first = first.join().unwrap().unwrap();
    let zygote = until("it alone, but for the init", || {
        let mut all = processes_executing(&all.init);
        all.retain(|pid| *pid != first.pid());
        (all.len() == 1).then(|| all[0])
    });
    kill(Pid::from_raw(zygote), Signal::SIGKILL).unwrap();
    until("its end", || {
        (!processes_executing(&all.init).contains(&zygote)).then_some(())
    });
    for status in [3, 4] {
        let next = all.launch(Executor::plan(&format!("exit {status}")), &Arc::default());
        let mut next = next.join().unwrap().unwrap();
        assert_eq!(next.reap().unwrap(), Exit::Exited(status));
    }
    assert!(processes_executing(&all.init).contains(&first.pid()));
    drop(first);
    all.finish();
}

#[test]
fn a_launch_that_hangs_can_be_cancelled_and_leaves_nothing() {
    let all = Hanging::new();
    let cancelled = Arc::default();
    let trace = all.place.path().join("trace");
    let script = format!("touch {}; sleep 1000", trace.display());
    let launch = all.launch(all.hanging(&script), &cancelled);
    all.until_it_hangs();
    cancelled.store(true, Ordering::Release);
    let error = launch.join().unwrap().unwrap_err();
    assert!(matches!(error, LaunchError::Cancelled), "{error}");
    assert!(!trace.exists());
    all.finish();
}
