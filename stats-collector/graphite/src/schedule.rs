//! When to scrape, and which time a point is given.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The times that points are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointTime {
    /// The sample's own, to the second.
    Exact,
    /// The sample's own, down to a whole multiple of so many seconds: whisper keeps one point a
    /// step, and with this each sample has one to itself.
    Aligned(u64),
}

impl PointTime {
    /// Turns a sample's time, in seconds since the epoch, into a point's. `None` if whisper cannot
    /// hold it: its times are unsigned 32-bit integers.
    pub fn of(self, sample_secs: f64) -> Option<u64> {
        if !(1.0..4_294_967_296.0).contains(&sample_secs) {
            return None;
        }
        // Within the range checked this only cuts off the fraction.
        let secs = sample_secs as u64;
        Some(match self {
            Self::Exact => secs,
            Self::Aligned(step) => secs - secs % step,
        })
    }
}

/// How far into each step an agent is scraped. Agents differ in it, so that a cluster's collectors
/// do not reach carbon all at once, and it stays away from both ends of the step, so that a scrape
/// that comes a little late or early still falls into its own.
pub fn phase(agent_host: &str, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    agent_host.hash(&mut hasher);
    let percent = 10 + u32::try_from(hasher.finish() % 80).unwrap_or(0);
    interval * percent / 100
}

/// How long from `now` (since the epoch) to the next moment that is `phase` into a step.
pub fn until_next(now: Duration, interval: Duration, phase: Duration) -> Duration {
    let into_step = now.as_nanos() % interval.as_nanos();
    let (interval, phase) = (interval.as_nanos(), phase.as_nanos());
    let wait = if into_step < phase {
        phase - into_step
    } else {
        interval - into_step + phase
    };
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    #[test]
    fn a_point_s_time_is_the_sample_s_own_aligned_down_in_the_loop() {
        assert_eq!(PointTime::Exact.of(1_795_253_796.998), Some(1_795_253_796));
        let aligned = PointTime::Aligned(10);
        assert_eq!(aligned.of(1_795_253_796.998), Some(1_795_253_790));
        assert_eq!(aligned.of(1_795_253_800.0), Some(1_795_253_800));
    }

    #[test]
    fn a_time_that_whisper_cannot_hold_is_none() {
        for secs in [0.0, -5.0, 4_294_967_296.0, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(PointTime::Exact.of(secs), None, "{secs}");
        }
    }

    #[test]
    fn the_next_moment_is_always_ahead_and_at_its_phase() {
        let phase = Duration::from_secs(3);
        let wait = |now| until_next(Duration::from_millis(now), STEP, phase).as_millis();
        assert_eq!(wait(100_000), 3000);
        assert_eq!(wait(102_999), 1);
        assert_eq!(wait(103_000), 10_000);
        assert_eq!(wait(103_001), 9_999);
        assert_eq!(wait(109_500), 3500);
    }

    #[test]
    fn the_phase_is_fixed_for_a_host_and_away_from_the_ends_of_the_step() {
        let hosts: Vec<_> = (0..200).map(|n| format!("agent{n}")).collect();
        let phases: Vec<_> = hosts.iter().map(|host| phase(host, STEP)).collect();
        assert!(
            phases
                .iter()
                .all(|p| (STEP / 10..STEP * 9 / 10).contains(p))
        );
        assert!(phases.iter().any(|p| *p < STEP / 3) && phases.iter().any(|p| *p > STEP / 2));
        assert_eq!(phase("agent7", STEP), phases[7]);
    }
}
