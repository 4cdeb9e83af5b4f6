//! Volumes, and who may write to them.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_tests::{Executor, Mounted, UNLIMITED, private_with, with_own_mounts};
use nix::mount::{MsFlags, mount};
use sandbox::identity::Identity;
use sandbox::{Exit, Fault, LaunchError, Plan, Propagation, Source, Volume};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

fn of_host(source: &Path, target: &str) -> Volume {
    Volume {
        source: Source::Host(source.to_owned()),
        target: PathBuf::from(target),
        read_only: false,
        propagation: Propagation::Private,
    }
}

fn inside(directory: &Path, path: &str, target: &str) -> Volume {
    Volume {
        source: Source::Inside {
            directory: directory.to_owned(),
            path: PathBuf::from(path),
        },
        ..of_host(directory, target)
    }
}

fn read_only(volume: Volume) -> Volume {
    Volume {
        read_only: true,
        ..volume
    }
}

fn with(volumes: Vec<Volume>, script: &str) -> Plan {
    private_with(script, |files| files.volumes = volumes)
}

fn refusal(executor: &Executor, plan: Plan) -> LaunchError {
    executor.try_launch(plan, &UNLIMITED).unwrap_err()
}

/// A directory of the host's that private directories do not lie over.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/var").unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn a_directory_of_the_host_is_there_read_only_or_not_as_it_is_asked_for() {
    let executor = Executor::start(INIT);
    let (open, closed) = (directory(), directory());
    fs::write(closed.path().join("file"), "of the host\n").unwrap();
    let volumes = vec![
        of_host(open.path(), "in/here"),
        read_only(of_host(closed.path(), "there")),
    ];
    let script = "cat there/file && echo x > in/here/new && { ! echo x > there/new; } 2> /dev/null";
    assert_eq!(executor.output_of(with(volumes, script)), "of the host\n");
    assert!(open.path().join("new").is_file());
    assert_eq!(fs::read_dir(closed.path()).unwrap().count(), 1);
    executor.finish();
}

#[test]
fn a_file_or_a_device_can_be_a_volume() {
    let executor = Executor::start(INIT);
    let host = directory();
    let file = host.path().join("file");
    fs::write(&file, "of the host\n").unwrap();
    let volumes = vec![
        read_only(of_host(&file, "/etc/hostname")),
        of_host(&file, "copy"),
        of_host(Path::new("/dev/null"), "/dev/nothing"),
    ];
    let script = "cat /etc/hostname && echo more >> copy && { ! echo x >> /etc/hostname; } 2> /dev/null && \
        test -c /dev/nothing && echo x > /dev/nothing";
    assert_eq!(executor.output_of(with(volumes, script)), "of the host\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of the host\nmore\n");
    executor.finish();
}

#[test]
fn an_absolute_path_has_to_exist_on_the_hosts_root_and_is_named() {
    let executor = Executor::start(INIT);
    let host = directory();
    let error = refusal(
        &executor,
        with(vec![of_host(host.path(), "/no/such")], "true"),
    );
    let expected = "mount a volume at '/no/such': No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.fault(), Fault::Task);
    assert!(!Path::new("/no").exists());
    executor.finish();
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let executor = Executor::start(INIT);
    let missing = of_host(Path::new("/no/such"), "here");
    let error = refusal(&executor, with(vec![missing], "true"));
    let expected = "open the volume '/no/such': No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.fault(), Fault::Task);
    executor.finish();
}

#[test]
fn two_tasks_share_what_lies_in_their_executors_directory() {
    let executor = Executor::start(INIT);
    let above = executor.sandbox.path().to_owned();
    fs::set_permissions(&above, PermissionsExt::from_mode(0o777)).unwrap();
    let owner = Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    };
    for script in ["echo of the first > ours/it", "cat ours/it"] {
        let plan = Plan {
            identity: Some(owner.clone()),
            ..with(vec![inside(&above, "shared/ours", "ours")], script)
        };
        let mut task = executor.launch(plan, &UNLIMITED);
        assert_eq!(task.wait(), Exit::Exited(0), "{script}");
        if script.starts_with("cat") {
            assert_eq!(task.stdout(), "of the first\n");
        }
        drop(task);
    }
    // Made with the rights of the tasks' user.
    assert_eq!(
        fs::metadata(above.join("shared/ours")).unwrap().uid(),
        65534
    );
    executor.finish();
}

