use graphite::Value;

use super::*;
use crate::model::{Field, Numbers, Put};
use crate::sample::{Metric, Operation};

/// Every number, by the name of its field and what it is along.
#[derive(Default)]
struct Heard(Vec<(&'static str, Option<String>, Value)>);

impl Put for Heard {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        self.0.push((field.name, along.map(str::to_owned), value));
    }

    fn put_unknown(&mut self, name: &str, _: Value) {
        panic!("no table has {name}");
    }
}

fn parse(text: &str) -> Statistics<'_> {
    Statistics::parse(text).unwrap()
}

/// What is wrong with a text.
fn refused(text: &str) -> String {
    Statistics::parse(text).unwrap_err().to_string()
}

#[test]
fn an_absent_or_null_field_is_absent_and_a_zero_is_a_zero() {
    let sample = parse(r#"{"timestamp":1.5,"mem_rss_bytes":0,"threads":null}"#);
    assert_eq!(sample.timestamp, 1.5);
    let wanted = Resources {
        mem_rss_bytes: Some(0),
        ..Resources::default()
    };
    assert_eq!(sample.resources, wanted);
    assert_eq!(sample.strangers.odd, 0);
}

#[test]
fn integers_are_exact_beyond_what_a_float_holds_and_floats_to_the_last_bit() {
    let text = r#"{"timestamp":1795253797.0314822,"net_rx_bytes":9007199254740993,
        "mem_limit_bytes":18446744073709551615,"cpus_throttled_time_secs":0.30000000000000004,
        "cpus_user_time_secs":8.988465674311580e307,"cpus_limit":1}"#;
    let sample = parse(text);
    assert_eq!(sample.timestamp, 1_795_253_797.031_482_2);
    assert_eq!(sample.resources.net_rx_bytes, Some((1 << 53) + 1));
    assert_eq!(sample.resources.mem_limit_bytes, Some(u64::MAX));
    assert_eq!(sample.resources.cpus_throttled_time_secs, Some(0.1 + 0.2));
    assert_eq!(
        sample.resources.cpus_user_time_secs,
        Some(8.988_465_674_311_58e307)
    );
    assert_eq!(sample.resources.cpus_limit, Some(1.0));
}

