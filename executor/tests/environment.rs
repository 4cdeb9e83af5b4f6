//! What the executor makes of its environment, and what it keeps to itself.

use std::fs;
use std::path::Path;

use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled, TaskRunning};

use crate::agent::Agent;
use crate::agent::events::{kill, launch, shutdown, task};
use crate::executor::{Executor, comes_true, run_with};

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.x-Y_z";

/// Whether a text is in any file in or below a directory.
fn holds(directory: &Path, text: &str) -> Option<String> {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        let found = if kind.is_dir() {
            holds(&path, text)
        } else {
            // The program itself holds no token.
            let is_log = kind.is_file() && entry.metadata().unwrap().len() < 1 << 20;
            let bytes = is_log.then(|| fs::read(&path).unwrap());
            let found = String::from_utf8_lossy(&bytes.unwrap_or_default()).contains(text);
            found.then(|| path.display().to_string())
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// P-4
#[test]
fn the_token_goes_to_the_agent_with_every_call_and_nowhere_else() {
    let agent = Agent::start();
    let executor = Executor::start_with(
        &agent,
        &[
            ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", TOKEN),
            ("MESOS_SANDBOX_EXECUTOR_LOG", "trace"),
        ],
    );
    agent.wait_for_subscribe(1);
    agent.cut();
    agent.wait_for_subscribe(2);
    let looked = executor.task("t").join("looked");
    let command = format!(
        "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; touch '{}'; sleep 1000",
        looked.display()
    );
    agent.send(&[launch(task("t", &command))]);
    agent.wait_for_state("t", TaskRunning);
    assert!(comes_true(|| looked.exists()));

    let processes = executor.processes();
    assert!(processes.len() >= 4, "{processes:?}");
    for pid in processes {
        for file in ["cmdline", "environ"] {
            // It may have ended meanwhile.
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(TOKEN), "{file} of process {pid}: {text}");
        }
    }
    agent.send(&[kill("t", None)]);
    agent.wait_for_state("t", TaskKilled);
    let bearer = format!("Bearer {TOKEN}");
    for one in agent.received() {
        assert_eq!(one.request.header("authorization"), Some(bearer.as_str()));
    }
    assert!(executor.log().contains("TASK_KILLED"));
    assert_eq!(
        holds(&executor.sandbox(), "MESOS_TASK_ID=t").map(drop),
        Some(())
    );
    assert_eq!(holds(&executor.sandbox(), TOKEN), None);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn without_a_token_there_is_no_authorization() {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", "exit 0"))]);
    agent.wait_for_state("t", TaskFinished);
    for one in agent.received() {
        assert_eq!(one.request.header("authorization"), None);
    }
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let (status, said) = run_with(&[]);
    assert_eq!(status.code(), Some(1));
    for variable in [
        "MESOS_FRAMEWORK_ID",
        "MESOS_EXECUTOR_ID",
        "MESOS_AGENT_ENDPOINT",
        "MESOS_DIRECTORY",
    ] {
        assert!(said.contains(variable), "{variable}: {said}");
    }
}

#[test]
fn everything_that_is_malformed_is_named_at_once_and_a_token_is_not_told() {
    let wrong = [
        ("MESOS_FRAMEWORK_ID", "a/b"),
        ("MESOS_EXECUTOR_ID", ".."),
        ("MESOS_SLAVE_ID", "a\tb"),
        ("MESOS_SLAVE_PID", "nobody"),
        ("MESOS_AGENT_ENDPOINT", "127.0.0.1"),
        ("MESOS_DIRECTORY", "relative"),
        ("MESOS_SANDBOX", "relative as well"),
        ("MESOS_RECOVERY_TIMEOUT", "soon"),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2"),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5 parsecs"),
        ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "two words"),
        ("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "never"),
        ("MESOS_SANDBOX_EXECUTOR_FETCH_TIMEOUT", "whenever"),
    ];
    let variables = [&wrong[..], &[("MESOS_CHECKPOINT", "1")]].concat();
    let (status, said) = run_with(&variables);
    assert_eq!(status.code(), Some(1));
    for (variable, _) in wrong {
        assert!(said.contains(variable), "{variable}: {said}");
    }
    assert!(!said.contains("two words"), "{said}");
    assert!(said.contains("relative as well"), "{said}");
}
