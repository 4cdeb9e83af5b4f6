//! Each number of a task.

use graphite::Value;
use task_figures::Task;

use super::DiskUse;
use crate::model::{Field, Figure, Unit};

/// All that there can be.
pub(super) fn all() -> impl Iterator<Item = &'static Field> {
    let task = TASK.iter().chain(TASK_RATES).map(|it| &it.field);
    task.chain(DISK.iter().chain(VOLUME).map(|it| &it.field))
}

/// As the executor says.
pub(super) static TASK: &[Figure<Task>] = &[
    Figure::counter(
        "cpu_seconds",
        Unit::Seconds,
        "Processor time, over all of its runs.",
        |it| float(it.usage.cpu_seconds),
    ),
    Figure::counter(
        "cpu_user_seconds",
        Unit::Seconds,
        "Of these: in programs.",
        |it| float(it.usage.cpu_user_seconds),
    ),
    Figure::counter(
        "cpu_system_seconds",
        Unit::Seconds,
        "Of these: in the kernel.",
        |it| float(it.usage.cpu_system_seconds),
    ),
    Figure::counter(
        "cpu_throttled_seconds",
        Unit::Seconds,
        "Time in which it was held back by its limit of processor time.",
        |it| float(it.usage.cpu_throttled_seconds),
    ),
    Figure::gauge(
        "memory_bytes",
        Unit::Bytes,
        "What its limit of memory counts.",
        |it| count(it.usage.memory_bytes),
    ),
    Figure::gauge(
        "memory_anonymous_bytes",
        Unit::Bytes,
        "Of these: what is in no file, and cannot be reclaimed without swap.",
        |it| count(it.usage.memory_anonymous_bytes),
    ),
    Figure::gauge(
        "memory_peak_bytes",
        Unit::Bytes,
        "The most that memory_bytes ever was.",
        |it| count(it.usage.memory_peak_bytes),
    ),
    Figure::gauge(
        "memory_limit_bytes",
        Unit::Bytes,
        "What it may use; absent without a limit.",
        |it| count(it.usage.memory_limit_bytes),
    ),
    Figure::gauge(
        "memory_used_share",
        Unit::Share,
        "memory_bytes / memory_limit_bytes.",
        |it| share(it.usage.memory_bytes?, it.usage.memory_limit_bytes?),
    ),
    Figure::counter(
        "memory_shortages",
        Unit::Count,
        "Seconds in which its memory was short, each counted once.",
        |it| count(it.usage.memory_shortages),
    ),
    Figure::gauge("processes", Unit::Count, "Processes and threads.", |it| {
        count(it.usage.processes)
    }),
    Figure::gauge(
        "process_limit",
        Unit::Count,
        "How many it may have; absent without a limit.",
        |it| count(it.usage.process_limit),
    ),
    Figure::counter("io_read_bytes", Unit::Bytes, "Read from disks.", |it| {
        count(it.usage.io_read_bytes)
    }),
    Figure::counter("io_written_bytes", Unit::Bytes, "Written to disks.", |it| {
        count(it.usage.io_written_bytes)
    }),
    Figure::counter(
        "pressure_cpu_seconds",
        Unit::Seconds,
        "Time in which something of it waited for a processor.",
        |it| float(it.usage.pressure_cpu_seconds),
    ),
    Figure::counter(
        "pressure_memory_seconds",
        Unit::Seconds,
        "Time in which something of it waited for memory.",
        |it| float(it.usage.pressure_memory_seconds),
    ),
    Figure::counter(
        "pressure_io_seconds",
        Unit::Seconds,
        "Time in which something of it waited for a disk.",
        |it| float(it.usage.pressure_io_seconds),
    ),
    Figure::counter(
        "log_bytes",
        Unit::Bytes,
        "Written to its logs; absent where it writes them by itself.",
        |it| count(it.usage.log_bytes),
    ),
    Figure::counter(
        "log_dropped_lines",
        Unit::Count,
        "Lines that its logs did not take.",
        |it| count(it.usage.log_dropped_lines),
    ),
    Figure::counter(
        "restarts",
        Unit::Count,
        "How often its executor started it again.",
        |it| Some(it.restarts.into()),
    ),
];

