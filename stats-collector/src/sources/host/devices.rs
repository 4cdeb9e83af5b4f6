//! What block devices do.

use std::path::Path;

use procfs::DiskStat;

/// More than are worth a series each.
const MOST: usize = 64;

/// Sectors are of this size in the kernel's counts, whatever the device's are (Linux: Documentation/block/stat.rst).
const SECTOR: u64 = 512;

/// A device since boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    /// Seconds in which it had something to do.
    pub(super) busy_seconds: f64,
    /// Seconds that all requests waited or were worked on, added up.
    pub(super) request_seconds: f64,
}

/// Whole devices, no partitions, that were ever used.
pub(super) fn read() -> Vec<Device> {
    let all = procfs::diskstats().unwrap_or_default();
    all.iter()
        .filter(|one| is_whole(one) && one.reads + one.writes > 0)
        .take(MOST)
        .map(Device::of)
        .collect()
}

fn is_whole(one: &DiskStat) -> bool {
    // Memory, and files, which are on another device.
    let is_mock = ["ram", "loop", "zram"]
        .iter()
        .any(|begin| one.name.starts_with(begin));
    // Slashes in a device's name are written so in /sys.
    !is_mock
        && Path::new("/sys/block")
            .join(one.name.replace('/', "!"))
            .exists()
}

impl Device {
    pub(super) fn of(stat: &DiskStat) -> Self {
        Self {
            name: stat.name.clone(),
            reads: stat.reads,
            writes: stat.writes,
            read_bytes: stat.sectors_read.saturating_mul(SECTOR),
            written_bytes: stat.sectors_written.saturating_mul(SECTOR),
            busy_seconds: stat.time_in_progress as f64 / 1e3,
            request_seconds: stat.weighted_time_in_progress as f64 / 1e3,
        }
    }
}
