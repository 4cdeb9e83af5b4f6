//! The agent's reply as it is: typed, borrowed, and with every absent field absent.
//!
//! A field is absent where no isolator fills it or one failed just now (Mesos:
//! src/slave/containerizer/mesos/containerizer.cpp, `_usage`), which is not the same as zero.

use std::borrow::Cow;
use std::fmt;

use graphite::Value;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// More containers than any agent runs. It bounds what a nonsensical reply can make us hold.
const CONTAINERS_MAX: usize = 100_000;

/// One entry of the reply to `GET /slave(1)/containers` (Mesos: src/slave/http.cpp,
/// `Http::__containers`).
#[derive(Debug, Deserialize)]
pub(crate) struct Container<'a> {
    /// Unique on the agent, a UUID.
    #[serde(borrow, default)]
    pub(crate) container_id: Cow<'a, str>,
    /// The task's id where Mesos's command executor runs it.
    #[serde(borrow, default)]
    pub(crate) executor_id: Cow<'a, str>,
    /// Empty in replies that are not an agent's.
    #[serde(borrow, default)]
    pub(crate) framework_id: Cow<'a, str>,
    /// Absent if the containerizer could not tell. Left as text, so that of thousands only one at a
    /// time is held decoded, and one that is odd does not spoil the others.
    #[serde(borrow, default)]
    statistics: Option<&'a RawValue>,
}

impl<'a> Container<'a> {
    /// Decodes the statistics; `None` if there are none.
    ///
    /// # Errors
    /// What `serde_json` says: a field of an unexpected type, or no timestamp.
    pub(crate) fn statistics(&self) -> Option<serde_json::Result<Statistics<'a>>> {
        self.statistics.map(|text| serde_json::from_str(text.get()))
    }
}

/// Reads a whole reply. Nothing is kept of a reply that is cut short.
///
/// # Errors
/// What `serde_json` says, with line and column.
pub(crate) fn parse(reply: &[u8]) -> serde_json::Result<Vec<Container<'_>>> {
    serde_json::from_slice(reply).map(|Containers(containers)| containers)
}

struct Containers<'a>(Vec<Container<'a>>);

impl<'de> Deserialize<'de> for Containers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;

        impl<'de> Visitor<'de> for Bounded {
            type Value = Containers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of containers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut containers = Vec::new();
                while let Some(container) = seq.next_element()? {
                    if containers.len() == CONTAINERS_MAX {
                        return Err(A::Error::custom(format_args!(
                            "more than {CONTAINERS_MAX} containers"
                        )));
                    }
                    containers.push(container);
                }
                Ok(Containers(containers))
            }
        }

        deserializer.deserialize_seq(Bounded)
    }
}

/// Declares [`Statistics`] and, from the same list, [`Statistics::scalars`].
macro_rules! statistics {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// Every field of Mesos 1.11's `ResourceStatistics` that is one number, and the volumes
        /// (Mesos: include/mesos/mesos.proto). A field that a later Mesos adds is passed over.
        #[derive(Debug, Deserialize)]
        pub(crate) struct Statistics<'a> {
            /// When the containerizer took the sample, in seconds since the epoch. The one field
            /// that is always there.
            pub(crate) timestamp: f64,
            $($(#[$doc])* pub(crate) $field: Option<$type>,)*
            /// One entry for the sandbox and one for each volume.
            #[serde(borrow, default)]
            pub(crate) disk_statistics: Vec<DiskStatistics<'a>>,
        }

        impl Statistics<'_> {
            /// Name and value of each number that is present, but the timestamp.
            pub(crate) fn scalars(&self) -> impl Iterator<Item = (&'static str, Value)> {
                [$((stringify!($field), self.$field.map(Value::from)),)*]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?)))
            }
        }
    };
}

