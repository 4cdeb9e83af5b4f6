use std::collections::BTreeSet;

use graphite::Value;
use test_support::{Isolators, LargeAgent};

use super::*;
use crate::model::{Field, Kind, reference};

/// What was put, by the names of paths.
#[derive(Debug, Default)]
struct Heard(Vec<(String, Value)>);

impl Put for Heard {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        let mut components: Vec<_> = field.name.split('.').collect();
        if let (Some(place), Some(along)) = (field.along, along) {
            components.insert(place.behind, along);
        }
        self.0.push((components.join("."), value));
    }

    fn put_unknown(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

impl Heard {
    fn get(&self, name: &str) -> Option<Value> {
        let mut found = self.0.iter().filter(|(its, _)| its == name);
        let value = found.next().map(|(_, value)| *value);
        assert_eq!(found.next(), None, "{name} was put twice");
        value
    }
}

fn write_one(statistics: &str) -> Heard {
    let sample = Statistics::parse(statistics).unwrap();
    let mut heard = Heard::default();
    write(&sample, &mut Memory::default(), &mut heard);
    heard
}

#[test]
fn each_volume_has_series_of_its_own() {
    let text = r#"{"timestamp":1,"disk_statistics":[
        {"limit_bytes":4,"used_bytes":2},
        {"persistence":{"id":"shop#data#4c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":3},
        {"persistence":{"id":"shop#data#5c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":4},
        {"persistence":{"id":"shop_data_1_x"},"source":{"type":"MOUNT"},"used_bytes":5},
        {"source":{"type":"MOUNT","mount":{"root":"/mnt"}},"used_bytes":6},
        {}]}"#;
    let heard = write_one(text);
    let wanted = [
        ("disk_statistics.sandbox.limit_bytes", Value::Integer(4)),
        ("disk_statistics.sandbox.used_bytes", Value::Integer(2)),
        ("disk_statistics.sandbox.used_share", Value::Float(0.5)),
        ("disk_statistics.shop_data.used_bytes", Value::Integer(3)),
        ("disk_statistics.shop_data_1.used_bytes", Value::Integer(4)),
        (
            "disk_statistics.shop_data_1_x.used_bytes",
            Value::Integer(5),
        ),
        ("disk_statistics.mount.used_bytes", Value::Integer(6)),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(heard.0, wanted);
    assert_eq!(heard.get("disk_statistics.mount.used_share"), None);
}

/// What is put of each of these samples of one container.
fn write_all(samples: &[&str]) -> Vec<Heard> {
    let mut memory = Memory::default();
    let each = samples.iter().map(|statistics| {
        let sample = Statistics::parse(statistics).unwrap();
        let mut heard = Heard::default();
        write(&sample, &mut memory, &mut heard);
        heard
    });
    each.collect()
}

/// What is put of the second of these samples, under this name.
fn second(first: &str, second: &str, name: &str) -> Option<Value> {
    write_all(&[first, second])[1].get(name)
}

const FIRST: &str = r#"{"timestamp":1000,"cpus_user_time_secs":5,"cpus_system_time_secs":1,"cpus_limit":2,"cpus_soft_limit":0.25,
    "cpus_nr_periods":100,"cpus_nr_throttled":10,"cpus_throttled_time_secs":1.5}"#;

const SECOND: &str = r#"{"timestamp":1010,"cpus_user_time_secs":8,"cpus_system_time_secs":3,"cpus_limit":2,"cpus_soft_limit":0.25,
    "cpus_nr_periods":200,"cpus_nr_throttled":35,"cpus_throttled_time_secs":4}"#;

#[test]
fn two_samples_give_processors_in_use_and_how_long_something_had_to_wait() {
    let heard = &write_all(&[FIRST, SECOND])[1];
    for (name, wanted) in [
        ("cpus_used", 0.5),
        ("cpus_used_share_of_limit", 0.25),
        ("cpus_used_share_of_request", 2.0),
        ("cpus_throttled_share", 0.25),
        ("cpus_throttled_seconds_per_second", 0.25),
    ] {
        assert_eq!(heard.get(name), Some(Value::Float(wanted)), "{name}");
    }
    let first = &write_all(&[FIRST])[0];
    assert_eq!(
        first.0.len(),
        7,
        "a first sample has its own numbers alone: {first:?}"
    );
}

