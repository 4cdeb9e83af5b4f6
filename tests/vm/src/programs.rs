//! What the machine runs: built here, for the same Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use test_support::{binaries, real_mesos};

use crate::{Machine, PROGRAMS};

/// A package whose tests run in the machine.
struct Inner {
    package: &'static str,
    /// Its directory in the workspace.
    directory: &'static str,
    /// Which of its programs of tests; when there is none, all that are one file.
    only: &'static [&'static str],
}

impl Inner {
    /// The names of its programs.
    fn programs(&self) -> Vec<String> {
        if !self.only.is_empty() {
            return self.only.iter().map(|name| (*name).to_owned()).collect();
        }
        let tests = workspace().join(self.directory).join("tests");
        fs::read_dir(tests)
            .expect("the tests")
            .filter_map(|entry| {
                let name = entry.expect("an entry").file_name();
                Some(name.to_str()?.strip_suffix(".rs")?.to_owned())
            })
            .collect()
    }
}

const INNER: [Inner; 3] = [
    Inner {
        package: "kernel-tests",
        directory: "tests/kernel",
        only: &[],
    },
    Inner {
        package: "mesos-tests",
        directory: "tests/mesos",
        only: &["ends"],
    },
    Inner {
        package: "disk-engine",
        directory: "disk-watcher/engine",
        only: &["quotas"],
    },
];

/// A directory with everything.
#[derive(Debug)]
pub(crate) struct Programs {
    directory: PathBuf,
    tests: Vec<InnerProgram>,
    /// What is also looked for at another path: from its path here to its path in [`PROGRAMS`].
    places: Vec<(PathBuf, String)>,
}

/// A program of tests.
#[derive(Debug)]
pub(crate) struct InnerProgram {
    pub(crate) package: String,
    pub(crate) name: String,
}

impl InnerProgram {
    /// In [`PROGRAMS`].
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.package, self.name)
    }
}

impl Programs {
    /// Builds them, which is soon done when `cargo test` has built the workspace, into a new directory in `place`.
    /// `guest` is the built `vm-guest`.
    ///
    /// # Panics
    /// When that fails.
    pub(crate) fn build(place: &Path, guest: &str) -> Programs {
        let mut programs = Programs {
            directory: place.join("programs"),
            tests: Vec::new(),
            places: Vec::new(),
        };
        for inner in INNER {
            let directory = programs.directory.join(inner.package);
            fs::create_dir_all(directory).expect("a directory");
        }
        for artifact in artifacts() {
            programs.add_artifact(&artifact);
        }
        programs.tests.sort_by_key(InnerProgram::path);
        programs.add(Path::new(guest), "vm-guest");
        programs.add(&binaries::sandbox_executor(), "mesos-sandbox-executor");
        programs.add(&binaries::disk_watcher(), "mesos-disk-watcher");
        programs.add(&binaries::stats_collector(), "mesos-stats-collector");
        programs.add_fixtures();
        programs
    }

    /// Where they lie here, until the machine has them.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The programs of tests.
    pub(crate) fn tests(&self) -> &[InnerProgram] {
        &self.tests
    }

    /// Puts what is looked for at the paths that it has here to the same paths in the machine.
    pub(crate) fn settle(&self, machine: &Machine) {
        for (path, inside) in &self.places {
            let path = path.display();
            machine.succeed(&format!(
                "mkdir -p \"$(dirname '{path}')\" && ln -sf {PROGRAMS}/{inside} '{path}'"
            ));
        }
    }

    /// A program that cargo built for one of [`INNER`].
    fn add_artifact(&mut self, artifact: &Value) {
        let Some(package) = package_of(artifact) else {
            return;
        };
        let path = PathBuf::from(artifact["executable"].as_str().expect("a path"));
        let name = artifact["target"]["name"].as_str().expect("a name");
        let program = InnerProgram {
            package: package.to_owned(),
            name: name.to_owned(),
        };
        self.add(&path, &program.path());
        if artifact["profile"]["test"] == true {
            self.tests.push(program);
        } else {
            self.places.push((path, program.path()));
        }
    }

    /// The real Mesos, and what the fixtures of the tests that use it look for in the workspace.
    fn add_fixtures(&mut self) {
        let workspace = workspace();
        copy(real_mesos(), &self.directory.join("mesos"));
        let fixtures = workspace.join("tests/support/programs");
        copy(&fixtures, &self.directory.join("fixtures"));
        self.places.push((fixtures, "fixtures".to_owned()));
        // There is nothing to set up there.
        let script = format!("#!/bin/sh\necho {PROGRAMS}/mesos\n");
        let path = self.directory.join("set-up");
        fs::write(&path, script).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("own file");
        self.places
            .push((workspace.join("tests/setup/mesos"), "set-up".to_owned()));
    }

    /// Without what only a debugger reads: that is nine parts in ten.
    fn add(&self, program: &Path, name: &str) {
        let status = Command::new("strip")
            .arg("-o")
            .args([self.directory.join(name).as_path(), program])
            .status()
            .expect("strip");
        assert!(status.success(), "strip {}: {status}", program.display());
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cannot copy {}",
        from.display()
    );
}

/// The workspace this was built in, as other packages of it know it.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two directories above")
        .to_owned()
}

/// Which of [`INNER`] it belongs to.
fn package_of(artifact: &Value) -> Option<&'static str> {
    let id = artifact["package_id"].as_str()?;
    INNER
        .into_iter()
        .map(|inner| inner.package)
        .find(|package| id.contains(&format!("#{package}@")))
}

/// Cargo's word on each program of [`INNER`]. The whole workspace is named, so that nothing is built with other features
/// than `cargo test --workspace` has built it with; and the tests by name, so that nothing else is built.
fn artifacts() -> Vec<Value> {
    let names = INNER
        .iter()
        .flat_map(Inner::programs)
        .flat_map(|name| ["--test".to_owned(), name]);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--locked", "--workspace", "--no-run"])
        .args(["--quiet", "--message-format=json"])
        .args(names)
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "cargo: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let artifacts: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|message: &Value| message["executable"].is_string())
        .collect();
    for Inner { package, .. } in INNER {
        let is_built = artifacts
            .iter()
            .any(|artifact| package_of(artifact) == Some(package));
        assert!(is_built, "cargo built nothing of {package}");
    }
    artifacts
}
