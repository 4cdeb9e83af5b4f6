//! Hooks, stop sequences and restarts, with real processes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskState::{
    TaskFailed, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskStarting,
};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields, TaskStatus};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::executor::{Executor, comes_true, command_line};

/// The task `t` with this command and these keys in its data.
pub(crate) fn living(command: &str, mut keys: Value) -> TaskInfo {
    keys["version"] = 1.into();
    keys["command"] = json!({ "value": command });
    let data = keys.to_string();
    TaskInfo::from(TaskInfoFields {
        data: Some(data.into()),
        ..(*task("t", "")).clone()
    })
}

/// An agent and an executor that runs this task, whose directory is the third.
pub(crate) fn running(task: TaskInfo) -> (Agent, Executor, PathBuf) {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task)]);
    let directory = executor.sandbox().join("tasks/t");
    (agent, executor, directory)
}

pub(crate) fn end(agent: &Agent, executor: Executor) {
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// A file that appears in the task's directory.
fn wait_for_file(directory: &std::path::Path, name: &str) -> String {
    let path = directory.join(name);
    assert!(comes_true(|| path.exists()), "there is no {name}");
    fs::read_to_string(path).unwrap()
}

fn read(directory: &std::path::Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap_or_default()
}

/// How many of the executor's processes have a command line that begins like this.
fn processes(executor: &Executor, line: &str) -> usize {
    let processes = executor.processes().into_iter().map(command_line);
    processes.filter(|found| found.starts_with(line)).count()
}

fn restarts(agent: &Agent) -> Vec<String> {
    let statuses = agent.statuses("t");
    let running = statuses
        .iter()
        .filter(|status| status.state() == TaskRunning);
    let said = running.filter(|status| status.message().starts_with("restarted"));
    said.map(|status| status.message().to_owned()).collect()
}

fn label(status: &TaskStatus, key: &str) -> Option<String> {
    let labels = status.labels.iter().flat_map(|labels| &labels.labels);
    let mut found = labels.filter(|label| label.key == format!("mesos-sandbox-executor.{key}"));
    found.next().map(|label| label.value().to_owned())
}

/// Says who it is, where it is and in which cgroup, in the file `life`.
fn entry(name: &str) -> Value {
    let command = format!(
        "echo {name} $MESOS_TASK_ID $(pwd | grep -o 'tasks/t$') $(id -u) >> life; \
         grep pids /proc/self/cgroup > cgroup.{name}; echo {name} was here"
    );
    json!({ "command": command })
}

#[test]
fn every_hook_runs_at_its_moment_in_the_sandbox_as_the_user_and_in_the_cgroup_of_its_task() {
    let command = "grep pids /proc/self/cgroup > cgroup; echo run >> life; touch runs; \
                   trap 'echo quit >> life; exit 0' QUIT; while true; do sleep 0.05; done";
    let hooks = json!({
        "hooks": { "before_start": entry("before_start"), "after_start": entry("after_start"),
                   "before_stop": entry("before_stop"), "after_stop": entry("after_stop") },
        "stop": { "deregister": entry("deregister"), "drain_seconds": 0.2, "signal": "QUIT",
                  "signal_seconds": 100 },
    });
    let mut task = (*living(command, hooks)).clone();
    let data = String::from_utf8(task.data.take().unwrap().to_vec()).unwrap();
    // As somebody else than the executor.
    let data = data.replacen("\"command\":{", "\"command\":{\"user\":\"nobody\",", 1);
    task.data = Some(data.into());
    let user = nobody();

    let (agent, executor, directory) = running(TaskInfo::from(task));
    agent.wait_for_state("t", TaskRunning);
    wait_for_file(&directory, "runs");
    // It is through, not only there.
    let is_through = || read(&directory, "stdout").contains("[hook after_start]");
    assert!(comes_true(is_through));
    agent.send(&[kill("t", Some(300))]);
    let killed = agent.wait_for_state("t", TaskKilled);
    assert_eq!(killed.message(), "Command exited with status 0");
    let line = |name: &str| format!("{name} t tasks/t {user}");
    let life = read(&directory, "life");
    let mut lines: Vec<&str> = life.lines().collect();
    // These two run at the same time.
    lines[1..3].sort_unstable();
    let expected = [
        line("before_start"),
        line("after_start"),
        "run".to_owned(),
        line("before_stop"),
        line("deregister"),
        "quit".to_owned(),
        line("after_stop"),
    ];
    assert_eq!(lines, expected);
    let own = read(&directory, "cgroup");
    let stdout = read(&directory, "stdout");
    for hook in [
        "before_start",
        "after_start",
        "before_stop",
        "deregister",
        "after_stop",
    ] {
        // What runs beside the task may have a cgroup of its own in the task's.
        let found = read(&directory, &format!("cgroup.{hook}"));
        assert!(found.starts_with(own.trim_end()), "{hook}: {found} {own}");
        let said = format!("[hook {hook}] {hook} was here\n");
        assert!(stdout.contains(&said), "{said}{stdout}");
    }
    end(&agent, executor);
}

/// The user id of `nobody` on this host.
fn nobody() -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("nobody:"));
    let id = line.and_then(|line| line.split(':').nth(2));
    id.expect("this host has no user nobody").to_owned()
}

