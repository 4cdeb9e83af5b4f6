//! The process that inits are forked from, stopped or killed while there are launches under way:
//! nothing runs that nobody wants, nothing hangs, and nothing is left.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use kernel_tests::{Executor, UNLIMITED, children_named, install, nowhere, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Command, Exit, InitProgram, LaunchError, Namespaces};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// An executor whose inits go by a name of their own.
struct Forking {
    place: tempfile::TempDir,
    name: String,
    executor: Executor,
    zygote: Pid,
}

impl Forking {
    fn start() -> Forking {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let place = tempfile::tempdir().unwrap();
        let name = format!("forking-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let init = place.path().join(&name);
        install(fs::File::open(INIT).unwrap(), &init);
        let executor = Executor::with(InitProgram::at(init));
        let zygote = until("the zygote", || children_named(&name).first().copied());
        Forking {
            place,
            name,
            executor,
            zygote: Pid::from_raw(zygote),
        }
    }

    fn trace(&self) -> PathBuf {
        self.place.path().join("trace")
    }

    fn signal(&self, signal: Signal) {
        kill(self.zygote, signal).unwrap();
    }

    fn runs_tasks(&self) {
        let mut task = self.executor.shell("exit 3");
        assert_eq!(task.wait(), Exit::Exited(3));
    }

    /// Nobody but one zygote is there, be it ended or not.
    fn finish(self) {
        until("every init to be reaped", || {
            (children_named(&self.name).len() == 1).then_some(())
        });
        assert!(!self.trace().exists());
        self.executor.finish();
        assert_eq!(children_named(&self.name), Vec::<i32>::new());
    }
}

fn until_is_stopped(pid: Pid) {
    until("a stopped process", || {
        let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        stat.unwrap().contains(") T ").then_some(())
    });
}

fn what_was_cancelled_while_the_zygote_was_stopped_never_runs(namespaces: Namespaces) {
    let forking = Forking::start();
    forking.signal(Signal::SIGSTOP);
    until_is_stopped(forking.zygote);
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut plan = Executor::plan("");
    plan.command = Command::BuiltIn {
        name: "create".to_owned(),
        argument: forking.trace().to_str().unwrap().to_owned(),
    };
    plan.namespaces = namespaces;
    let (plan, cancelled, executor) = (&plan, &cancelled, &forking.executor);
    let in_cgroup = || {
        let launched = executor.try_launch_unless(cancelled, plan.clone(), &UNLIMITED);
        launched.map(drop)
    };
    // Nothing but what the sandbox does keeps one from running that has no cgroup to miss.
    let without = || {
        let launched = executor
            .launcher()
            .launch(plan.clone(), nowhere(), cancelled);
        launched.map(drop)
    };
    thread::scope(|scope| {
        let mut launches: Vec<_> = (0..8).map(|_| scope.spawn(in_cgroup)).collect();
        launches.extend((0..32).map(|_| scope.spawn(without)));
        // Long enough for most requests to be made; it holds for those that are not, too.
        thread::sleep(Duration::from_millis(100));
        cancelled.store(true, Ordering::Release);
        for launch in launches {
            let error = launch.join().unwrap().unwrap_err();
            assert!(matches!(error, LaunchError::Cancelled), "{error}");
        }
    });
    forking.signal(Signal::SIGCONT);
    // Behind all of them, so that they have been made then.
    forking.runs_tasks();
    forking.finish();
}

#[test]
fn a_launch_that_was_cancelled_before_there_was_an_init_never_runs() {
    what_was_cancelled_while_the_zygote_was_stopped_never_runs(Namespaces::ALL);
}

#[test]
fn so_it_is_without_namespaces() {
    what_was_cancelled_while_the_zygote_was_stopped_never_runs(Namespaces::NONE);
}

#[test]
fn launches_whose_zygote_is_killed_before_it_began_are_done_by_another() {
    let forking = Forking::start();
    forking.signal(Signal::SIGSTOP);
    until_is_stopped(forking.zygote);
    thread::scope(|scope| {
        let launches: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| forking.executor.shell("exit 5")))
            .collect();
        // Long enough for most requests to be made; those that are not find it gone.
        thread::sleep(Duration::from_millis(100));
        forking.signal(Signal::SIGKILL);
        for launch in launches {
            assert_eq!(launch.join().unwrap().wait(), Exit::Exited(5));
        }
    });
    forking.runs_tasks();
    forking.finish();
}

#[test]
fn a_zygote_that_is_killed_while_it_forks_leaves_nothing_and_hangs_nothing() {
    for delay in 0..16 {
        let forking = Forking::start();
        let plan = Executor::plan("exit 5");
        thread::scope(|scope| {
            let launches: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| forking.executor.try_launch(plan.clone(), &UNLIMITED)))
                .collect();
            thread::sleep(Duration::from_micros(delay * 400));
            forking.signal(Signal::SIGKILL);
            for launch in launches {
                match launch.join().unwrap() {
                    Ok(mut task) => assert_eq!(task.wait(), Exit::Exited(5)),
                    Err(error) => assert!(matches!(error, LaunchError::InitEnded), "{error}"),
                }
            }
        });
        forking.runs_tasks();
        forking.finish();
    }
}

/// Takes one request and drops it, as a zygote does that is killed right then; its line stays open
/// a while. Whoever comes after it does as is asked.
const DROPS_A_REQUEST: &str = r#"#!/usr/bin/python3
import os, socket, sys, time
try:
    os.mkdir("@PLACE@/came")
except FileExistsError:
    os.execv("@INIT@", ["@INIT@", *sys.argv[1:]])
line = socket.socket(fileno=0)
_, received, _, _ = socket.recv_fds(line, 1, 4)
for descriptor in received:
    os.close(descriptor)
time.sleep(60)
"#;

#[test]
fn a_launch_that_a_dying_zygote_dropped_is_done_by_another() {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("drops-a-request");
    let script = DROPS_A_REQUEST.replace("@PLACE@", place.path().to_str().unwrap());
    fs::write(&program, script.replace("@INIT@", INIT)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let executor = Executor::with(InitProgram::at(program));
    let mut task = executor.shell("exit 3");
    assert_eq!(task.wait(), Exit::Exited(3));
    assert!(place.path().join("came").exists());
    drop(task);
    executor.finish();
}
