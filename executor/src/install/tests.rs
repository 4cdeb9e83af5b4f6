use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const MESOSS: &[u8] = b"#!/bin/sh\n# Mesos's own\n";
const NEWER: &[u8] = b"#!/bin/sh\n# Mesos's own, of a newer package\n";

/// A launcher directory, and this program in two versions.
struct Stage {
    directory: TempDir,
    programs: TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            programs: tempfile::tempdir().unwrap(),
        };
        stage.write(NAME, MESOSS);
        stage.write(NEIGHBOUR, b"");
        for version in ["1", "2"] {
            let content = [b"ELF ", version.as_bytes(), &MARK[..], b" ..."].concat();
            fs::write(stage.version(version), content).unwrap();
        }
        stage
    }

    fn launcher_dir(&self) -> &Path {
        self.directory.path()
    }

    fn version(&self, version: &str) -> PathBuf {
        self.programs.path().join(version)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.launcher_dir().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn install(&self, version: &str) -> Outcome<Done> {
        install(self.launcher_dir(), &self.version(version))
    }

    fn uninstall(&self) -> Outcome<Done> {
        uninstall(self.launcher_dir())
    }

    /// Whether this version is in place, Mesos's own is kept, and nothing else is there.
    fn assert_installed(&self, version: &str, kept: &[u8]) {
        assert_eq!(self.read(NAME), fs::read(self.version(version)).unwrap());
        assert_eq!(self.read(KEPT), kept);
        assert_eq!(self.names(), [NEIGHBOUR, NAME, KEPT]);
    }

    fn assert_mesoss(&self, content: &[u8]) {
        assert_eq!(self.read(NAME), content);
        assert_eq!(self.names(), [NEIGHBOUR, NAME]);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.launcher_dir()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn installed_and_uninstalled_leaves_mesoss_own_as_it_was() {
    let stage = Stage::new();
    let before = fs::metadata(stage.path(NAME)).unwrap();
    assert_eq!(stage.install("1").unwrap(), Done::Installed);
    stage.assert_installed("1", MESOSS);
    assert_eq!(stage.uninstall().unwrap(), Done::Restored);
    stage.assert_mesoss(MESOSS);
    let after = fs::metadata(stage.path(NAME)).unwrap();
    assert_eq!(
        (before.ino(), before.mode(), before.uid()),
        (after.ino(), after.mode(), after.uid())
    );
}

#[test]
fn mode_and_owner_are_those_of_mesoss_own_but_for_set_uid() {
    let stage = Stage::new();
    let path = stage.path(NAME);
    fs::set_permissions(&path, Permissions::from_mode(0o4750)).unwrap();
    stage.install("1").unwrap();
    let (ours, kept) = (
        fs::metadata(path).unwrap(),
        fs::metadata(stage.path(KEPT)).unwrap(),
    );
    assert_eq!(ours.mode() & 0o7777, 0o750);
    assert_eq!((ours.uid(), ours.gid()), (kept.uid(), kept.gid()));
}

#[test]
fn doing_it_again_changes_nothing() {
    let stage = Stage::new();
    stage.install("1").unwrap();
    assert_eq!(stage.install("1").unwrap(), Done::Already);
    stage.assert_installed("1", MESOSS);
    stage.uninstall().unwrap();
    assert_eq!(stage.uninstall().unwrap(), Done::Nothing);
    stage.assert_mesoss(MESOSS);
}

#[test]
fn another_version_of_this_program_takes_the_place_and_mesoss_own_stays_kept() {
    let stage = Stage::new();
    stage.install("1").unwrap();
    assert_eq!(stage.install("2").unwrap(), Done::Renewed);
    stage.assert_installed("2", MESOSS);
}

#[test]
fn after_an_upgrade_of_mesos_the_newer_one_is_kept() {
    let stage = Stage::new();
    stage.install("1").unwrap();
    // As dpkg does.
    stage.write("unpacked", NEWER);
    fs::rename(stage.path("unpacked"), stage.path(NAME)).unwrap();
    assert_eq!(stage.install("1").unwrap(), Done::Installed);
    stage.assert_installed("1", NEWER);
}

#[test]
fn uninstalling_after_an_upgrade_of_mesos_keeps_the_newer_one() {
    let stage = Stage::new();
    stage.install("1").unwrap();
    stage.write("unpacked", NEWER);
    fs::rename(stage.path("unpacked"), stage.path(NAME)).unwrap();
    assert_eq!(stage.uninstall().unwrap(), Done::Forgotten);
    stage.assert_mesoss(NEWER);
}

/// Each line is what the directory looks like when the run was killed after one more step.
#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    type Step = fn(&Stage);
    let link: Step = |stage| fs::hard_link(stage.path(NAME), stage.path(LINK)).unwrap();
    let keep: Step = |stage| fs::rename(stage.path(LINK), stage.path(KEPT)).unwrap();
    let link_again: Step = |stage| fs::hard_link(stage.path(NAME), stage.path(LINK)).unwrap();
    let write_half: Step = |stage| stage.write(NEW, b"ELF");
    let steps = [link, keep, link_again, write_half];
    for killed_after in 1..=steps.len() {
        let stage = Stage::new();
        for step in &steps[..killed_after] {
            step(&stage);
        }
        // It was never without Mesos's own.
        assert_eq!(stage.read(NAME), MESOSS);
        assert_eq!(stage.install("1").unwrap(), Done::Installed);
        stage.assert_installed("1", MESOSS);
        stage.uninstall().unwrap();
        stage.assert_mesoss(MESOSS);
    }
}

#[test]
fn uninstalling_what_was_half_installed_leaves_mesoss_own() {
    let stage = Stage::new();
    fs::hard_link(stage.path(NAME), stage.path(KEPT)).unwrap();
    stage.write(NEW, b"ELF");
    assert_eq!(stage.uninstall().unwrap(), Done::Forgotten);
    stage.assert_mesoss(MESOSS);
}

#[test]
fn a_link_to_mesoss_own_is_kept_as_a_link() {
    let stage = Stage::new();
    fs::rename(stage.path(NAME), stage.path("real")).unwrap();
    symlink("real", stage.path(NAME)).unwrap();
    stage.install("1").unwrap();
    assert_eq!(stage.read("real"), MESOSS);
    assert_eq!(
        fs::read_link(stage.path(KEPT)).unwrap(),
        PathBuf::from("real")
    );
    stage.uninstall().unwrap();
    assert_eq!(stage.read(NAME), MESOSS);
}

#[test]
fn what_is_no_launcher_directory_is_refused_by_what_it_lacks() {
    let stage = Stage::new();
    fs::remove_file(stage.path(NEIGHBOUR)).unwrap();
    let error = stage.install("1").unwrap_err().to_string();
    assert!(error.contains("it has no mesos-containerizer"), "{error}");
    assert_eq!(stage.read(NAME), MESOSS);
    stage.write(NEIGHBOUR, b"");
    fs::remove_file(stage.path(NAME)).unwrap();
    for error in [stage.install("1"), stage.uninstall()] {
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("it has no mesos-executor"), "{error}");
    }
    let error = install(&stage.path("nowhere"), &stage.version("1")).unwrap_err();
    let error = error.to_string();
    let path = stage.path("nowhere");
    assert!(
        error.starts_with(&format!("open {}: ", path.display())),
        "{error}"
    );
}

#[test]
fn without_mesoss_own_there_is_nothing_to_put_back() {
    let stage = Stage::new();
    stage.install("1").unwrap();
    fs::remove_file(stage.path(KEPT)).unwrap();
    let error = stage.uninstall().unwrap_err();
    assert!(matches!(error, InstallError::Lost { .. }), "{error}");
    // And not this program, whatever its name.
    fs::copy(stage.version("1"), stage.path(KEPT)).unwrap();
    let error = stage.uninstall().unwrap_err();
    assert!(matches!(error, InstallError::NotMesoss { .. }), "{error}");
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let stage = Stage::new();
    let held = Place::of(stage.launcher_dir()).unwrap();
    let error = stage.install("1").unwrap_err();
    assert!(matches!(error, InstallError::Busy { .. }), "{error}");
    drop(held);
    stage.install("1").unwrap();
}
