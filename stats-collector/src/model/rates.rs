//! What two samples of one container tell that one does not.

use crate::sample::Statistics;

/// Two samples nearer than this say little: CPU time comes in ticks of 10 ms.
const SHORTEST_SECS: f64 = 0.5;

/// The ever-growing numbers of a sample that rates are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counters {
    timestamp: f64,
    user_secs: Option<f64>,
    system_secs: Option<f64>,
    periods: Option<u32>,
    throttled: Option<u32>,
}

impl Counters {
    /// Of something whose processor time is known as a whole.
    pub(crate) fn of_cpu(timestamp: f64, cpu_seconds: Option<f64>) -> Self {
        Self {
            timestamp,
            user_secs: cpu_seconds,
            system_secs: Some(0.0),
            periods: None,
            throttled: None,
        }
    }
}

impl From<&Statistics<'_>> for Counters {
    fn from(sample: &Statistics<'_>) -> Self {
        Self {
            timestamp: sample.timestamp,
            user_secs: sample.cpus_user_time_secs,
            system_secs: sample.cpus_system_time_secs,
            periods: sample.cpus_nr_periods,
            throttled: sample.cpus_nr_throttled,
        }
    }
}

/// What happened between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    /// CPUs in use, on average: 1.0 is one core busy all the time.
    pub(crate) cpus_used: Option<f64>,
    /// The share of CFS periods in which the container had to wait, 0 to 1. Absent if nothing
    /// wanted to run.
    pub(crate) cpus_throttled_share: Option<f64>,
}

/// Derives the rates of one container from two samples of it. A counter that is absent from either
/// or went back, as when an agent starts to count anew, gives nothing.
pub(crate) fn rates(before: &Counters, now: &Counters) -> Rates {
    let elapsed = now.timestamp - before.timestamp;
    if elapsed.is_nan() || elapsed < SHORTEST_SECS {
        return Rates::default();
    }
    let user = growth(before.user_secs, now.user_secs);
    let system = growth(before.system_secs, now.system_secs);
    let periods = growth(before.periods.map(f64::from), now.periods.map(f64::from));
    let throttled = growth(
        before.throttled.map(f64::from),
        now.throttled.map(f64::from),
    );
    Rates {
        cpus_used: user
            .zip(system)
            .map(|(user, system)| (user + system) / elapsed),
        cpus_throttled_share: throttled
            .zip(periods)
            .filter(|(_, periods)| *periods > 0.0)
            .map(|(throttled, periods)| throttled / periods),
    }
}

fn growth(before: Option<f64>, now: Option<f64>) -> Option<f64> {
    let growth = now? - before?;
    (growth >= 0.0).then_some(growth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Counters = Counters {
        timestamp: 1000.0,
        user_secs: Some(5.0),
        system_secs: Some(1.0),
        periods: Some(100),
        throttled: Some(10),
    };

    const SECOND: Counters = Counters {
        timestamp: 1010.0,
        user_secs: Some(8.0),
        system_secs: Some(3.0),
        periods: Some(200),
        throttled: Some(35),
    };

    #[test]
    fn two_samples_give_cores_in_use_and_the_throttled_share() {
        let rates = rates(&FIRST, &SECOND);
        assert_eq!(rates.cpus_used, Some(0.5));
        assert_eq!(rates.cpus_throttled_share, Some(0.25));
    }

    #[test]
    fn an_idle_container_uses_zero_cores_and_has_no_throttled_share() {
        let idle = Counters {
            timestamp: 1010.0,
            ..FIRST
        };
        let rates = rates(&FIRST, &idle);
        assert_eq!(rates.cpus_used, Some(0.0));
        assert_eq!(rates.cpus_throttled_share, None);
    }

    #[test]
    fn a_counter_that_went_back_gives_nothing() {
        for now in [
            Counters {
                user_secs: Some(0.1),
                ..SECOND
            },
            Counters {
                system_secs: Some(0.9),
                ..SECOND
            },
        ] {
            assert_eq!(rates(&FIRST, &now).cpus_used, None);
        }
        for now in [
            Counters {
                periods: Some(99),
                ..SECOND
            },
            Counters {
                throttled: Some(9),
                ..SECOND
            },
        ] {
            assert_eq!(rates(&FIRST, &now).cpus_throttled_share, None);
        }
    }

    #[test]
    fn an_absent_counter_gives_nothing_and_leaves_the_other_rate_alone() {
        let without = Counters {
            user_secs: None,
            ..SECOND
        };
        assert_eq!(rates(&FIRST, &without).cpus_used, None);
        assert_eq!(rates(&FIRST, &without).cpus_throttled_share, Some(0.25));
        assert_eq!(rates(&without, &FIRST), Rates::default());
    }

    #[test]
    fn samples_of_one_moment_or_out_of_order_give_nothing() {
        for timestamp in [1000.0, 1000.4, 990.0, f64::NAN] {
            let now = Counters {
                timestamp,
                ..SECOND
            };
            assert_eq!(rates(&FIRST, &now), Rates::default(), "{timestamp}");
        }
    }
}
