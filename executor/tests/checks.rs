//! Checks of running tasks: what the framework hears of them, and what they can do to nobody.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use mesos_proto::TaskInfo;
use mesos_proto::v1::health_check::{HttpCheckInfo, TcpCheckInfo};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{
    CheckInfo, CheckStatusInfo, CommandInfo, HealthCheck, TaskInfoFields, TaskState, TaskStatus,
    check_info, health_check,
};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::executor::{Executor, comes_true};

/// A task that runs on until it is killed.
const SERVER: &str = "exec sleep 1000";

/// Looks at once and often, and never ends its task.
fn health_check() -> HealthCheck {
    HealthCheck {
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.02),
        grace_period_seconds: Some(0.0),
        consecutive_failures: Some(u32::MAX),
        ..Default::default()
    }
}

fn by_command(script: &str) -> HealthCheck {
    HealthCheck {
        r#type: Some(health_check::Type::Command.into()),
        command: Some(shell(script)),
        ..health_check()
    }
}

fn shell(script: &str) -> CommandInfo {
    CommandInfo {
        value: Some(script.to_owned()),
        ..Default::default()
    }
}

/// The task `t`.
fn checked(command: &str, check: HealthCheck) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        health_check: Some(check),
        ..(*task("t", command)).clone()
    })
}

/// An agent and an executor that runs this task, whose directory is the third.
fn running(task: TaskInfo) -> (Agent, Executor, PathBuf) {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task)]);
    let directory = executor.task("t");
    (agent, executor, directory)
}

fn end(agent: &Agent, executor: Executor) {
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

/// What the updates about the health of the running task said.
fn healths(statuses: &[TaskStatus]) -> Vec<bool> {
    let running = statuses
        .iter()
        .filter(|one| one.state() == TaskState::TaskRunning);
    let said = running.filter(|one| one.reason() == Reason::TaskHealthCheckStatusUpdated);
    said.map(|status| status.healthy.expect("no word about health"))
        .collect()
}

/// Waits until the health of the task has been told so, and for so long.
fn wait_for_healths(agent: &Agent, is_so: impl Fn(&[bool]) -> bool) {
    let so = || is_so(&healths(&agent.statuses("t")));
    assert!(comes_true(so), "{:?}", healths(&agent.statuses("t")));
}

/// Waits for the first update that says `healthy`.
fn wait_for_health(agent: &Agent, healthy: bool) -> TaskStatus {
    agent.wait_for(&format!("healthy: {healthy}"), |received| {
        let mut statuses = received.iter().filter_map(|one| one.status());
        statuses
            .find(|status| status.healthy == Some(healthy))
            .cloned()
    })
}

#[test]
fn health_is_told_at_the_first_success_at_each_failure_and_at_recovery() {
    let check = by_command("test ! -e sick || { echo it has a cold; exit 3; }");
    let (agent, executor, directory) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said == [true]);
    fs::write(directory.join("sick"), "").unwrap();
    wait_for_healths(&agent, |said| {
        said.starts_with(&[true, false, false, false])
    });
    fs::remove_file(directory.join("sick")).unwrap();
    wait_for_healths(&agent, |said| said.last() == Some(&true));

    let statuses = agent.statuses("t");
    assert_eq!(healths(&statuses).iter().filter(|said| **said).count(), 2);
    for status in statuses
        .iter()
        .filter(|status| status.healthy == Some(false))
    {
        assert_eq!(status.state(), TaskState::TaskRunning);
        assert_eq!(
            status.message(),
            "health check: command exited with status 3: it has a cold"
        );
    }
    end(&agent, executor);
}

