//! What a task sees, is, and has, and what of it is seen outside.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::Path;

use cgroup::{Host, sweep};
use kernel_tests::{Executor, Probe, Task, UNLIMITED, install, until};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use sandbox::identity::{Identity, lookup};
use sandbox::{Bound, Command, Exit, Rlimit};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn output_of(executor: &Executor, script: &str) -> Vec<String> {
    let mut task = executor.shell(script);
    assert_eq!(task.wait(), Exit::Exited(0), "{}", stderr(&task));
    task.stdout().lines().map(str::to_owned).collect()
}

fn install_script(text: &str, path: &Path) {
    let source = path.with_extension("source");
    fs::write(&source, text).unwrap();
    install(File::open(source).unwrap(), path);
}

fn stderr(task: &Task) -> String {
    fs::read_to_string(task.directory.path.join("stderr")).unwrap()
}

#[test]
fn a_task_sees_its_own_processes_only() {
    let executor = Executor::start(INIT);
    let lines = output_of(&executor, "echo $$; ls -d /proc/[0-9]* | wc -l");
    assert_eq!(lines[0], "2", "init is 1");
    let seen: usize = lines[1].trim().parse().unwrap();
    assert!((3..=5).contains(&seen), "{seen} processes");
    executor.finish();
}

#[test]
fn a_host_name_given_or_set_inside_stays_inside() {
    let executor = Executor::start(INIT);
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut plan =
        Executor::plan("cat /proc/sys/kernel/hostname; echo other > /proc/sys/kernel/hostname");
    plan.hostname = Some("task-box".to_owned());
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    assert_eq!(task.stdout(), "task-box\n");
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before
    );
    drop(task);
    executor.finish();
}

#[test]
fn a_mount_inside_is_not_seen_outside() {
    let executor = Executor::start(INIT);
    let place = executor.sandbox.path().join("place");
    fs::create_dir(&place).unwrap();
    let place = place.to_str().unwrap();
    let script =
        format!("mount -t tmpfs inside {place} && touch {place}/file && echo mounted; sleep 1000");
    let task = executor.shell(&script);
    assert_eq!(task.lines(1), ["mounted"]);
    assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(place)
    );
    drop(task);
    executor.finish();
}

#[test]
fn a_mount_inside_is_not_seen_outside_where_all_mounts_are_shared_either() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path().join("place").to_str().unwrap().to_owned();
    let script = format!(
        "mkdir -p {place} && mount -t tmpfs inside {place} && touch {place}/up && sleep 1000"
    );
    let mut probe = Probe::start(INIT, &["shared", &script], |_| {});
    let line = probe.line();
    let init = line.split(' ').nth(1).unwrap();
    let mounts_of =
        |process: &str| fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
    until("the mount inside", || {
        mounts_of(init).contains(&place).then_some(())
    });
    let outside = mounts_of(&probe.pid().to_string());
    assert!(outside.contains("shared:"), "{outside}");
    assert!(!outside.contains(&place), "{outside}");
    probe.kill();
    sweep(&Host::detect(Path::new("/")).unwrap()).unwrap();
}

#[test]
fn a_queue_made_inside_is_not_seen_outside() {
    let executor = Executor::start(INIT);
    let before = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let task = executor.shell("ipcmk -M 4096 >/dev/null && wc -l < /proc/sysvipc/shm; sleep 1000");
    assert_eq!(task.lines(1), ["2"], "the heading, and its own");
    assert_eq!(fs::read_to_string("/proc/sysvipc/shm").unwrap(), before);
    drop(task);
    executor.finish();
}

