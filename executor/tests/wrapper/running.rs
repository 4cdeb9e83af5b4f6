//! How a command ends is the exit status and the last line on standard error, and nothing of it is left behind.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::{NOBODY, Stage};

fn kill(child: &Child, signal: Signal) {
    signal::kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

#[test]
fn the_commands_status_and_the_reason_of_its_end_are_passed_on() {
    let stage = Stage::new();
    stage
        .run(&[], &["true"])
        .assert(0, "Command exited with status 0");
    stage
        .shell(&[], "exit 3")
        .assert(3, "Command exited with status 3");
    stage
        .shell(&[], "kill -s SEGV $$")
        .assert(139, "Command terminated with signal Segmentation fault");
}

#[test]
fn input_output_arguments_and_environment_are_the_commands() {
    let stage = Stage::new();
    let line = "cat; echo \"$1|$A|$PWD|$MESOS_TASK_ID\"; echo problem >&2";
    let mut child = stage
        .command(&["--env", "A=b=c"], &["sh", "-c", line, "sh", "a  b"])
        .env("MESOS_TASK_ID", "outer")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"from outside\n").unwrap();
    drop(stdin);
    let finished = stage.finish(child);
    let work = stage.work();
    assert_eq!(
        finished.out,
        format!("from outside\na  b|b=c|{}|outer\n", work.display())
    );
    assert!(finished.log.contains("problem\n"), "{finished:?}");
    finished.assert(0, "");
}

#[test]
fn an_executors_credentials_do_not_reach_the_command() {
    let stage = Stage::new();
    let child = stage
        .command(&[], &["env"])
        .env("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "hunter2")
        .env("LIBPROCESS_SSL_KEY_FILE", "hunter2")
        .spawn();
    let finished = stage.finish(child.unwrap());
    assert!(finished.out.contains("STAGE="));
    // Nor does it get what a task has.
    assert!(!finished.out.contains("MESOS_"), "{finished:?}");
    assert!(!finished.out.contains("hunter2"), "{finished:?}");
}

#[test]
fn what_cannot_be_started_has_a_status_of_its_own() {
    let stage = Stage::new();
    stage
        .run(&[], &["./no-such-program"])
        .assert(126, "Failed to start the command: ");
    stage
        .run(&["--user", "no-such-user"], &["true"])
        .assert(126, "");
    for options in [&["--memory", "64"][..], &["--unknown"], &["--disk", "1KB"]] {
        let finished = stage.run(options, &["true"]);
        assert_eq!(finished.status, 125, "{finished:?}");
        assert!(finished.log.contains(options[0]), "{finished:?}");
    }
    let missing = stage.work().join("missing");
    let finished = stage.run(&["--directory", missing.to_str().unwrap()], &["true"]);
    finished.assert(126, "open the directory ");
}

#[test]
fn a_broken_memory_limit_ends_the_command_and_is_named() {
    let stage = Stage::new();
    stage
        .run(&["--memory", "16MB"], &["tail", "/dev/zero"])
        .assert(122, "Memory limit exceeded: Requested: 16MB");
}

#[test]
fn a_broken_disk_quota_ends_the_command_and_is_named() {
    let stage = Stage::new();
    let data = stage.work().join("data");
    fs::create_dir(&data).unwrap();
    stage
        .shell(
            &["--disk", "1MB", "--directory", data.to_str().unwrap()],
            "head -c 4194304 /dev/zero > file; sleep 1000",
        )
        .assert(123, "Disk usage (");
}

#[test]
fn the_number_of_processes_is_limited() {
    let stage = Stage::new();
    let line = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; true";
    let finished = stage.shell(&["--pids", "4"], line);
    assert!(finished.log.contains("ork"), "no fork failed: {finished:?}");
}

#[test]
fn a_command_that_takes_too_long_is_told_to_end_and_then_killed() {
    let stage = Stage::new();
    stage
        .run(&["--timeout", "100ms"], &["sleep", "1000"])
        .assert(124, "Command did not end within 100ms");
    stage
        .shell(
            &["--timeout", "100ms", "--kill-grace", "100ms"],
            "trap '' TERM; while :; do sleep 1; done",
        )
        .assert(124, "Command did not end within 100ms");
}

#[test]
fn signals_reach_the_command_and_what_ignores_them_is_killed() {
    let stage = Stage::new();
    for (signal, name) in [
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGHUP, "HUP"),
    ] {
        let line = format!("trap 'exit 7' {name}; touch {name}; while :; do sleep 0.05; done");
        let child = stage.command(&[], &["sh", "-c", &line]).spawn().unwrap();
        stage.wait_for(name);
        kill(&child, signal);
        stage
            .finish(child)
            .assert(7, "Command exited with status 7");
    }
    let line = "trap '' TERM; touch stubborn; while :; do sleep 0.05; done";
    let child = stage
        .command(&["--kill-grace", "50ms"], &["sh", "-c", line])
        .spawn()
        .unwrap();
    stage.wait_for("stubborn");
    kill(&child, Signal::SIGTERM);
    let finished = stage.finish(child);
    finished.assert(137, "Command terminated with signal Killed");
}

