//! The numbers of one container: those of its sample, and those worked out of it and the one before.

use super::derived::{Derived, Fill, PerfShares};
use super::memory::{Memory, Since};
use super::volumes::{self, Used};
use super::{Numbers, Put};
use crate::sample::{Blkio, Metric, Operation, Perf, Resources, Statistics, Tcp};

/// Puts all numbers of one container's sample, and what is worked out of it and of what is remembered of the one before;
/// this one is remembered in its place. What is worked out is returned, too, for the group of all instances.
pub(crate) fn write(sample: &Statistics<'_>, memory: &mut Memory, out: &mut impl Put) -> Derived {
    let derived = derive(sample, memory);
    sample.resources.put(None, out);
    derived.put(None, out);
    let mut used = Used::default();
    for volume in &sample.volumes {
        let name = used.name(volumes::name(volume));
        volume.usage.put(Some(&name), out);
        let fill = Fill {
            used_share: share(volume.usage.used_bytes, volume.usage.limit_bytes),
        };
        fill.put(Some(&name), out);
        used.add(name);
    }
    if let Some(blkio) = &sample.blkio {
        blkio.put(out);
    }
    if let Some(perf) = &sample.perf {
        perf.put(None, out);
        perf_shares(perf).put(None, out);
    }
    if let Some(snmp) = &sample.snmp {
        snmp.put(out);
    }
    let mut used = Used::default();
    for queue in &sample.traffic_control {
        let name = used.name((&*queue.id).into());
        queue.queue.put(Some(&name), out);
        used.add(name);
    }
    derived
}

/// What is worked out of a sample and of what is remembered of the one before.
fn derive(sample: &Statistics<'_>, memory: &mut Memory) -> Derived {
    let now = &sample.resources;
    let mut derived = Derived {
        mem_used_share: share(now.mem_rss_bytes, now.mem_limit_bytes),
        mem_total_share: share(now.mem_total_bytes, now.mem_limit_bytes),
        mem_headroom_bytes: headroom(now.mem_limit_bytes, now.mem_rss_bytes),
        disk_used_share: share(now.disk_used_bytes, now.disk_limit_bytes),
        ..Derived::default()
    };
    let mut since = memory.since(sample.timestamp);
    cpu(&mut derived, now, &mut since);
    rates(&mut derived, now, &mut since);
    if let Some(snmp) = &sample.snmp {
        tcp(&mut derived, &snmp.tcp, &mut since);
    }
    if let Some(blkio) = &sample.blkio {
        devices(&mut derived, blkio, &mut since);
    }
    derived
}

/// The field of this number, which says which counter it is.
macro_rules! field {
    ($numbers:ident . $name:ident) => {{
        const PLACE: usize = place($numbers::KEYS, stringify!($name));
        &$numbers::fields()[PLACE]
    }};
}

fn cpu(derived: &mut Derived, now: &Resources, since: &mut Since<'_>) {
    let user = now.cpus_user_time_secs;
    let user =
        user.and_then(|secs| since.growth(field!(Resources.cpus_user_time_secs), None, secs));
    let system = now.cpus_system_time_secs;
    let system =
        system.and_then(|secs| since.growth(field!(Resources.cpus_system_time_secs), None, secs));
    let used = user.zip(system).map(|(user, system)| user + system);
    derived.cpus_used = ratio(used, since.elapsed());
    derived.cpus_used_share_of_limit = ratio(derived.cpus_used, now.cpus_limit);
    derived.cpus_used_share_of_request = ratio(derived.cpus_used, now.cpus_soft_limit);

    let periods = now.cpus_nr_periods;
    let periods =
        periods.and_then(|count| since.growth_of_periods(field!(Resources.cpus_nr_periods), count));
    let throttled = now.cpus_nr_throttled;
    let throttled = throttled
        .and_then(|count| since.growth_of_periods(field!(Resources.cpus_nr_throttled), count));
    derived.cpus_throttled_share = ratio(throttled, periods);
}