#[test]
fn every_nested_field_is_read() {
    let text = r#"{"timestamp":1,
        "disk_statistics":[{"source":{"type":"MOUNT","mount":{"root":"/m"},"id":"i","profile":"p","vendor":"v",
            "metadata":{"labels":[{"key":"k"}]},"path":{"root":"/p"}},
            "persistence":{"id":"data","principal":"ops"},"limit_bytes":10,"used_bytes":18446744073709551615}],
        "blkio_statistics":{"cfq":[{"device":{"major_number":8,"minor_number":16},"sectors":5,"time":6,
              "io_serviced":[{"op":"READ","value":1},{"op":"TOTAL","value":3}],"io_queued":[{"op":"DISCARD","value":4}]}],
            "cfq_recursive":[{"io_merged":[{"op":"SYNC","value":7}]}],
            "throttling":[{"device":{"major_number":8,"minor_number":0},
              "io_service_bytes":[{"op":"WRITE","value":18446744073709551614}]}]},
        "perf":{"timestamp":2.5,"duration":10,"cycles":18446744073709551615,"task_clock":1.5,"node_prefetch_misses":9},
        "net_snmp_statistics":{"ip_stats":{"Forwarding":2,"FragCreates":-9223372036854775808},"icmp_stats":{"InMsgs":1},
            "tcp_stats":{"MaxConn":-1,"RetransSegs":9223372036854775807},"udp_stats":{"IgnoredMulti":3}},
        "net_traffic_control_statistics":[{"id":"bw_limit","backlog":1,"requeues":2}]}"#;
    let sample = parse(text);
    assert_eq!((sample.strangers.unknown, sample.strangers.odd), (0, 0));
    let mut heard = Heard::default();
    for volume in &sample.volumes {
        volume.usage.put(Some("v"), &mut heard);
    }
    sample.blkio.as_ref().unwrap().put(&mut heard);
    sample.perf.as_ref().unwrap().put(None, &mut heard);
    sample.snmp.as_ref().unwrap().put(&mut heard);
    for queue in &sample.traffic_control {
        queue.queue.put(Some(&queue.id), &mut heard);
    }
    let heard = heard.0;
    let heard: Vec<_> = heard
        .iter()
        .map(|(name, along, value)| (*name, along.as_deref(), *value))
        .collect();
    let wanted = [
        ("disk_statistics.limit_bytes", Some("v"), Value::Integer(10)),
        (
            "disk_statistics.used_bytes",
            Some("v"),
            Value::Integer(u64::MAX),
        ),
        (
            "blkio_statistics.cfq.io_serviced.total",
            Some("8:16"),
            Value::Integer(3),
        ),
        (
            "blkio_statistics.cfq.io_serviced.read",
            Some("8:16"),
            Value::Integer(1),
        ),
        (
            "blkio_statistics.cfq.io_queued.discard",
            Some("8:16"),
            Value::Integer(4),
        ),
        (
            "blkio_statistics.cfq.sectors",
            Some("8:16"),
            Value::Integer(5),
        ),
        ("blkio_statistics.cfq.time", Some("8:16"), Value::Integer(6)),
        (
            "blkio_statistics.cfq_recursive.io_merged.sync",
            Some("total"),
            Value::Integer(7),
        ),
        (
            "blkio_statistics.throttling.io_service_bytes.write",
            Some("8:0"),
            Value::Integer(u64::MAX - 1),
        ),
        ("perf.timestamp", None, Value::Float(2.5)),
        ("perf.duration", None, Value::Float(10.0)),
        ("perf.cycles", None, Value::Integer(u64::MAX)),
        ("perf.task_clock", None, Value::Float(1.5)),
        ("perf.node_prefetch_misses", None, Value::Integer(9)),
        (
            "net_snmp_statistics.ip_stats.Forwarding",
            None,
            Value::Signed(2),
        ),
        (
            "net_snmp_statistics.ip_stats.FragCreates",
            None,
            Value::Signed(i64::MIN),
        ),
        (
            "net_snmp_statistics.icmp_stats.InMsgs",
            None,
            Value::Signed(1),
        ),
        (
            "net_snmp_statistics.tcp_stats.MaxConn",
            None,
            Value::Signed(-1),
        ),
        (
            "net_snmp_statistics.tcp_stats.RetransSegs",
            None,
            Value::Signed(i64::MAX),
        ),
        (
            "net_snmp_statistics.udp_stats.IgnoredMulti",
            None,
            Value::Signed(3),
        ),
        (
            "net_traffic_control_statistics.backlog",
            Some("bw_limit"),
            Value::Integer(1),
        ),
        (
            "net_traffic_control_statistics.requeues",
            Some("bw_limit"),
            Value::Integer(2),
        ),
    ];
    assert_eq!(heard, wanted);
    let volume = &sample.volumes[0];
    assert_eq!(volume.source.as_ref().unwrap().kind, "MOUNT");
    assert_eq!(volume.persistence.as_ref().unwrap().id, "data");
}

