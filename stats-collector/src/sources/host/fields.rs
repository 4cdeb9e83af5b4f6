//! Each number of a machine.

use super::devices::Device;
use super::filesystems::Filesystem;
use super::interfaces::Interface;
use super::sample::{Pressure, Sample, Times, Used};
use crate::model::{Field, Figure, Unit};

/// All that there can be.
pub(super) fn all() -> impl Iterator<Item = &'static Field> {
    let machine = MACHINE.iter().chain(MACHINE_RATES).map(|it| &it.field);
    let cpu = CPU_USED.iter().map(|it| &it.field);
    let shares = CPU_SHARES.iter().map(|it| &it.field);
    let pressure = PRESSURE.iter().map(|it| &it.field);
    let devices = DEVICE_RATES.iter().map(|it| &it.field);
    let filesystems = FILESYSTEM.iter().map(|it| &it.field);
    let interfaces = INTERFACE_RATES.iter().map(|it| &it.field);
    machine
        .chain(cpu)
        .chain(shares)
        .chain(pressure)
        .chain(devices)
        .chain(filesystems)
        .chain(interfaces)
}

/// As they are.
pub(super) static MACHINE: &[Figure<Sample>] = &[
    Figure::gauge(
        "cpus",
        Unit::Count,
        "Logical processors that are online.",
        |it| Some(it.cpu?.online.into()),
    ),
    Figure::gauge(
        "cpu_cores",
        Unit::Count,
        "Cores that the processors have, each counted once however many threads it runs.",
        |it| Some(it.cpu?.cores?.into()),
    ),
    Figure::gauge(
        "processes_running",
        Unit::Count,
        "Processes and threads that run or could.",
        |it| Some(it.cpu?.running?.into()),
    ),
    Figure::gauge(
        "processes_blocked",
        Unit::Count,
        "Processes and threads that wait for a disk.",
        |it| Some(it.cpu?.blocked?.into()),
    ),
    Figure::gauge(
        "processes",
        Unit::Count,
        "Processes that there are.",
        |it| Some(it.processes?.into()),
    ),
    Figure::gauge("threads", Unit::Count, "Processes and threads.", |it| {
        Some(it.threads?.into())
    }),
    Figure::gauge(
        "load_1m",
        Unit::Count,
        "Processes and threads that ran or waited for a processor or a disk, averaged over a minute.",
        |it| Some(it.load.as_ref()?.one.into()),
    ),
    Figure::gauge("load_5m", Unit::Count, "The same over 5 minutes.", |it| {
        Some(it.load.as_ref()?.five.into())
    }),
    Figure::gauge("load_15m", Unit::Count, "The same over 15 minutes.", |it| {
        Some(it.load.as_ref()?.fifteen.into())
    }),
    Figure::gauge(
        "mem_total_bytes",
        Unit::Bytes,
        "Memory that the kernel can give.",
        |it| Some(it.memory?.total.into()),
    ),
    Figure::gauge(
        "mem_available_bytes",
        Unit::Bytes,
        "Memory that could be given without swapping, as the kernel estimates it.",
        |it| Some(it.memory?.available.into()),
    ),
    Figure::gauge(
        "mem_used_bytes",
        Unit::Bytes,
        "mem_total_bytes - mem_available_bytes.",
        |it| {
            let memory = it.memory?;
            Some(memory.total.saturating_sub(memory.available).into())
        },
    ),
    Figure::gauge(
        "mem_used_share",
        Unit::Share,
        "mem_used_bytes / mem_total_bytes.",
        |it| {
            let memory = it.memory?;
            let used = memory.total.saturating_sub(memory.available);
            share(used, memory.total)
        },
    ),
    Figure::gauge(
        "mem_free_bytes",
        Unit::Bytes,
        "Memory that nothing is in.",
        |it| Some(it.memory?.free.into()),
    ),
    Figure::gauge(
        "mem_cached_bytes",
        Unit::Bytes,
        "Memory with what is also in files, and with tmpfs.",
        |it| Some(it.meminfo.as_ref()?.cached.into()),
    ),
    Figure::gauge(
        "mem_buffers_bytes",
        Unit::Bytes,
        "Memory with blocks of devices.",
        |it| Some(it.meminfo.as_ref()?.buffers.into()),
    ),
    Figure::gauge(
        "mem_dirty_bytes",
        Unit::Bytes,
        "Memory with what is still to be written to disks.",
        |it| Some(it.meminfo.as_ref()?.dirty.into()),
    ),
    Figure::gauge(
        "mem_slab_bytes",
        Unit::Bytes,
        "Memory of the kernel's own structures.",
        |it| Some(it.meminfo.as_ref()?.slab.into()),
    ),
    Figure::gauge(
        "swap_total_bytes",
        Unit::Bytes,
        "Swap space; 0 without any.",
        |it| Some(it.memory?.swap_total.into()),
    ),
    Figure::gauge("swap_used_bytes", Unit::Bytes, "Swap space in use.", |it| {
        let memory = it.memory?;
        Some(memory.swap_total.saturating_sub(memory.swap_free).into())
    }),
    Figure::counter(
        "oom_kills",
        Unit::Count,
        "Processes that the kernel ended since memory was short, a container's own included, since boot.",
        |it| Some((*it.vmstat.get("oom_kill")?).into()),
    ),
    Figure::gauge(
        "file_handles",
        Unit::Count,
        "Files that are open, each as often as it was opened.",
        |it| Some(it.files.as_ref()?.allocated.into()),
    ),
    Figure::gauge(
        "file_handles_limit",
        Unit::Count,
        "How many may be.",
        |it| Some(it.files.as_ref()?.max.into()),
    ),
    Figure::gauge(
        "boot_time",
        Unit::Timestamp,
        "When the machine was started.",
        |it| Some(it.boot?.into()),
    ),
    Figure::gauge(
        "uptime_seconds",
        Unit::Seconds,
        "How long that was ago.",
        |it| Some((it.at - it.boot? as f64).max(0.0).into()),
    ),
];