#[test]
fn an_idle_container_uses_no_processor_and_has_no_throttled_share() {
    let idle = FIRST.replace("1000", "1010");
    let heard = &write_all(&[FIRST, &idle])[1];
    assert_eq!(heard.get("cpus_used"), Some(Value::Float(0.0)));
    assert_eq!(
        heard.get("cpus_throttled_seconds_per_second"),
        Some(Value::Float(0.0))
    );
    assert_eq!(heard.get("cpus_throttled_share"), None);
}

/// Diamond fails on every sample but the first of an agent without CFS, and ships nothing.
#[test]
fn without_a_limit_there_is_a_rate_and_no_share_of_it() {
    let without = |sample: &str| sample.replace(r#""cpus_limit":2,"#, "");
    let heard = &write_all(&[&without(FIRST), &without(SECOND)])[1];
    assert_eq!(heard.get("cpus_used"), Some(Value::Float(0.5)));
    assert_eq!(heard.get("cpus_used_share_of_limit"), None);
    let none = SECOND.replace(r#""cpus_limit":2"#, r#""cpus_limit":0"#);
    assert_eq!(second(FIRST, &none, "cpus_used_share_of_limit"), None);
}

#[test]
fn a_counter_that_went_back_gives_no_rate_and_leaves_the_others_alone() {
    for (there, less, rate, other) in [
        (
            r#""cpus_user_time_secs":8"#,
            r#""cpus_user_time_secs":0.1"#,
            "cpus_used",
            "cpus_throttled_share",
        ),
        (
            r#""cpus_system_time_secs":3"#,
            r#""cpus_system_time_secs":0.9"#,
            "cpus_used",
            "cpus_throttled_share",
        ),
        (
            r#""cpus_nr_periods":200"#,
            r#""cpus_nr_periods":99"#,
            "cpus_throttled_share",
            "cpus_used",
        ),
        (
            r#""cpus_nr_throttled":35"#,
            r#""cpus_nr_throttled":9"#,
            "cpus_throttled_share",
            "cpus_used",
        ),
        (
            r#""cpus_throttled_time_secs":4"#,
            r#""cpus_throttled_time_secs":1"#,
            "cpus_throttled_seconds_per_second",
            "cpus_used",
        ),
    ] {
        let heard = &write_all(&[FIRST, &SECOND.replace(there, less)])[1];
        assert_eq!(heard.get(rate), None, "{less}");
        assert!(heard.get(other).is_some(), "{less}");
    }
}

#[test]
fn an_agent_that_counts_pressure_anew_is_no_pressure() {
    let sample = |at: u32, low: u32| {
        format!(
            r#"{{"timestamp":{at},"mem_low_pressure_counter":{low},"mem_critical_pressure_counter":{low}}}"#
        )
    };
    let heard = write_all(&[
        &sample(10, 100),
        &sample(20, 150),
        &sample(30, 5),
        &sample(40, 6),
    ]);
    let low: Vec<_> = heard
        .iter()
        .map(|one| one.get("mem_pressure_low_per_second"))
        .collect();
    assert_eq!(
        low,
        [None, Some(Value::Float(5.0)), None, Some(Value::Float(0.1))]
    );
    let critical = heard[1].get("mem_pressure_critical_per_second");
    assert_eq!(critical, Some(Value::Float(5.0)));
}

#[test]
fn a_sample_that_the_agent_had_at_hand_gives_its_numbers_and_no_rate() {
    let heard = write_all(&[FIRST, FIRST, SECOND]);
    assert_eq!(heard[1].0, heard[0].0);
    assert_eq!(heard[2].get("cpus_used"), Some(Value::Float(0.5)));
}

#[test]
fn another_container_has_a_memory_of_its_own() {
    let sample = Statistics::parse(SECOND).unwrap();
    let mut heard = Heard::default();
    let mut memory = Memory::default();
    write(
        &Statistics::parse(FIRST).unwrap(),
        &mut memory,
        &mut Heard::default(),
    );
    write(&sample, &mut Memory::default(), &mut heard);
    assert_eq!(heard.get("cpus_used"), None);
}

#[test]
fn memory_is_told_as_a_share_of_its_limit_and_as_what_is_left() {
    let heard = write_one(
        r#"{"timestamp":1,"mem_rss_bytes":60,"mem_total_bytes":90,"mem_limit_bytes":100}"#,
    );
    assert_eq!(heard.get("mem_used_share"), Some(Value::Float(0.6)));
    assert_eq!(heard.get("mem_total_share"), Some(Value::Float(0.9)));
    assert_eq!(heard.get("mem_headroom_bytes"), Some(Value::Signed(40)));
    let over = write_one(r#"{"timestamp":1,"mem_rss_bytes":160,"mem_limit_bytes":100}"#);
    assert_eq!(over.get("mem_headroom_bytes"), Some(Value::Signed(-60)));
    let without = write_one(r#"{"timestamp":1,"mem_rss_bytes":160}"#);
    assert_eq!(without.0.len(), 1);
    let endless = format!(
        r#"{{"timestamp":1,"mem_rss_bytes":1,"mem_limit_bytes":{}}}"#,
        u64::MAX
    );
    assert_eq!(write_one(&endless).get("mem_headroom_bytes"), None);
}

#[test]
fn a_disk_grows_and_shrinks() {
    let sample = |at: u32, used: u32| {
        format!(r#"{{"timestamp":{at},"disk_used_bytes":{used},"disk_limit_bytes":1000}}"#)
    };
    let heard = write_all(&[&sample(10, 500), &sample(20, 700), &sample(30, 400)]);
    let growth = "disk_growth_bytes_per_second";
    let growths: Vec<_> = heard.iter().map(|one| one.get(growth)).collect();
    assert_eq!(
        growths,
        [None, Some(Value::Float(20.0)), Some(Value::Float(-30.0))]
    );
    assert_eq!(heard[0].get("disk_used_share"), Some(Value::Float(0.5)));
}

/// dcos-metrics ships what was received as what was sent.
#[test]
fn what_is_sent_and_what_is_received_are_told_apart() {
    const EACH: [&str; 8] = [
        "net_rx_bytes",
        "net_rx_packets",
        "net_rx_errors",
        "net_rx_dropped",
        "net_tx_bytes",
        "net_tx_packets",
        "net_tx_errors",
        "net_tx_dropped",
    ];
    let sample = |at: usize, times: usize| {
        let counters = EACH.iter().enumerate();
        let counters = counters.map(|(place, name)| format!(r#""{name}":{}"#, (place + 1) * times));
        format!(
            r#"{{"timestamp":{at},{}}}"#,
            counters.collect::<Vec<_>>().join(",")
        )
    };
    let heard = &write_all(&[&sample(10, 10), &sample(20, 30)])[1];
    for (place, name) in EACH.iter().enumerate() {
        let rate = heard.get(&format!("{name}_per_second"));
        assert_eq!(rate, Some(Value::Float(2.0 * (place + 1) as f64)), "{name}");
    }
}

#[test]
fn what_devices_do_is_the_sum_of_one_list_over_all_devices() {
    let devices = |read: u32, write: u32| {
        format!(
            r#"[{{"device":{{"major_number":8,"minor_number":0}},
                 "io_service_bytes":[{{"op":"READ","value":{read}}},{{"op":"WRITE","value":{write}}}],
                 "io_serviced":[{{"op":"READ","value":{read}}}]}},
                {{"device":{{"major_number":8,"minor_number":16}},
                 "io_service_bytes":[{{"op":"READ","value":{read}}}]}},
                {{"io_service_bytes":[{{"op":"READ","value":99999}}]}}]"#
        )
    };
    let sample = |at: u32, list: &str, devices: &str| {
        format!(r#"{{"timestamp":{at},"blkio_statistics":{{"{list}":{devices},"cfq":{devices}}}}}"#)
    };
    let heard = write_all(&[
        &sample(10, "throttling", &devices(100, 10)),
        &sample(20, "throttling", &devices(150, 15)),
        // Another list counts otherwise.
        &sample(30, "cfq_recursive", &devices(900, 90)),
        &sample(40, "cfq_recursive", &devices(910, 91)),
    ]);
    let read: Vec<_> = heard
        .iter()
        .map(|one| one.get("blkio_read_bytes_per_second"))
        .collect();
    assert_eq!(
        read,
        [
            None,
            Some(Value::Float(10.0)),
            None,
            Some(Value::Float(2.0))
        ]
    );
    assert_eq!(
        heard[1].get("blkio_write_bytes_per_second"),
        Some(Value::Float(0.5))
    );
    assert_eq!(
        heard[1].get("blkio_read_operations_per_second"),
        Some(Value::Float(5.0))
    );
    assert_eq!(heard[1].get("blkio_write_operations_per_second"), None);
    let name = "blkio_statistics.throttling.8:16.io_service_bytes.read";
    assert_eq!(heard[1].get(name), Some(Value::Integer(150)));
}

#[test]
fn tcp_that_sends_again_is_told_as_a_rate_and_as_a_share() {
    let sample = |at: u32, times: i32| {
        format!(
            r#"{{"timestamp":{at},"net_snmp_statistics":{{"tcp_stats":{{"ActiveOpens":{},"PassiveOpens":{},
                "EstabResets":{},"RetransSegs":{},"OutSegs":{}}}}}}}"#,
            times,
            2 * times,
            3 * times,
            5 * times,
            50 * times
        )
    };
    let heard = &write_all(&[&sample(10, 10), &sample(20, 20)])[1];
    for (name, wanted) in [
        ("net_tcp_opens_per_second", 3.0),
        ("net_tcp_resets_per_second", 3.0),
        ("net_tcp_retransmits_per_second", 5.0),
        ("net_tcp_retransmitted_share", 0.1),
    ] {
        assert_eq!(heard.get(name), Some(Value::Float(wanted)), "{name}");
    }
}

