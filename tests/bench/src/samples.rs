//! Numbers of many runs.

use std::fmt;
use std::time::Duration;

/// Times of one thing, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
        self.0.sort_by(f64::total_cmp);
    }

    /// The value that this part of the runs, 0 to 1, did not exceed.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[(last as f64 * part).round() as usize]
    }
}

/// Median and 90th percentile: `5.6 / 7.1`, or with the precision that is asked for.
impl fmt::Display for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = formatter.precision().unwrap_or(1);
        let [median, high] = [0.5, 0.9].map(|part| self.quantile(part));
        write!(formatter, "{median:.digits$} / {high:.digits$}")
    }
}
