//! The tables of the three lists of counters.

use crate::model::{Along, Field, Nature, Unit};

/// What is counted by operation, as Mesos calls it. The throttling layer has the first two alone.
pub(super) const METRICS: [&str; 6] = [
    "io_serviced",
    "io_service_bytes",
    "io_service_time",
    "io_wait_time",
    "io_merged",
    "io_queued",
];

/// The operations, as Mesos calls them (Mesos: include/mesos/mesos.proto, `CgroupInfo.Blkio.Operation`); in series they
/// are in small letters.
pub(super) const OPERATIONS: [&str; 7] = [
    "UNKNOWN", "TOTAL", "READ", "WRITE", "SYNC", "ASYNC", "DISCARD",
];

/// Devices are told apart by their numbers, `8:0`; all of them together are `total`.
const DEVICE: Along = Along {
    tag: "device",
    behind: 2,
};

/// One of the lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum List {
    Cfq,
    CfqRecursive,
    Throttling,
}

impl List {
    /// The metrics by operation, and then, where there are any, sectors and time.
    pub(super) fn table(self) -> &'static [Field] {
        match self {
            List::Cfq => &CFQ,
            List::CfqRecursive => &CFQ_RECURSIVE,
            List::Throttling => &THROTTLING,
        }
    }
}

/// All tables.
pub(crate) fn tables() -> [&'static [Field]; 3] {
    [&CFQ, &CFQ_RECURSIVE, &THROTTLING]
}

macro_rules! field {
    ($name:expr, $nature:ident $unit:ident, $help:expr) => {
        Field {
            name: $name,
            along: Some(DEVICE),
            nature: Nature::$nature,
            unit: Unit::$unit,
            help: $help,
        }
    };
}

/// One metric of one list by all operations, and what follows.
macro_rules! table {
    (
        $list:literal;
        $($metric:literal, $nature:ident $unit:ident, $help:literal;)*
        $(alone $alone:literal, $alone_nature:ident $alone_unit:ident, $alone_help:literal;)*
    ) => {
        [
            $(
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".unknown"), $nature $unit, concat!($help, ", of no known operation.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".total"), $nature $unit, concat!($help, ", all operations.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".read"), $nature $unit, concat!($help, ", reads.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".write"), $nature $unit, concat!($help, ", writes.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".sync"), $nature $unit, concat!($help, ", synchronous ones.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".async"), $nature $unit, concat!($help, ", asynchronous ones.")),
                field!(concat!("blkio_statistics.", $list, ".", $metric, ".discard"), $nature $unit, concat!($help, ", discards.")),
            )*
            $(field!(concat!("blkio_statistics.", $list, ".", $alone), $alone_nature $alone_unit, $alone_help),)*
        ]
    };
}

macro_rules! cfq {
    ($list:literal) => {
        table! {
            $list;
            "io_serviced", Counter Count, "Operations served";
            "io_service_bytes", Counter Bytes, "Bytes of operations";
            "io_service_time", Counter Nanoseconds, "Time that the device took";
            "io_wait_time", Counter Nanoseconds, "Time spent waiting for the device";
            "io_merged", Counter Count, "Operations merged with others";
            "io_queued", Gauge Count, "Operations that wait";
            alone "sectors", Counter Count, "Sectors of 512 bytes.";
            alone "time", Counter Milliseconds, "Time that the device was the container's.";
        }
    };
}

static CFQ: [Field; 44] = cfq!("cfq");
static CFQ_RECURSIVE: [Field; 44] = cfq!("cfq_recursive");
static THROTTLING: [Field; 14] = table! {
    "throttling";
    "io_serviced", Counter Count, "Operations let through";
    "io_service_bytes", Counter Bytes, "Bytes of operations let through";
};
