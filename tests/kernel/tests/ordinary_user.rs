//! What an executor gives its tasks that is not root: user namespaces make up for the rights that it lacks.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use kernel_tests::{Executor, Probe, forbid_user_namespaces, processes_marked, until};
use sandbox::{
    Capabilities, Capability, CapabilitySet, IdMap, IdRange, Namespaces, Network, Plan, Privileges,
};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Who the executor is here.
const NOBODY: u32 = 65534;

fn plan(script: &str) -> Plan {
    Plan {
        namespaces: Namespaces::ALL,
        privileges: Privileges::of_default(Some(&kernel_tests::guests::nobody())),
        ..Executor::plan(script)
    }
}

/// What an executor of nobody's says that starts `plan`: its task's output, and how that ended.
fn said(plan: &Plan, is_forbidden: bool) -> Vec<String> {
    let (lines, complaints) = outcome(plan, is_forbidden);
    assert_eq!(complaints, "");
    lines
}

/// Why such an executor does not start `plan`.
fn refusal(plan: &Plan, is_forbidden: bool) -> String {
    let (lines, complaints) = outcome(plan, is_forbidden);
    assert_eq!(lines, Vec::<String>::new());
    complaints
}

fn outcome(plan: &Plan, is_forbidden: bool) -> (Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(directory.path(), everybody).unwrap();
    let complaints = directory.path().join("complaints");
    let file = directory.path().join("plan");
    fs::write(&file, serde_json::to_vec(plan).unwrap()).unwrap();
    let mut probe = Probe::start(INIT, &["plan", file.to_str().unwrap()], |command| {
        if is_forbidden {
            forbid_user_namespaces(command);
        } else {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.stderr(fs::File::create(&complaints).unwrap());
    });
    let mut lines = Vec::new();
    while let Some(line) = probe.next_line() {
        lines.push(line);
    }
    probe.wait();
    assert_eq!(processes_marked(probe.mark()), Vec::<i32>::new());
    (lines, fs::read_to_string(complaints).unwrap())
}

#[test]
fn its_tasks_have_every_namespace_and_no_rights() {
    let script = "id -u; echo $$; ls -d /proc/[0-9]* | wc -l; hostname; \
        cat /proc/self/cgroup | grep -v :/$; \
        grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; \
        for n in pid mnt ipc uts cgroup user; do readlink /proc/self/ns/$n; done";
    let mut plan = plan(script);
    plan.hostname = Some("box".to_owned());
    let lines = said(&plan, false);
    let seen: usize = lines[3].trim().parse().unwrap();
    assert!((3..=5).contains(&seen), "{seen} processes");
    assert_eq!(
        [&lines[..3], &lines[4..5]].concat(),
        ["started", "65534", "2", "box"]
    );
    let expected = [
        "CapPrm:0000000000000000",
        "CapEff:0000000000000000",
        "CapBnd:0000000000000000",
        "CapAmb:0000000000000000",
        "NoNewPrivs:1",
        "Seccomp:2",
    ];
    assert_eq!(lines[5..11], expected);
    for (name, theirs) in ["pid", "mnt", "ipc", "uts", "cgroup", "user"]
        .iter()
        .zip(&lines[11..17])
    {
        let ours = fs::read_link(Path::new("/proc/self/ns").join(name)).unwrap();
        assert!(theirs.starts_with(&format!("{name}:[")), "{lines:?}");
        assert_ne!(Path::new(theirs), ours, "{name}");
    }
    // Nothing was missing.
    assert_eq!(lines[17..], ["exited with status 0"]);
}

#[test]
fn its_tasks_can_have_a_network_of_their_own_with_a_loopback() {
    let script = "sed -n 's/ *\\(.*\\):.*/\\1/p' /proc/net/dev; \
        python3 -c 'import socket\n\
        server = socket.create_server((\"127.0.0.1\", 8080))\n\
        socket.create_connection((\"127.0.0.1\", 8080)).sendall(b\"word\")\n\
        print(server.accept()[0].recv(4).decode())'";
    let plan = Plan {
        network: Network::Own,
        ..plan(script)
    };
    assert_eq!(
        said(&plan, false),
        ["started", "lo", "word", "exited with status 0"]
    );
}

#[test]
fn what_there_is_of_its_own_rights_cannot_be_given_to_a_task() {
    // Inside it would be root of the executor's user namespace.
    let only = vec![IdRange {
        inside: 0,
        outside: NOBODY,
        count: 1,
    }];
    let script = "mount -t tmpfs none /tmp 2>/dev/null || echo no mount; \
        unshare --user true 2>/dev/null || echo no user namespace; \
        cat /proc/1/environ 2>/dev/null || echo no look at the init";
    let expected = [
        "started",
        "no mount",
        "no user namespace",
        "no look at the init",
        "exited with status 0",
    ];
    assert_eq!(said(&plan(script), false), expected);
    let mapped = Plan {
        users: Some(IdMap {
            users: only.clone(),
            groups: only,
        }),
        ..plan("true")
    };
    let why = refusal(&mapped, false);
    assert!(
        why.contains("map users '/proc/") && why.contains("Permission denied"),
        "{why}"
    );
}

#[test]
fn nor_can_capabilities_that_it_has_over_its_user_namespace_alone() {
    let bind: CapabilitySet = Capability::named("NET_BIND_SERVICE").into_iter().collect();
    let mut plan = plan("grep CapEff /proc/self/status | tr -d '\\t'");
    plan.privileges.capabilities = Capabilities {
        bounding: bind,
        effective: bind,
        ambient: CapabilitySet::NONE,
    };
    let expected = ["started", "CapEff:0000000000000000", "exited with status 0"];
    assert_eq!(said(&plan, false), expected);
    plan.privileges.capabilities.ambient = bind;
    let why = refusal(&plan, false);
    let expected = "set capabilities 'CAP_NET_BIND_SERVICE': Operation not permitted";
    assert!(why.contains(expected), "{why}");
}

#[test]
fn where_user_namespaces_are_forbidden_a_task_runs_without_and_every_lack_is_told() {
    let expected = [
        "started",
        "65534",
        "no user namespace: Operation not permitted (os error 1)",
        "no mount namespace: Operation not permitted (os error 1)",
        "no ipc namespace: Operation not permitted (os error 1)",
        "no uts namespace: Operation not permitted (os error 1)",
        "no pid namespace: Operation not permitted (os error 1)",
        "no cgroup namespace: Operation not permitted (os error 1)",
        "exited with status 0",
    ];
    assert_eq!(said(&plan("id -u"), true), expected);
}

#[test]
fn and_one_that_demands_a_network_of_its_own_is_not_started() {
    let own = Plan {
        network: Network::Own,
        ..plan("true")
    };
    let why = refusal(&own, true);
    let expected = "set up the network: Operation not permitted";
    assert!(why.contains(expected), "{why}");
}

#[test]
fn tasks_of_an_executor_that_is_killed_die_with_it() {
    let mut probe = Probe::start(
        INIT,
        &["bare", "(setsid sleep 1000 &); sleep 1000"],
        |command| {
            command.uid(NOBODY).gid(NOBODY);
        },
    );
    assert_eq!(probe.line(), "started");
    until("its processes", || {
        (processes_marked(probe.mark()).len() >= 4).then_some(())
    });
    probe.kill();
    until("the end of its task", || {
        processes_marked(probe.mark()).is_empty().then_some(())
    });
}
