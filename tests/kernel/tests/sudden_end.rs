//! An executor that is killed leaves nothing that runs, and the next one clears up after it.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use cgroup::{Cgroup, Host, Parent, sweep};
use kernel_tests::{MARK, UNLIMITED, cgroups_named, processes_executing, processes_marked, until};

/// A probe that is killed with the test, whose files lie in a directory that goes with it, and
/// whose program is a copy of its own, by which all of its processes are found.
struct Probe {
    child: Child,
    directory: tempfile::TempDir,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Probe {
    fn start(arguments: &[&str], user: Option<u32>) -> Probe {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let program = directory.path().join("probe");
        fs::copy(env!("CARGO_BIN_EXE_probe-executor"), &program).unwrap();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("TMPDIR", directory.path())
            .env(MARK, directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        Probe {
            child,
            directory,
            lines: Box::new(lines),
        }
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("probe")
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line from the probe")
    }

    fn mark(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    fn kill_and_wait_for_its_processes(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        until("the end of its inits", || {
            processes_executing(&self.program())
                .is_empty()
                .then_some(())
        });
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn swept() {
    sweep(&Host::detect(Path::new("/")).unwrap()).unwrap();
}

#[test]
fn tasks_die_with_their_executor_and_the_sweep_removes_its_cgroups() {
    let mut probe = Probe::start(&["setsid sleep 1000 & trap '' TERM HUP; sleep 1000"], None);
    let line = probe.line();
    let (container, _) = line.split_once(' ').unwrap();
    until("its task", || {
        (processes_marked(container).len() >= 3).then_some(())
    });
    let cgroups = cgroups_named(container).len();
    assert!(cgroups > 0);

    swept();
    assert_eq!(
        cgroups_named(container).len(),
        cgroups,
        "a living executor's are not touched"
    );
    assert!(!processes_marked(container).is_empty());

    probe.kill_and_wait_for_its_processes();
    until("the end of its task", || {
        processes_marked(container).is_empty().then_some(())
    });
    swept();
    assert_eq!(cgroups_named(container), Vec::<PathBuf>::new());
}

#[test]
fn an_executor_killed_at_any_moment_leaves_no_process() {
    for round in 0..25 {
        let mut probe = Probe::start(&["sleep 1000"], None);
        sleep(Duration::from_millis(round));
        probe.kill_and_wait_for_its_processes();
        // The name of a container has the process id of its executor.
        let container = format!("kernel-test-{}-0", probe.child.id());
        until("the end of its task", || {
            processes_marked(&container).is_empty().then_some(())
        });
        swept();
        assert_eq!(
            cgroups_named(&container),
            Vec::<PathBuf>::new(),
            "round {round}"
        );
    }
}

#[test]
fn a_sweep_kills_what_still_runs_in_a_dead_executors_cgroup() {
    let host = Host::detect(Path::new("/")).unwrap();
    let container = format!("kernel-test-dead-{}", std::process::id());
    let parent = Parent::create(&host, &container).unwrap();
    let cgroup = Cgroup::create(&parent, "t", &UNLIMITED).unwrap();
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    for file in cgroup.procs_files() {
        fs::write(file, sleeper.id().to_string()).unwrap();
    }
    // Its lock goes, as the kernel would let it go.
    drop(parent);
    swept();
    let status = sleeper.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    assert_eq!(cgroups_named(&container), Vec::<PathBuf>::new());
}

#[test]
fn two_executors_cannot_have_the_same_container() {
    let host = Host::detect(Path::new("/")).unwrap();
    let container = format!("kernel-test-same-{}", std::process::id());
    let parent = Parent::create(&host, &container).unwrap();
    let error = Parent::create(&host, &container).unwrap_err();
    assert!(matches!(error, cgroup::Error::Owned { .. }), "{error}");
    assert!(
        !cgroups_named(&container).is_empty(),
        "the first one's are not touched"
    );
    parent.remove().unwrap();
    assert_eq!(cgroups_named(&container), Vec::<PathBuf>::new());
}

#[test]
fn a_container_whose_executor_died_can_be_taken_over() {
    let host = Host::detect(Path::new("/")).unwrap();
    let container = format!("kernel-test-again-{}", std::process::id());
    let parent = Parent::create(&host, &container).unwrap();
    Cgroup::create(&parent, "t", &UNLIMITED).unwrap();
    drop(parent);
    let parent = Parent::create(&host, &container).unwrap();
    let cgroup = Cgroup::create(&parent, "t", &UNLIMITED).unwrap();
    cgroup.remove().unwrap();
    parent.remove().unwrap();
    assert_eq!(cgroups_named(&container), Vec::<PathBuf>::new());
}

#[test]
fn a_user_without_rights_gets_a_task_is_told_what_it_lacks_and_can_kill_it() {
    let script = "(setsid sleep 1000 &) ; (sleep 1000 &); sleep 1000";
    let mut probe = Probe::start(&["bare", script], Some(65534));
    for missing in [
        "mount namespace",
        "ipc namespace",
        "uts namespace",
        "pid namespace",
    ] {
        assert_eq!(
            probe.line(),
            format!("no {missing}: Operation not permitted (os error 1)")
        );
    }
    assert_eq!(probe.line(), "started");
    // The probe, the shell, three sleepers; the inits have no environment.
    until("its processes", || {
        (processes_marked(probe.mark()).len() >= 5).then_some(())
    });
    drop(probe.child.stdin.take());
    assert_eq!(probe.line(), "terminated with signal Killed");
    assert!(probe.child.wait().unwrap().success());
    assert_eq!(processes_marked(probe.mark()), Vec::<i32>::new());
}

#[test]
fn without_rights_too_tasks_die_with_their_executor() {
    let script = "(setsid sleep 1000 &) ; (sleep 1000 &); sleep 1000";
    let mut probe = Probe::start(&["bare", script], Some(65534));
    while probe.line() != "started" {}
    until("its processes", || {
        (processes_marked(probe.mark()).len() >= 5).then_some(())
    });
    probe.kill_and_wait_for_its_processes();
    until("the end of its task", || {
        processes_marked(probe.mark()).is_empty().then_some(())
    });
}
