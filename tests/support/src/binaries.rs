//! Where the shipped programs are: `target/dist/` of the workspace, or the directory that `MESOS_AGENT_TOOLKIT_DIST` names.

use std::path::PathBuf;

/// `mesos-sandbox-executor`.
///
/// # Panics
/// When it is not built.
pub fn sandbox_executor() -> PathBuf {
    program("mesos-sandbox-executor")
}

/// `mesos-disk-watcher`.
///
/// # Panics
/// When it is not built.
pub fn disk_watcher() -> PathBuf {
    program("mesos-disk-watcher")
}

/// `mesos-stats-collector`.
///
/// # Panics
/// When it is not built.
pub fn stats_collector() -> PathBuf {
    program("mesos-stats-collector")
}

fn program(name: &str) -> PathBuf {
    let directory = std::env::var_os("MESOS_AGENT_TOOLKIT_DIST")
        .map_or_else(|| crate::workspace().join("target/dist"), PathBuf::from);
    directory.join(name).canonicalize().unwrap_or_else(|error| {
        panic!(
            "{name} in {}: {error}; run `make dist` first",
            directory.display()
        )
    })
}
