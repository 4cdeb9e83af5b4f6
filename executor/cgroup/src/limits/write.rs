use cgroups_rs::fs::{MaxValue, cpu::CpuController, memory::MemController, pid::PidController};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::error::kernel_answer;
use crate::host::Controller;
use crate::kernel_file::{malformed, read_if_present, write_if_present};
use crate::limits::Limits;
use crate::version::Version;

/// Relative cpu time for each cpu (Mesos: src/slave/containerizer/mesos/isolators/cgroups/constants.hpp).
const SHARES_PER_CPU: f64 = 1024.0;
/// The kernel's own least number of shares.
const MINIMUM_SHARES: u64 = 2;
/// The period over which a hard limit holds: the kernel's default, and Mesos's.
const CFS_PERIOD_US: u64 = 100_000;
/// The kernel refuses a shorter quota.
const MINIMUM_QUOTA_US: i64 = 1000;

impl Limits {
    /// `cpu.shares`: truncated as Mesos truncates it.
    fn shares(&self) -> u64 {
        // A negative or undefined number of cpus becomes 0, then the minimum.
        ((self.cpus * SHARES_PER_CPU) as u64).max(MINIMUM_SHARES)
    }

    /// `cpu.weight`, by the kernel's own conversion (`sched_weight_to_cgroup`), by which v1's
    /// default of 1024 is v2's default of 100 and proportions stay.
    fn weight(&self) -> u64 {
        ((self.shares() * 100 + 512) / 1024).clamp(1, 10_000)
    }

    /// Microseconds of cpu time in each period; -1 is no ceiling.
    fn quota_us(&self) -> i64 {
        self.cpu_quota.map_or(-1, |cpus| {
            ((cpus * CFS_PERIOD_US as f64) as i64).max(MINIMUM_QUOTA_US)
        })
    }