/// What grew by so much a second.
pub(super) static MACHINE_RATES: &[Figure<Sample>] = &[
    Figure::gauge(
        "context_switches_per_second",
        Unit::CountPerSecond,
        "How often a processor went from one process or thread to another: d ctxt / dt of /proc/stat.",
        |it| Some(it.cpu?.context_switches.into()),
    ),
    Figure::gauge(
        "forks_per_second",
        Unit::CountPerSecond,
        "Processes and threads begun: d processes / dt of /proc/stat.",
        |it| Some(it.cpu?.forks.into()),
    ),
    Figure::gauge(
        "major_faults_per_second",
        Unit::CountPerSecond,
        "Pages that had to be read from a disk: d pgmajfault / dt of /proc/vmstat.",
        |it| Some((*it.vmstat.get("pgmajfault")?).into()),
    ),
    Figure::gauge(
        "swapped_in_pages_per_second",
        Unit::CountPerSecond,
        "d pswpin / dt of /proc/vmstat.",
        |it| Some((*it.vmstat.get("pswpin")?).into()),
    ),
    Figure::gauge(
        "swapped_out_pages_per_second",
        Unit::CountPerSecond,
        "d pswpout / dt of /proc/vmstat.",
        |it| Some((*it.vmstat.get("pswpout")?).into()),
    ),
];

/// Those that are no work.
pub(super) const IDLE: [&str; 2] = ["cpu_idle_share", "cpu_iowait_share"];

/// All modes, whose shares are 1 together.
pub(super) static CPU_SHARES: &[Figure<Times>] = &[
    mode(
        "cpu_user_share",
        "In programs, guests of virtual machines included: d user / d all modes.",
        |it| Some(it.user.into()),
    ),
    mode(
        "cpu_nice_share",
        "The same, of programs that let others go first.",
        |it| Some(it.nice.into()),
    ),
    mode("cpu_system_share", "In the kernel.", |it| {
        Some(it.system.into())
    }),
    mode("cpu_idle_share", "With nothing to do.", |it| {
        Some(it.idle.into())
    }),
    mode(
        "cpu_iowait_share",
        "With nothing to do but to wait for disks.",
        |it| Some(it.iowait.into()),
    ),
    mode("cpu_irq_share", "Answering interrupts.", |it| {
        Some(it.irq.into())
    }),
    mode(
        "cpu_softirq_share",
        "Doing what interrupts left to do.",
        |it| Some(it.softirq.into()),
    ),
    mode(
        "cpu_steal_share",
        "Ready to run, while the hypervisor ran others.",
        |it| Some(it.steal.into()),
    ),
];

const fn mode(
    name: &'static str,
    help: &'static str,
    of: fn(&Times) -> Option<graphite::Value>,
) -> Figure<Times> {
    Figure::gauge(name, Unit::Share, help, of)
}

/// What comes of all modes.
pub(super) static CPU_USED: &[Figure<Used>] = &[
    Figure::gauge(
        "cpu_used_share",
        Unit::Share,
        "1 - cpu_idle_share - cpu_iowait_share.",
        |it| Some(it.share.into()),
    ),
    Figure::gauge("cpus_used", Unit::Cores, "cpu_used_share * cpus.", |it| {
        Some((it.share * it.of as f64).into())
    }),
];

/// Of each resource.
pub(super) static PRESSURE: &[Figure<Pressure>] = &[
    Figure::gauge(
        "pressure.some_share",
        Unit::Share,
        "The share of time in which something waited for it: d total / dt of /proc/pressure. Absent on kernels before 4.20.",
        |it: &Pressure| Some(it.some?.into()),
    )
    .along("resource"),
    Figure::gauge(
        "pressure.full_share",
        Unit::Share,
        "The share of time in which everything that could do something waited for it. Absent for cpu on kernels before 5.13.",
        |it: &Pressure| Some(it.full?.into()),
    )
    .along("resource"),
];

