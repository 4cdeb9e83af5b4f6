//! How long to wait before the next connection attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from 250 ms to 30 s, each shortened by a random part of up to half, so that a
/// cluster's agents do not all come back to a restarted carbon at the same instant.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait before the next attempt. Any `random` will do; it is an argument so that this stays
    /// a pure function.
    pub(crate) fn wait(&mut self, random: u64) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LONGEST);
        let half = full / 2;
        let half_nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        full - Duration::from_nanos(random % (half_nanos + 1))
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// A number for [`Backoff::wait`].
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..9).map(|_| backoff.wait(0).as_millis()).collect();
        assert_eq!(
            waits,
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
        );
        backoff.reset();
        assert_eq!(backoff.wait(0), FIRST);
    }

    #[test]
    fn randomness_takes_away_at_most_half() {
        for random in [0, 1, 124_999_999, 125_000_000, 125_000_001, u64::MAX] {
            let wait = Backoff::new().wait(random);
            assert!((FIRST / 2..=FIRST).contains(&wait), "{random}: {wait:?}");
        }
        assert_eq!(Backoff::new().wait(125_000_000), FIRST / 2);
    }
}