#[test]
fn what_perf_counted_is_of_its_own_interval_and_needs_no_sample_before() {
    let heard = write_one(
        r#"{"timestamp":1,"perf":{"timestamp":0.5,"duration":10,"cycles":200,"instructions":300,"cache_references":50,
            "cache_misses":5,"branches":40,"branch_misses":4,"page_faults":20,"context_switches":0}}"#,
    );
    for (name, wanted) in [
        ("perf.instructions_per_cycle", 1.5),
        ("perf.cache_miss_share", 0.1),
        ("perf.branch_miss_share", 0.1),
        ("perf.cycles_per_second", 20.0),
        ("perf.instructions_per_second", 30.0),
        ("perf.page_faults_per_second", 2.0),
        ("perf.context_switches_per_second", 0.0),
    ] {
        assert_eq!(heard.get(name), Some(Value::Float(wanted)), "{name}");
    }
    let nothing = write_one(r#"{"timestamp":1,"perf":{"duration":0,"cycles":0,"instructions":0}}"#);
    assert_eq!(
        nothing.0.len(),
        3,
        "a duration of nothing has no rate: {nothing:?}"
    );
}

#[test]
fn queues_of_one_id_or_none_have_series_of_their_own() {
    let heard = write_one(
        r#"{"timestamp":1,"net_traffic_control_statistics":[{"id":"bw","drops":1},{"id":"bw","drops":2},{"drops":3}]}"#,
    );
    for (name, wanted) in [("bw", 1), ("bw_1", 2), ("", 3)] {
        let name = format!("net_traffic_control_statistics.{name}.drops");
        assert_eq!(heard.get(&name), Some(Value::Integer(wanted)), "{name}");
    }
}

