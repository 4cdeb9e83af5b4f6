//! How much of a stream is let through: a bucket of bytes and one of lines, filled with time.

use std::time::{Duration, Instant};

use dialect::RateLimit;

/// What is left of both at a moment.
#[derive(Debug)]
pub(super) struct Rate {
    bytes: Option<Bucket>,
    lines: Option<Bucket>,
    filled: Instant,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    most: f64,
    /// Below nothing after a line whose length was not known at its begin.
    left: f64,
}

impl Rate {
    /// Full.
    pub(super) fn new(limit: &RateLimit, now: Instant) -> Self {
        let bucket = |per_second: std::num::NonZeroU64| {
            let per_second = per_second.get() as f64;
            let most = per_second * limit.burst.as_secs_f64();
            Bucket {
                per_second,
                most,
                left: most,
            }
        };
        Self {
            bytes: limit.bytes_per_second.map(bucket),
            lines: limit.lines_per_second.map(bucket),
            filled: now,
        }
    }

    /// What came since the last time. Once for all lines that came together.
    pub(super) fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        for bucket in self.bytes.iter_mut().chain(&mut self.lines) {
            bucket.fill(passed);
        }
    }

    /// Whether a line may pass that has so many bytes, or begins with them. A line that is longer than the bucket passes
    /// when that is full: it could never pass otherwise.
    pub(super) fn passes(&mut self, bytes: usize) -> bool {
        let enough = |bucket: &Option<Bucket>, amount: f64| {
            bucket
                .as_ref()
                .is_none_or(|bucket| bucket.left >= amount.min(bucket.most))
        };
        let passes = enough(&self.bytes, bytes as f64) && enough(&self.lines, 1.0);
        if passes {
            self.charge(bytes);
            if let Some(lines) = &mut self.lines {
                lines.left -= 1.0;
            }
        }
        passes
    }

    /// More bytes of a line that has passed.
    pub(super) fn charge(&mut self, more: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes.left -= more as f64;
        }
    }
}

impl Bucket {
    fn fill(&mut self, passed: Duration) {
        let filled = self.left + self.per_second * passed.as_secs_f64();
        self.left = filled.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn limit(bytes: u64, lines: u64) -> RateLimit {
        RateLimit {
            bytes_per_second: NonZeroU64::new(bytes),
            lines_per_second: NonZeroU64::new(lines),
            burst: Duration::from_secs(2),
        }
    }

    fn passed(rate: &mut Rate, lines: u32, bytes: usize) -> u32 {
        (0..lines).filter(|_| rate.passes(bytes)).count() as u32
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let begin = Instant::now();
        let mut rate = Rate::new(&limit(0, 10), begin);
        assert_eq!(passed(&mut rate, 100, 1), 20);
        rate.fill(begin + Duration::from_millis(500));
        assert_eq!(passed(&mut rate, 100, 1), 5);
    }

    #[test]
    fn silence_fills_no_more_than_a_burst() {
        let begin = Instant::now();
        let mut rate = Rate::new(&limit(0, 10), begin);
        rate.fill(begin + Duration::from_secs(3600));
        assert_eq!(passed(&mut rate, 100, 1), 20);
    }

    #[test]
    fn whichever_is_used_up_first_counts() {
        let mut rate = Rate::new(&limit(100, 10), Instant::now());
        assert_eq!(passed(&mut rate, 100, 50), 4);
        let mut rate = Rate::new(&limit(10_000, 10), Instant::now());
        assert_eq!(passed(&mut rate, 100, 50), 20);
    }

    #[test]
    fn a_line_longer_than_the_burst_passes_when_nothing_else_did() {
        let begin = Instant::now();
        let mut rate = Rate::new(&limit(100, 0), begin);
        assert!(rate.passes(1000));
        assert!(!rate.passes(1));
        // What it took beyond the burst is owed.
        rate.fill(begin + Duration::from_secs(7));
        assert!(!rate.passes(1));
        rate.fill(begin + Duration::from_secs(9));
        assert!(rate.passes(1));
    }

    #[test]
    fn the_rest_of_a_line_that_passed_is_charged_to_those_after_it() {
        let begin = Instant::now();
        let mut rate = Rate::new(&limit(100, 0), begin);
        assert!(rate.passes(10));
        rate.charge(290);
        rate.fill(begin + Duration::from_millis(900));
        assert!(!rate.passes(1));
    }
}
