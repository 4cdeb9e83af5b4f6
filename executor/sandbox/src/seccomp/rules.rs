//! What a filter decides, before it is compiled.

use std::collections::BTreeMap;

/// What becomes of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    /// Allowed, and written to the host's audit log.
    Log,
    /// It fails with this error.
    Errno(u16),
    /// The thread gets SIGSYS.
    Trap,
    KillThread,
    KillProcess,
}

/// A comparison with one of the six arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// From 0.
    pub(super) argument: u8,
    pub(super) comparison: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Equal(u64),
    GreaterOrEqual(u64),
    Greater(u64),
    /// Some of these bits are set.
    AnyOf(u64),
    /// The bits of `mask` are those of `value`.
    MaskedEqual {
        mask: u64,
        value: u64,
    },
}

/// What becomes of a system call whose arguments meet all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Action,
}

/// A whole filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// By the number of the system call. The first case that holds counts.
    pub(super) cases: BTreeMap<u32, Vec<Case>>,
    /// When no case holds.
    pub(super) otherwise: Action,
    /// For numbers that this version has no name for.
    pub(super) unknown: Action,
}
