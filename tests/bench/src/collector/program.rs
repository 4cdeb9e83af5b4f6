//! A program under measurement.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Killed, with all that it started, when it is dropped.
pub(super) struct Program(Child);

impl Program {
    pub(super) fn start(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Its processes: itself, and whoever is in its process group.
    fn processes(&self) -> Vec<u32> {
        let group = self.0.id().to_string();
        let all = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id: &u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            after_name.split(' ').nth(2) == Some(&group)
        })
        .collect()
    }

    /// Processor time so far of all its threads that live, exact to the nanosecond.
    pub(super) fn cpu(&self) -> Duration {
        let mut total = 0;
        for id in self.processes() {
            let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else {
                continue;
            };
            for thread in threads.filter_map(Result::ok) {
                let path = thread.path().join("schedstat");
                let text = fs::read_to_string(path).unwrap_or_default();
                let ran: u64 = text
                    .split(' ')
                    .next()
                    .and_then(|ran| ran.parse().ok())
                    .unwrap_or(0);
                total += ran;
            }
        }
        Duration::from_nanos(total)
    }

    /// The largest resident sizes of its processes together, in megabytes of 2^20 bytes.
    pub(super) fn peak_megabytes(&self) -> f64 {
        let peaks = self.processes().into_iter().map(|id| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            kilobytes.unwrap_or(0.0)
        });
        peaks.sum::<f64>() / 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        // Fails when all of it has ended.
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
