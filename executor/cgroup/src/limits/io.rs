//! A task's part of the disks' time.

use super::Device;

/// What a task may have of the disks; by default all that there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Io {
    /// Against other cgroups, from 1 to 10000; 100 is everybody's (v2's `io.weight`). On v1, whose
    /// weights go from 10 to 1000 with 500 for everybody, it is 100 to 500 and so on in proportion,
    /// within those bounds.
    pub weight: Option<u16>,
    /// Ceilings, one entry a device.
    pub ceilings: Vec<IoCeiling>,
}

/// The most a second of one device; `None` is no ceiling. On v1 only what a process reads, or
/// writes past the page cache, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoCeiling {
    /// A whole disk; the kernel refuses a partition.
    pub device: Device,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Reads.
    pub read_operations: Option<u64>,
    /// Writes.
    pub write_operations: Option<u64>,
}