/// Counters that have a rate each, and nothing else.
fn rates(derived: &mut Derived, now: &Resources, since: &mut Since<'_>) {
    macro_rules! per_second {
        ($($rate:ident of $counter:ident;)*) => {
            $(if let Some(count) = now.$counter {
                derived.$rate = since.per_second(field!(Resources.$counter), None, count);
            })*
        };
    }
    per_second! {
        cpus_throttled_seconds_per_second of cpus_throttled_time_secs;
        mem_pressure_low_per_second of mem_low_pressure_counter;
        mem_pressure_medium_per_second of mem_medium_pressure_counter;
        mem_pressure_critical_per_second of mem_critical_pressure_counter;
        net_rx_bytes_per_second of net_rx_bytes;
        net_rx_packets_per_second of net_rx_packets;
        net_rx_errors_per_second of net_rx_errors;
        net_rx_dropped_per_second of net_rx_dropped;
        net_tx_bytes_per_second of net_tx_bytes;
        net_tx_packets_per_second of net_tx_packets;
        net_tx_errors_per_second of net_tx_errors;
        net_tx_dropped_per_second of net_tx_dropped;
    }
    if let Some(used) = now.disk_used_bytes {
        let growth = since.difference(field!(Resources.disk_used_bytes), None, used);
        derived.disk_growth_bytes_per_second = ratio(growth, since.elapsed());
    }
}

fn tcp(derived: &mut Derived, now: &Tcp, since: &mut Since<'_>) {
    macro_rules! growth {
        ($counter:ident) => {{
            let count = now.$counter;
            count.and_then(|count| since.growth(field!(Tcp.$counter), None, count))
        }};
    }
    let opens = growth!(ActiveOpens).zip(growth!(PassiveOpens));
    let resets = growth!(EstabResets);
    let retransmitted = growth!(RetransSegs);
    let sent = growth!(OutSegs);
    let elapsed = since.elapsed();
    derived.net_tcp_opens_per_second =
        ratio(opens.map(|(active, passive)| active + passive), elapsed);
    derived.net_tcp_resets_per_second = ratio(resets, elapsed);
    derived.net_tcp_retransmits_per_second = ratio(retransmitted, elapsed);
    derived.net_tcp_retransmitted_share = ratio(retransmitted, sent);
}

fn devices(derived: &mut Derived, now: &Blkio, since: &mut Since<'_>) {
    // Only one list is counted: where two have numbers, they are of the same operations. Which one it is is part of
    // what the sums are remembered by.
    let lists = [
        ("throttling", &now.throttling),
        ("cfq_recursive", &now.cfq_recursive),
        ("cfq", &now.cfq),
    ];
    let Some((list, devices)) = lists.into_iter().find(|(_, devices)| !devices.is_empty()) else {
        return;
    };
    let sum = |metric, operation| {
        let each = devices.iter().filter(|device| device.number.is_some());
        let counts = each.filter_map(|device| device.count(metric, operation));
        counts.reduce(u64::saturating_add)
    };
    macro_rules! per_second {
        ($($rate:ident of $metric:ident $operation:ident;)*) => {
            $(if let Some(count) = sum(Metric::$metric, Operation::$operation) {
                derived.$rate = since.per_second(field!(Derived.$rate), Some(list), count);
            })*
        };
    }
    per_second! {
        blkio_read_bytes_per_second of ServiceBytes Read;
        blkio_write_bytes_per_second of ServiceBytes Write;
        blkio_read_operations_per_second of Serviced Read;
        blkio_write_operations_per_second of Serviced Write;
    }
}

/// What is worked out of one interval's events.
fn perf_shares(now: &Perf) -> PerfShares {
    PerfShares {
        instructions_per_cycle: share(now.instructions, now.cycles),
        cache_miss_share: share(now.cache_misses, now.cache_references),
        branch_miss_share: share(now.branch_misses, now.branches),
        cycles_per_second: ratio(now.cycles.map(float), now.duration),
        instructions_per_second: ratio(now.instructions.map(float), now.duration),
        page_faults_per_second: ratio(now.page_faults.map(float), now.duration),
        context_switches_per_second: ratio(now.context_switches.map(float), now.duration),
    }
}

fn share(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    ratio(part.map(float), whole.map(float))
}

/// Of two that are there, the second above zero.
fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    let (part, whole) = part.zip(whole)?;
    let ratio = part / whole;
    (whole > 0.0 && ratio.is_finite()).then_some(ratio)
}

fn float(number: u64) -> f64 {
    number as f64
}

/// Both are below 2^63 wherever there are limits that mean something.
fn headroom(limit: Option<u64>, used: Option<u64>) -> Option<i64> {
    let (limit, used) = limit.zip(used)?;
    i64::try_from(i128::from(limit) - i128::from(used)).ok()
}

/// Where a list of names has this one.
const fn place(names: &[&str], name: &str) -> usize {
    let mut place = 0;
    while !same(names[place].as_bytes(), name.as_bytes()) {
        place += 1;
    }
    place
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut place = 0;
    while place < a.len() && place < b.len() && a[place] == b[place] {
        place += 1;
    }
    place == a.len() && place == b.len()
}

#[cfg(test)]
mod tests;