#[test]
fn every_field_of_the_tables_is_read_into_its_own_place() {
    fn all<N: Numbers>(path: fn(String) -> String, numbers: fn(Statistics<'_>) -> N) {
        for (place, key) in N::KEYS.iter().enumerate() {
            let text = path(format!(r#""{key}":7"#));
            let mut heard = Heard::default();
            numbers(parse(&text)).put(None, &mut heard);
            assert_eq!(heard.0.len(), 1, "{text}");
            assert_eq!(heard.0[0].0, N::fields()[place].name, "{text}");
        }
    }
    all(
        |field| format!(r#"{{"timestamp":1,{field}}}"#),
        |sample| sample.resources,
    );
    all(
        |field| format!(r#"{{"timestamp":1,"perf":{{{field}}}}}"#),
        |sample| *sample.perf.unwrap(),
    );
    macro_rules! snmp {
        ($($protocol:ident: $key:literal,)*) => {
            $(all(
                |field| format!(r#"{{"timestamp":1,"net_snmp_statistics":{{"{}":{{{field}}}}}}}"#, $key),
                |sample| sample.snmp.unwrap().$protocol,
            );)*
        };
    }
    snmp! { ip: "ip_stats", icmp: "icmp_stats", tcp: "tcp_stats", udp: "udp_stats", }
    all(
        |field| format!(r#"{{"timestamp":1,"net_traffic_control_statistics":[{{{field}}}]}}"#),
        |sample| sample.traffic_control[0].queue.clone(),
    );
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let forth: Vec<_> = Resources::KEYS
        .iter()
        .map(|key| format!(r#""{key}":1"#))
        .collect();
    let mut back = forth.clone();
    back.reverse();
    let all = |fields: &[String]| {
        let text = format!(r#"{{{},"timestamp":1}}"#, fields.join(","));
        parse(&text).resources
    };
    assert_eq!(all(&forth), all(&back));
    let mut heard = Heard::default();
    all(&back).put(None, &mut heard);
    assert_eq!(heard.0.len(), Resources::KEYS.len());
}

#[test]
fn unknown_fields_are_counted_and_their_numbers_are_there_to_be_passed_on() {
    let text = r#"{"timestamp":1,"gpu_bytes":18446744073709551615,"gpu_name":"x",
        "net_rate_statistics":{"tx_rate":{"p50":0.5,"samples":-3},"rx_rate":[1,null,{"a":2}]},
        "perf":{"instructions":4,"tma_slots":5},"disk_statistics":[{"inodes":6},{"used_bytes":7}],
        "net_snmp_statistics":{"mptcp_stats":{"InSegs":8}},"net_traffic_control_statistics":[{"id":"q","ecn":9}],
        "blkio_statistics":{"io_cost":{"usage":10},"throttling":[{"io_latency":11}]}}"#;
    let sample = parse(text);
    assert_eq!(sample.strangers.unknown, 9);
    assert_eq!(sample.strangers.odd, 0);
    let mut heard = Vec::new();
    sample
        .strangers
        .numbers(|name, value| heard.push((name.to_owned(), value)));
    let wanted = [
        ("gpu_bytes", Value::Integer(u64::MAX)),
        ("net_rate_statistics.rx_rate.0", Value::Integer(1)),
        ("net_rate_statistics.rx_rate.2.a", Value::Integer(2)),
        ("net_rate_statistics.tx_rate.p50", Value::Float(0.5)),
        ("net_rate_statistics.tx_rate.samples", Value::Signed(-3)),
        ("perf.tma_slots", Value::Integer(5)),
        ("disk_statistics.inodes", Value::Integer(6)),
        ("net_snmp_statistics.mptcp_stats.InSegs", Value::Integer(8)),
        ("net_traffic_control_statistics.ecn", Value::Integer(9)),
        ("blkio_statistics.io_cost.usage", Value::Integer(10)),
        ("blkio_statistics.device.io_latency", Value::Integer(11)),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(heard, wanted);
    assert_eq!(sample.perf.unwrap().instructions, Some(4));
    assert_eq!(sample.volumes[1].usage.used_bytes, Some(7));
}

#[test]
fn no_two_unknown_numbers_have_the_same_name() {
    let text = r#"{"timestamp":1,"disk_statistics":[{"inodes":6},{"inodes":7},{"inodes_1":8}],"a":{"b":1},"a.b":2,"":3}"#;
    let mut heard = Vec::new();
    parse(text)
        .strangers
        .numbers(|name, _| heard.push(name.to_owned()));
    let wanted = [
        "disk_statistics.inodes",
        "disk_statistics.inodes_1",
        "disk_statistics.inodes_1_1",
        "a.b",
        "a.b_1",
        "",
    ];
    assert_eq!(heard, wanted);
}

#[test]
fn a_field_of_an_unexpected_type_is_counted_and_spoils_no_other() {
    for odd in [
        r#""threads":-1"#,
        r#""threads":4294967296"#,
        r#""threads":1.5"#,
        r#""threads":"many""#,
        r#""threads":true"#,
        r#""threads":[1]"#,
        r#""threads":{"a":{"b":1}}"#,
        r#""perf":7"#,
        r#""perf":[{"cycles":1}]"#,
        r#""disk_statistics":{"used_bytes":1}"#,
        r#""disk_statistics":[7]"#,
        r#""disk_statistics":[{"used_bytes":-1}]"#,
        r#""disk_statistics":[{"persistence":{"id":7}}]"#,
        r#""blkio_statistics":{"cfq":[{"io_serviced":[{"op":"GUESS","value":1}]}]}"#,
        r#""blkio_statistics":{"cfq":[{"io_serviced":[{"op":"READ"}]}]}"#,
        r#""blkio_statistics":{"cfq":[{"sectors":-1}]}"#,
        r#""net_snmp_statistics":{"ip_stats":{"InReceives":9223372036854775808}}"#,
    ] {
        let text = format!(r#"{{"timestamp":1,"processes":3,{odd},"mem_rss_bytes":4}}"#);
        let sample = parse(&text);
        assert_eq!(sample.strangers.odd, 1, "{odd}");
        assert_eq!(sample.resources.processes, Some(3), "{odd}");
        assert_eq!(sample.resources.mem_rss_bytes, Some(4), "{odd}");
        assert_eq!(sample.resources.threads, None, "{odd}");
    }
}

#[test]
fn a_sample_without_a_time_and_what_is_no_object_are_refused() {
    assert!(refused("{}").contains("timestamp"));
    assert!(refused(r#"{"timestamp":"now"}"#).contains("timestamp"));
    for text in [
        "",
        "7",
        "null",
        "[]",
        r#"{"timestamp":1"#,
        r#"{"timestamp":1} 2"#,
        r#"{"timestamp":1e999}"#,
    ] {
        assert!(refused(text).contains("read statistics"), "{text:?}");
    }
}

#[test]
fn a_list_longer_than_any_is_cut_and_what_is_cut_is_counted() {
    let volumes = vec!["{}"; 5000].join(",");
    let text = format!(r#"{{"timestamp":1,"disk_statistics":[{volumes}],"processes":1}}"#);
    let sample = parse(&text);
    assert_eq!(sample.volumes.len(), 4096);
    assert_eq!(sample.strangers.odd, 5000 - 4096);
    assert_eq!(sample.resources.processes, Some(1));
}

#[test]
fn of_more_unknown_numbers_than_any_sample_has_only_so_many_are_passed_on() {
    let elements = vec!["1"; 5000].join(",");
    let text = format!(r#"{{"timestamp":1,"new":[{elements}]}}"#);
    let mut count = 0;
    parse(&text).strangers.numbers(|_, _| count += 1);
    assert_eq!(count, 256);
}

/// dcos-metrics reads `major` and `minor`, which no agent writes.
#[test]
fn a_device_is_known_by_the_names_that_mesos_gives_its_numbers() {
    let text = r#"{"timestamp":1,"blkio_statistics":{"throttling":[
        {"device":{"major_number":8,"minor_number":1},"io_service_bytes":[{"op":"READ","value":5}]}]}}"#;
    let sample = parse(text);
    let device = &sample.blkio.as_ref().unwrap().throttling[0];
    assert_eq!(device.number, Some((8, 1)));
    assert_eq!(device.count(Metric::ServiceBytes, Operation::Read), Some(5));
    assert_eq!(device.count(Metric::Serviced, Operation::Read), None);
}
