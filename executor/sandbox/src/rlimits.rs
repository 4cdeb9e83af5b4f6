//! The limits of each process of a task (getrlimit(2)).

use serde::{Deserialize, Serialize};

/// A limit. A process may lower it, and raise the soft one as far as the hard one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// What is limited.
    pub resource: Resource,
    /// What counts; never above `hard`, to which it is lowered.
    pub soft: Bound,
    /// How far it may be raised. To raise this one itself needs CAP_SYS_RESOURCE of the executor; without that the task
    /// is not started.
    pub hard: Bound,
}

/// How much of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// What the executor has.
    Inherited,
    /// All there is.
    Unlimited,
    /// So much, in the unit of [`Resource`].
    At(u64),
}

/// What can be limited (Mesos: include/mesos/v1/mesos.proto, `RLimitInfo`; src/posix/rlimits.cpp).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Bytes of address space: RLIMIT_AS.
    AddressSpace,
    /// Bytes of a core dump: RLIMIT_CORE.
    Core,
    /// Seconds of processor time: RLIMIT_CPU.
    Cpu,
    /// Bytes of data: RLIMIT_DATA.
    Data,
    /// Bytes of each file: RLIMIT_FSIZE.
    FileSize,
    /// File locks: RLIMIT_LOCKS.
    Locks,
    /// Bytes locked in memory: RLIMIT_MEMLOCK.
    LockedMemory,
    /// Bytes in POSIX message queues, of the user: RLIMIT_MSGQUEUE.
    MessageQueues,
    /// 20 minus the lowest nice value: RLIMIT_NICE.
    Nice,
    /// One more than the highest descriptor: RLIMIT_NOFILE.
    OpenFiles,
    /// Processes and threads, of the user: RLIMIT_NPROC.
    Processes,
    /// Bytes of resident memory, which Linux does not look at: RLIMIT_RSS.
    ResidentSet,
    /// The highest real-time priority: RLIMIT_RTPRIO.
    RealtimePriority,
    /// Microseconds of real-time processor time without a pause: RLIMIT_RTTIME.
    RealtimeTime,
    /// Signals that are queued, of the user: RLIMIT_SIGPENDING.
    PendingSignals,
    /// Bytes of the stack: RLIMIT_STACK.
    Stack,
}