/// Of each block device.
pub(super) static DEVICE_RATES: &[Figure<Device>] = &[
    Figure::gauge(
        "disks.read_bytes_per_second",
        Unit::BytesPerSecond,
        "Read from it: d sectors read * 512 / dt of /proc/diskstats.",
        |it: &Device| Some(it.read_bytes.into()),
    )
    .along("device"),
    Figure::gauge(
        "disks.written_bytes_per_second",
        Unit::BytesPerSecond,
        "Written to it.",
        |it: &Device| Some(it.written_bytes.into()),
    )
    .along("device"),
    Figure::gauge(
        "disks.reads_per_second",
        Unit::CountPerSecond,
        "Requests to read that it has done.",
        |it: &Device| Some(it.reads.into()),
    )
    .along("device"),
    Figure::gauge(
        "disks.writes_per_second",
        Unit::CountPerSecond,
        "Requests to write that it has done.",
        |it: &Device| Some(it.writes.into()),
    )
    .along("device"),
    Figure::gauge(
        "disks.busy_share",
        Unit::Share,
        "The share of time in which it had something to do.",
        |it: &Device| Some(it.busy_seconds.into()),
    )
    .along("device"),
    Figure::gauge(
        "disks.queue_length",
        Unit::Count,
        "Requests that waited or were worked on, on average: d weighted time / dt.",
        |it: &Device| Some(it.request_seconds.into()),
    )
    .along("device"),
];

/// Of each file system.
pub(super) static FILESYSTEM: &[Figure<Filesystem>] = &[
    Figure::gauge(
        "filesystems.size_bytes",
        Unit::Bytes,
        "How large it is.",
        |it: &Filesystem| Some(it.size_bytes.into()),
    )
    .along("filesystem"),
    Figure::gauge(
        "filesystems.used_bytes",
        Unit::Bytes,
        "What is used of it.",
        |it: &Filesystem| Some(it.size_bytes.saturating_sub(it.free_bytes).into()),
    )
    .along("filesystem"),
    Figure::gauge(
        "filesystems.available_bytes",
        Unit::Bytes,
        "What who is not root may still use.",
        |it: &Filesystem| Some(it.available_bytes.into()),
    )
    .along("filesystem"),
    Figure::gauge(
        "filesystems.used_share",
        Unit::Share,
        "used_bytes / (used_bytes + available_bytes), as df has it.",
        |it: &Filesystem| {
            let used = it.size_bytes.saturating_sub(it.free_bytes);
            share(used, used.saturating_add(it.available_bytes))
        },
    )
    .along("filesystem"),
    Figure::gauge(
        "filesystems.inodes",
        Unit::Count,
        "How many files and directories there can be; 0 where there is no such number.",
        |it: &Filesystem| Some(it.inodes.into()),
    )
    .along("filesystem"),
    Figure::gauge(
        "filesystems.inodes_used_share",
        Unit::Share,
        "The share of them that there are.",
        |it: &Filesystem| share(it.inodes.saturating_sub(it.free_inodes), it.inodes),
    )
    .along("filesystem"),
];

/// Of each network interface.
pub(super) static INTERFACE_RATES: &[Figure<Interface>] = &[
    traffic(
        "interfaces.rx_bytes_per_second",
        Unit::BytesPerSecond,
        "Received through it: d bytes / dt of /proc/net/dev.",
        |it| Some(it.rx_bytes.into()),
    ),
    traffic(
        "interfaces.rx_packets_per_second",
        Unit::CountPerSecond,
        "Packets received.",
        |it| Some(it.rx_packets.into()),
    ),
    traffic(
        "interfaces.rx_errors_per_second",
        Unit::CountPerSecond,
        "Packets that came broken.",
        |it| Some(it.rx_errors.into()),
    ),
    traffic(
        "interfaces.rx_dropped_per_second",
        Unit::CountPerSecond,
        "Packets that came, and there was no room or no use for.",
        |it| Some(it.rx_dropped.into()),
    ),
    traffic(
        "interfaces.tx_bytes_per_second",
        Unit::BytesPerSecond,
        "Sent through it.",
        |it| Some(it.tx_bytes.into()),
    ),
    traffic(
        "interfaces.tx_packets_per_second",
        Unit::CountPerSecond,
        "Packets sent.",
        |it| Some(it.tx_packets.into()),
    ),
    traffic(
        "interfaces.tx_errors_per_second",
        Unit::CountPerSecond,
        "Packets that could not be sent.",
        |it| Some(it.tx_errors.into()),
    ),
    traffic(
        "interfaces.tx_dropped_per_second",
        Unit::CountPerSecond,
        "Packets that there was no room for on their way out.",
        |it| Some(it.tx_dropped.into()),
    ),
];

const fn traffic(
    name: &'static str,
    unit: Unit,
    help: &'static str,
    of: fn(&Interface) -> Option<graphite::Value>,
) -> Figure<Interface> {
    Figure::gauge(name, unit, help, of).along("interface")
}

fn share(part: u64, whole: u64) -> Option<graphite::Value> {
    (whole > 0).then(|| (part as f64 / whole as f64).into())
}
