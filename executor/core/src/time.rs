//! Time as an argument.

use std::time::Duration;

/// A point on the executor's monotonic clock: the time since the executor started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Duration);

impl Instant {
    /// The instant `after` later, or the last one there is.
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after))
    }

    /// How long it is from `earlier` to this instant; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both clocks, read once for each turn of the driver's loop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The monotonic clock: deadlines.
    pub at: Instant,
    /// Seconds since the epoch: timestamps of updates.
    pub unix: f64,
}
