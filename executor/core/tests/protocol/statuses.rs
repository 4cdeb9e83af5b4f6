//! What a terminal update says.

use executor_core::{
    CommandEnd, Ended, Fault, LimitKind, Limitation, RefusedProcesses, StartFailure, TaskEvent,
};
use mesos_proto::v1::TaskState::{TaskError, TaskFailed, TaskFinished};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{TaskInfoFields, TaskStatus};

use crate::rig::{Rig, SECOND, config, ended, kill, launch, task, update, with_data};

fn labels(status: &TaskStatus) -> Vec<(String, String)> {
    let labels = status.labels.iter().flat_map(|labels| &labels.labels);
    let pair = |label: &mesos_proto::v1::Label| (label.key.clone(), label.value().to_owned());
    labels.map(pair).collect()
}

fn label(key: &str, value: &str) -> (String, String) {
    (format!("mesos-sandbox-executor.{key}"), value.to_owned())
}

fn end(rig: &mut Rig, ended: Ended) -> TaskStatus {
    rig.task("t", TaskEvent::Ended(ended));
    update(&rig.task("t", TaskEvent::CleanedUp))
}

/// P-34: a custom executor gets no command of Mesos's own.
#[test]
fn a_task_that_names_no_command_is_an_error_that_says_what_was_looked_for() {
    let mut rig = Rig::subscribed(config());
    let status = update(&rig.agent(launch(TaskInfoFields {
        data: None,
        ..task("t")
    })));
    assert_eq!(status.state(), TaskError);
    assert_eq!(status.reason(), Reason::TaskInvalid);
    assert!(
        status.message().contains("TaskInfo.data"),
        "{}",
        status.message()
    );
    assert_eq!(rig.states("t"), [TaskError]);
}

#[test]
fn every_fault_is_told_by_state_and_reason() {
    for (fault, state, reason) in [
        (Fault::Framework, TaskError, Some(Reason::TaskInvalid)),
        (Fault::Task, TaskFailed, None),
        (Fault::Host, TaskFailed, Some(Reason::ContainerLaunchFailed)),
    ] {
        let mut rig = Rig::subscribed(config());
        rig.agent(launch(task("t")));
        let message = "no \u{7}such thing".to_owned();
        let failure = StartFailure { fault, message };
        let status = update(&rig.task("t", TaskEvent::StartFailed(failure)));
        assert_eq!(status.state(), state);
        assert_eq!(status.reason.map(|_| status.reason()), reason);
        assert_eq!(status.message(), "no \u{fffd}such thing");
    }
}

#[test]
fn a_failed_task_is_quoted_and_a_finished_one_is_not() {
    let tail = Some("cannot open 'x'\ngiving up\n".to_owned());
    let mut rig = Rig::running(task("t"));
    let status = end(
        &mut rig,
        Ended {
            stderr_tail: tail.clone(),
            ..ended(CommandEnd::Exited(3))
        },
    );
    assert_eq!(
        status.message(),
        "Command exited with status 3\n\nLast lines of stderr:\ncannot open 'x'\ngiving up"
    );
    let mut rig = Rig::running(task("t"));
    let status = end(
        &mut rig,
        Ended {
            stderr_tail: tail,
            ..ended(CommandEnd::Exited(0))
        },
    );
    assert_eq!(status.state(), TaskFinished);
    assert_eq!(status.message(), "Command exited with status 0");
}

#[test]
fn what_must_outlast_a_reconciliation_is_in_labels() {
    let mut rig = Rig::running(task("t"));
    let status = end(&mut rig, ended(CommandEnd::Exited(3)));
    assert_eq!(labels(&status), [label("exit-status", "3")]);
    let mut rig = Rig::running(task("t"));
    let status = end(
        &mut rig,
        Ended {
            limitation: Some(Limitation {
                kind: LimitKind::Memory,
                message: "Memory limit exceeded".into(),
                resources: vec![],
            }),
            ..ended(CommandEnd::Signalled(9))
        },
    );
    assert_eq!(
        labels(&status),
        [label("cause", "memory"), label("signal", "9")]
    );
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", None));
    let status = end(&mut rig, ended(CommandEnd::Signalled(15)));
    assert_eq!(labels(&status), [label("signal", "15")]);
}

