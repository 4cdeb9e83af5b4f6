//! The collector's metrics about itself.

use std::time::Duration;

use graphite::{Batch, Counters, MetricPath};

/// What one scrape came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scrape {
    /// From the request to the end of the reply, time spent queueing at the agent included.
    pub(crate) took: Duration,
    /// Containers whose points were shipped.
    pub(crate) containers: u64,
    /// Containers without statistics, or with some that make no sense.
    pub(crate) skipped: u64,
    /// Points of containers.
    pub(crate) points: u64,
}

/// Sums since the collector started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Scrapes that failed.
    pub(crate) scrape_errors: u64,
    /// Points left out since their value was not finite.
    pub(crate) points_refused: u64,
}

/// Adds `<base>.<metric>` for all of it; of a scrape only if there was one. `points_dropped`,
/// `points_refused`, `reconnects` and `scrape_errors` grow for as long as the collector runs.
pub(crate) fn add_health(
    batch: &mut Batch,
    base: &MetricPath,
    scrape: Option<&Scrape>,
    totals: &Totals,
    sink: &Counters,
    timestamp: u64,
) {
    if let Some(scrape) = scrape {
        let took = scrape.took.as_secs_f64();
        batch.add(&base.child("scrape_seconds"), took, timestamp);
        batch.add(&base.child("containers"), scrape.containers, timestamp);
        batch.add(&base.child("containers_skipped"), scrape.skipped, timestamp);
        batch.add(&base.child("points"), scrape.points, timestamp);
    }
    let sums = [
        ("scrape_errors", totals.scrape_errors),
        ("points_refused", totals.points_refused),
        ("points_dropped", sink.dropped),
        ("points_waiting", sink.waiting()),
        ("reconnects", sink.connections.saturating_sub(1)),
    ];
    for (name, value) in sums {
        batch.add(&base.child(name), value, timestamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> Counters {
        Counters {
            pushed: 100,
            written: 70,
            resent: 5,
            dropped: 20,
            connections: 3,
            ..Counters::default()
        }
    }

    fn lines(scrape: Option<&Scrape>) -> String {
        let totals = Totals {
            scrape_errors: 4,
            points_refused: 1,
        };
        let base = MetricPath::parse("c").unwrap();
        let mut batch = Batch::default();
        add_health(&mut batch, &base, scrape, &totals, &sink(), 60);
        String::from_utf8(batch.bytes().to_vec()).unwrap()
    }

    const SUMS: &str = "c.scrape_errors 4 60\nc.points_refused 1 60\nc.points_dropped 20 60\n\
                        c.points_waiting 10 60\nc.reconnects 2 60\n";

    #[test]
    fn a_scrape_is_told_with_the_sums_so_far() {
        let scrape = Scrape {
            took: Duration::from_millis(250),
            containers: 2,
            skipped: 1,
            points: 50,
        };
        let told = "c.scrape_seconds 0.25 60\nc.containers 2 60\nc.containers_skipped 1 60\n\
                    c.points 50 60\n";
        assert_eq!(lines(Some(&scrape)), format!("{told}{SUMS}"));
    }

    #[test]
    fn a_failed_scrape_has_no_zero_points() {
        assert_eq!(lines(None), SUMS);
    }
}
