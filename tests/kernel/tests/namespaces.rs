//! The network, the users and the cgroups that a task has of its own.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use kernel_tests::guests::{SERVER, finish, nobody};
use kernel_tests::{Executor, Task, UNLIMITED};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox::{Exit, Fault, IdMap, IdRange, Namespaces, Network, Plan, Privileges};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn run(executor: &Executor, plan: Plan) -> (Exit, String) {
    let mut task = executor.launch(plan, &UNLIMITED);
    let exit = task.wait();
    let stderr = fs::read_to_string(task.directory.path.join("stderr")).unwrap();
    (exit, task.stdout() + &stderr)
}

fn own_network(script: &str) -> Plan {
    Plan {
        network: Network::Own,
        privileges: Privileges::of_default(None),
        ..Executor::plan(script)
    }
}

#[test]
fn a_network_of_its_own_has_a_loopback_that_works_and_nothing_else() {
    let executor = Executor::start(INIT);
    let script = "sed -n 's/ *\\(.*\\):.*/\\1/p' /proc/net/dev; python3 -c '\n\
        import socket\n\
        server = socket.create_server((\"127.0.0.1\", 80))\n\
        socket.create_connection((\"127.0.0.1\", 80)).sendall(b\"word\")\n\
        print(server.accept()[0].recv(4).decode())\n\
        six = socket.create_server((\"::1\", 80), family=socket.AF_INET6)\n\
        try:\n    socket.create_connection((\"192.0.2.1\", 80))\n\
        except OSError as error:\n    print(error.strerror)'";
    let expected = "lo\nword\nNetwork is unreachable\n".to_owned();
    assert_eq!(
        run(&executor, own_network(script)),
        (Exit::Exited(0), expected)
    );
    executor.finish();
}

#[test]
fn two_tasks_with_networks_of_their_own_do_not_hear_each_other_and_guests_are_in_the_task_s() {
    let executor = Executor::start(INIT);
    let script = "readlink /proc/self/ns/net; exec sleep 7007";
    let launch = || executor.launch(own_network(script), &UNLIMITED);
    let tasks = [launch(), launch()];
    let networks = [tasks[0].lines(1), tasks[1].lines(1)];
    assert_ne!(networks[0], networks[1]);
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(networks[0][0], ours.to_str().unwrap());
    assert!(tasks.iter().all(|task| !task.process.shares_network()));
    let guest = tasks[0].run_beside("readlink /proc/self/ns/net");
    assert_eq!(guest.output.trim(), networks[0][0]);
    drop(tasks);
    executor.finish();
}

#[test]
fn a_task_joins_the_network_that_a_file_stands_for() {
    let executor = Executor::start(INIT);
    let script = "readlink /proc/self/ns/net; exec sleep 7007";
    let first = executor.launch(own_network(script), &UNLIMITED);
    let path = PathBuf::from(format!("/proc/{}/ns/net", first.process.pid()));
    let plan = Plan {
        network: Network::Join(path),
        ..own_network("readlink /proc/self/ns/net")
    };
    let (exit, second) = run(&executor, plan);
    assert_eq!(
        (exit, second.trim()),
        (Exit::Exited(0), &*first.lines(1)[0])
    );
    drop(first);
    executor.finish();
}

#[test]
fn what_is_no_network_is_refused_by_name_and_nothing_hangs() {
    let executor = Executor::start(INIT);
    let pipe = executor.sandbox.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    for (path, error) in [
        (pipe.as_path(), "Invalid argument (os error 22)"),
        ("/etc/passwd".as_ref(), "Invalid argument (os error 22)"),
        (
            "/proc/self/ns/mnt".as_ref(),
            "Invalid argument (os error 22)",
        ),
        (
            "/run/netns/none-such".as_ref(),
            "No such file or directory (os error 2)",
        ),
    ] {
        let plan = Plan {
            network: Network::Join(path.into()),
            ..own_network("true")
        };
        let found = executor.try_launch(plan, &UNLIMITED).unwrap_err();
        let expected = format!("set up the network '{}': {error}", path.display());
        assert_eq!(found.to_string(), expected);
        assert_eq!(found.fault(), Fault::Host);
    }
    executor.finish();
}