/// What grew by so much a second.
pub(super) static TASK_RATES: &[Figure<Task>] = &[
    Figure::gauge(
        "cpus_used",
        Unit::Cores,
        "Processors in use on average: d cpu_seconds / dt.",
        |it| float(it.usage.cpu_seconds),
    ),
    Figure::gauge(
        "cpus_throttled_seconds_per_second",
        Unit::Share,
        "Time spent waiting: d cpu_throttled_seconds / dt. Above 1 where more than one processor waits.",
        |it| float(it.usage.cpu_throttled_seconds),
    ),
    Figure::gauge(
        "pressure_cpu_share",
        Unit::Share,
        "d pressure_cpu_seconds / dt.",
        |it| float(it.usage.pressure_cpu_seconds),
    ),
    Figure::gauge(
        "pressure_memory_share",
        Unit::Share,
        "d pressure_memory_seconds / dt.",
        |it| float(it.usage.pressure_memory_seconds),
    ),
    Figure::gauge(
        "pressure_io_share",
        Unit::Share,
        "d pressure_io_seconds / dt.",
        |it| float(it.usage.pressure_io_seconds),
    ),
    Figure::gauge(
        "io_read_bytes_per_second",
        Unit::BytesPerSecond,
        "d io_read_bytes / dt.",
        |it| count(it.usage.io_read_bytes),
    ),
    Figure::gauge(
        "io_written_bytes_per_second",
        Unit::BytesPerSecond,
        "d io_written_bytes / dt.",
        |it| count(it.usage.io_written_bytes),
    ),
    Figure::gauge(
        "log_bytes_per_second",
        Unit::BytesPerSecond,
        "d log_bytes / dt.",
        |it| count(it.usage.log_bytes),
    ),
];

/// The same of a task's directory and of each of its volumes.
macro_rules! disk {
    ($before:literal $(, $along:ident)?) => {
        &[
            Figure::gauge(
                concat!($before, "used_bytes"),
                Unit::Bytes,
                "Allocated bytes, as du counts them.",
                |it: &DiskUse| Some(it.used_bytes.into()),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "limit_bytes"),
                Unit::Bytes,
                "What it may hold; absent without a limit.",
                |it: &DiskUse| count(it.limit_bytes),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "soft_limit_bytes"),
                Unit::Bytes,
                "What there is a warning beyond.",
                |it: &DiskUse| count(it.soft_limit_bytes),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "used_share"),
                Unit::Share,
                "What counts toward the limit, deleted files that are open included, divided by it.",
                |it: &DiskUse| {
                    let deleted = it.deleted_bytes.unwrap_or(0);
                    share(it.used_bytes.saturating_add(deleted), it.limit_bytes?)
                },
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "deleted_bytes"),
                Unit::Bytes,
                "Of files that are deleted but still open, where used_bytes does not have them.",
                |it: &DiskUse| count(it.deleted_bytes),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "inodes"),
                Unit::Count,
                "Files, directories and links.",
                |it: &DiskUse| count(it.inodes),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "inode_limit"),
                Unit::Count,
                "How many there may be; absent without a limit.",
                |it: &DiskUse| count(it.inode_limit),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "growth_bytes_per_second"),
                Unit::BytesPerSecond,
                "How fast it grew in the last seconds; negative while it shrinks.",
                |it: &DiskUse| float(it.growth_bytes_per_second),
            )$(.$along("volume"))?,
            Figure::gauge(
                concat!($before, "age_seconds"),
                Unit::Seconds,
                "How long ago it was measured.",
                |it: &DiskUse| Some(it.age_seconds.into()),
            )$(.$along("volume"))?,
        ]
    };
}

/// Of a task's directory.
pub(super) static DISK: &[Figure<DiskUse>] = disk!("disk_");

/// Of a volume of a task's.
pub(super) static VOLUME: &[Figure<DiskUse>] = disk!("volumes.", along);

fn float(value: Option<f64>) -> Option<Value> {
    value.map(Value::from)
}

fn count(value: Option<u64>) -> Option<Value> {
    value.map(Value::from)
}

fn share(part: u64, whole: u64) -> Option<Value> {
    (whole > 0).then(|| (part as f64 / whole as f64).into())
}
