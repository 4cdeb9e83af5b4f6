//! What a task asks of its limits beside its resources.

/// What a task asks of its limits, beside what its resources say. Where it is silent, its resources count alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitWishes {
    /// A ceiling of cpu time however idle the host is, in thousandths of a cpu.
    pub cpu_hard_millis: Option<u64>,
    /// The most bytes of memory; never above what its resources say.
    pub memory: Option<u64>,
    /// Bytes of memory that it is pressed back to when memory is short.
    pub memory_soft: Option<u64>,
    /// Bytes of swap beyond its memory; none means none of it where its memory is limited.
    pub swap: Option<u64>,
    /// The cpus that it runs on, as the kernel lists them: `0-2,7`.
    pub cpuset: Option<String>,
    /// Its part of the disks' time.
    pub io: IoWishes,
    /// Running out of memory ends all of it, and not the largest process alone.
    pub oom_group: bool,
    /// Devices beside those that every task has.
    pub devices: Vec<DeviceWish>,
    /// The most processes and threads; never above what its resources say.
    pub pids: Option<u64>,
    /// What its directory may take.
    pub disk: DiskWishes,
}

/// What a task asks of its quota of disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskWishes {
    /// Bytes beyond which there is a warning; below its quota, if it has one.
    pub soft: Option<u64>,
    /// The most files and directories, hard links counting once.
    pub inodes: Option<u64>,
    /// The kernel refuses to write beyond its quota, or the task is not started.
    pub in_kernel: bool,
}

/// A task's part of the disks' time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoWishes {
    /// Against other tasks, from 1 to 10000; 100 is everybody's.
    pub weight: Option<u64>,
    /// Ceilings, a device at a time.
    pub devices: Vec<IoDeviceWish>,
}

/// Ceilings of one disk, a second; without a number there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoDeviceWish {
    /// Its node's absolute path, or `major:minor`.
    pub device: String,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Reads.
    pub read_operations: Option<u64>,
    /// Writes.
    pub write_operations: Option<u64>,
}

/// A device that a task may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceWish {
    /// Its node's absolute path on the host, below `/dev`.
    pub path: String,
    /// May be read from.
    pub read: bool,
    /// May be written to.
    pub write: bool,
}
