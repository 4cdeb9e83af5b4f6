//! The rest of the command line.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{NOBODY, Stage};
use crate::executor::run_with;

#[test]
fn help_and_version_are_to_be_had_by_hand() {
    let (status, said) = run_with_arguments(&["--help"]);
    assert!(status && said.contains("TaskInfo.data"), "{said}");
    for word in ["run", "install", "uninstall"] {
        assert!(said.contains(word), "{said}");
    }
    let (status, said) = run_with_arguments(&["run", "--help"]);
    assert!(status && said.contains("124"), "{said}");
    let (status, said) = run_with_arguments(&["--version"]);
    let version = concat!("mesos-sandbox-executor ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(status && said == version, "{said}");
    let (status, said) = run_with_arguments(&["instal"]);
    assert!(!status && said.contains("install"), "{said}");
    // Without an argument it is an executor.
    let (status, said) = run_with(&[]);
    assert!(
        !status.success() && said.contains("MESOS_FRAMEWORK_ID"),
        "{said}"
    );
}

fn run_with_arguments(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mesos-sandbox-executor"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A launcher directory with a stand-in for Mesos's own programs.
fn launcher_dir() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("mesos-executor", "Mesos's own"),
        ("mesos-containerizer", ""),
    ] {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn switch(how: &str, directory: &Path) -> (bool, String) {
    run_with_arguments(&[how, "--launcher-dir", directory.to_str().unwrap()])
}

#[test]
fn install_takes_mesoss_place_and_uninstall_gives_it_back() {
    let directory = launcher_dir();
    let program = directory.path().join("mesos-executor");
    let (done, said) = switch("install", directory.path());
    assert!(done && said.contains("need not be restarted"), "{said}");
    let own = fs::read(env!("CARGO_BIN_EXE_mesos-sandbox-executor")).unwrap();
    assert!(fs::read(&program).unwrap() == own);
    let (done, said) = switch("install", directory.path());
    assert!(done && said.contains("Nothing to do"), "{said}");
    let (done, said) = switch("uninstall", directory.path());
    assert!(done && said.contains("Mesos's own again"), "{said}");
    assert_eq!(fs::read(&program).unwrap(), b"Mesos's own");
    let (done, said) = switch("uninstall", directory.path());
    assert!(done && said.contains("Nothing to do"), "{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn install_says_what_is_wrong_and_changes_nothing() {
    let directory = launcher_dir();
    fs::remove_file(directory.path().join("mesos-containerizer")).unwrap();
    let (done, said) = switch("install", directory.path());
    let path = directory.path().display().to_string();
    assert!(!done && said.contains(&path), "{said}");
    assert!(said.contains("no mesos-containerizer"), "{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn an_ordinary_user_cannot_install_and_is_told_the_path() {
    let directory = launcher_dir();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let stage = Stage::new();
    let output = Command::new(stage.program())
        .args(["install", "--launcher-dir"])
        .arg(directory.path())
        .env_clear()
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let path = directory.path().display().to_string();
    assert!(said.contains(&path) && said.contains("os error"), "{said}");
    assert_eq!(
        fs::read(directory.path().join("mesos-executor")).unwrap(),
        b"Mesos's own"
    );
}
