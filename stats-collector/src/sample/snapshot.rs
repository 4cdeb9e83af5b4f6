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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_agent_s_metrics_are_all_read_in_their_order() {
        let reply = br#"{"containerizer/fetcher/cache_size_total_bytes":2147483648.0,
            "slave/cpus_percent":0.125,"slave/uptime_secs":25.3,"big":9007199254740993,"below":-1}"#;
        let snapshot = snapshot(reply).unwrap();
        let wanted = [
            (
                "containerizer/fetcher/cache_size_total_bytes",
                Value::Float(2_147_483_648.0),
            ),
            // A collector that makes integers of them ships 0 here.
            ("slave/cpus_percent", Value::Float(0.125)),
            ("slave/uptime_secs", Value::Float(25.3)),
            ("big", Value::Integer(9_007_199_254_740_993)),
            ("below", Value::Signed(-1)),
        ];
        let wanted = wanted.map(|(name, value)| (Cow::Borrowed(name), value));
        assert_eq!(snapshot.metrics, wanted);
        assert_eq!(snapshot.odd, 0);
    }

    #[test]
    fn what_is_no_number_is_counted_and_spoils_no_other() {
        let reply = br#"{"a":null,"b":"x","c":{"d":[1]},"e":[2],"f":true,"g":3}"#;
        let snapshot = snapshot(reply).unwrap();
        assert_eq!(snapshot.metrics, [("g".into(), Value::Integer(3))]);
        assert_eq!(snapshot.odd, 5);
    }

    #[test]
    fn what_is_not_a_whole_object_is_refused() {
        for reply in [
            "",
            "{",
            "[]",
            "null",
            r#"{"a":1"#,
            r#"{"a":NaN}"#,
            r#"{"a":1e999}"#,
            "{} {}",
        ] {
            assert!(snapshot_of(reply).is_err(), "{reply:?}");
        }
        assert_eq!(snapshot(b" {} ").unwrap(), Snapshot::default());
    }

    #[test]
    fn more_metrics_than_any_agent_has_are_refused() {
        let metrics = vec![r#""a":1"#; METRICS_MAX + 1].join(",");
        let error = snapshot_of(&format!("{{{metrics}}}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("100000 metrics"), "{error}");
    }

    fn snapshot_of(reply: &str) -> serde_json::Result<Snapshot<'_>> {
        snapshot(reply.as_bytes())
    }
}