#[test]
fn a_hook_before_the_start_that_fails_keeps_the_program_from_starting_and_says_why() {
    let keys =
        json!({ "hooks": { "before_start": { "command": "echo no database >&2; exit 4" } } });
    let (agent, executor, directory) = running(living("touch ran", keys));
    let failed = agent.wait_for_state("t", TaskFailed);
    assert_eq!(
        failed.message(),
        "hook before_start exited with status 4: no database"
    );
    assert_eq!(agent.states("t"), [TaskStarting, TaskFailed]);
    assert!(!directory.join("ran").exists());
    assert_eq!(
        read(&directory, "stdout"),
        "[hook before_start] no database\n"
    );
    end(&agent, executor);
}

#[test]
fn a_hook_before_the_start_that_may_fail_is_told_of_with_the_task_that_runs() {
    let hook = json!({ "command": "exit 4", "on_failure": "ignore" });
    let keys = json!({ "hooks": { "before_start": hook } });
    let (agent, executor, _) = running(living("exit 0", keys));
    agent.wait_for_state("t", TaskFinished);
    let running = agent.wait_for_state("t", TaskRunning);
    let told = "hook before_start exited with status 4";
    assert!(running.message().ends_with(told), "{}", running.message());
    end(&agent, executor);
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_it_started() {
    let hang = "echo waiting; (setsid sleep 986 &); sleep 986";
    for (name, ends_task) in [
        ("before_start", true),
        ("after_start", true),
        ("before_stop", false),
        ("after_stop", false),
    ] {
        let mut keys = json!({ "hooks": {} });
        keys["hooks"][name] = json!({ "command": hang, "timeout_seconds": 0.3 });
        let (agent, executor, _) = running(living("exec sleep 1000", keys));
        if !ends_task {
            agent.wait_for_state("t", TaskRunning);
            agent.send(&[kill("t", Some(100))]);
        }
        let state = if ends_task { TaskFailed } else { TaskKilled };
        let status = agent.wait_for_state("t", state);
        let told = format!("hook {name} did not end within 300ms: waiting");
        assert!(status.message().contains(&told), "{}", status.message());
        assert_eq!(processes(&executor, "sleep 986"), 0, "{name}");
        end(&agent, executor);
    }
}

#[test]
fn a_hook_that_floods_its_output_is_bounded_in_memory_and_message() {
    for name in ["before_start", "after_start", "after_stop"] {
        let mut keys = json!({ "hooks": {} });
        keys["hooks"][name] =
            json!({ "command": "yes 0123456789", "timeout_seconds": 0.5, "on_failure": "fail" });
        let (agent, executor, directory) = running(living("sleep 1", keys));
        let failed = agent.wait_for_state("t", TaskFailed);
        let message = failed.message();
        assert!(message.contains("did not end within 500ms"), "{message}");
        assert!(
            message.len() < 2048 && message.contains("\n0123456789\n"),
            "{message}"
        );
        let written = fs::metadata(directory.join("stdout")).unwrap().len();
        assert!(written < 100 << 10, "{written} bytes");
        let status = fs::read_to_string(format!("/proc/{}/status", executor.pid())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
        let peak = peak.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        assert!(peak < Some(100 << 10), "the executor took {peak:?} KiB");
        end(&agent, executor);
    }
}

#[test]
fn a_task_killed_in_its_hook_before_the_start_never_starts() {
    let keys = json!({ "hooks": { "before_start": { "command": "touch begun; sleep 985", "timeout_seconds": 300 } } });
    let (agent, executor, directory) = running(living("touch ran", keys));
    wait_for_file(&directory, "begun");
    agent.send(&[kill("t", None)]);
    let killed = agent.wait_for_state("t", TaskKilled);
    assert_eq!(killed.reason(), Reason::TaskKilledDuringLaunch);
    assert!(!directory.join("ran").exists());
    assert_eq!(processes(&executor, "sleep 985"), 0);
    end(&agent, executor);
}

/// The kill comes at any moment of the hook's own launch.
#[test]
fn tasks_killed_while_their_hooks_before_the_start_are_launched_end() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    let hooks = json!({ "before_start": { "command": "sleep 0.2" } });
    let data = json!({ "version": 1, "command": { "value": "true" }, "hooks": hooks });
    let ids: Vec<String> = (0..60).map(|number| format!("t{number}")).collect();
    for (at, id) in ids.iter().enumerate() {
        agent.send(&[launch(task(id, &data.to_string()))]);
        agent.send(&[kill(&ids[at / 2], Some(0))]);
    }
    for id in &ids[..30] {
        comes_true(|| {
            agent
                .statuses(id)
                .iter()
                .any(|one| one.state().is_terminal())
        });
    }
    end(&agent, executor);
}

#[test]
fn a_hook_after_the_start_that_fails_ends_the_task_for_it() {
    let keys = json!({ "hooks": { "after_start": { "command": "echo no balancer; exit 1" } } });
    let (agent, executor, _) = running(living("exec sleep 1000", keys));
    let failed = agent.wait_for_state("t", TaskFailed);
    assert_eq!(
        failed.message(),
        "Command terminated with signal Terminated: hook after_start exited with status 1: no balancer"
    );
    assert_eq!(label(&failed, "cause").as_deref(), Some("hook"));
    end(&agent, executor);
}

#[test]
fn the_hook_after_the_stop_finds_nothing_of_the_task_and_comes_before_its_terminal_update() {
    let hook = "ls /proc | grep -c '^[0-9]' > found; cat left > taken; sleep 0.3; touch last";
    let keys = json!({ "hooks": { "after_stop": { "command": hook } } });
    // What it starts leaves its session and does not end by itself.
    let command = "(setsid sleep 984 &); echo something > left; exit 3";
    let (agent, executor, directory) = running(living(command, keys));
    let failed = agent.wait_for_state("t", TaskFailed);
    assert_eq!(failed.message(), "Command exited with status 3");
    assert!(directory.join("last").exists());
    assert_eq!(read(&directory, "taken"), "something\n");
    // Its own init, shell and pipeline alone.
    let found: usize = read(&directory, "found").trim().parse().unwrap();
    assert!(found <= 5, "{found} processes");
    end(&agent, executor);
}

#[test]
fn a_task_that_heeds_no_signal_is_ended_when_its_grace_is_over_whatever_its_stop_sequence_asks_for()
{
    let keys = json!({
        "hooks": { "before_stop": { "command": "sleep 983", "timeout_seconds": 300 } },
        "stop": { "drain_seconds": 3600, "signal": "USR1", "signal_seconds": 3600 },
    });
    let command = "trap 'echo usr1 >> heard' USR1; trap 'echo term >> heard' TERM; touch runs; \
                   while true; do sleep 0.02; done";
    let (agent, executor, directory) = running(living(command, keys));
    agent.wait_for_state("t", TaskRunning);
    wait_for_file(&directory, "runs");
    agent.send(&[kill("t", Some(2))]);
    let killed = agent.wait_for_state("t", TaskKilled);
    let message = killed.message();
    assert!(
        message.starts_with("Command terminated with signal Killed"),
        "{message}"
    );
    assert!(
        message.contains("hook before_stop did not end within"),
        "{message}"
    );
    assert_eq!(read(&directory, "heard"), "usr1\nterm\n");
    assert_eq!(
        agent.states("t"),
        [TaskStarting, TaskRunning, TaskKilling, TaskKilled]
    );
    assert_eq!(processes(&executor, "sleep 983"), 0);
    end(&agent, executor);
}

/// Succeeds in its third run.
const THIRD_TIME: &str = "echo run >> runs; echo a line; test $(wc -l < runs) = 3";

#[test]
fn a_task_that_fails_is_started_again_in_its_directory_and_each_restart_is_told() {
    let restart = json!({ "policy": "on_failure", "max_restarts": 5, "backoff_seconds": 0.1 });
    let (agent, executor, directory) = running(living(THIRD_TIME, json!({ "restart": restart })));
    let finished = agent.wait_for_state("t", TaskFinished);
    assert_eq!(
        finished.message(),
        "Command exited with status 0 (restarted 2 times)"
    );
    assert_eq!(label(&finished, "restarts").as_deref(), Some("2"));
    let told = [
        "restarted (1 of 5): exited with status 1",
        "restarted (2 of 5): exited with status 1",
    ];
    assert_eq!(restarts(&agent), told);
    assert_eq!(read(&directory, "stdout"), "a line\n".repeat(3));
    end(&agent, executor);
}

#[test]
fn the_last_words_of_a_task_are_those_of_its_last_run() {
    let restart = json!({ "policy": "on_failure", "max_restarts": 1, "backoff_seconds": 0.1 });
    let command = "echo run >> runs; echo run $(wc -l < runs) failed >&2; exit 1";
    let (agent, executor, _) = running(living(command, json!({ "restart": restart })));
    let failed = agent.wait_for_state("t", TaskFailed);
    assert_eq!(
        failed.message(),
        "Command exited with status 1 (restarted once)\n\nLast lines of stderr:\nrun 2 failed"
    );
    end(&agent, executor);
}

/// The task with this much memory, in megabytes.
fn with_memory(task: TaskInfo, megabytes: f64) -> TaskInfo {
    let memory = Resource {
        name: "mem".into(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value: megabytes }),
        ..Default::default()
    };
    TaskInfo::from(TaskInfoFields {
        resources: vec![memory],
        ..(*task).clone()
    })
}