/// Diamond fails on every sample with a list in it.
#[test]
fn every_isolator_at_once_gives_every_number_once() {
    let agent = LargeAgent {
        containers: 1,
        isolators: Isolators::All,
    };
    let samples = [1000, 1010].map(|at| agent.statistics(0, at));
    let heard = &write_all(&[&samples[0], &samples[1]])[1];
    let names: BTreeSet<_> = heard.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), heard.0.len(), "a name is there twice");
    let missing = |field: &&&'static Field| {
        let along = [("volume", "sandbox"), ("device", "8:8"), ("queue", "id0")];
        let mut components: Vec<_> = field.name.split('.').collect();
        if let Some(place) = field.along {
            let value = along.into_iter().find(|(tag, _)| *tag == place.tag);
            components.insert(place.behind, value.unwrap().1);
        }
        !names.contains(components.join(".").as_str())
    };
    let sections = reference();
    let of_containers = sections
        .iter()
        .filter(|section| section.kinds.contains(&Kind::Container));
    let fields: Vec<_> = of_containers.flat_map(|section| &section.fields).collect();
    let missing: Vec<_> = fields
        .iter()
        .copied()
        .filter(missing)
        .map(|field| field.name)
        .collect();
    // Those of a later Mesos.
    let later = missing
        .iter()
        .filter(|name| name.contains("kmem") || name.contains("x_rate") || name.contains("burst"));
    assert_eq!(later.count(), missing.len(), "{missing:?}");
    assert_eq!(missing.len(), 8);
}
