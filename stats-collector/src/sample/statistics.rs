//! What a containerizer measured of one container (Mesos: include/mesos/mesos.proto, `ResourceStatistics`).

use serde::de::MapAccess;

use super::blkio::Blkio;
use super::disk::Volume;
use super::message::{Message, Pending, from_text};
use super::perf::Perf;
use super::snmp::Snmp;
use super::strangers::Strangers;
use super::traffic::TrafficControl;
use crate::model::{FromValue, numbers};

numbers! {
    /// Every field of `ResourceStatistics` that is one number, but the timestamp. The last ones are of Mesos after 1.11.
    struct Resources, named "" along None;

    processes: u32, Gauge Count, "Processes in the container's cgroup.";
    threads: u32, Gauge Count, "Threads in the container's cgroup.";

    cpus_user_time_secs: f64, Counter Seconds, "Processor time in user mode.";
    cpus_system_time_secs: f64, Counter Seconds, "Processor time in the kernel.";
    cpus_limit: f64, Gauge Cores, "The hard limit. Absent without CFS and a limit of the task's own.";
    cpus_soft_limit: f64, Gauge Cores, "What was requested.";
    cpus_nr_periods: u32, Counter Count, "CFS periods in which something wanted to run. Goes on at 0 after 4294967295.";
    cpus_nr_throttled: u32, Counter Count, "CFS periods in which something had to wait. Goes on at 0 after 4294967295.";
    cpus_throttled_time_secs: f64, Counter Seconds, "Time spent waiting for the next CFS period, summed over processors.";

    mem_total_bytes: u64, Gauge Bytes, "Memory charged to the container, page cache included.";
    mem_total_memsw_bytes: u64, Gauge Bytes, "The same with swap.";
    mem_limit_bytes: u64, Gauge Bytes, "The hard limit of memory.";
    mem_soft_limit_bytes: u64, Gauge Bytes, "The memory that was requested.";
    mem_file_bytes: u64, Gauge Bytes, "Older name of `mem_cache_bytes`.";
    mem_anon_bytes: u64, Gauge Bytes, "Older name of `mem_rss_bytes`.";
    mem_cache_bytes: u64, Gauge Bytes, "Page cache.";
    mem_rss_bytes: u64, Gauge Bytes, "Anonymous memory, which cannot be reclaimed.";
    mem_mapped_file_bytes: u64, Gauge Bytes, "Page cache that is mapped.";
    mem_swap_bytes: u64, Gauge Bytes, "Memory that is swapped out.";
    mem_unevictable_bytes: u64, Gauge Bytes, "Memory that is locked.";
    mem_low_pressure_counter: u64, Counter Count, "Events of low memory pressure since the agent started.";
    mem_medium_pressure_counter: u64, Counter Count, "Events of medium memory pressure since the agent started.";
    mem_critical_pressure_counter: u64, Counter Count, "Events of critical memory pressure since the agent started.";

    disk_limit_bytes: u64, Gauge Bytes, "The sandbox's disk limit.";
    disk_used_bytes: u64, Gauge Bytes, "What the sandbox uses of its disk, as old as the agent's way to measure it.";

    net_rx_packets: u64, Counter Count, "Packets received. All of `net_` is absent on the host's network.";
    net_rx_bytes: u64, Counter Bytes, "Bytes received.";
    net_rx_errors: u64, Counter Count, "Errors while receiving.";
    net_rx_dropped: u64, Counter Count, "Packets dropped while receiving.";
    net_tx_packets: u64, Counter Count, "Packets sent.";
    net_tx_bytes: u64, Counter Bytes, "Bytes sent.";
    net_tx_errors: u64, Counter Count, "Errors while sending.";
    net_tx_dropped: u64, Counter Count, "Packets dropped while sending.";
    net_tcp_rtt_microsecs_p50: f64, Gauge Microseconds, "Median of the TCP round trips.";
    net_tcp_rtt_microsecs_p90: f64, Gauge Microseconds, "90th percentile of the TCP round trips.";
    net_tcp_rtt_microsecs_p95: f64, Gauge Microseconds, "95th percentile of the TCP round trips.";
    net_tcp_rtt_microsecs_p99: f64, Gauge Microseconds, "99th percentile of the TCP round trips.";
    net_tcp_active_connections: f64, Gauge Count, "Established TCP connections.";
    net_tcp_time_wait_connections: f64, Gauge Count, "TCP connections in TIME_WAIT.";

    net_tx_rate_limit: graphite::Value, Gauge BytesPerSecond, "The limit to what may be sent. Since Mesos 1.12.";
    net_tx_burst_rate_limit: graphite::Value, Gauge BytesPerSecond, "The same in a burst. Since Mesos 1.12.";
    net_tx_burst_size: graphite::Value, Gauge Bytes, "The size of a burst of what is sent. Since Mesos 1.12.";
    net_rx_rate_limit: graphite::Value, Gauge BytesPerSecond, "The limit to what may be received. Since Mesos 1.12.";
    net_rx_burst_rate_limit: graphite::Value, Gauge BytesPerSecond, "The same in a burst. Since Mesos 1.12.";
    net_rx_burst_size: graphite::Value, Gauge Bytes, "The size of a burst of what is received. Since Mesos 1.12.";
    mem_kmem_usage_bytes: u64, Gauge Bytes, "Kernel memory. Since Mesos 1.12.";
    mem_kmem_tcp_usage_bytes: u64, Gauge Bytes, "Kernel memory of TCP buffers. Since Mesos 1.12.";
}

