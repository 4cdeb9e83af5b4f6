//! What `tests/setup` puts into the user's cache directory.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where one of its scripts has put what it sets up: the line that it prints. At once when it is there.
///
/// # Panics
/// When it cannot be set up.
pub(crate) fn directory(script: &str) -> PathBuf {
    let script = crate::workspace().join("tests/setup").join(script);
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} failed: run `make test`, which sets up what it needs",
        script.display()
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// A Python environment, `bin/python` in it, that has pymesos as it is on PyPI.
///
/// # Panics
/// When it cannot be set up.
pub fn pymesos() -> PathBuf {
    directory("pymesos")
}

/// A Python environment, `bin/python` in it, that has carbon, whisper and graphite-web as they are on PyPI.
///
/// # Panics
/// When it cannot be set up.
pub fn graphite_pypi() -> PathBuf {
    directory("graphite-pypi")
}

/// A Python environment, `bin/python` in it, that has prometheus_client as it is on PyPI.
///
/// # Panics
/// When it cannot be set up.
pub fn prometheus_client() -> PathBuf {
    directory("prometheus-client")
}