#[test]
fn a_task_that_stays_unhealthy_is_killed_with_the_cause_in_its_last_message() {
    let check = HealthCheck {
        consecutive_failures: Some(3),
        ..by_command("echo no database; exit 1")
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    let killed = agent.wait_for_state("t", TaskState::TaskKilled);
    assert_eq!(killed.healthy, Some(false));
    let message = killed.message();
    assert!(
        message.contains("failed 3 times in a row: command exited with status 1: no database"),
        "{message}"
    );
    assert_eq!(healths(&agent.statuses("t")), [false; 3]);
    end(&agent, executor);
}

#[test]
fn failures_in_the_grace_period_are_no_news() {
    let check = HealthCheck {
        grace_period_seconds: Some(1000.0),
        ..by_command("echo >> looks; test -e well")
    };
    let (agent, executor, directory) = running(checked(SERVER, check));
    let looks = || fs::read(directory.join("looks")).map_or(0, |looks| looks.len());
    assert!(comes_true(|| looks() > 3));
    assert_eq!(agent.statuses("t").last().unwrap().healthy, None);
    fs::write(directory.join("well"), "").unwrap();
    wait_for_healths(&agent, |said| said == [true]);
    end(&agent, executor);
}

#[test]
fn a_check_that_dies_of_a_signal_is_a_failure_and_nothing_else() {
    let (agent, mut executor, _) = running(checked(SERVER, by_command("kill -9 $$")));
    wait_for_healths(&agent, |said| said.starts_with(&[false, false]));
    let status = wait_for_health(&agent, false);
    assert_eq!(
        status.message(),
        "health check: command was ended by signal 9"
    );
    assert!(executor.is_running());
    end(&agent, executor);
}

#[test]
fn a_check_that_cannot_be_run_is_a_failure_that_says_why() {
    let check = HealthCheck {
        command: Some(CommandInfo {
            shell: Some(false),
            ..shell("./no-such-check")
        }),
        ..by_command("")
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    let status = wait_for_health(&agent, false);
    let message = status.message();
    assert!(
        message.contains("'./no-such-check'") && message.contains("No such file"),
        "{message}"
    );
    end(&agent, executor);
}

#[test]
fn a_check_that_hangs_is_ended_with_all_it_started_and_the_next_one_comes() {
    let check = HealthCheck {
        timeout_seconds: Some(0.3),
        ..by_command("echo waiting; (setsid sleep 987 &); sleep 987")
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said.len() > 2);
    let status = wait_for_health(&agent, false);
    assert_eq!(
        status.message(),
        "health check: command did not end within 300ms: waiting"
    );
    // One look may be under way; what earlier ones started is gone, and the task is not.
    let commands = || {
        let processes = executor.processes();
        let lines = processes.into_iter().map(crate::executor::command_line);
        lines.filter(|line| line.starts_with("sleep 987")).count()
    };
    for _ in 0..20 {
        assert!(commands() <= 2, "{} stay", commands());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!agent.states("t").iter().any(|state| state.is_terminal()));
    end(&agent, executor);
}

#[test]
fn a_check_that_floods_its_output_is_bounded_in_memory_and_message() {
    let check = HealthCheck {
        timeout_seconds: Some(0.5),
        ..by_command("yes 0123456789")
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said.len() > 2);
    let status = wait_for_health(&agent, false);
    let message = status.message();
    assert!(message.len() < 2048, "{}", message.len());
    assert!(message.ends_with("\n0123456789"), "{message}");
    let status = fs::read_to_string(format!("/proc/{}/status", executor.pid())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    assert!(peak < Some(100 << 10), "the executor took {peak:?} KiB");
    end(&agent, executor);
}

#[test]
fn a_check_runs_in_the_tasks_sandbox_with_its_environment_and_its_own() {
    let namespaces = "for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done";
    let server = format!("{namespaces} > ns.new; mv ns.new ns; {SERVER}");
    let script = format!(
        "{namespaces} | diff - ns && pwd && test \"$PWD\" = \"$MESOS_SANDBOX\" \
         && test \"$MESOS_TASK_ID $OWN\" = 't yes'"
    );
    let mut check = by_command(&script);
    let own = mesos_proto::v1::environment::Variable {
        name: "OWN".to_owned(),
        value: Some("yes".to_owned()),
        ..Default::default()
    };
    let command = check.command.get_or_insert_default();
    command
        .environment
        .get_or_insert_default()
        .variables
        .push(own);
    let (agent, executor, _) = running(checked(&server, check));
    wait_for_health(&agent, true);
    end(&agent, executor);
}

/// What the updates about the check of the task said.
fn exit_codes(agent: &Agent) -> Vec<Option<i32>> {
    let statuses = agent.statuses("t");
    let about = |status: &&TaskStatus| status.reason() == Reason::TaskCheckStatusUpdated;
    let said = statuses.iter().filter(about);
    said.map(|status| status.check_status.unwrap().command.unwrap().exit_code)
        .collect()
}

/// P-19: the status of a check is in every update of its task, from the first to the last, and fits its type also when
/// nothing is known; only what is new about it is an update of its own.
#[test]
fn the_status_of_a_check_is_in_every_update_and_its_changes_are_updates() {
    let check = CheckInfo {
        r#type: Some(check_info::Type::Command.into()),
        command: Some(check_info::Command {
            command: shell("echo >> looks; exit $(cat status)"),
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.02),
        ..Default::default()
    };
    let command = format!("echo 3 > status; {SERVER}");
    let (agent, executor, directory) = running(TaskInfo::from(TaskInfoFields {
        check: Some(check),
        ..(*task("t", &command)).clone()
    }));
    assert!(comes_true(|| exit_codes(&agent).last() == Some(&Some(3))));
    let looks = || fs::read(directory.join("looks")).map_or(0, |looks| looks.len());
    let so_far = looks();
    assert!(comes_true(|| looks() > so_far + 3));
    let before = exit_codes(&agent);
    fs::write(directory.join("new"), "0").unwrap();
    fs::rename(directory.join("new"), directory.join("status")).unwrap();
    assert!(comes_true(|| exit_codes(&agent).last() == Some(&Some(0))));
    // The first looks may have come before the task had written.
    assert!(exit_codes(&agent).len() == before.len() + 1, "{before:?}");

    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskState::TaskKilled);
    let statuses = agent.statuses("t");
    let empty = statuses[0].check_status.unwrap();
    let unknown = CheckStatusInfo {
        r#type: Some(check_info::Type::Command.into()),
        command: Some(mesos_proto::v1::check_status_info::Command { exit_code: None }),
        ..Default::default()
    };
    assert_eq!(empty, unknown);
    for status in &statuses {
        let check_status = status.check_status.expect("an update without it");
        assert!(check_status.command.is_some(), "{status:?}");
        assert_eq!(status.healthy, None);
    }
    let last = statuses.last().unwrap().check_status.unwrap();
    assert_eq!(last.command.unwrap().exit_code, Some(0));
    end(&agent, executor);
}

#[test]
fn no_check_looks_twice_at_a_time_however_often_the_agent_is_lost() {
    let script = "mkdir looking || touch overlap; sleep 0.05; rmdir looking; echo >> looks";
    let (agent, executor, directory) = running(checked(SERVER, by_command(script)));
    let looks = || fs::read(directory.join("looks")).map_or(0, |looks| looks.len());
    for connections in 2..6 {
        let so_far = looks();
        assert!(comes_true(|| looks() > so_far + 2));
        agent.cut();
        agent.wait_for_subscribe(connections);
    }
    let so_far = looks();
    assert!(comes_true(|| looks() > so_far + 2));
    assert!(!directory.join("overlap").exists(), "two looks at a time");
    end(&agent, executor);
}

#[test]
fn checks_end_when_their_task_is_to_end() {
    let stubborn = "trap 'touch told' TERM; while :; do sleep 0.05; done";
    let script = "echo >> looks; test ! -e told";
    let (agent, executor, directory) = running(checked(stubborn, by_command(script)));
    wait_for_health(&agent, true);
    agent.send(&[kill("t", Some(3))]);
    assert!(comes_true(|| directory.join("told").exists()));
    let looks = || fs::read(directory.join("looks")).unwrap();
    let so_far = looks();
    agent.wait_for_state("t", TaskState::TaskKilled);
    assert_eq!(looks(), so_far, "a task was looked at that is to end");
    assert_eq!(healths(&agent.statuses("t")), [true]);
    end(&agent, executor);
}

/// A server of the task's, played by the test: both are in one network. Answers one status after the other, and then
/// the last of them.
fn serve(statuses: &'static [u16]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the program of the tests.
    thread::spawn(move || {
        for number in 0.. {
            let (mut stream, _) = listener.accept().unwrap();
            let status = statuses[number.min(statuses.len() - 1)];
            // One that only connects goes without a word.
            let _gone = stream.read(&mut [0; 4096]);
            let _gone = stream.write_all(
                format!("HTTP/1.1 {status} Said\r\ncontent-length: 4\r\n\r\nwhy?").as_bytes(),
            );
        }
    });
    port
}

#[test]
fn a_server_is_looked_at_by_http() {
    let port = serve(&[200, 503, 302, 404]);
    let check = HealthCheck {
        r#type: Some(health_check::Type::Http.into()),
        http: Some(HttpCheckInfo {
            port: u32::from(port),
            path: Some("/health?x=1".to_owned()),
            ..Default::default()
        }),
        ..health_check()
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said.starts_with(&[true, false, true, false]));
    let status = wait_for_health(&agent, false);
    assert_eq!(
        status.message(),
        format!("health check: HTTP 127.0.0.1:{port}/health?x=1 answered 503: why?")
    );
    end(&agent, executor);
}

#[test]
fn statuses_that_the_framework_names_are_the_only_good_ones() {
    let port = serve(&[204, 200, 204]);
    let check = HealthCheck {
        r#type: Some(health_check::Type::Http.into()),
        http: Some(HttpCheckInfo {
            port: u32::from(port),
            statuses: vec![200],
            ..Default::default()
        }),
        ..health_check()
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said.starts_with(&[false, true, false]));
    end(&agent, executor);
}

#[test]
fn a_port_is_looked_at_by_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = HealthCheck {
        r#type: Some(health_check::Type::Tcp.into()),
        tcp: Some(TcpCheckInfo {
            port: u32::from(port),
            ..Default::default()
        }),
        ..health_check()
    };
    let (agent, executor, _) = running(checked(SERVER, check));
    wait_for_healths(&agent, |said| said == [true]);
    drop(listener);
    let status = wait_for_health(&agent, false);
    assert_eq!(
        status.message(),
        format!(
            "health check: TCP 127.0.0.1:{port} is not reachable: Connection refused (os error 111)"
        )
    );
    end(&agent, executor);
}

#[test]
fn a_task_is_healthy_when_it_is_ready_and_alive_and_readiness_ends_nothing() {
    let timing = r#""delay_seconds": 0, "interval_seconds": 0.02"#;
    let data = format!(
        r#"{{ "version": 1, "command": {{ "value": "{SERVER}" }},
              "health_checks": [
                {{ "name": "front", "type": "COMMAND", "command": {{ "value": "echo >> looks" }}, {timing} }},
                {{ "name": "back", "type": "COMMAND", "command": {{ "value": "test ! -e sick" }}, {timing},
                   "grace_period_seconds": 0, "consecutive_failures": 2 }} ],
              "readiness_checks": [
                {{ "name": "warm", "type": "COMMAND", "command": {{ "value": "test -e warm" }}, {timing} }} ],
              "unhealthy": "failed" }}"#
    );
    let (agent, executor, directory) = running(task("t", &data));
    let looks = || fs::read(directory.join("looks")).map_or(0, |looks| looks.len());
    assert!(comes_true(|| looks() > 5));
    executor.wait_for_log("readiness check 'warm': command exited with status 1");
    assert_eq!(healths(&agent.statuses("t")), [false; 0]);
    fs::write(directory.join("warm"), "").unwrap();
    wait_for_healths(&agent, |said| said == [true]);
    // It is not asked again.
    fs::remove_file(directory.join("warm")).unwrap();
    let so_far = looks();
    assert!(comes_true(|| looks() > so_far + 5));
    assert_eq!(healths(&agent.statuses("t")), [true]);

    fs::write(directory.join("sick"), "").unwrap();
    let failed = agent.wait_for_state("t", TaskState::TaskFailed);
    assert_eq!(failed.healthy, Some(false));
    let message = failed.message();
    assert!(
        message.contains("health check 'back' failed 2 times in a row"),
        "{message}"
    );
    end(&agent, executor);
}