    /// Writes what `controller` limits to the cgroup at `directory`. `first` is the time the
    /// cgroup is made: then a file that would hold its default anyway is left alone, since it may
    /// not exist (a kernel without CFS bandwidth has no quota).
    pub(crate) fn write(
        &self,
        controller: Controller,
        version: Version,
        directory: &Path,
        first: bool,
    ) -> Result<(), Error> {
        let v2 = version == Version::V2;
        let (point, base) = (directory.to_owned(), directory.to_owned());
        match controller {
            Controller::Cpu => {
                let cpu = CpuController::new(point, base, v2);
                let (file, shares) = if v2 {
                    ("cpu.weight", self.weight())
                } else {
                    ("cpu.shares", self.shares())
                };
                cpu.set_shares(shares)
                    .map_err(refused(directory, file, shares))?;
                let quota = self.quota_us();
                if !first || self.cpu_quota.is_some() {
                    let file = if v2 { "cpu.max" } else { "cpu.cfs_quota_us" };
                    cpu.set_cfs_quota_and_period(Some(quota), Some(CFS_PERIOD_US))
                        .map_err(refused(directory, file, quota))?;
                }
            }
            Controller::Memory if !first || self.memory.is_some() => {
                self.write_memory(version, directory, first)?;
            }
            Controller::Pids if !first || self.pids.is_some() => {
                let limit = self.pids.map_or(MaxValue::Max, |pids| {
                    MaxValue::Value(i64::try_from(pids).unwrap_or(i64::MAX))
                });
                let text = limit.to_string();
                PidController::new(point, base, v2)
                    .set_pid_max(limit)
                    .map_err(refused(directory, "pids.max", text))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The limit, and none of it to be had as swap on top: else a task beyond its limit fills the
    /// host's swap instead of dying. A kernel without swap accounting lacks the file for that.
    fn write_memory(&self, version: Version, directory: &Path, first: bool) -> Result<(), Error> {
        let limit = self
            .memory
            .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let controller = MemController::new(
            directory.to_owned(),
            directory.to_owned(),
            version == Version::V2,
        );
        let set = |file| {
            controller
                .set_limit(limit)
                .map_err(refused(directory, file, limit))
        };
        match version {
            Version::V1 => {
                // Memory and swap together. The kernel refuses this below the limit of memory
                // alone, so whichever of the two is the greater goes first.
                let both = directory.join("memory.memsw.limit_in_bytes");
                let raises = match self.memory {
                    None => true,
                    // There is none yet.
                    Some(_) if first => false,
                    Some(bytes) => match read_if_present(&both)? {
                        None => false,
                        Some(text) => {
                            let now: u64 = text
                                .trim()
                                .parse()
                                .map_err(|_| malformed(&both, 1, text.trim()))?;
                            bytes > now
                        }
                    },
                };
                let set_both = || write_if_present(&both, &limit.to_string());
                if raises {
                    set_both()?;
                    set("memory.limit_in_bytes")
                } else {
                    set("memory.limit_in_bytes")?;
                    set_both()
                }
            }
            Version::V2 => {
                set("memory.max")?;
                let swap = if self.memory.is_some() { "0" } else { "max" };
                write_if_present(&directory.join("memory.swap.max"), swap)
            }
        }
    }
}

fn refused(
    directory: &Path,
    file: &str,
    value: impl ToString,
) -> impl FnOnce(cgroups_rs::fs::error::Error) -> Error {
    let path: PathBuf = directory.join(file);
    let value = value.to_string();
    move |error| Error::Write {
        path,
        value,
        source: kernel_answer(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn limits(cpus: f64) -> Limits {
        Limits::of_cpus(cpus)
    }

    #[test]
    fn shares_are_1024_a_cpu_and_never_below_the_kernels_minimum() {
        assert_eq!(limits(1.0).shares(), 1024);
        assert_eq!(limits(0.1).shares(), 102);
        for too_little in [0.0, 0.001, -3.0, f64::NAN] {
            assert_eq!(limits(too_little).shares(), 2);
        }
    }

    #[test]
    fn the_weight_keeps_the_proportions_of_the_shares() {
        assert_eq!(limits(1.0).weight(), 100);
        assert_eq!(limits(4.0).weight(), 400);
        assert_eq!(limits(0.0).weight(), 1);
        assert_eq!(limits(1e9).weight(), 10_000);
    }

    #[test]
    fn no_quota_is_minus_one_and_a_tiny_one_is_the_kernels_minimum() {
        assert_eq!(limits(1.0).quota_us(), -1);
        assert_eq!(
            Limits {
                cpu_quota: Some(1.5),
                ..limits(1.0)
            }
            .quota_us(),
            150_000
        );
        assert_eq!(
            Limits {
                cpu_quota: Some(0.001),
                ..limits(1.0)
            }
            .quota_us(),
            1000
        );
    }

    #[test]
    fn a_lifted_limit_is_written_as_the_files_own_word_for_none() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        limits(1.0)
            .write(Controller::Memory, Version::V1, at, false)
            .unwrap();
        limits(1.0)
            .write(Controller::Memory, Version::V2, at, false)
            .unwrap();
        limits(1.0)
            .write(Controller::Pids, Version::V1, at, false)
            .unwrap();
        assert_eq!(
            fs::read_to_string(at.join("memory.limit_in_bytes")).unwrap(),
            "-1"
        );
        assert_eq!(fs::read_to_string(at.join("memory.max")).unwrap(), "max");
        assert_eq!(fs::read_to_string(at.join("pids.max")).unwrap(), "max");
    }

    fn memory(bytes: Option<u64>) -> Limits {
        Limits {
            memory: bytes,
            ..limits(1.0)
        }
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn v1_holds_memory_and_swap_together_to_the_limit_of_memory() {
        let directory = tempfile::tempdir().unwrap();
        let both = directory.path().join("memory.memsw.limit_in_bytes");
        let write = |bytes, first| {
            memory(bytes)
                .write(Controller::Memory, Version::V1, directory.path(), first)
                .unwrap();
        };
        fs::write(&both, "9223372036854771712\n").unwrap();
        write(None, true);
        assert_eq!(text(&both), "9223372036854771712");
        fs::write(&both, "20480\n").unwrap();
        write(Some(12288), false);
        assert_eq!(text(&both), "12288");
        write(Some(16384), false);
        assert_eq!(text(&both), "16384");
        fs::write(&both, "").unwrap();
        write(None, false);
        assert_eq!(text(&both), "-1");
    }

    #[test]
    fn on_v1_the_limit_with_swap_is_raised_before_the_limit_and_lowered_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let both = directory.path().join("memory.memsw.limit_in_bytes");
        fs::write(&both, "12288\n").unwrap();
        // A directory in the limit's place: writing it fails, and what comes after is not done.
        fs::create_dir(directory.path().join("memory.limit_in_bytes")).unwrap();
        for (bytes, left) in [(8192, "12288"), (16384, "16384")] {
            memory(Some(bytes))
                .write(Controller::Memory, Version::V1, directory.path(), false)
                .unwrap_err();
            assert_eq!(text(&both), left);
        }
    }

    #[test]
    fn v2_leaves_no_swap_to_a_task_with_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let swap = directory.path().join("memory.swap.max");
        for (bytes, first, written) in [
            (None, true, ""),
            (Some(4096), true, "0"),
            (None, false, "max"),
        ] {
            fs::write(&swap, "").unwrap();
            memory(bytes)
                .write(Controller::Memory, Version::V2, directory.path(), first)
                .unwrap();
            assert_eq!(text(&swap), written);
        }
    }

    #[test]
    fn where_swap_is_not_accounted_for_the_limit_of_memory_is_all_that_is_written() {
        for (version, file) in [
            (Version::V1, "memory.limit_in_bytes"),
            (Version::V2, "memory.max"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            memory(Some(4096))
                .write(Controller::Memory, version, directory.path(), true)
                .unwrap();
            assert_eq!(text(&directory.path().join(file)), "4096");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_refused_value_names_the_file_the_value_and_the_kernels_answer() {
        let limits = Limits {
            memory: Some(4096),
            ..limits(1.0)
        };
        let nowhere = Path::new("/proc/self/no-such-cgroup");
        let error = limits
            .write(Controller::Memory, Version::V1, nowhere, true)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("write '4096' to /proc/self/no-such-cgroup/memory.limit_in_bytes"),
            "{text}"
        );
        assert!(text.contains("No such file"), "{text}");
    }
}