#[test]
fn a_signal_that_does_not_mean_the_end_is_only_passed_on() {
    let stage = Stage::new();
    let line =
        "trap 'touch got' USR1; touch ready; while [ ! -e got ]; do sleep 0.05; done; exit 5";
    let child = stage.command(&[], &["sh", "-c", line]).spawn().unwrap();
    stage.wait_for("ready");
    kill(&child, Signal::SIGUSR1);
    stage
        .finish(child)
        .assert(5, "Command exited with status 5");
}

#[test]
fn nothing_that_the_command_started_outlives_it() {
    let stage = Stage::new();
    // `finish` looks for it.
    let line = "setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &) ; sleep 0.1";
    stage
        .shell(&[], line)
        .assert(0, "Command exited with status 0");
}

#[test]
fn nothing_outlives_a_wrapper_that_is_killed() {
    for user in [0, NOBODY] {
        let stage = Stage::new();
        let line = "setsid sleep 1000 & touch ready; sleep 1000";
        let mut command = stage.command(&["--memory", "64MB"], &["sh", "-c", line]);
        let mut child = command.uid(user).gid(user).spawn().unwrap();
        stage.wait_for("ready");
        let there = stage.leftovers(child.id());
        let has_cgroup = there.iter().any(|one| one.contains("cgroup"));
        assert_eq!(has_cgroup, user == 0, "{there:?}");
        assert!(stage.processes().len() >= 4, "{there:?}");
        kill(&child, Signal::SIGKILL);
        child.wait().unwrap();
        stage.assert_clean(child.id());
    }
}

#[test]
fn two_wrappers_side_by_side_do_not_disturb_each_other() {
    let stages = [Stage::new(), Stage::new()];
    let limit = ["--memory", "64MB"];
    let second = stages[1].command(&limit, &["sh", "-c", "touch ready; read line"]);
    let mut second = { second }.stdin(Stdio::piped()).spawn().unwrap();
    stages[1].wait_for("ready");
    stages[0]
        .shell(&limit, "exit 1")
        .assert(1, "Command exited");
    assert!(second.try_wait().unwrap().is_none());
    drop(second.stdin.take());
    stages[1].finish(second).assert(1, "Command exited");
}

#[test]
fn root_runs_the_command_as_another_user() {
    let stage = Stage::new();
    let finished = stage.shell(&["--user", "nobody"], "id -u; touch file");
    assert_eq!(finished.out, format!("{NOBODY}\n"));
    finished.assert(0, "");
    // The directory stays whose it was.
    assert_eq!(fs::metadata(stage.work()).unwrap().uid(), 0);
    // Nothing but the reason is said.
    assert_eq!(finished.log.lines().count(), 1, "{finished:?}");
}

#[test]
fn the_directory_that_the_command_runs_in_keeps_its_owner_and_its_mode() {
    let stage = Stage::new();
    let before = fs::metadata(stage.work()).unwrap();
    stage.run(&["--user", "nobody"], &["true"]).assert(0, "");
    let after = fs::metadata(stage.work()).unwrap();
    let owner = |it: &fs::Metadata| (it.uid(), it.gid(), it.mode());
    assert_eq!(owner(&after), owner(&before));
}

