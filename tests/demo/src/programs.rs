//! The two programs that the demo runs beside the executor.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use test_support::{Graphite, RealMesos, binaries};

use crate::error::DemoError;

const COLLECTOR: &str = "mesos-stats-collector";
const WATCHER: &str = "mesos-disk-watcher";

/// A `mesos-stats-collector` that scrapes once a second until it is dropped.
pub(crate) struct Collector(Child);

impl Collector {
    /// What its metric paths begin with: `mesos.<host>`.
    pub(crate) const BASE: &str = "mesos.demo";

    pub(crate) fn start(mesos: &RealMesos, graphite: &Graphite) -> Result<Self, DemoError> {
        // It dies with this thread, however that ends.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binaries::stats_collector())
            .args([
                "--agent",
                &mesos.agent_url(),
                "--graphite",
                &format!("tcp://{}", graphite.carbon()),
            ])
            .args(["--host", "demo", "--interval", "1secs", "--log", "warn"])
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for the demo, which then ends it.
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(|source| DemoError::Start {
                program: COLLECTOR,
                source,
            })
    }

    /// An error when it has ended.
    pub(crate) fn check(&mut self) -> Result<(), DemoError> {
        let ended = self.0.try_wait().map_err(|source| DemoError::Start {
            program: COLLECTOR,
            source,
        })?;
        let Some(status) = ended else { return Ok(()) };
        let mut output = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            let _ = stderr.read_to_string(&mut output);
        }
        Err(DemoError::Ended {
            program: COLLECTOR,
            status,
            output,
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The table that `mesos-disk-watcher --once` prints.
pub(crate) fn disk_table(mesos: &RealMesos) -> Result<String, DemoError> {
    let output = Command::new(binaries::disk_watcher())
        .arg("--once")
        .arg(mesos.work_dir())
        .args(["--agent", &mesos.agent_url()])
        .output()
        .map_err(|source| DemoError::Start {
            program: WATCHER,
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(DemoError::Ended {
        program: WATCHER,
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
