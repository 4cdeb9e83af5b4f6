use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Mesos 1.11's fields of `ResourceStatistics` and of all that it is made of: message, field, number, label, type.
const MESOS: &str = include_str!("../../../tests/fixtures/v1-fields.tsv");

#[test]
fn the_manual_s_page_is_made_of_the_tables() {
    let page = page();
    let manual = include_str!("../../../../packaging/doc/metrics.md");
    for (number, (made, kept)) in page.lines().zip(manual.lines()).enumerate() {
        let number = number + 1;
        assert_eq!(
            made, kept,
            "line {number} of packaging/doc/metrics.md: make it anew by mesos-stats-collector --metrics-reference"
        );
    }
    assert!(
        page == manual,
        "packaging/doc/metrics.md has more lines, or fewer"
    );
}

#[test]
fn no_two_numbers_of_a_kind_of_subject_have_the_same_name() {
    let mut seen = BTreeSet::new();
    for section in reference() {
        for kind in section.kinds {
            for field in &section.fields {
                assert!(seen.insert((*kind, field.name)), "{kind:?} {}", field.name);
            }
        }
    }
}

#[test]
fn every_number_says_what_it_is_and_has_a_name_that_carbon_keeps() {
    for section in reference() {
        for field in section.fields {
            let name = field.name;
            assert!(field.help.ends_with('.') && field.help.len() > 10, "{name}");
            for component in name.split('.') {
                assert_eq!(
                    graphite::distinct(component, graphite::COMPONENT_MAX, b""),
                    component,
                    "{name}"
                );
            }
            let components = name.split('.').count();
            assert!(
                field.along.is_none_or(|along| along.behind <= components),
                "{name}"
            );
        }
    }
}

/// Message and field, by Mesos's own list, with the type.
fn fields_of(message: &str) -> BTreeMap<&'static str, &'static str> {
    let message = format!("mesos.v1.{message}");
    let rows = MESOS
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let own = rows.filter(|row| row[0] == message);
    let fields: BTreeMap<_, _> = own.map(|row| (row[1], row[4])).collect();
    assert!(!fields.is_empty(), "{message}");
    fields
}

/// The numbers that a message should have: every one that is in Mesos's list, and the names of those that are not.
fn numbers_of(message: &str, except: &[&'static str]) -> BTreeSet<&'static str> {
    let mut fields = fields_of(message);
    for name in except {
        assert!(fields.remove(name).is_some(), "{message} has no {name}");
    }
    for (name, kind) in &fields {
        let is_number = ["uint64", "int64", "uint32", "double"].contains(kind);
        assert!(
            is_number,
            "{message}: {name} is a {kind}, and nobody reads it"
        );
    }
    fields.into_keys().collect()
}

fn keys<N: Numbers>() -> BTreeSet<&'static str> {
    N::KEYS.iter().copied().collect()
}

#[test]
fn every_field_of_mesos_s_resource_statistics_is_in_a_table() {
    let later = [
        "net_tx_rate_limit",
        "net_tx_burst_rate_limit",
        "net_tx_burst_size",
        "net_rx_rate_limit",
        "net_rx_burst_rate_limit",
        "net_rx_burst_size",
        "mem_kmem_usage_bytes",
        "mem_kmem_tcp_usage_bytes",
    ];
    let nested = [
        "timestamp",
        "disk_statistics",
        "blkio_statistics",
        "perf",
        "net_snmp_statistics",
        "net_traffic_control_statistics",
    ];
    let mut known = numbers_of("ResourceStatistics", &nested);
    known.extend(later);
    assert_eq!(keys::<Resources>(), known);
    let volume = numbers_of("DiskStatistics", &["source", "persistence"]);
    assert_eq!(keys::<Usage>(), volume);
    assert_eq!(keys::<Perf>(), numbers_of("PerfStatistics", &[]));
    assert_eq!(keys::<Ip>(), numbers_of("IpStatistics", &[]));
    assert_eq!(keys::<Icmp>(), numbers_of("IcmpStatistics", &[]));
    assert_eq!(keys::<Tcp>(), numbers_of("TcpStatistics", &[]));
    assert_eq!(keys::<Udp>(), numbers_of("UdpStatistics", &[]));
    let queue = numbers_of("TrafficControlStatistics", &["id"]);
    assert_eq!(keys::<Queue>(), queue);
    let snmp = fields_of("SNMPStatistics");
    let parts: Vec<_> = snmp.into_keys().collect();
    assert_eq!(parts, ["icmp_stats", "ip_stats", "tcp_stats", "udp_stats"]);
}

#[test]
fn every_counter_of_mesos_s_block_devices_is_in_a_table_by_each_operation() {
    let operations: Vec<_> = fields_of("CgroupInfo.Blkio.Operation")
        .into_keys()
        .map(str::to_ascii_lowercase)
        .collect();
    assert_eq!(operations.len(), 7);
    let lists = [
        ("cfq", "CgroupInfo.Blkio.CFQ.Statistics"),
        ("cfq_recursive", "CgroupInfo.Blkio.CFQ.Statistics"),
        ("throttling", "CgroupInfo.Blkio.Throttling.Statistics"),
    ];
    let mut wanted = BTreeSet::new();
    for (list, message) in lists {
        for (field, kind) in fields_of(message) {
            let name = format!("blkio_statistics.{list}.{field}");
            match kind {
                "uint64" => drop(wanted.insert(name)),
                "mesos.v1.CgroupInfo.Blkio.Value" => {
                    wanted.extend(
                        operations
                            .iter()
                            .map(|operation| format!("{name}.{operation}")),
                    );
                }
                _ => assert_eq!((field, kind), ("device", "mesos.v1.Device.Number")),
            }
        }
    }
    let tables = sample::blkio_tables();
    let known = tables
        .into_iter()
        .flatten()
        .map(|field| field.name.to_owned());
    assert_eq!(known.collect::<BTreeSet<_>>(), wanted);
    let parts: Vec<_> = fields_of("CgroupInfo.Blkio.Statistics")
        .into_keys()
        .collect();
    assert_eq!(parts, ["cfq", "cfq_recursive", "throttling"]);
}
