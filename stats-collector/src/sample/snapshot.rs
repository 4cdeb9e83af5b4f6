//! The agent's own metrics (Mesos: docs/monitoring.md), the reply to `GET /metrics/snapshot`.

use std::borrow::Cow;
use std::fmt;

use graphite::Value;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::message::LooseNumber;

/// More metrics than any agent has. It bounds what a nonsensical reply can make us hold.
const METRICS_MAX: usize = 100_000;

/// The agent's own metrics. Which there are depends on how it was started, and one that could not be had in time is left
/// out (Mesos: 3rdparty/libprocess/src/metrics/metrics.cpp, `snapshot`).
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Snapshot<'a> {
    /// Name and value of each, in the reply's order: `slave/tasks_running`.
    pub(crate) metrics: Vec<(Cow<'a, str>, Value)>,
    /// How many are no number.
    pub(crate) odd: u64,
}

/// Reads a whole reply.
///
/// # Errors
/// What `serde_json` says, with line and column.
pub(crate) fn snapshot(reply: &[u8]) -> serde_json::Result<Snapshot<'_>> {
    serde_json::from_slice(reply)
}

impl<'de> Deserialize<'de> for Snapshot<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Metrics)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Metrics;

impl<'de> Visitor<'de> for Metrics {
    type Value = Snapshot<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metrics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut snapshot = Snapshot::default();
        while let Some((Name(name), LooseNumber(value))) = map.next_entry()? {
            if snapshot.metrics.len() == METRICS_MAX {
                return Err(A::Error::custom(format_args!(
                    "more than {METRICS_MAX} metrics"
                )));
            }
            match value {
                Some(value) => snapshot.metrics.push((name, value)),
                None => snapshot.odd += 1,
            }
        }
        Ok(snapshot)
    }
}
