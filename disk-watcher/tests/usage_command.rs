//! `mesos-disk-watcher usage`, held against GNU du.

#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_mesos-disk-watcher");

/// Runs the program in `dir`.
fn watcher(dir: &Path, args: &[&OsStr]) -> Output {
    Command::new(BINARY)
        .current_dir(dir)
        .args(args)
        .output()
        .unwrap()
}

fn usage(dir: &Path, paths: &[&str]) -> Output {
    let args: Vec<&OsStr> = std::iter::once("usage")
        .chain(paths.iter().copied())
        .map(OsStr::new)
        .collect();
    watcher(dir, &args)
}

fn du(dir: &Path, paths: &[&str]) -> Output {
    Command::new("du")
        .current_dir(dir)
        .args(["-s", "-B1"])
        .args(paths)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(path: &Path, bytes: usize) {
    File::create(path)
        .unwrap()
        .write_all(&vec![1; bytes])
        .unwrap();
}

/// Directories `a` and `b` that share a file, a link, and a file.
fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["a/sub", "b"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    for (name, bytes) in [
        ("a/one", 10_000),
        ("a/sub/two", 300_000),
        ("b/three", 1),
        ("file", 70_000),
    ] {
        write(&dir.path().join(name), bytes);
    }
    fs::hard_link(dir.path().join("a/sub/two"), dir.path().join("b/linked")).unwrap();
    symlink("a", dir.path().join("link")).unwrap();
    dir
}

#[test]
fn the_output_is_dus_to_the_byte_whatever_the_arguments() {
    let dir = tree();
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for paths in [
        &["a"][..],
        &["."],
        &["a", "b"],
        &["b", "a"],
        &["a/sub", "a", "a"],
        &["a", "a/sub", "a/one"],
        &["a/one", "a"],
        &["file", "link", "link/", "pipe", "a/"],
        &["a/sub/two", "b/linked", "b"],
        &["./a//sub/", "a/sub/.."],
    ] {
        let (ours, theirs) = (usage(dir.path(), paths), du(dir.path(), paths));
        let lossy = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(lossy(&ours), lossy(&theirs), "{paths:?}");
        assert_eq!(ours.status.code(), Some(0), "{}", stderr(&ours));
    }
}

#[test]
fn names_are_printed_as_their_bytes() {
    let dir = tree();
    let name = OsStr::from_bytes(b"not\xffutf8\nnor one line");
    write(&dir.path().join(name), 5_000);
    let theirs = Command::new("du")
        .current_dir(dir.path())
        .args(["-s", "-B1"])
        .arg(name)
        .output()
        .unwrap();
    assert_eq!(
        watcher(dir.path(), &[OsStr::new("usage"), name]).stdout,
        theirs.stdout
    );
}

#[test]
fn an_absent_path_is_an_error_and_the_others_are_printed() {
    let dir = tree();
    let output = usage(dir.path(), &["absent", "a"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, du(dir.path(), &["a"]).stdout);
    assert_eq!(
        stderr(&output),
        "mesos-disk-watcher: cannot open 'absent': No such file or directory (os error 2)\n"
    );
}

#[test]
fn what_may_not_be_read_is_told_with_its_path_and_cause() {
    let dir = tree();
    fs::set_permissions(dir.path().join("a/sub"), Permissions::from_mode(0o700)).unwrap();
    let binary = dir.path().join("watcher");
    // By another process: one that has written to a program cannot run it while a sibling may still hold it open.
    assert!(
        Command::new("cp")
            .arg(BINARY)
            .arg(&binary)
            .status()
            .unwrap()
            .success()
    );
    let as_nobody = |program: &Path, args: &[&str]| {
        Command::new(program)
            .current_dir(dir.path())
            .args(args)
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap()
    };
    let ours = as_nobody(&binary, &["usage", "a", "b"]);
    let theirs = as_nobody(Path::new("du"), &["-s", "-B1", "a", "b"]);
    assert_eq!(ours.stdout, theirs.stdout);
    assert_eq!(ours.status.code(), Some(1));
    assert_eq!(
        stderr(&ours),
        "mesos-disk-watcher: 'a' holds more than was counted: cannot read \"sub\": Permission denied (os error 13)\n"
    );
}

#[test]
fn mounts_are_left_out_with_a_note_or_crossed_as_du_does() {
    // A mount namespace of this thread and the children it starts, which ends with it.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let dir = tree();
    let mount_point = dir.path().join("b/mounted");
    fs::create_dir(&mount_point).unwrap();
    mount(
        Some(&dir.path().join("a")),
        &mount_point,
        none,
        MsFlags::MS_BIND,
        none,
    )
    .unwrap();
    let (kept_out, crossed) = (
        usage(dir.path(), &["b"]),
        usage(dir.path(), &["--cross-mounts", "b"]),
    );
    let theirs = du(dir.path(), &["b"]);
    umount2(&mount_point, MntFlags::MNT_DETACH).unwrap();

    assert_eq!(crossed.stdout, theirs.stdout);
    assert_ne!(kept_out.stdout, theirs.stdout);
    assert_eq!(
        kept_out.status.code(),
        Some(0),
        "what is left out on purpose is no error"
    );
    assert_eq!(
        stderr(&kept_out),
        "mesos-disk-watcher: note: mount points left out below 'b': 1 (see --cross-mounts)\n"
    );
}

#[test]
fn a_reader_that_leaves_early_causes_no_panic() {
    let dir = tree();
    let mut child = Command::new(BINARY)
        .args(["usage"])
        .args(vec!["/proc/self"; 20_000])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn help_teaches_by_examples_and_says_where_it_differs_from_du() {
    let dir = tree();
    let text = |args: &[&str]| {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        String::from_utf8(watcher(dir.path(), &args).stdout).unwrap()
    };
    let usage_help = text(&["usage", "--help"]);
    assert!(
        usage_help.contains("du -s -B1") && usage_help.contains("--cross-mounts"),
        "{usage_help}"
    );
    let help = text(&["--help"]);
    assert!(
        help.contains("mesos-disk-watcher --once /var/lib/mesos --agent http://127.0.0.1:5051"),
        "{help}"
    );
    assert_eq!(
        text(&["--version"]),
        format!("mesos-disk-watcher {}\n", env!("CARGO_PKG_VERSION"))
    );
}
