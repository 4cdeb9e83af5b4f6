//! What the Mesos and the scheduler of the fixtures do, with the stand-in for Mesos's command executor.
#![allow(
    clippy::unwrap_used,
    reason = "functions that tests share are tests too"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskRunning, TaskStarting, TaskUnknown,
};
use mesos_proto::v1::task_status::{Reason, Source};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_support::{
    FileServer, FrameworkOptions, Leftover, RealMesos, Scheduler, Settings, executor, task,
};

const LONG: Duration = Duration::from_secs(30);

fn subscribe(mesos: &RealMesos) -> Scheduler {
    Scheduler::subscribe(mesos, FrameworkOptions::default())
}

#[test]
fn tasks_of_the_command_executor_end_with_its_words() {
    let mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    scheduler
        .launch([
            task("fine").command("true"),
            task("three").command("exit 3"),
            task("killed").command("exec sleep 1000"),
        ])
        .unwrap();

    let fine = scheduler.wait_for("fine", TaskFinished, LONG).unwrap();
    assert_eq!(fine.message(), "Command exited with status 0");
    assert_eq!(fine.source(), Source::Executor);
    assert_eq!(
        scheduler.states_of("fine"),
        [TaskStarting, TaskRunning, TaskFinished]
    );

    let three = scheduler.wait_for("three", TaskFailed, LONG).unwrap();
    assert_eq!(three.message(), "Command exited with status 3");

    scheduler.wait_for("killed", TaskRunning, LONG).unwrap();
    scheduler.kill("killed", None).unwrap();
    let killed = scheduler.wait_for("killed", TaskKilled, LONG).unwrap();
    assert_eq!(
        killed.message(),
        "Command terminated with signal Terminated"
    );
    assert_eq!(scheduler.errors(), Vec::<String>::new());
}

#[test]
fn an_executor_from_a_uri_takes_a_second_task_and_a_group() {
    let mesos = RealMesos::start(Settings::posix());
    let files = FileServer::start();
    let url =
        files.offer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../mesos/real/mesos-executor"));
    let scheduler = subscribe(&mesos);
    let shared = executor("shared")
        .command("./mesos-executor")
        .uri(&url, true)
        .disk(10.0);

    scheduler
        .launch([task("first").executor(&shared).data("sleep 1000")])
        .unwrap();
    scheduler.wait_for("first", TaskRunning, LONG).unwrap();
    scheduler
        .launch([task("second")
            .executor(&shared)
            .data("echo here > second.txt")])
        .unwrap();
    scheduler.wait_for("second", TaskFinished, LONG).unwrap();
    scheduler
        .launch_group(
            shared.clone(),
            [
                task("left").command("true"),
                task("right").command("exit 2"),
            ],
        )
        .unwrap();
    scheduler.wait_for("left", TaskFinished, LONG).unwrap();
    scheduler.wait_for("right", TaskFailed, LONG).unwrap();
    let sandbox = mesos.sandbox(&scheduler.framework_id(), "shared");
    assert_eq!(
        fs::read_to_string(sandbox.join("second.txt")).unwrap(),
        "here\n"
    );

    scheduler
        .launch([task("refused")
            .executor(&shared)
            .command("true")
            .data("true")])
        .unwrap();
    let refused = scheduler.wait_for_end("refused", LONG).unwrap();
    assert_eq!(
        (refused.source(), refused.reason()),
        (Source::Master, Reason::TaskInvalid)
    );

    scheduler.shutdown_executor("shared").unwrap();
    scheduler.wait_for("first", TaskKilled, LONG).unwrap();
}

#[test]
fn a_wrong_end_is_an_error_that_shows_the_timeline() {
    let mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    scheduler.launch([task("fails").command("exit 1")]).unwrap();
    let error = scheduler.wait_for("fails", TaskFinished, LONG).unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("ended in TASK_FAILED, not TASK_FINISHED"),
        "{text}"
    );
    assert!(
        text.contains("fails TASK_STARTING SOURCE_EXECUTOR"),
        "{text}"
    );
}

#[test]
fn an_update_comes_again_until_it_is_acknowledged_with_the_same_uuid() {
    let mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    scheduler.hold_acknowledgements();
    scheduler.launch([task("held").command("true")]).unwrap();
    scheduler.wait_for("held", TaskStarting, LONG).unwrap();
    // The agent repeats after ten seconds (Mesos: src/slave/constants.hpp, STATUS_UPDATE_RETRY_INTERVAL_MIN).
    scheduler.updates_after(1, LONG);
    let updates = scheduler.updates_of("held");
    assert_eq!(scheduler.states_of("held"), [TaskStarting, TaskStarting]);
    assert_eq!(updates[0].uuid, updates[1].uuid);

    scheduler.release_acknowledgements().unwrap();
    scheduler.wait_for("held", TaskFinished, LONG).unwrap();
}

#[test]
fn after_a_restart_of_mesos_the_scheduler_is_subscribed_with_the_same_id_and_can_launch() {
    let mut mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    let id = scheduler.framework_id();
    mesos.kill_9();
    mesos.restart();
    scheduler.launch([task("later").command("true")]).unwrap();
    scheduler.wait_for("later", TaskFinished, LONG).unwrap();
    assert_eq!(scheduler.framework_id(), id);
    assert_eq!(scheduler.subscriptions(), 2);
}

