//! Tasks in the root directory of an image.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kernel_tests::{Executor, Mounted, UNLIMITED, with_own_mounts};
use nix::mount::MsFlags;
use sandbox::identity::Identity;
use sandbox::{Exit, Filesystem, Plan, PrivateFiles, Root};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// An image that holds a shell and what that needs, and a directory for the task.
fn image(executor: &Executor) -> PathBuf {
    let root = executor.sandbox.path().join("image");
    for directory in ["bin", "work"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/sh", root.join("bin/sh")).unwrap();
    let libraries = Command::new("ldd").arg("/bin/sh").output().unwrap().stdout;
    for word in String::from_utf8(libraries).unwrap().split_whitespace() {
        if word.starts_with('/') {
            let place = root.join(word.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(word, place).unwrap();
        }
    }
    open_to_all(&root);
    fs::set_permissions(root.join("work"), PermissionsExt::from_mode(0o777)).unwrap();
    root
}

/// The tests run with a umask that keeps others out.
fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => open_to_all(&entry.path()),
            false => {
                fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
    }
}

fn plan(root: &Path, script: &str) -> Plan {
    Plan {
        filesystem: Filesystem::Private(PrivateFiles {
            root: Root::Directory {
                path: root.to_owned(),
                writable: true,
            },
            sandbox_inside: PathBuf::from("/work"),
            hidden: Vec::new(),
            visible: Vec::new(),
            ..PrivateFiles::of_host(root.join("work"))
        }),
        working_directory: PathBuf::from("/work"),
        identity: Some(Identity {
            uid: 65534,
            gid: 65534,
            groups: vec![65534],
            home: None,
        }),
        ..Executor::plan(script)
    }
}

#[test]
fn a_task_sees_its_image_and_nothing_of_the_host() {
    let executor = Executor::start(INIT);
    let root = image(&executor);
    let script = format!(
        "test $PWD = /work && test ! -e {} && test ! -e /etc/passwd && echo * > seen && cd / && echo *",
        executor.sandbox.path().display()
    );
    let mut task = executor.launch(plan(&root, &script), &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    let seen = task.stdout();
    assert!(seen.starts_with("bin dev lib"), "{seen}");
    assert!(seen.ends_with("proc sys work\n"), "{seen}");
    assert_eq!(fs::read_to_string(root.join("work/seen")).unwrap(), "*\n");
    drop(task);
    executor.finish();
}

/// As where people go by chroot.
#[test]
fn devices_that_are_mounted_in_a_directory_are_for_a_task_only_if_that_is_its_own() {
    with_own_mounts(false, || {
        let executor = Executor::start(INIT);
        let root = image(&executor);
        for name in ["dev", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let _mounted = Mounted::at(&root.join("dev"), MsFlags::empty(), "mode=755");
        fs::write(root.join("dev/disk"), "").unwrap();
        for (own, exit) in [(true, 0), (false, 1)] {
            let mut plan = plan(&root, "test -e /dev/disk");
            if let Filesystem::Private(files) = &mut plan.filesystem
                && let Root::Directory { writable, .. } = &mut files.root
            {
                *writable = own;
            }
            let mut task = executor.launch(plan, &UNLIMITED);
            assert_eq!(task.wait(), Exit::Exited(exit), "{own}");
            drop(task);
        }
        executor.finish();
    });
}

#[test]
fn it_has_proc_and_devices_of_its_own_and_the_hosts_settings_are_read_only() {
    let executor = Executor::start(INIT);
    let root = image(&executor);
    let script = "test $PPID = 1 && test -r /proc/1/stat && echo x > /dev/null && test -c /dev/full \
                  && test -d /dev/pts && echo x > /dev/shm/x && echo ok > /dev/stdout";
    let mut as_root = plan(
        &root,
        "{ echo 1 > /proc/sys/kernel/core_uses_pid; } 2> /dev/null",
    );
    as_root.identity = None;
    for (plan, exit) in [(plan(&root, script), 0), (as_root, 2)] {
        let mut task = executor.launch(plan, &UNLIMITED);
        assert_eq!(task.wait(), Exit::Exited(exit), "{}", task.stdout());
        drop(task);
    }
    executor.finish();
}

#[test]
fn a_link_in_the_image_leads_nowhere_else() {
    let executor = Executor::start(INIT);
    let root = image(&executor);
    let outside = executor.sandbox.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, root.join("dev")).unwrap();
    let error = executor
        .try_launch(plan(&root, "true"), &UNLIMITED)
        .unwrap_err();
    assert!(error.to_string().contains("'/dev'"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    executor.finish();
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let executor = Executor::start(INIT);
    let nowhere = executor.sandbox.path().join("nowhere");
    let error = executor
        .try_launch(plan(&nowhere, "true"), &UNLIMITED)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("nowhere") && text.contains("No such file"),
        "{text}"
    );
    executor.finish();
}