/// Root inside, and outside a user without rights.
fn mapped(script: &str) -> Plan {
    let only = vec![IdRange {
        inside: 0,
        outside: 65534,
        count: 1,
    }];
    Plan {
        identity: Some(nobody()),
        users: Some(IdMap {
            users: only.clone(),
            groups: only,
        }),
        privileges: Privileges {
            seccomp: None,
            ..Privileges::of_default(Some(&sandbox::identity::Identity {
                uid: 0,
                gid: 0,
                groups: vec![0],
                home: None,
            }))
        },
        ..Executor::plan(script)
    }
}

#[test]
fn a_task_with_mapped_users_is_root_inside_and_nobody_outside() {
    let executor = Executor::start(INIT);
    let place = executor.sandbox.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
    let secret = executor.sandbox.path().join("secret");
    fs::write(&secret, "of root").unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let script = format!(
        "id -u; id -g; id -G; cat /proc/self/uid_map | tr -s ' '; touch mine; \
         chown 1 mine 2>/dev/null || echo no other user; \
         cat {} 2>/dev/null || echo no secret; \
         mount -t tmpfs none {} 2>/dev/null || echo no mount; \
         hostname other 2>/dev/null || echo no name",
        secret.display(),
        place.display()
    );
    let mut plan = mapped(&script);
    plan.working_directory = place.clone();
    // Even with all rights that there are in there: the mounts and the name are not its namespace's.
    plan.privileges.capabilities = sandbox::Capabilities::ALL;
    let expected = "0\n0\n0\n 0 65534 1\nno other user\nno secret\nno mount\nno name\n".to_owned();
    assert_eq!(run(&executor, plan), (Exit::Exited(0), expected));
    assert_eq!(fs::metadata(place.join("mine")).unwrap().uid(), 65534);
    executor.finish();
}

#[test]
fn guests_and_checks_are_in_the_user_namespace_of_the_task() {
    let executor = Executor::start(INIT);
    let task = executor.launch(mapped(SERVER), &UNLIMITED);
    task.lines(1);
    let look = "readlink /proc/self/ns/user; id -u; grep CapEff /proc/self/status";
    let guest = finish(
        task.enter_with(Task::guest(look, Some(&task.cgroup)))
            .unwrap(),
    );
    let mut of_task = executor.launch(mapped(look), &UNLIMITED);
    of_task.wait();
    let (guest, other): (Vec<&str>, String) = (guest.output.lines().collect(), of_task.stdout());
    let other: Vec<&str> = other.lines().collect();
    assert_eq!(guest[1..], other[1..]);
    let ours = fs::read_link("/proc/self/ns/user").unwrap();
    assert!(guest[0] != ours.to_str().unwrap() && guest[0] != other[0]);
    drop((task, of_task));
    executor.finish();
}

#[test]
fn whoever_is_not_in_the_map_is_refused_before_anything_is_made() {
    let executor = Executor::start(INIT);
    let mut plan = mapped("true");
    plan.identity = None;
    let error = executor.try_launch(plan, &UNLIMITED).unwrap_err();
    let expected = "user 0 and group 0 are not both in the task's map of users";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.fault(), Fault::Task);
    executor.finish();
}

#[test]
fn a_task_sees_its_own_cgroup_as_the_root_of_all() {
    let executor = Executor::start(INIT);
    for cgroup in [true, false] {
        let mut plan = Executor::plan("cat /proc/self/cgroup; exec sleep 7007");
        plan.namespaces = Namespaces {
            cgroup,
            ..Namespaces::ALL
        };
        let task = executor.launch(plan, &UNLIMITED);
        task.lines(1);
        let beside = task.run_beside("cat /proc/self/cgroup").output;
        for seen in [task.stdout(), beside] {
            assert_eq!(seen.contains(&executor.container), !cgroup, "{seen}");
        }
    }
    executor.finish();
}