statistics! {
    /// Processes in the container's cgroup.
    processes: u32,
    /// Threads in the container's cgroup.
    threads: u32,

    /// CPU time in user mode, ever growing, in seconds.
    cpus_user_time_secs: f64,
    /// CPU time in the kernel, ever growing, in seconds.
    cpus_system_time_secs: f64,
    /// The hard limit in CPUs. Absent without CFS or a limit of the task's own.
    cpus_limit: f64,
    /// What was requested, in CPUs.
    cpus_soft_limit: f64,
    /// CFS periods in which something wanted to run, ever growing.
    cpus_nr_periods: u32,
    /// CFS periods in which something had to wait, ever growing.
    cpus_nr_throttled: u32,
    /// Time spent waiting for the next CFS period, ever growing, in seconds.
    cpus_throttled_time_secs: f64,

    /// Memory charged to the container, page cache included.
    mem_total_bytes: u64,
    /// The same with swap.
    mem_total_memsw_bytes: u64,
    /// The hard limit.
    mem_limit_bytes: u64,
    /// What was requested.
    mem_soft_limit_bytes: u64,
    /// Older name of `mem_cache_bytes`.
    mem_file_bytes: u64,
    /// Older name of `mem_rss_bytes`.
    mem_anon_bytes: u64,
    /// Page cache.
    mem_cache_bytes: u64,
    /// Anonymous memory.
    mem_rss_bytes: u64,
    /// Mapped page cache.
    mem_mapped_file_bytes: u64,
    /// Swapped out.
    mem_swap_bytes: u64,
    /// Cannot be reclaimed.
    mem_unevictable_bytes: u64,
    /// Memory pressure events of the low level, since the agent started.
    mem_low_pressure_counter: u64,
    /// Memory pressure events of the medium level, since the agent started.
    mem_medium_pressure_counter: u64,
    /// Memory pressure events of the critical level, since the agent started.
    mem_critical_pressure_counter: u64,

    /// The sandbox's disk limit.
    disk_limit_bytes: u64,
    /// The sandbox's disk usage, as old as the agent's disk watch interval.
    disk_used_bytes: u64,

    /// Packets received, ever growing. All of `net_` is absent on the host's network.
    net_rx_packets: u64,
    /// Bytes received, ever growing.
    net_rx_bytes: u64,
    /// Errors while receiving, ever growing.
    net_rx_errors: u64,
    /// Packets dropped while receiving, ever growing.
    net_rx_dropped: u64,
    /// Packets sent, ever growing.
    net_tx_packets: u64,
    /// Bytes sent, ever growing.
    net_tx_bytes: u64,
    /// Errors while sending, ever growing.
    net_tx_errors: u64,
    /// Packets dropped while sending, ever growing.
    net_tx_dropped: u64,
    /// Median TCP round trip in microseconds.
    net_tcp_rtt_microsecs_p50: f64,
    /// 90th percentile of the TCP round trip in microseconds.
    net_tcp_rtt_microsecs_p90: f64,
    /// 95th percentile of the TCP round trip in microseconds.
    net_tcp_rtt_microsecs_p95: f64,
    /// 99th percentile of the TCP round trip in microseconds.
    net_tcp_rtt_microsecs_p99: f64,
    /// Established TCP connections.
    net_tcp_active_connections: f64,
    /// TCP connections in TIME_WAIT.
    net_tcp_time_wait_connections: f64,
}

/// Usage of the sandbox, or of one volume (Mesos: include/mesos/mesos.proto, `DiskStatistics`).
#[derive(Debug, Deserialize)]
pub(crate) struct DiskStatistics<'a> {
    /// The disk it lies on, unless that is the agent's work directory.
    #[serde(borrow)]
    pub(crate) source: Option<DiskSource<'a>>,
    /// Which persistent volume it is. The sandbox has neither this nor `source`.
    #[serde(borrow)]
    pub(crate) persistence: Option<Persistence<'a>>,
    /// The volume's size.
    pub(crate) limit_bytes: Option<u64>,
    /// What is used of it.
    pub(crate) used_bytes: Option<u64>,
}