#[test]
fn what_tasks_share_are_files_and_no_devices() {
    let executor = Executor::start(INIT);
    let above = executor.sandbox.path().to_owned();
    let made = Command::new("mknod")
        .arg(above.join("null"))
        .args(["c", "1", "3"])
        .status();
    assert!(made.unwrap().success());
    let script = "{ echo x > ours/null; } 2>&1; test -c ours/null";
    let plan = with(vec![inside(&above, "", "ours")], script);
    let said = executor.output_of(plan);
    assert!(said.contains("Permission denied"), "{said}");
    executor.finish();
}

#[test]
fn a_volume_can_lie_inside_another() {
    let executor = Executor::start(INIT);
    let (outer, inner) = (directory(), directory());
    fs::create_dir(outer.path().join("deep")).unwrap();
    let volumes = vec![
        read_only(of_host(outer.path(), "outer")),
        of_host(inner.path(), "outer/deep"),
    ];
    executor.output_of(with(volumes, "echo x > outer/deep/it"));
    assert!(inner.path().join("it").is_file());
    executor.finish();
}

#[test]
fn what_the_host_mounts_later_is_seen_in_a_volume_that_follows_it_and_nowhere_else() {
    with_own_mounts(true, || {
        let executor = Executor::start(INIT);
        let host = directory();
        for name in ["followed/later", "left/later"] {
            fs::create_dir_all(host.path().join(name)).unwrap();
        }
        let volumes = vec![
            Volume {
                propagation: Propagation::FromHost,
                ..of_host(&host.path().join("followed"), "followed")
            },
            of_host(&host.path().join("left"), "left"),
        ];
        let script = format!(
            "echo ready; until test -e followed/later/it; do sleep 0.01; done; \
             ls followed/later left/later {}/left/later",
            host.path().display()
        );
        let mut task = executor.launch(with(volumes, &script), &UNLIMITED);
        task.lines(1);
        let mut mounted = Vec::new();
        for name in ["left/later", "followed/later"] {
            let place = host.path().join(name);
            mounted.push(Mounted::at(&place, MsFlags::empty(), ""));
            fs::write(place.join("it"), "").unwrap();
        }
        assert_eq!(task.wait(), Exit::Exited(0));
        let left = format!("{}/left/later:\n", host.path().display());
        let seen = task.stdout();
        assert!(seen.starts_with("ready\n"), "{seen}");
        assert_eq!(seen.matches("it\n").count(), 1, "{seen}");
        assert!(
            seen.contains("followed/later:\nit\n") && seen.contains(&left),
            "{seen}"
        );
        drop(task);
        drop(mounted);
        executor.finish();
    });
}

#[test]
fn what_the_host_itself_may_not_write_to_no_volume_can() {
    with_own_mounts(false, || {
        let executor = Executor::start(INIT);
        let host = directory();
        let no = None::<&str>;
        let (none, fixed) = (MsFlags::empty(), MsFlags::MS_BIND | MsFlags::MS_REMOUNT);
        let _outer = Mounted::at(host.path(), none, "");
        fs::create_dir(host.path().join("fixed")).unwrap();
        let place = host.path().join("fixed");
        let _inner = Mounted::at(&place, none, "");
        mount(no, &place, no, fixed | MsFlags::MS_RDONLY, no).unwrap();
        let script = "echo x > here/it && { ! echo x > here/fixed/it; } 2> /dev/null";
        executor.output_of(with(vec![of_host(host.path(), "here")], script));
        executor.finish();
    });
}
