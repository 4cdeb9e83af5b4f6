//! What is read of a machine at one moment, and what is put of it.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use procfs::{CpuTime, Current, CurrentSI, KernelStats, LoadAverage, Meminfo, PressureRecord};
use sysinfo::{LoadAvg, MemoryRefreshKind, RefreshKind, System};

use super::devices::{self, Device};
use super::fields;
use super::filesystems::{self, Filesystem};
use super::interfaces::{self, Interface};
use crate::model::{Memory, Put, Since, put_figures, put_growth};

/// A machine at one moment. What cannot be read is not there.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// In seconds since the epoch.
    pub(crate) at: f64,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Ram>,
    pub(super) meminfo: Option<Meminfo>,
    /// `/proc/vmstat`.
    pub(super) vmstat: HashMap<String, i64>,
    pub(super) load: Option<LoadAvg>,
    pub(super) threads: Option<u32>,
    pub(super) processes: Option<u64>,
    pub(super) files: Option<procfs::sys::fs::FileState>,
    /// In seconds since the epoch.
    pub(super) boot: Option<u64>,
    pub(super) pressure: Vec<(&'static str, Pressure)>,
    pub(super) devices: Vec<Device>,
    pub(super) filesystems: Vec<Filesystem>,
    pub(super) interfaces: Vec<Interface>,
}

/// Processors since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    /// Logical ones that are online.
    pub(super) online: u64,
    /// Cores that these are of.
    pub(super) cores: Option<u64>,
    /// Seconds in each mode.
    pub(super) times: Times,
    pub(super) context_switches: u64,
    pub(super) forks: u64,
    pub(super) running: Option<u32>,
    pub(super) blocked: Option<u32>,
}

/// What processors did, in seconds, all of them together; what guests use is in `user` and `nice`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) user: f64,
    pub(super) nice: f64,
    pub(super) system: f64,
    pub(super) idle: f64,
    pub(super) iowait: f64,
    pub(super) irq: f64,
    pub(super) softirq: f64,
    pub(super) steal: f64,
}

/// Memory and swap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ram {
    pub(super) total: u64,
    pub(super) available: u64,
    pub(super) free: u64,
    pub(super) swap_total: u64,
    pub(super) swap_free: u64,
}

/// Seconds since boot in which something waited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pressure {
    pub(super) some: Option<f64>,
    pub(super) full: Option<f64>,
}

impl Sample {
    /// Looks at the machine. Blocks, for as long as a file system hangs.
    pub(crate) fn take(work_dir: Option<&Path>) -> Self {
        // A clock before 1970 gives 0, which no output takes.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            at: now.as_secs_f64(),
            cpu: Cpu::read(),
            memory: Ram::read(),
            meminfo: Meminfo::current().ok(),
            vmstat: procfs::vmstat().unwrap_or_default(),
            load: System::load_average().ok(),
            threads: LoadAverage::current().ok().map(|load| load.max),
            processes: processes(),
            files: procfs::sys::fs::file_nr().ok(),
            boot: System::boot_time().ok(),
            pressure: pressure(),
            devices: devices::read(),
            filesystems: filesystems::read(work_dir),
            interfaces: interfaces::read(),
        }
    }

    /// Puts everything, with what happened since the sample that this memory has.
    pub(crate) fn put(&self, memory: &mut Memory, put: &mut impl Put) {
        let mut since = memory.since(self.at);
        put_figures(fields::MACHINE, self, None, put);
        put_growth(fields::MACHINE_RATES, self, None, &mut since, put);
        if let Some(cpu) = &self.cpu {
            cpu.put(&mut since, put);
        }
        for (of, pressure) in &self.pressure {
            put_growth(fields::PRESSURE, pressure, Some(of), &mut since, put);
        }
        for device in &self.devices {
            let name = Some(device.name.as_str());
            put_growth(fields::DEVICE_RATES, device, name, &mut since, put);
        }
        for filesystem in &self.filesystems {
            let name = Some(filesystem.name.as_str());
            put_figures(fields::FILESYSTEM, filesystem, name, put);
        }
        for interface in &self.interfaces {
            let name = Some(interface.name.as_str());
            put_growth(fields::INTERFACE_RATES, interface, name, &mut since, put);
        }
    }
}

