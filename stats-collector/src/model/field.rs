//! The kinds of numbers that there are. Each stands in one static table beside the code that makes it, and from those
//! tables come the names of series, the Prometheus types and help, the selection of fields and the manual's reference.

use graphite::Value;

/// A kind of number: what its series is called, and what it means.
#[derive(Debug)]
pub(crate) struct Field {
    /// Below its subject's own name. Dots part it into components: `mem_rss_bytes`, `disk_statistics.used_bytes`.
    pub(crate) name: &'static str,
    /// What tells several numbers of this kind of one subject apart, if there can be several.
    pub(crate) along: Option<Along>,
    /// How it moves.
    pub(crate) nature: Nature,
    /// What it is counted in.
    pub(crate) unit: Unit,
    /// What it is, in a sentence, with the formula where it is derived.
    pub(crate) help: &'static str,
}

/// What a field has several numbers along: volumes, devices, interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    /// The tag's or label's name: `volume`.
    pub(crate) tag: &'static str,
    /// In a path its value stands behind so many components of the field's name: with 1,
    /// `disk_statistics.<volume>.used_bytes`.
    pub(crate) behind: usize,
}

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Ever growing, until whoever counts it starts anew.
    Counter,
    /// Up and down.
    Gauge,
}

/// What a number is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Things a second.
    CountPerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Processors: 1.0 is one that is busy all the time.
    Cores,
    /// A part of a whole, 0 to 1 (beyond 1 where a limit is not a hard one).
    Share,
    /// Seconds since the epoch.
    Timestamp,
}

/// Takes the numbers of one subject at one time.
pub(crate) trait Put {
    /// A number. `along` is there if and only if the field has numbers along something; it may be any text.
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value);

    /// A number under a name that no table has, which may be any text.
    fn put_unknown(&mut self, name: &str, value: Value);
}