/// Its first run takes more memory than it may have; its second one fails for another reason.
#[test]
fn what_the_kernel_counted_of_one_run_is_not_said_of_the_next() {
    let restart = json!({ "policy": "on_failure", "max_restarts": 1, "backoff_seconds": 0.1,
                          "on_limit": true });
    let command = "echo run >> runs; test $(wc -l < runs) = 2 && exit 3; exec tail /dev/zero";
    let task = living(command, json!({ "restart": restart }));
    let (agent, executor, _) = running(with_memory(task, 32.0));
    let failed = agent.wait_for_state("t", TaskFailed);
    assert_eq!(
        failed.message(),
        "Command exited with status 3 (restarted once)"
    );
    assert_eq!(failed.limitation, None);
    let told = restarts(&agent);
    assert!(
        told[0].starts_with("restarted (1 of 1): Memory limit exceeded"),
        "{told:?}"
    );
    end(&agent, executor);
}

#[test]
fn a_task_killed_while_it_waits_to_be_started_again_is_killed_at_once() {
    let restart = json!({ "policy": "always", "backoff_seconds": 3600 });
    let (agent, executor, _) = running(living("exit 3", json!({ "restart": restart })));
    executor.wait_for_log("is started again in 3600s: exited with status 3");
    agent.send(&[kill("t", None)]);
    let killed = agent.wait_for_state("t", TaskKilled);
    assert_eq!(killed.message(), "Command exited with status 3");
    assert_eq!(agent.states("t"), [TaskStarting, TaskRunning, TaskKilled]);
    end(&agent, executor);
}