impl Cpu {
    fn read() -> Option<Self> {
        let stats = KernelStats::current().ok()?;
        Some(Self {
            online: stats.cpu_time.len() as u64,
            cores: System::physical_core_count().ok().map(|cores| cores as u64),
            times: Times::of(&stats.total),
            context_switches: stats.ctxt,
            forks: stats.processes,
            running: stats.procs_running,
            blocked: stats.procs_blocked,
        })
    }

    /// What the processors did since the last sample, as shares of all that they could do.
    fn put(&self, since: &mut Since<'_>, put: &mut impl Put) {
        let grown: Vec<_> = fields::CPU_SHARES
            .iter()
            .map(|figure| {
                let seconds = (figure.of)(&self.times)?;
                // The kernel takes back of what it has counted as idle or waiting (proc(5)): nothing, then.
                let grown = since.difference(&figure.field, None, seconds)?;
                Some((&figure.field, grown.max(0.0)))
            })
            .collect();
        // All of them, or the whole is not known.
        let Some(grown) = grown.into_iter().collect::<Option<Vec<_>>>() else {
            return;
        };
        let all: f64 = grown.iter().map(|(_, grown)| grown).sum();
        if all <= 0.0 {
            return;
        }
        let mut busy = 1.0;
        for (field, grown) in grown {
            let share = grown / all;
            if fields::IDLE.contains(&field.name) {
                busy -= share;
            }
            put.put(field, None, share.into());
        }
        let used = Used {
            share: busy.max(0.0),
            of: self.online,
        };
        put_figures(fields::CPU_USED, &used, None, put);
    }
}

/// How busy processors were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) share: f64,
    pub(super) of: u64,
}

impl Times {
    fn of(time: &CpuTime) -> Self {
        let second = procfs::ticks_per_second().max(1) as f64;
        let seconds = |ticks: u64| ticks as f64 / second;
        let maybe = |ticks: Option<u64>| seconds(ticks.unwrap_or(0));
        Self {
            user: seconds(time.user),
            nice: seconds(time.nice),
            system: seconds(time.system),
            idle: seconds(time.idle),
            iowait: maybe(time.iowait),
            irq: maybe(time.irq),
            softirq: maybe(time.softirq),
            steal: maybe(time.steal),
        }
    }
}

impl Ram {
    fn read() -> Option<Self> {
        let memory = MemoryRefreshKind::everything();
        let wanted = RefreshKind::nothing().with_memory(memory);
        let system = System::new_with_specifics(wanted).ok()?;
        (system.total_memory() > 0).then(|| Self {
            total: system.total_memory(),
            available: system.available_memory(),
            free: system.free_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
        })
    }
}

/// Entries of `/proc` that are processes.
fn processes() -> Option<u64> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let is_process = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        name.iter().all(u8::is_ascii_digit)
    };
    Some(entries.flatten().filter(is_process).count() as u64)
}

/// Of each resource; none at all on a kernel before 4.20, or one that was told not to count (`psi=0`).
fn pressure() -> Vec<(&'static str, Pressure)> {
    let read = |of: &'static str| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{of}")).ok()?;
        Some((of, Pressure::parse(&text)))
    };
    ["cpu", "memory", "io"]
        .into_iter()
        .filter_map(read)
        .collect()
}

impl Pressure {
    /// Line by line: before Linux 5.13 processors have no `full`.
    pub(super) fn parse(text: &str) -> Self {
        let mut pressure = Self::default();
        for line in text.lines() {
            let Ok(PressureRecord { total, .. }) = procfs::parse_pressure_record(line) else {
                continue;
            };
            let seconds = Some(total as f64 / 1e6);
            match line.starts_with("some") {
                true => pressure.some = seconds,
                false => pressure.full = seconds,
            }
        }
        pressure
    }
}