#[test]
fn nothing_is_logged_of_a_run_that_goes_well_but_the_last_line() {
    let finished = Stage::new().run(&[], &["true"]);
    assert_eq!(
        finished.log,
        "mesos-sandbox-executor: Command exited with status 0\n"
    );
}

#[test]
fn the_status_is_the_commands_own_also_when_nobody_reads_the_last_line() {
    let stage = Stage::new();
    let mut command = stage.command(&[], &["sh", "-c", "sleep 0.2; exit 5"]);
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(stage.finish(child).status, 5);
}

/// An ordinary user has neither cgroups nor namespaces. The rest holds, and the log says what does not.
#[test]
fn an_ordinary_user_has_what_is_left() {
    let stage = Stage::new();
    let as_nobody = |options: &[&str], line: &str| {
        let mut command = stage.command(options, &["sh", "-c", line]);
        stage.finish(command.uid(NOBODY).gid(NOBODY).spawn().unwrap())
    };
    let finished = as_nobody(&["--memory", "64MB"], "setsid sleep 1000 & exit 3");
    finished.assert(3, "Command exited with status 3");
    let warned = finished.log.contains("no memory, cpu or process limits");
    assert!(warned, "{finished:?}");
    let data = stage.work().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
    let options = ["--disk", "1MB", "--directory", data.to_str().unwrap()];
    as_nobody(&options, "head -c 4194304 /dev/zero > file; sleep 1000").assert(123, "Disk usage (");
    fs::remove_file(data.join("file")).unwrap();
    let hides = "mkdir hidden; chmod 0 hidden; sleep 2; exec 3> gone; rm gone;
                 head -c 4194304 /dev/zero >&3; sleep 1000";
    let finished = as_nobody(&options, hides);
    finished.assert(123, "Disk usage (");
    let partly = "its disk usage is known in part only: cannot read \"hidden\"";
    assert!(finished.log.contains(partly), "{finished:?}");
    as_nobody(&["--timeout", "100ms"], "sleep 1000").assert(124, "Command did not end");
    as_nobody(&["--user", "root"], "true").assert(126, "");
}

#[test]
fn output_may_go_to_a_file_and_to_nowhere() {
    let stage = Stage::new();
    let path = stage.work().join("out");
    let mut command = stage.command(&[], &["echo", "hi"]);
    let child = command.stdout(File::create(&path).unwrap()).spawn();
    stage.finish(child.unwrap()).assert(0, "");
    assert_eq!(fs::read_to_string(&path).unwrap(), "hi\n");
    let mut command = stage.command(&[], &["sh", "-c", "echo hi; exit 4"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    // Its reader is gone.
    drop(child.stdout.take());
    let pid = child.id();
    let status = child.wait().unwrap();
    assert!(status.code().is_some(), "{status}");
    stage.assert_clean(pid);
}

/// Mesos's command executor gives its task the environment of an executor.
#[test]
fn in_a_task_of_another_executor_run_is_told_by_its_double_dash() {
    let stage = Stage::new();
    let mut command = stage.command(&["--disk", "100MB"], &["sh", "-c", "exit 3"]);
    command
        .env("MESOS_EXECUTOR_ID", "another")
        .env("MESOS_FRAMEWORK_ID", "F")
        .env("MESOS_AGENT_ENDPOINT", "127.0.0.1:1")
        .env("MESOS_DIRECTORY", stage.work());
    let finished = stage.finish(command.spawn().unwrap());
    finished.assert(3, "Command exited with status 3");
}

#[test]
fn a_signal_in_the_middle_of_the_launch_ends_it() {
    let stage = Stage::new();
    let child = stage.command(&[], &["sleep", "1000"]).spawn().unwrap();
    // At whatever moment of the launch it comes.
    thread::sleep(Duration::from_millis(3));
    let _early = signal::kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    // The signal may also have come before anybody listened.
    assert!(!output.status.success(), "{output:?}");
    stage.assert_clean(pid);
}