#[test]
fn every_broken_limit_has_a_reason_and_a_cause_of_its_own() {
    for (kind, reason, cause) in [
        (
            LimitKind::Memory,
            Reason::ContainerLimitationMemory,
            "memory",
        ),
        (LimitKind::Disk, Reason::ContainerLimitationDisk, "disk"),
        (LimitKind::CpuTime, Reason::ContainerLimitation, "cpu-time"),
        (
            LimitKind::FileSize,
            Reason::ContainerLimitation,
            "file-size",
        ),
    ] {
        let mut rig = Rig::running(task("t"));
        let limitation = Limitation {
            kind,
            message: "it had enough".into(),
            resources: vec![],
        };
        let status = end(
            &mut rig,
            Ended {
                limitation: Some(limitation),
                ..ended(CommandEnd::Signalled(9))
            },
        );
        assert_eq!(status.state(), TaskFailed);
        assert_eq!(status.reason(), reason);
        assert_eq!(status.message(), "it had enough");
        assert!(status.limitation.is_some());
        assert_eq!(labels(&status)[0], label("cause", cause));
    }
}

#[test]
fn a_task_that_was_refused_processes_says_so_however_it_ends() {
    let refused = Some(RefusedProcesses {
        limit: 20,
        times: 3,
    });
    for (exit, causes) in [(0, vec![]), (1, vec![label("cause", "pids")])] {
        let mut rig = Rig::running(task("t"));
        let status = end(
            &mut rig,
            Ended {
                refused,
                ..ended(CommandEnd::Exited(exit))
            },
        );
        assert_eq!(
            status.message(),
            format!(
                "Command exited with status {exit} (its limit of 20 processes and threads was reached, \
                 and 3 more were refused)"
            )
        );
        let exit = label("exit-status", &exit.to_string());
        assert_eq!(labels(&status), [causes, vec![exit]].concat());
    }
}

#[test]
fn a_limits_own_words_come_first_and_its_amounts_are_told() {
    let resource = mesos_proto::v1::Resource {
        name: "disk".into(),
        ..Default::default()
    };
    let mut rig = Rig::running(task("t"));
    rig.task(
        "t",
        TaskEvent::Limited(Limitation {
            kind: LimitKind::Disk,
            message: "Disk usage (12MB) exceeds quota (10MB)".into(),
            resources: vec![resource.clone()],
        }),
    );
    let status = end(
        &mut rig,
        Ended {
            stderr_tail: Some("disk full\n".into()),
            ..ended(CommandEnd::Signalled(9))
        },
    );
    assert_eq!(
        status.message(),
        "Disk usage (12MB) exceeds quota (10MB)\n\nLast lines of stderr:\ndisk full"
    );
    assert_eq!(status.limitation.unwrap().resources, [resource]);
}

#[test]
fn a_framework_says_which_exit_statuses_are_good() {
    let data = r#"{"version": 1, "command": {"value": "true"}, "success_codes": [3, 4]}"#;
    for (exit, state) in [
        (CommandEnd::Exited(3), TaskFinished),
        (CommandEnd::Exited(0), TaskFailed),
        (CommandEnd::Signalled(3), TaskFailed),
        (CommandEnd::Unknown, TaskFailed),
    ] {
        let mut rig = Rig::running(with_data("t", data));
        assert_eq!(end(&mut rig, ended(exit)).state(), state, "{exit:?}");
    }
}

#[test]
fn a_task_that_took_no_notice_of_sigterm_is_told_of() {
    let mut rig = Rig::running(task("t"));
    rig.agent(kill("t", Some(2 * SECOND)));
    rig.pass(3 * SECOND);
    let status = end(&mut rig, ended(CommandEnd::Signalled(9)));
    assert_eq!(
        status.message(),
        "Command terminated with signal Killed (SIGTERM had no effect for 2secs)"
    );
}
