//! What a cgroup has used, as the kernel counts it: raw samples, from which whoever reads them makes
//! rates. What this host, this version or this cgroup does not count is `None`, never a zero.

mod cpu;
mod io;
mod memory;
mod pids;
mod pressure;

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::host::Controller;
use crate::limits::Device;
use crate::memory::Ceiling;
use crate::version::Version;

/// One look at a cgroup. The parts are read one after the other, within a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Cpu time.
    pub cpu: CpuFigures,
    /// Memory.
    pub memory: MemoryFigures,
    /// Processes and threads.
    pub pids: PidsFigures,
    /// Of each disk that was used at all; `None` without the controller. On v1 what is written
    /// through the page cache is not in it.
    pub io: Option<Vec<IoFigures>>,
    /// How long processes stood still for want of something (v2 with PSI alone; Linux:
    /// Documentation/accounting/psi.rst).
    pub pressure: PressureFigures,
}

/// Cpu time since the cgroup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuFigures {
    /// All of it.
    pub usage: Option<Duration>,
    /// In programs; v1 counts it in hundredths of a second.
    pub user: Option<Duration>,
    /// In the kernel; v1 counts it in hundredths of a second.
    pub system: Option<Duration>,
    /// Periods of a hard quota in which it wanted to run.
    pub periods: Option<u64>,
    /// Those of them in which the quota was used up.
    pub throttled_periods: Option<u64>,
    /// How long it was held back by the quota.
    pub throttled: Option<Duration>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryFigures {
    /// In use now, page cache included.
    pub current: Option<u64>,
    /// The most that ever was; before Linux 5.19 v2 does not say.
    pub peak: Option<u64>,
    /// The limit.
    pub limit: Option<Ceiling>,
    /// Of processes, not backed by a file.
    pub anonymous: Option<u64>,
    /// Page cache, shared memory and tmpfs included.
    pub file: Option<u64>,
    /// Shared memory and tmpfs, which cannot be dropped as other page cache can.
    pub shared: Option<u64>,
    /// In swap now.
    pub swap: Option<u64>,
    /// How often the limit was reached (v1 `memory.failcnt`, v2 `max` of `memory.events`).
    pub limit_reached: Option<u64>,
    /// How many of its processes the kernel killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PidsFigures {
    /// Now.
    pub current: Option<u64>,
    /// The limit; `None` also when there is none.
    pub limit: Option<u64>,
    /// How many were refused because of the limit.
    pub refused: Option<u64>,
}

/// What was read from and written to one disk since the cgroup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoFigures {
    /// The disk.
    pub device: Device,
    /// Bytes.
    pub read_bytes: u64,
    /// Bytes.
    pub written_bytes: u64,
    /// How often.
    pub reads: u64,
    /// How often.
    pub writes: u64,
}

/// Pressure by what was short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PressureFigures {
    /// A cpu to run on.
    pub cpu: Option<Stalls>,
    /// Memory.
    pub memory: Option<Stalls>,
    /// A disk.
    pub io: Option<Stalls>,
}

/// How long the cgroup stood still, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stalls {
    /// At least one process of it.
    pub some: Duration,
    /// All of it at once.
    pub full: Duration,
}

impl Figures {
    /// Reads what the `controllers` of the cgroup at `directory` count, into what is known already.
    pub(crate) fn read(
        &mut self,
        directory: &Path,
        version: Version,
        controllers: &[Controller],
    ) -> Result<(), Error> {
        for controller in controllers {
            match (controller, version) {
                (Controller::Cpu, Version::V1) => self.cpu.read_v1_quota(directory)?,
                (Controller::CpuAccounting, Version::V1) => self.cpu.read_v1_usage(directory)?,
                (Controller::Cpu, Version::V2) => self.cpu.read_v2(directory)?,
                (Controller::Memory, Version::V1) => self.memory.read_v1(directory)?,
                (Controller::Memory, Version::V2) => self.memory.read_v2(directory)?,
                (Controller::Pids, _) => self.pids.read(directory)?,
                (Controller::Io, Version::V1) => self.io = io::read_v1(directory)?,
                (Controller::Io, Version::V2) => self.io = io::read_v2(directory)?,
                (Controller::CpuAccounting, Version::V2)
                | (Controller::Cpuset | Controller::Devices | Controller::Freezer, _) => {}
            }
        }
        if version == Version::V2 {
            self.pressure.read(directory)?;
        }
        Ok(())
    }
}