#[test]
fn an_executor_that_leaves_starts_nothing_again() {
    let restart = json!({ "policy": "always", "backoff_seconds": 0.1 });
    let command = "echo run >> runs; exec sleep 982";
    let (agent, executor, directory) = running(living(command, json!({ "restart": restart })));
    wait_for_file(&directory, "runs");
    agent.send(&[shutdown()]);
    agent.wait_for_state("t", TaskKilled);
    assert_eq!(read(&directory, "runs"), "run\n");
    assert!(executor.end().success());
}

#[test]
fn neither_restarts_nor_hooks_leave_anything_behind() {
    let hook = |name: &str| json!({ "command": format!("echo {name}"), "on_failure": "fail" });
    let keys = json!({
        "hooks": { "before_start": hook("a"), "after_start": hook("b"), "after_stop": hook("c") },
        "restart": { "policy": "always", "backoff_seconds": 0.1, "backoff_max_seconds": 0.1 },
    });
    let command = "echo run >> runs; sleep 0.1";
    let (agent, executor, _) = running(living(command, keys));
    let pid = executor.pid();
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let wait_for = |count: usize| {
        assert!(
            comes_true(|| restarts(&agent).len() >= count),
            "{:?}",
            agent.statuses("t")
        );
    };
    wait_for(3);
    let before: usize = (0..20).map(|_| open()).max().unwrap();
    wait_for(20);
    // A run that is under way has some more; ten runs' leavings would be many more.
    let after = open();
    assert!(after < before + 17, "{before} descriptors became {after}");
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    end(&agent, executor);
}