/// One sample of one container. What is absent was not measured, which is not the same as zero.
#[derive(Debug, Default)]
pub(crate) struct Statistics<'a> {
    /// When the containerizer took the sample, in seconds since the epoch.
    pub(crate) timestamp: f64,
    /// What is one number each.
    pub(crate) resources: Resources,
    /// One for the sandbox and one for each volume.
    pub(crate) volumes: Vec<Volume<'a>>,
    /// Block devices.
    pub(crate) blkio: Option<Blkio>,
    /// What `perf stat` counted in one interval.
    pub(crate) perf: Option<Box<Perf>>,
    /// The network stack of the container's own namespace.
    pub(crate) snmp: Option<Box<Snmp>>,
    /// Queues of the network.
    pub(crate) traffic_control: Vec<TrafficControl<'a>>,
    /// What no table has.
    pub(crate) strangers: Strangers<'a>,
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatisticsError {
    /// It is no JSON object.
    #[error("read statistics: {0}")]
    Json(#[from] serde_json::Error),
    /// Nobody knows when it was taken.
    #[error("read statistics: they have no timestamp")]
    NoTimestamp,
}

impl<'a> Statistics<'a> {
    /// Reads a sample. A field of an unexpected type is left out and counted as a stranger: it spoils no other.
    ///
    /// # Errors
    /// [`StatisticsError`].
    pub(crate) fn parse(text: &'a str) -> Result<Self, StatisticsError> {
        let mut strangers = Strangers::default();
        let Sample {
            timestamp,
            mut statistics,
        } = from_text(text, &mut strangers)?;
        statistics.timestamp = timestamp.ok_or(StatisticsError::NoTimestamp)?;
        statistics.strangers = strangers;
        Ok(statistics)
    }
}

/// A sample whose time is not known yet.
#[derive(Default)]
struct Sample<'a> {
    timestamp: Option<f64>,
    statistics: Statistics<'a>,
}

impl<'de> Message<'de> for Sample<'de> {
    const PATH: &'static str = "";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        let sample = &mut self.statistics;
        if value.one_of(&mut sample.resources, key)? {
            return Ok(true);
        }
        match key {
            "timestamp" => self.timestamp = value.number()?.and_then(f64::from_value),
            "disk_statistics" => sample.volumes = value.list()?,
            "blkio_statistics" => sample.blkio = value.message()?,
            "perf" => sample.perf = value.message()?.map(Box::new),
            "net_snmp_statistics" => sample.snmp = value.message()?.map(Box::new),
            "net_traffic_control_statistics" => sample.traffic_control = value.list()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
