//! How fast points go from the disk to carbon.

use std::time::Duration;

/// The most points that go out in one piece: what live points may have to wait for.
const PIECE: u64 = 500;

/// A limit of points per second, kept to over any span of time: from one piece to any later one, no
/// more points go out than the rate allows for the time between, but for the one piece at its end.
/// There is no credit for quiet times.
#[derive(Debug)]
pub(crate) struct Pace {
    points_per_second: u64,
    /// When the next piece may go, on the clock that `now` is taken from.
    next: Duration,
}

impl Pace {
    /// Zero points per second are one.
    pub(crate) fn new(points_per_second: u32) -> Self {
        Self {
            points_per_second: u64::from(points_per_second.max(1)),
            next: Duration::ZERO,
        }
    }

    /// How many points make a piece: a tenth of a second's.
    pub(crate) fn piece(&self) -> u64 {
        (self.points_per_second / 10).clamp(1, PIECE)
    }

    /// How long until the next piece may go. `now` is the time since any fixed moment.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        self.next.saturating_sub(now)
    }

    /// Notes that so many points went out at `now`.
    pub(crate) fn went(&mut self, now: Duration, points: u64) {
        let nanos =
            (u128::from(points) * 1_000_000_000).div_ceil(u128::from(self.points_per_second));
        let nanos = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next = self.next.max(now).saturating_add(nanos);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends pieces as soon as they may go, but looks only at these moments; returns when how many
    /// points went.
    fn replay(rate: u32, looks: &[Duration]) -> Vec<(Duration, u64)> {
        let mut pace = Pace::new(rate);
        let mut sent = Vec::new();
        for now in looks {
            while pace.wait(*now).is_zero() {
                let points = pace.piece();
                pace.went(*now, points);
                sent.push((*now, points));
            }
        }
        sent
    }

    proptest! {
        #[test]
        fn no_span_of_time_has_more_points_than_the_rate_and_one_piece(
            rate in 1_u32..200_000,
            steps in prop::collection::vec(0_u64..3_000_000_000, 1..60),
        ) {
            let mut now = 0;
            let looks: Vec<_> = steps.iter().map(|step| { now += step; Duration::from_nanos(now) }).collect();
            let sent = replay(rate, &looks);
            let piece = u128::from(Pace::new(rate).piece());
            for (first, (from, _)) in sent.iter().enumerate() {
                let mut points = 0;
                for (until, more) in &sent[first..] {
                    points += u128::from(*more);
                    let allowed = (*until - *from).as_nanos() * u128::from(rate) / 1_000_000_000;
                    prop_assert!(points <= allowed + piece, "{points} in {:?}", *until - *from);
                }
            }
        }
    }

    #[test]
    fn whoever_looks_all_the_time_gets_the_whole_rate() {
        for rate in [1, 7, 100, 999, 10_000, 123_456] {
            let looks: Vec<_> = (0..600_000_u64)
                .map(|n| Duration::from_micros(n * 100))
                .collect();
            let sent: u64 = replay(rate, &looks).iter().map(|(_, points)| points).sum();
            let minute = u64::from(rate) * 60;
            assert!(
                (minute * 98 / 100..=minute + Pace::new(rate).piece()).contains(&sent),
                "{rate}: {sent}"
            );
        }
    }

    #[test]
    fn a_quiet_hour_gives_no_credit() {
        let mut pace = Pace::new(100);
        let now = Duration::from_secs(3600);
        assert!(pace.wait(now).is_zero());
        pace.went(now, pace.piece());
        assert_eq!(pace.wait(now), Duration::from_millis(100));
    }
}