#[test]
fn an_executor_killed_in_a_hook_leaves_nothing_and_its_successor_tells_of_the_task() {
    for name in ["before_start", "after_stop"] {
        let mut keys = json!({ "hooks": {} });
        keys["hooks"][name] =
            json!({ "command": "touch begun; sleep 981", "timeout_seconds": 300 });
        let (agent, mut executor, directory) = running(living("exit 0", keys));
        wait_for_file(&directory, "begun");
        executor.kill_and_start_again();
        let failed = agent.wait_for_state("t", TaskFailed);
        assert_eq!(failed.reason(), Reason::ExecutorTerminated);
        let states = agent.states("t").into_iter();
        assert_eq!(states.filter(|state| state.is_terminal()).count(), 1);
        end(&agent, executor);
    }
}

#[test]
fn a_shutdown_has_time_for_the_whole_of_an_end_that_is_short() {
    let entry = |name: &str| json!({ "command": format!("echo {name} >> life") });
    let keys = json!({
        "hooks": { "before_stop": entry("before_stop"), "after_stop": entry("after_stop") },
        "stop": { "deregister": entry("deregister") },
    });
    let command = "touch runs; exec sleep 979";
    let (agent, executor, directory) = running(living(command, keys));
    // Before that is told there is nothing to deregister.
    agent.wait_for_state("t", TaskRunning);
    wait_for_file(&directory, "runs");
    agent.send(&[shutdown()]);
    agent.wait_for_state("t", TaskKilled);
    assert_eq!(
        read(&directory, "life"),
        "before_stop\nderegister\nafter_stop\n"
    );
    assert!(executor.end_within(Duration::from_secs(60)).success());
}
