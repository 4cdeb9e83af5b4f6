use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A `/proc` whose processes are made by hand.
struct Proc(TempDir);

/// How a process is to be.
#[derive(Clone, Copy)]
struct Made {
    parent: u32,
    name: &'static str,
    users: &'static str,
    ids: &'static str,
    user_namespace: &'static str,
    mount_namespace: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [&'static str],
}

const AGENT: Made = Made {
    parent: 1,
    name: "mesos-agent",
    users: "0 0 0 0",
    ids: "77",
    user_namespace: "user-of-the-machine",
    mount_namespace: "mnt-of-the-machine",
    arguments: &["/usr/sbin/mesos-agent", "--work_dir=/var/lib/mesos"],
    environment: &[],
};

impl Proc {
    fn new() -> Self {
        let proc = Self(tempfile::tempdir().unwrap());
        let init = Made {
            parent: 0,
            name: "systemd",
            ..AGENT
        };
        proc.add(1, init);
        fs::create_dir_all(proc.0.path().join("sys/kernel")).unwrap();
        fs::write(proc.0.path().join("sys/kernel/hostname"), "machine7\n").unwrap();
        proc
    }

    fn add(&self, pid: u32, made: Made) {
        let directory = self.0.path().join(pid.to_string());
        fs::create_dir_all(directory.join("ns")).unwrap();
        let Made { parent, name, .. } = made;
        let status = format!(
            "Name:\t{name}\nPPid:\t{parent}\nUid:\t{}\nNSpid:\t{}\n",
            made.users, made.ids
        );
        fs::write(directory.join("status"), status).unwrap();
        for (kind, namespace) in [("user", made.user_namespace), ("mnt", made.mount_namespace)] {
            let target = self.0.path().join(namespace);
            fs::write(&target, "").unwrap();
            symlink(target, directory.join("ns").join(kind)).unwrap();
        }
        let zeros = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| format!("{text}\0"))
                .collect::<String>()
        };
        fs::write(directory.join("cmdline"), zeros(made.arguments)).unwrap();
        fs::write(directory.join("environ"), zeros(made.environment)).unwrap();
    }

    fn discover(&self) -> Result<Found, DiscoverError> {
        discover(self.0.path(), PROGRAMS)
    }

    fn address(&self) -> String {
        self.discover().unwrap().address.to_string()
    }
}

fn address_of(arguments: &'static [&'static str], environment: &'static [&'static str]) -> String {
    let proc = Proc::new();
    proc.add(
        77,
        Made {
            arguments,
            environment,
            ..AGENT
        },
    );
    proc.address()
}

#[test]
fn an_agent_is_where_its_arguments_or_else_its_environment_say() {
    let proc = Proc::new();
    proc.add(77, AGENT);
    let found = proc.discover().unwrap();
    assert_eq!(found.address.to_string(), "http://127.0.0.1:5051");
    assert_eq!(found.work_dir, Some("/var/lib/mesos".into()));
    for (arguments, environment, address) in [
        (&["a", "--port=7"][..], &[][..], "http://127.0.0.1:7"),
        (
            &["a"],
            &["MESOS_PORT=8", "MESOS_IP=10.0.0.1"],
            "http://10.0.0.1:8",
        ),
        (&["a", "--port=7"], &["MESOS_PORT=8"], "http://127.0.0.1:7"),
        (&["a", "--port=7", "--port=9"], &[], "http://127.0.0.1:9"),
        (&["a", "--ip=0.0.0.0"], &[], "http://127.0.0.1:5051"),
        (&["a", "--ip=::1"], &[], "http://[::1]:5051"),
        (
            &["a"],
            &["LIBPROCESS_PORT=6", "LIBPROCESS_IP=10.1.1.1"],
            "http://10.1.1.1:6",
        ),
    ] {
        assert_eq!(address_of(arguments, environment), address);
    }
}

