//! What a task may use, and how each limit is written where the kernel keeps it.

mod devices;
mod io;
mod write;

pub use devices::{Device, DeviceKind, DeviceRule, Devices};
pub use io::{Io, IoCeiling};

use crate::degraded::{Degraded, Limit, Why};

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
}
