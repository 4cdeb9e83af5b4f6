//! What a task may use, and how each limit is written where the kernel keeps it.

mod cpu;
mod cpuset;
mod devices;
mod io;
mod memory;
mod pids;

pub use devices::{Device, DeviceKind, DeviceRule, Devices};
pub use io::{Io, IoCeiling};

pub(crate) use cpuset::fill as fill_cpuset;

use std::path::{Path, PathBuf};

use crate::Error;
use crate::degraded::{Degraded, Limit, Why};
use crate::error::kernel_answer;
use crate::host::Controller;
use crate::version::Version;

/// What a task may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Cpus, as a weight against other cgroups: 1024 shares each on v1, a weight of 100 each on v2.
    pub cpus: f64,
    /// Cpus, as a ceiling of cpu time however idle the machine is. Where the executor's own cgroup has
    /// a ceiling, the kernel refuses one above it on v1; and while this one stands it refuses to lower
    /// that one below it, so the task's cgroup has to be gone before anybody tries.
    pub cpu_quota: Option<f64>,
    /// Bytes of memory, page cache included; `None` is no limit.
    pub memory: Option<u64>,
    /// Bytes of memory that it keeps when the host is short of it, while others have more than their
    /// own: on v1 `memory.soft_limit_in_bytes`, to which it is pressed back then, on v2 `memory.low`,
    /// below which it is not pressed. Neither ends a task.
    pub memory_soft: Option<u64>,
    /// Bytes of swap beyond its memory; `None` is none beside a limit of memory, and without one
    /// no limit. Where the kernel does not account for swap it is not limited.
    pub swap: Option<u64>,
    /// All of it is ended when its memory runs out, and not the largest process alone: v2's
    /// `memory.oom.group`. v1 has no such thing.
    pub oom_group: bool,
    /// Processes and threads at the same time; `None` is no limit.
    pub pids: Option<u64>,
    /// Where it may run.
    pub cpuset: Cpuset,
    /// Its part of the disks' time.
    pub io: Io,
    /// The devices that it may use.
    pub devices: Devices,
}

/// Where a task may run, as the kernel lists such things: `0-2,7`. `None` is wherever its executor may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpuset {
    /// Cpus, by number.
    pub cpus: Option<String>,
    /// Nodes of memory, by number.
    pub mems: Option<String>,
}

impl Limits {
    /// Those of a task that has so many cpus, and nothing else that would limit it.
    pub const fn of_cpus(cpus: f64) -> Limits {
        Limits {
            cpus,
            cpu_quota: None,
            memory: None,
            memory_soft: None,
            swap: None,
            oom_group: false,
            pids: None,
            cpuset: Cpuset {
                cpus: None,
                mems: None,
            },
            io: Io {
                weight: None,
                ceilings: Vec::new(),
            },
            devices: Devices::Any,
        }
    }

    /// Which of them are asked for.
    pub fn asked(&self) -> Vec<Limit> {
        let all = [
            (true, Limit::Cpus),
            (self.cpu_quota.is_some(), Limit::CpuQuota),
            (self.memory.is_some(), Limit::Memory),
            (self.memory_soft.is_some(), Limit::MemorySoft),
            (self.swap.is_some(), Limit::Swap),
            (self.oom_group, Limit::OomGroup),
            (self.pids.is_some(), Limit::Pids),
            (self.cpuset != Cpuset::default(), Limit::Cpuset),
            (self.io.weight.is_some(), Limit::IoWeight),
            (!self.io.ceilings.is_empty(), Limit::IoCeilings),
            (self.devices != Devices::Any, Limit::Devices),
        ];
        let asked = all.into_iter().filter(|(is_asked, _)| *is_asked);
        asked.map(|(_, limit)| limit).collect()
    }

    /// What does not hold of them where tasks get no cgroups: all of them.
    pub fn without_cgroups(&self) -> Vec<Degraded> {
        let asked = self.asked().into_iter();
        let degraded = |limit| Degraded {
            limit,
            why: Why::NoCgroups,
        };
        asked.map(degraded).collect()
    }

    /// Whether a task with these has to be in a cgroup of `controller`: of some it is for what they
    /// count and can do, of others only when it is limited, as each costs time.
    pub(crate) fn need(&self, controller: Controller) -> bool {
        match controller {
            Controller::Cpu
            | Controller::CpuAccounting
            | Controller::Memory
            | Controller::Pids
            | Controller::Io
            | Controller::Freezer => true,
            Controller::Cpuset => self.cpuset != Cpuset::default(),
            Controller::Devices => self.devices != Devices::Any,
        }
    }

    /// Writes what `controller` limits to a cgroup, and adds what it cannot to `degraded`.
    pub(crate) fn write(
        &self,
        controller: Controller,
        place: Place<'_>,
        degraded: &mut Vec<Degraded>,
    ) -> Result<(), Error> {
        match controller {
            Controller::Cpu => cpu::write(self, place),
            Controller::Memory => memory::write(self, place, degraded),
            Controller::Pids => pids::write(self, place),
            Controller::Cpuset => cpuset::write(self, place),
            Controller::Io => io::write(&self.io, place, degraded),
            Controller::Devices => devices::write(&self.devices, place, degraded),
            Controller::CpuAccounting | Controller::Freezer => Ok(()),
        }
    }
}

/// The cgroup that limits are written to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) version: Version,
    pub(crate) directory: &'a Path,
    /// It was just made: a file that would hold its default anyway is left alone, since it may not
    /// exist.
    pub(crate) is_new: bool,
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

    fn write(limits: &Limits, controller: Controller, version: Version, directory: &Path) {
        let place = Place {
            version,
            directory,
            is_new: false,
        };
        limits.write(controller, place, &mut Vec::new()).unwrap();
    }

    #[test]
    fn a_lifted_limit_is_written_as_the_files_own_word_for_none() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let none = Limits::of_cpus(1.0);
        write(&none, Controller::Memory, Version::V1, at);
        write(&none, Controller::Memory, Version::V2, at);
        write(&none, Controller::Pids, Version::V1, at);
        for (file, text) in [
            ("memory.limit_in_bytes", "-1"),
            ("memory.max", "max"),
            ("pids.max", "max"),
        ] {
            assert_eq!(fs::read_to_string(at.join(file)).unwrap(), text);
        }
    }

    #[test]
    fn a_refused_value_names_the_file_the_value_and_the_kernels_answer() {
        let limits = Limits {
            memory: Some(4096),
            ..Limits::of_cpus(1.0)
        };
        let place = Place {
            version: Version::V1,
            directory: Path::new("/proc/self/no-such-cgroup"),
            is_new: true,
        };
        let error = limits.write(Controller::Memory, place, &mut Vec::new());
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("write '4096' to /proc/self/no-such-cgroup/memory.limit_in_bytes"),
            "{text}"
        );
        assert!(text.contains("No such file"), "{text}");
    }

    #[test]
    fn what_is_asked_for_is_told_by_name_and_a_share_of_cpu_time_always_is() {
        assert_eq!(Limits::of_cpus(0.1).asked(), [Limit::Cpus]);
        let all = Limits {
            cpu_quota: Some(1.0),
            memory: Some(1),
            devices: Devices::standard([]),
            ..Limits::of_cpus(0.1)
        };
        let expected = [Limit::Cpus, Limit::CpuQuota, Limit::Memory, Limit::Devices];
        assert_eq!(all.asked(), expected);
        assert_eq!(
            all.without_cgroups()[2].to_string(),
            "no limit of memory: no cgroups"
        );
    }
}
