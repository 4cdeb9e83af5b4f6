//! What a sink tells of itself.

use std::iter::Sum;
use std::ops::Add;

/// What happened so far, in points but for `connections`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Given to [`Sink::push`](crate::Sink::push).
    pub pushed: u64,
    /// Handed to the kernel without having been on disk, each counted once.
    pub written: u64,
    /// Handed to the kernel again after a lost connection.
    pub resent: u64,
    /// Given up for newer ones since the queue was full, and the disk did not take them.
    pub dropped: u64,
    /// Connections made.
    pub connections: u64,
    /// What became of points on disk.
    pub spool: SpoolCounters,
}

/// What a spool tells of itself. The last three say how it is now, the others what happened since
/// the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolCounters {
    /// Points put on disk that had not been handed to the kernel.
    pub stored: u64,
    /// Points put on disk although they had been handed to the kernel, since the connection broke
    /// before carbon can have read them all.
    pub stored_again: u64,
    /// Points from the disk handed to the kernel, each counted once.
    pub replayed: u64,
    /// Points given up for newer ones since the spool had reached its size.
    pub dropped: u64,
    /// Points that could not be read back, as far as it can be known how many were lost.
    pub damaged: u64,
    /// Stretches on disk that could not be read back, whoever knows how many points they held.
    pub damaged_places: u64,
    /// Attempts to read or write that failed.
    pub errors: u64,
    /// Points on disk that were not handed to the kernel yet.
    pub points: u64,
    /// The size on disk. What was handed over is only deleted once carbon can have read it.
    pub bytes: u64,
    /// The time of the oldest of `points`, in seconds since the epoch.
    pub oldest: Option<u64>,
}

impl Counters {
    /// Points neither written nor given up yet, in memory and on disk.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.in_memory() + self.spool.points
    }

    /// Those of them that would be lost with the process.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.pushed
            .saturating_sub(self.written)
            .saturating_sub(self.dropped)
            .saturating_sub(self.spool.stored)
    }

    /// Points that are lost for good.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.dropped + self.spool.dropped + self.spool.damaged
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pushed: self.pushed + other.pushed,
            written: self.written + other.written,
            resent: self.resent + other.resent,
            dropped: self.dropped + other.dropped,
            connections: self.connections + other.connections,
            spool: self.spool + other.spool,
        }
    }
}

impl Add for SpoolCounters {
    type Output = Self;

    /// The oldest point of both is the older one's.
    fn add(self, other: Self) -> Self {
        Self {
            stored: self.stored + other.stored,
            stored_again: self.stored_again + other.stored_again,
            replayed: self.replayed + other.replayed,
            dropped: self.dropped + other.dropped,
            damaged: self.damaged + other.damaged,
            damaged_places: self.damaged_places + other.damaged_places,
            errors: self.errors + other.errors,
            points: self.points + other.points,
            bytes: self.bytes + other.bytes,
            oldest: [self.oldest, other.oldest].into_iter().flatten().min(),
        }
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_two_destinations_has_the_oldest_point_of_either() {
        let of = |pushed, oldest| Counters {
            pushed,
            spool: SpoolCounters {
                oldest,
                points: 2,
                ..SpoolCounters::default()
            },
            ..Counters::default()
        };
        let sum: Counters = [of(1, None), of(2, Some(70)), of(4, Some(60))]
            .into_iter()
            .sum();
        assert_eq!(
            (sum.pushed, sum.spool.points, sum.spool.oldest),
            (7, 6, Some(60))
        );
    }
}