#[test]
fn an_agent_with_tls_is_known_by_the_name_that_its_certificate_has() {
    let tls = &["LIBPROCESS_SSL_ENABLED=true"];
    assert_eq!(address_of(&["a"], tls), "https://machine7:5051");
    assert_eq!(
        address_of(&["a", "--hostname=b.example"], &["SSL_ENABLED=1"]),
        "https://b.example:5051"
    );
    let both = &[
        "LIBPROCESS_SSL_ENABLED=1",
        "LIBPROCESS_SSL_SUPPORT_DOWNGRADE=1",
    ];
    assert_eq!(address_of(&["a"], both), "http://127.0.0.1:5051");
}

#[test]
fn a_task_that_calls_itself_an_agent_is_not_believed() {
    let liars = [
        Made {
            users: "1000 1000 1000 1000",
            ..AGENT
        },
        Made {
            users: "1000 0 0 0",
            ..AGENT
        },
        Made {
            ids: "88 1",
            ..AGENT
        },
        Made {
            user_namespace: "user-of-a-task",
            ..AGENT
        },
        Made {
            mount_namespace: "mnt-of-a-task",
            ..AGENT
        },
    ];
    for liar in liars {
        let proc = Proc::new();
        let liar = Made {
            arguments: &["a", "--port=666"],
            ..liar
        };
        proc.add(88, liar);
        let error = proc.discover().unwrap_err();
        assert!(
            matches!(
                error,
                DiscoverError::Nobody {
                    distrusted: Some(88)
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("88"), "{error}");
        proc.add(77, AGENT);
        assert_eq!(proc.address(), "http://127.0.0.1:5051");
    }
}

#[test]
fn what_an_agent_has_started_is_not_the_agent() {
    let proc = Proc::new();
    proc.add(77, AGENT);
    let executor = Made {
        parent: 77,
        name: "mesos-executor",
        ..AGENT
    };
    proc.add(80, executor);
    proc.add(
        81,
        Made {
            parent: 80,
            arguments: &["a", "--port=666"],
            ..AGENT
        },
    );
    assert_eq!(proc.address(), "http://127.0.0.1:5051");
}

#[test]
fn of_two_that_may_be_the_agent_none_is_chosen() {
    let proc = Proc::new();
    proc.add(77, AGENT);
    proc.add(78, AGENT);
    let error = proc.discover().unwrap_err().to_string();
    assert!(error.contains("77 and 78"), "{error}");
}

#[test]
fn a_machine_without_an_agent_says_so() {
    let error = Proc::new().discover().unwrap_err();
    assert!(
        matches!(error, DiscoverError::Nobody { distrusted: None }),
        "{error}"
    );
}

#[test]
fn flags_that_are_no_place_are_told_by_name() {
    for (arguments, flag) in [
        (&["a", "--port=file:///port"][..], "port"),
        (
            &["a", "--ip_discovery_command=/bin/ip"],
            "ip_discovery_command",
        ),
        (&["a", "--ip=a b"], "ip or hostname"),
    ] {
        let proc = Proc::new();
        proc.add(77, Made { arguments, ..AGENT });
        let error = proc.discover().unwrap_err().to_string();
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn processes_that_go_away_or_are_each_others_parents_hold_nothing_up() {
    let proc = Proc::new();
    proc.add(77, AGENT);
    fs::create_dir(proc.0.path().join("99")).unwrap();
    proc.add(
        90,
        Made {
            parent: 91,
            ..AGENT
        },
    );
    proc.add(
        91,
        Made {
            parent: 90,
            name: "other",
            ..AGENT
        },
    );
    let error = proc.discover().unwrap_err().to_string();
    assert!(error.contains("77 and 90"), "{error}");
}

/// A program of this name, whatever it is that runs; ended when it is dropped.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_program_of_an_agents_name_that_runs_on_this_machine_is_found() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let name = format!("agent-{}", std::process::id());
    let path = directory.path().join(&name);
    fs::write(&path, "#!/bin/sh\nread never\n").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    let started = std::process::Command::new(&path)
        .args(["--port=7", "--work_dir=/w"])
        .env("MESOS_IP", "10.0.0.1")
        .stdin(std::process::Stdio::piped())
        .spawn();
    let _running = Running(started.unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let found = loop {
        // Until it is executed it has our name.
        match discover(Path::new("/proc"), &[&name]) {
            Ok(found) => break found,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(found.address.to_string(), "http://10.0.0.1:7");
    assert_eq!(found.work_dir, Some("/w".into()));
}
