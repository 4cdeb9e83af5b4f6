//! What is worked out of samples, with the formulas; [`super::container`] is where it is done.

use super::numbers;
use crate::sample::VOLUME;

numbers! {
    /// What is worked out of a container's sample and the one before. `d` is the difference to the sample before, `dt`
    /// the seconds between the two.
    struct Derived, named "" along None;

    cpus_used: f64, Gauge Cores,
        "Processors in use on average: (d cpus_user_time_secs + d cpus_system_time_secs) / dt.";
    cpus_used_share_of_limit: f64, Gauge Share, "cpus_used / cpus_limit.";
    cpus_used_share_of_request: f64, Gauge Share,
        "cpus_used / cpus_soft_limit. Above 1 where there is no hard limit or a higher one.";
    cpus_throttled_share: f64, Gauge Share,
        "The share of periods in which something had to wait: d cpus_nr_throttled / d cpus_nr_periods. Absent if nothing wanted to run.";
    cpus_throttled_seconds_per_second: f64, Gauge Share,
        "Time spent waiting: d cpus_throttled_time_secs / dt. Above 1 where more than one processor waits.";

    mem_used_share: f64, Gauge Share,
        "What cannot be reclaimed of the limit: mem_rss_bytes / mem_limit_bytes.";
    mem_total_share: f64, Gauge Share,
        "What is charged, page cache included, of the limit: mem_total_bytes / mem_limit_bytes.";
    mem_headroom_bytes: i64, Gauge Bytes,
        "What anonymous memory may still grow by: mem_limit_bytes - mem_rss_bytes. Negative where the limit is not enforced.";
    mem_pressure_low_per_second: f64, Gauge CountPerSecond, "d mem_low_pressure_counter / dt.";
    mem_pressure_medium_per_second: f64, Gauge CountPerSecond, "d mem_medium_pressure_counter / dt.";
    mem_pressure_critical_per_second: f64, Gauge CountPerSecond, "d mem_critical_pressure_counter / dt.";

    disk_used_share: f64, Gauge Share, "disk_used_bytes / disk_limit_bytes.";
    disk_growth_bytes_per_second: f64, Gauge BytesPerSecond,
        "d disk_used_bytes / dt, negative when the sandbox shrinks. It comes in steps where the agent measures less often than it is asked.";

    net_rx_bytes_per_second: f64, Gauge BytesPerSecond, "d net_rx_bytes / dt.";
    net_rx_packets_per_second: f64, Gauge CountPerSecond, "d net_rx_packets / dt.";
    net_rx_errors_per_second: f64, Gauge CountPerSecond, "d net_rx_errors / dt.";
    net_rx_dropped_per_second: f64, Gauge CountPerSecond, "d net_rx_dropped / dt.";
    net_tx_bytes_per_second: f64, Gauge BytesPerSecond, "d net_tx_bytes / dt.";
    net_tx_packets_per_second: f64, Gauge CountPerSecond, "d net_tx_packets / dt.";
    net_tx_errors_per_second: f64, Gauge CountPerSecond, "d net_tx_errors / dt.";
    net_tx_dropped_per_second: f64, Gauge CountPerSecond, "d net_tx_dropped / dt.";
    net_tcp_opens_per_second: f64, Gauge CountPerSecond,
        "TCP connections opened and accepted: (d ActiveOpens + d PassiveOpens) / dt of net_snmp_statistics.tcp_stats.";
    net_tcp_resets_per_second: f64, Gauge CountPerSecond,
        "TCP connections that were reset: d EstabResets / dt of net_snmp_statistics.tcp_stats.";
    net_tcp_retransmits_per_second: f64, Gauge CountPerSecond,
        "TCP segments sent again: d RetransSegs / dt of net_snmp_statistics.tcp_stats.";
    net_tcp_retransmitted_share: f64, Gauge Share,
        "d RetransSegs / d OutSegs of net_snmp_statistics.tcp_stats. Absent if nothing was sent.";

    blkio_read_bytes_per_second: f64, Gauge BytesPerSecond,
        "d io_service_bytes.read / dt, summed over the devices of the first list of blkio_statistics that has any: throttling, cfq_recursive, cfq.";
    blkio_write_bytes_per_second: f64, Gauge BytesPerSecond, "The same of io_service_bytes.write.";
    blkio_read_operations_per_second: f64, Gauge CountPerSecond, "The same of io_serviced.read.";
    blkio_write_operations_per_second: f64, Gauge CountPerSecond, "The same of io_serviced.write.";
}

numbers! {
    /// What is worked out of one volume's size.
    struct Fill, named "disk_statistics." along Some(VOLUME);

    used_share: f64, Gauge Share, "used_bytes / limit_bytes.";
}

numbers! {
    /// What is worked out of what `perf` counted in one interval.
    struct PerfShares, named "perf." along None;

    instructions_per_cycle: f64, Gauge Count, "instructions / cycles.";
    cache_miss_share: f64, Gauge Share, "cache_misses / cache_references.";
    branch_miss_share: f64, Gauge Share, "branch_misses / branches.";
    cycles_per_second: f64, Gauge CountPerSecond, "cycles / duration.";
    instructions_per_second: f64, Gauge CountPerSecond, "instructions / duration.";
    page_faults_per_second: f64, Gauge CountPerSecond, "page_faults / duration.";
    context_switches_per_second: f64, Gauge CountPerSecond, "context_switches / duration.";
}
