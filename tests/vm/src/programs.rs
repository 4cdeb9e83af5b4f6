//! What the machine runs: built here, for the same Debian.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The package whose tests run in the machine.
const INNER: &str = "kernel-tests";

/// A directory with everything.
#[derive(Debug)]
pub(crate) struct Programs {
    directory: PathBuf,
    tests: Vec<String>,
    helpers: Vec<(String, PathBuf)>,
}

impl Programs {
    /// Builds them, which is soon done when `cargo test` has built the workspace, into a new directory in `place`.
    /// `guest` is the built `vm-guest`.
    ///
    /// # Panics
    /// When that fails.
    pub(crate) fn build(place: &Path, guest: &str) -> Programs {
        let directory = place.join("programs");
        fs::create_dir(&directory).expect("a directory");
        let mut programs = Programs {
            directory,
            tests: Vec::new(),
            helpers: Vec::new(),
        };
        for artifact in artifacts() {
            let path = PathBuf::from(artifact["executable"].as_str().expect("a path"));
            let name = artifact["target"]["name"].as_str().expect("a name");
            let name = name.to_owned();
            programs.add(&path, &name);
            match artifact["profile"]["test"].as_bool() {
                Some(true) => programs.tests.push(name),
                _ => programs.helpers.push((name, path)),
            }
        }
        programs.tests.sort();
        programs.add(Path::new(guest), "vm-guest");
        let executor = test_support::binaries::sandbox_executor();
        programs.add(&executor, "mesos-sandbox-executor");
        programs
    }

    /// Where they lie here, until the machine has them.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The names of the programs of tests.
    pub(crate) fn tests(&self) -> &[String] {
        &self.tests
    }

    /// The programs that these start, by name and by the path at which they look for them.
    pub(crate) fn helpers(&self) -> &[(String, PathBuf)] {
        &self.helpers
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

/// Cargo's word on each program of [`INNER`]. The whole workspace is named, so that nothing is built with other features
/// than `cargo test --workspace` has built it with; and the tests by name, so that nothing else is built.
fn artifacts() -> Vec<Value> {
    let inner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&inner).expect("the tests") {
        let path = entry.expect("an entry").path();
        if path.extension() == Some(OsStr::new("rs")) {
            let name = path.file_stem().expect("a name");
            names.extend([OsStr::new("--test").to_owned(), name.to_owned()]);
        }
    }
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
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts: Vec<Value> = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|message: &Value| {
            let package = message["package_id"].as_str().unwrap_or_default();
            message["executable"].is_string() && package.contains(&format!("#{INNER}@"))
        })
        .collect();
    assert!(!artifacts.is_empty(), "cargo built no {INNER}");
    artifacts
}