#[test]
fn no_descriptor_of_the_executors_reaches_the_task() {
    let executor = Executor::start(INIT);
    let leaked = File::open("/dev/null").unwrap();
    fcntl(&leaked, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    assert_eq!(output_of(&executor, "ls /proc/$$/fd"), ["0", "1", "2"]);
    executor.finish();
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan("");
    let argv = ["grep", "-E", "^Sig(Blk|Ign|Pnd)", "/proc/self/status"];
    plan.command = Command::Exec {
        file: "grep".into(),
        argv: argv.map(str::to_owned).to_vec(),
    };
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    assert_eq!(task.stdout().lines().count(), 3);
    for line in task.stdout().lines() {
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    drop(task);
    executor.finish();
}

#[test]
fn a_task_leads_its_own_session_and_group() {
    let executor = Executor::start(INIT);
    // Fields 5 and 6 of stat: group and session.
    let lines = output_of(
        &executor,
        "read p c s pp group session rest < /proc/$$/stat; echo $$ $group $session",
    );
    assert_eq!(lines, ["2 2 2"]);
    executor.finish();
}

#[test]
fn the_environment_is_the_plans_and_nothing_else() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan("");
    plan.environment
        .insert("GREETING".into(), "a = b\n c".into());
    plan.command = Command::Exec {
        file: "/usr/bin/env".into(),
        argv: vec!["env".into(), "-0".into()],
    };
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    let text = task.stdout();
    let mut names: Vec<_> = text
        .split_terminator('\0')
        .map(|v| v.split('=').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["GREETING", kernel_tests::MARK, "PATH"]);
    assert!(text.contains("GREETING=a = b\n c\0"));
    drop(task);
    executor.finish();
}

#[test]
fn a_user_has_its_ids_its_groups_and_no_way_back() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan(
        "id -u; id -g; id -G; umask; grep CapEff /proc/self/status; setpriv --reuid=0 true || echo no",
    );
    plan.identity = Some(Identity {
        uid: 65534,
        gid: 65533,
        groups: vec![65533, 6],
        home: None,
    });
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    let expected = [
        "65534",
        "65533",
        "65533 6",
        "0022",
        "CapEff:\t0000000000000000",
        "no",
    ];
    assert_eq!(task.lines(6), expected);
    drop(task);
    executor.finish();
}

#[test]
fn the_users_of_this_machine_are_found() {
    let identity = lookup(Path::new("/"), "root").unwrap();
    assert_eq!((identity.uid, identity.gid), (0, 0));
    assert_eq!(identity.home, Some("/root".into()));
}

#[test]
fn a_task_starts_in_its_working_directory_and_finds_its_program_there() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().join("work");
    fs::create_dir(&directory).unwrap();
    install_script("#!/bin/sh\npwd\necho \"$0 $1\"\n", &directory.join("run"));
    let mut plan = Executor::plan("");
    plan.working_directory = directory.clone();
    plan.command = Command::Exec {
        file: "./run".into(),
        argv: vec!["x".into(), "two words".into()],
    };
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    assert_eq!(
        task.stdout(),
        format!("{}\n./run two words\n", directory.display())
    );
    drop(task);
    executor.finish();
}

#[test]
fn a_program_is_looked_for_in_the_tasks_own_path() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().join("bin");
    fs::create_dir(&directory).unwrap();
    install_script("#!/bin/sh\necho found\n", &directory.join("only-here"));
    let mut plan = Executor::plan("");
    plan.environment.insert(
        "PATH".into(),
        format!("/nowhere:/etc/passwd:{}", directory.display()),
    );
    plan.command = Command::Exec {
        file: "only-here".into(),
        argv: vec![],
    };
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    assert_eq!(task.stdout(), "found\n");
    drop(task);
    executor.finish();
}

#[test]
fn a_task_that_unmounts_proc_finds_no_other_below_it() {
    let executor = Executor::start(INIT);
    let script = "[ -e /proc/1 ] && echo there; \
        while umount --lazy /proc 2>/dev/null; do echo unmounted; done; \
        [ -e /proc/1 ] || echo gone";
    let lines = output_of(&executor, script);
    assert_eq!(lines, ["there", "unmounted", "gone"]);
    assert!(Path::new("/proc/1").exists(), "out here it stays");
    executor.finish();
}

fn descriptor_limit(soft: u64) -> Rlimit {
    Rlimit {
        resource: sandbox::Resource::OpenFiles,
        soft: Bound::At(soft),
        hard: Bound::Inherited,
    }
}

#[test]
fn the_soft_limit_of_descriptors_is_the_plans_or_the_inherited_one() {
    let executor = Executor::start(INIT);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard > 256, "{hard}");
    for (limit, expected) in [(Some(256), 256), (Some(hard + 1), hard), (None, soft)] {
        let mut plan = Executor::plan("ulimit -S -n; ulimit -H -n");
        plan.rlimits = limit.map(descriptor_limit).into_iter().collect();
        let mut task = executor.launch(plan, &UNLIMITED);
        assert_eq!(task.wait(), Exit::Exited(0));
        assert_eq!(task.stdout(), format!("{expected}\n{hard}\n"), "{limit:?}");
    }
    executor.finish();
}
