//! An executor that is killed leaves nothing that runs, and the next one clears up after it.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use cgroup::{Cgroup, Host, Parent, sweep};
use kernel_tests::{
    Probe, UNLIMITED, cgroups_named, forbid_user_namespaces, processes_executing, processes_marked,
    until,
};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn probe(arguments: &[&str]) -> Probe {
    Probe::start(INIT, arguments, |_| {})
}

/// With rights to nothing, not even to a user namespace.
fn probe_of_nobody(arguments: &[&str]) -> Probe {
    Probe::start(INIT, arguments, forbid_user_namespaces)
}

/// Sweeps, after which nothing of a dead executor's is there. Should a sweep of another test be
/// at it just then, this one passes over it, and it is that one which has to come to its end.
fn sweep_away(container: &str) {
    sweep(&Host::detect(Path::new("/")).unwrap()).unwrap();
    until("the sweep", || {
        cgroups_named(container).is_empty().then_some(())
    });
}

#[test]
fn tasks_die_with_their_executor_and_the_sweep_removes_its_cgroups() {
    let mut probe = probe(&["setsid sleep 1000 & trap '' TERM HUP; sleep 1000"]);
    let line = probe.line();
    let (container, _) = line.split_once(' ').unwrap();
    until("its task", || {
        (processes_marked(container).len() >= 3).then_some(())
    });
    let cgroups = cgroups_named(container).len();
    assert!(cgroups > 0);

    sweep(&Host::detect(Path::new("/")).unwrap()).unwrap();
    assert_eq!(
        cgroups_named(container).len(),
        cgroups,
        "a living executor's are not touched"
    );
    assert!(!processes_marked(container).is_empty());

    probe.kill();
    until("the end of its task", || {
        processes_marked(container).is_empty().then_some(())
    });
    sweep_away(container);
}

#[test]
fn an_executor_killed_at_any_moment_leaves_no_process() {
    for round in 0..25 {
        let mut probe = probe(&["sleep 1000"]);
        sleep(Duration::from_millis(round));
        probe.kill();
        // The name of a container has the process id of its executor.
        let container = format!("kernel-test-{}-0", probe.pid());
        until("the end of its task", || {
            processes_marked(&container).is_empty().then_some(())
        });
        sweep_away(&container);
    }
}

/// The mounts of this process's own namespace, which is the executor's, unless that made one for itself. Without those of
/// images, which other tests on this machine make and remove meanwhile: no executor here lies on one.
fn mounts() -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let own = all.lines().filter(|mount| !mount.contains(" /dev/loop"));
    own.map(str::to_owned).collect()
}

#[test]
fn an_executor_killed_in_the_middle_of_launches_leaves_no_process_no_mount_and_no_cgroup() {
    let before = mounts();
    for round in 0..20_u64 {
        // Where all mounts are shared, as systemd makes them, one that gets out of a sandbox would be seen by its neighbours.
        let arguments: &[&str] = if round % 2 == 0 {
            &["storm"]
        } else {
            &["shared", "storm"]
        };
        let mut probe = probe(arguments);
        let container = probe.line();
        // Somewhere in a launch: one takes a few of these.
        sleep(Duration::from_micros(round * 1700));
        probe.kill();
        until("the end of its tasks", || {
            processes_marked(&container).is_empty().then_some(())
        });
        let here = probe.directory().to_str().unwrap().to_owned();
        let left: Vec<String> = mounts()
            .into_iter()
            .filter(|mount| mount.contains(&here))
            .collect();
        assert_eq!(left, Vec::<String>::new());
        sweep_away(&container);
        // Nothing that is mounted keeps it busy.
        fs::remove_dir_all(&here).unwrap();
    }
    let after = mounts();
    assert_eq!(after.len(), before.len(), "{after:#?}");
}

#[test]
fn an_executor_killed_between_rounds_of_launches_leaves_nothing_either() {
    let mut probe = probe(&["storm"]);
    let container = probe.line();
    for _ in 0..2 {
        assert_eq!(probe.line(), "round");
    }
    probe.kill();
    until("the end of its tasks", || {
        processes_marked(&container).is_empty().then_some(())
    });
    sweep_away(&container);
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
    sweep_away(&container);
    let status = sleeper.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
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
    let mut probe = probe_of_nobody(&["bare", script]);
    for missing in [
        "user namespace",
        "mount namespace",
        "ipc namespace",
        "uts namespace",
        "pid namespace",
        "cgroup namespace",
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
    probe.close_input();
    assert_eq!(probe.line(), "terminated with signal Killed");
    assert!(probe.wait().success());
    assert_eq!(processes_marked(probe.mark()), Vec::<i32>::new());
}

#[test]
fn a_user_without_rights_holds_launches_enters_calls_and_signals() {
    // The last of the guest's leaves all that can be left, and ignores what can be ignored.
    let guest =
        "(setsid sleep 1000 &); trap '' TERM HUP; setsid sh -c '(sleep 1001 &)'; sleep 1002";
    let script = "trap 'exit 9' USR1; while :; do sleep 0.01; done";
    let mut probe = probe_of_nobody(&["bare-all", script, guest]);
    assert_eq!(probe.line(), "entered");
    let is_of_the_guest = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with("sleep\u{0}100")
    };
    let of_the_guest = |mark: &str| {
        let all = processes_marked(mark);
        all.into_iter().filter(is_of_the_guest).count()
    };
    until("all of the guest's", || {
        (of_the_guest(probe.mark()) == 3).then_some(())
    });
    probe.close_input();
    assert_eq!(probe.line(), "terminated with signal Killed");
    assert_eq!(of_the_guest(probe.mark()), 0);
    for line in [
        "said",
        "exited with status 0",
        "answered",
        "exited with status 9",
    ] {
        assert_eq!(probe.line(), line);
    }
    assert!(probe.wait().success());
    assert_eq!(processes_marked(probe.mark()), Vec::<i32>::new());
}

#[test]
fn without_rights_too_tasks_die_with_their_executor() {
    let script = "(setsid sleep 1000 &) ; (sleep 1000 &); sleep 1000";
    let mut probe = probe_of_nobody(&["bare", script]);
    while probe.line() != "started" {}
    until("its processes", || {
        (processes_marked(probe.mark()).len() >= 5).then_some(())
    });
    probe.kill();
    until("the end of its task", || {
        processes_marked(probe.mark()).is_empty().then_some(())
    });
}

#[test]
fn a_task_that_stops_its_init_can_be_killed_all_the_same() {
    let mut probe = probe_of_nobody(&["bare", "kill -STOP $PPID; sleep 1000"]);
    while probe.line() != "started" {}
    let is_stopped = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("\nState:\tT")
    };
    until("the stop of the init", || {
        let program = probe.directory().join("probe");
        processes_executing(&program)
            .into_iter()
            .any(is_stopped)
            .then_some(())
    });
    probe.close_input();
    assert_eq!(probe.line(), "terminated with signal Killed");
    assert!(probe.wait().success());
    assert_eq!(processes_marked(probe.mark()), Vec::<i32>::new());
}
