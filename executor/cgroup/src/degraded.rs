//! Limits that are asked for and cannot be held on this host, or with these rights.

use std::fmt;

use crate::Controller;

/// A limit that does not hold, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Which.
    pub limit: Limit,
    /// Why.
    pub why: Why,
}

/// One of the limits in [`crate::Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// [`crate::Limits::cpus`].
    Cpus,
    /// [`crate::Limits::cpu_quota`].
    CpuQuota,
    /// [`crate::Limits::memory`].
    Memory,
    /// [`crate::Limits::memory_soft`].
    MemorySoft,
    /// [`crate::Limits::swap`].
    Swap,
    /// [`crate::Limits::oom_group`].
    OomGroup,
    /// [`crate::Limits::pids`].
    Pids,
    /// [`crate::Limits::cpuset`].
    Cpuset,
    /// [`crate::Io::weight`].
    IoWeight,
    /// [`crate::Io::ceilings`].
    IoCeilings,
    /// [`crate::Limits::devices`].
    Devices,
}

impl Limit {
    /// The controller that holds it.
    pub(crate) fn controller(self) -> Controller {
        match self {
            Limit::Cpus | Limit::CpuQuota => Controller::Cpu,
            Limit::Memory | Limit::MemorySoft | Limit::Swap | Limit::OomGroup => Controller::Memory,
            Limit::Pids => Controller::Pids,
            Limit::Cpuset => Controller::Cpuset,
            Limit::IoWeight | Limit::IoCeilings => Controller::Io,
            Limit::Devices => Controller::Devices,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Cpus => "share of cpu time",
            Limit::CpuQuota => "ceiling of cpu time",
            Limit::Memory => "limit of memory",
            Limit::MemorySoft => "soft limit of memory",
            Limit::Swap => "limit of swap",
            Limit::OomGroup => "end of the whole task when its memory runs out",
            Limit::Pids => "limit of processes",
            Limit::Cpuset => "choice of cpus",
            Limit::IoWeight => "share of the disks",
            Limit::IoCeilings => "ceilings of the disks",
            Limit::Devices => "choice of devices",
        })
    }
}

/// Why a limit does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There are no cgroups for tasks at all.
    NoCgroups,
    /// The host has no such controller where this process may use it.
    NoController(Controller),
    /// The kernel, or the disk's scheduler, does not have this file.
    NoFile(&'static str),
    /// The kernel refused the program that would hold it: the number of its error.
    Refused(i32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoCgroups => f.write_str("no cgroups"),
            Why::NoController(controller) => write!(f, "no cgroup controller {controller}"),
            Why::NoFile(file) => write!(f, "this kernel has no {file}"),
            Why::Refused(errno) => std::io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}: {}", self.limit, self.why)
    }
}

impl std::error::Error for Degraded {}