/// Mesos: include/mesos/mesos.proto, `Resource.DiskInfo.Source`.
#[derive(Debug, Deserialize)]
pub(crate) struct DiskSource<'a> {
    /// `PATH`, `MOUNT`, `BLOCK` or `RAW`.
    #[serde(borrow, rename = "type", default)]
    pub(crate) kind: Cow<'a, str>,
}

/// Mesos: include/mesos/mesos.proto, `Resource.DiskInfo.Persistence`.
#[derive(Debug, Deserialize)]
pub(crate) struct Persistence<'a> {
    /// Unique in a role on the agent; chosen by the framework.
    #[serde(borrow, default)]
    pub(crate) id: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(text: &str) -> serde_json::Result<Statistics<'_>> {
        serde_json::from_str(text)
    }

    #[test]
    fn an_absent_or_null_field_is_absent_and_a_zero_is_a_zero() {
        let sample = statistics(r#"{"timestamp":1.5,"mem_rss_bytes":0,"threads":null}"#).unwrap();
        let scalars: Vec<_> = sample.scalars().collect();
        assert_eq!(scalars, [("mem_rss_bytes", Value::Integer(0))]);
    }

    #[test]
    fn integers_are_exact_beyond_what_a_float_holds() {
        let text = r#"{"timestamp":1,"net_rx_bytes":9007199254740993,"mem_limit_bytes":18446744073709551615}"#;
        let sample = statistics(text).unwrap();
        assert_eq!(sample.net_rx_bytes, Some((1 << 53) + 1));
        assert_eq!(sample.mem_limit_bytes, Some(u64::MAX));
    }

    #[test]
    fn fields_of_a_later_mesos_and_nested_ones_are_passed_over() {
        let text = r#"{"timestamp":1,"mem_kmem_usage_bytes":7,"perf":{"cycles":1},
            "net_snmp_statistics":{"ip_stats":{"InReceives":-1}},"processes":3}"#;
        let sample = statistics(text).unwrap();
        assert_eq!(sample.scalars().count(), 1);
    }

    #[test]
    fn a_sample_without_a_timestamp_or_with_a_wrong_type_is_refused_by_name() {
        let error = statistics("{}").unwrap_err().to_string();
        assert!(error.contains("timestamp"), "{error}");
        let error = statistics(r#"{"timestamp":1,"processes":-1}"#).unwrap_err();
        assert!(error.to_string().contains("-1"), "{error}");
    }

    #[test]
    fn one_container_s_odd_statistics_do_not_spoil_the_others() {
        let reply = br#"[{"container_id":"a","statistics":{"timestamp":"x"}},
            {"container_id":"b","statistics":{"timestamp":1}},{"container_id":"c"}]"#;
        let containers = parse(reply).unwrap();
        assert!(containers[0].statistics().unwrap().is_err());
        assert!(containers[1].statistics().unwrap().is_ok());
        assert!(containers[2].statistics().is_none());
    }

    #[test]
    fn names_are_borrowed_from_the_reply_unless_they_hold_escapes() {
        let reply = br#"[{"container_id":"a","executor_id":"x\ny"}]"#;
        let containers = parse(reply).unwrap();
        assert!(matches!(containers[0].container_id, Cow::Borrowed("a")));
        assert_eq!(containers[0].executor_id, "x\ny");
    }

    #[test]
    fn what_is_not_a_whole_array_of_containers_is_refused() {
        for reply in [
            "",
            "[",
            r#"[{"container_id":"a"}"#,
            "{}",
            "null",
            "[1]",
            "[] []",
        ] {
            assert!(parse(reply.as_bytes()).is_err(), "{reply:?}");
        }
        assert!(parse(b" [ ]\n").unwrap().is_empty());
    }

    #[test]
    fn more_containers_than_any_agent_runs_are_refused() {
        let reply = format!("[{}{{}}]", "{},".repeat(CONTAINERS_MAX));
        let error = parse(reply.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("100000 containers"), "{error}");
    }
}
