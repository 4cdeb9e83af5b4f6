//! What a task's data asks of its sandbox.

use std::fs;
use std::path::Path;
use std::process::Command;

use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::agent::events::{launch, shutdown, task};
use crate::executor::Executor;

fn data(command: &Value, sandbox: &Value) -> String {
    json!({ "version": 1, "command": command, "sandbox": sandbox }).to_string()
}

/// Runs a task to its end, and its executor.
fn finishes(data: &str) {
    let agent = Agent::start();
    let executor = Executor::start(&agent);
    agent.wait_for_subscribe(1);
    agent.send(&[launch(task("t", data))]);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_task_with_users_of_its_own_is_root_inside_and_its_user_outside() {
    let command = json!({
        "value": "test $(id -u) = 0 && touch mine && test $(stat -c %u /etc/passwd) = 65534",
        "user": "daemon",
    });
    finishes(&data(&command, &json!({ "users": "mapped" })));
}

#[test]
fn a_root_that_is_fetched_is_unpacked_for_the_task_alone() {
    let files = tempfile::tempdir().unwrap();
    let root = files.path().join("root");
    let libraries = Command::new("ldd").arg("/bin/sh").output().unwrap().stdout;
    let libraries = String::from_utf8(libraries).unwrap();
    for file in libraries.split_whitespace().chain(["/bin/sh"]) {
        if file.starts_with('/') {
            let place = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(file, place).unwrap();
        }
    }
    let archive = files.path().join("root.tar");
    let packed = Command::new("tar")
        .args(["-C", root.to_str().unwrap(), "-cf"])
        .args([archive.to_str().unwrap(), "."])
        .status();
    assert!(packed.unwrap().success());
    let command = "[ \"$PWD\" = /mnt/mesos/sandbox ] && [ ! -e /root.tar ] && [ ! -e /etc/passwd ] && echo x > /made";
    let root = json!({ "uri": { "value": archive } });
    finishes(&data(
        &json!({ "value": command }),
        &json!({ "root": root }),
    ));
}

/// An executor whose operator has profiles in `directory`, and a task that names one of them.
fn with_profile(agent: &Agent, directory: &Path, name: &str, command: &str) -> Executor {
    let directory = directory.to_str().unwrap();
    let variable = ("MESOS_SANDBOX_EXECUTOR_SECCOMP_PROFILES", directory);
    let executor = Executor::start_with(agent, &[variable]);
    agent.wait_for_subscribe(1);
    let named = json!({ "seccomp": { "profile_name": name } });
    let data = data(&json!({ "value": command }), &named);
    agent.send(&[launch(task("t", &data))]);
    executor
}

#[test]
fn a_seccomp_profile_that_a_task_names_counts_in_the_place_of_the_default_list() {
    let agent = Agent::start();
    let profiles = tempfile::tempdir().unwrap();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33 },
        ],
    });
    fs::write(profiles.path().join("strict"), profile.to_string()).unwrap();
    // The default list denies the other.
    let command = "if mkdir x 2> why; then exit 1; fi; grep -q 'argument out of domain' why && \
        unshare --user true";
    let executor = with_profile(&agent, profiles.path(), "strict", command);
    agent.wait_for_state("t", TaskFinished);
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}

#[test]
fn a_seccomp_profile_that_is_not_there_fails_the_task_by_its_name() {
    let agent = Agent::start();
    let profiles = tempfile::tempdir().unwrap();
    let executor = with_profile(&agent, profiles.path(), "strict", "true");
    let failed = agent.wait_for_state("t", TaskFailed);
    let wanted = profiles.path().join("strict").display().to_string();
    assert!(failed.message().contains(&wanted), "{}", failed.message());
    agent.send(&[shutdown()]);
    assert!(executor.end().success());
}