#[test]
fn reconciliation_answers_for_a_task_that_runs_and_for_one_that_never_was() {
    let mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    scheduler
        .launch([task("runs").command("sleep 1000")])
        .unwrap();
    scheduler.wait_for("runs", TaskRunning, LONG).unwrap();
    let known = scheduler.updates().len();
    scheduler.reconcile(&["runs"]).unwrap();
    let answer = scheduler.updates_after(known, LONG);
    assert_eq!(
        (answer[0].state, answer[0].reason),
        (TaskRunning, Some(Reason::Reconciliation))
    );
    scheduler.reconcile(&["never"]).unwrap();
    let answer = scheduler.updates_after(known + 1, LONG);
    assert_eq!(
        (answer[0].state, answer[0].reason),
        (TaskUnknown, Some(Reason::Reconciliation))
    );
}

#[test]
fn the_cgroup_isolators_end_a_task_that_breaks_its_memory_limit() {
    let mesos = RealMesos::start(Settings::linux());
    let scheduler = subscribe(&mesos);
    scheduler
        .launch([task("hog")
            .mem(64.0)
            .command("exec /usr/bin/python3 -c 'b = bytearray(500 << 20)'")])
        .unwrap();
    let hog = scheduler.wait_for("hog", TaskFailed, LONG).unwrap();
    assert_eq!(hog.reason(), Reason::ContainerLimitationMemory);
    assert!(
        hog.message()
            .starts_with("Memory limit exceeded: Requested: "),
        "{}",
        hog.message()
    );
    assert_eq!(hog.limitation.unwrap().resources[0].name, "mem");
}

#[test]
fn the_disk_isolator_ends_a_task_that_breaks_its_quota() {
    let settings = Settings::posix()
        .flag("enforce_container_disk_quota", "true")
        .flag("container_disk_watch_interval", "1secs");
    let mesos = RealMesos::start(settings);
    let scheduler = subscribe(&mesos);
    scheduler
        .launch([task("filler")
            .disk(10.0)
            .command("dd if=/dev/zero of=f bs=1M count=20; sleep 1000")])
        .unwrap();
    let filler = scheduler.wait_for("filler", TaskFailed, LONG).unwrap();
    assert_eq!(filler.reason(), Reason::ContainerLimitationDisk);
    assert!(
        filler.message().ends_with(" exceeds quota (10MB)"),
        "{}",
        filler.message()
    );
}

#[test]
fn a_process_that_outlives_its_task_is_named_when_mesos_is_dropped() {
    let mesos = RealMesos::start(Settings::posix());
    let scheduler = subscribe(&mesos);
    // It leaves the session, its parent and the pipe.
    scheduler
        .launch([task("parent").command("setsid setsid sleep 4321 </dev/null >/dev/null 2>&1 &")])
        .unwrap();
    scheduler.wait_for("parent", TaskFinished, LONG).unwrap();
    drop(scheduler);
    let is_there = |found: &[Leftover]| {
        found.iter().any(|leftover| matches!(leftover, Leftover::Process { command, .. } if command == "sleep 4321"))
    };
    // It becomes `sleep` a moment after the task's end.
    assert!(eventually(|| is_there(&mesos.leftovers().find())));

    let panic = catch_unwind(AssertUnwindSafe(|| drop(mesos))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("sleep 4321"), "{text}");
    assert!(!runs("sleep\x004321\x00"));
}

#[test]
fn everything_goes_with_a_test_process_that_is_killed() {
    const VICTIM: &str = "MESOS_AGENT_TOOLKIT_VICTIM";
    if std::env::var_os(VICTIM).is_some() {
        let mesos = RealMesos::start(Settings::linux());
        let scheduler = subscribe(&mesos);
        scheduler
            .launch([task("stays").command("exec sleep 5432")])
            .unwrap();
        scheduler.wait_for("stays", TaskRunning, LONG).unwrap();
        fs::write(
            std::env::var_os(VICTIM).unwrap(),
            format!("{}\n{}", mesos.log_path().display(), mesos.cgroups_root()),
        )
        .unwrap();
        sleep(Duration::from_secs(1000));
    }

    let place = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "everything_goes_with_a_test_process_that_is_killed",
            "--test-threads=1",
        ])
        .env(VICTIM, place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_told =
        eventually(|| fs::read_to_string(place.path()).is_ok_and(|text| text.contains('\n')));
    kill(Pid::from_raw(victim.id().cast_signed()), Signal::SIGKILL).unwrap();
    victim.wait().unwrap();
    assert!(is_told, "the other process did not come up");

    let told = fs::read_to_string(place.path()).unwrap();
    let (log, cgroup) = told.split_once('\n').unwrap();
    let freezer = Path::new("/sys/fs/cgroup/freezer").join(cgroup);
    assert!(
        eventually(|| !Path::new(log).exists()),
        "{log} is still there"
    );
    assert!(
        eventually(|| !freezer.exists()),
        "{} is still there",
        freezer.display()
    );
    assert!(!runs("sleep\x005432\x00"));
}

/// Whether there is a process with this command line.
fn runs(command: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == command.as_bytes())
    })
}

fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}
