use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
struct Heard(BTreeMap<&'static str, Value>);

impl Put for Heard {
    fn put(&mut self, field: &'static Field, _: Option<&str>, value: Value) {
        assert_eq!(self.0.insert(field.name, value), None, "{}", field.name);
    }

    fn put_unknown(&mut self, name: &str, _: Value) {
        panic!("a group has no {name}");
    }
}

/// The group of these instances, each with a sample and what it uses.
fn group(instances: &[(&str, Option<f64>)]) -> (f64, Heard) {
    let mut groups = Groups::default();
    let app: Arc<str> = "web".into();
    for (statistics, cpus_used) in instances {
        let sample = Statistics::parse(statistics).unwrap();
        let derived = Derived {
            cpus_used: *cpus_used,
            ..Derived::default()
        };
        groups.add(&app, &sample, &derived);
    }
    let all: Vec<_> = groups.drain().collect();
    assert_eq!(all.len(), 1);
    assert_eq!(groups.drain().count(), 0, "the next turn begins with none");
    let mut heard = Heard::default();
    all[0].1.put(&mut heard);
    (all[0].1.at(), heard)
}

#[test]
fn a_group_is_the_sum_the_largest_and_the_number_of_its_instances() {
    let (at, heard) = group(&[
        (
            r#"{"timestamp":10,"cpus_limit":1.0,"mem_rss_bytes":5,"mem_limit_bytes":10}"#,
            Some(0.5),
        ),
        (
            r#"{"timestamp":12,"cpus_limit":3.0,"mem_rss_bytes":3,"mem_limit_bytes":30}"#,
            Some(0.25),
        ),
    ]);
    assert_eq!(at, 12.0);
    let wanted = [
        ("count", Value::Integer(2)),
        ("cpus_limit.count", Value::Integer(2)),
        ("cpus_limit.max", Value::Float(3.0)),
        ("cpus_limit.sum", Value::Float(4.0)),
        ("cpus_used.count", Value::Integer(2)),
        ("cpus_used.max", Value::Float(0.5)),
        ("cpus_used.sum", Value::Float(0.75)),
        // Not the mean of 0.5 and 0.0833.
        ("cpus_used_share_of_limit.overall", Value::Float(0.1875)),
        ("mem_limit_bytes.count", Value::Integer(2)),
        ("mem_limit_bytes.max", Value::Integer(30)),
        ("mem_limit_bytes.sum", Value::Integer(40)),
        ("mem_rss_bytes.count", Value::Integer(2)),
        ("mem_rss_bytes.max", Value::Integer(5)),
        ("mem_rss_bytes.sum", Value::Integer(8)),
        ("mem_used_share.overall", Value::Float(0.2)),
    ];
    assert_eq!(heard.0, BTreeMap::from(wanted));
}

/// Diamond adds up the instances' timestamps and limits, so that its share of an app of N is an Nth of the truth, and
/// nonsense when N changes.
#[test]
fn a_group_s_share_does_not_shrink_with_its_instances() {
    let one = (r#"{"timestamp":1000,"cpus_limit":0.5}"#, Some(0.25));
    for count in 1..20 {
        let (at, heard) = group(&vec![one; count]);
        let share = heard.0["cpus_used_share_of_limit.overall"];
        assert_eq!(
            (at, share),
            (1000.0, Value::Float(0.5)),
            "{count} instances"
        );
    }
}

#[test]
fn an_instance_without_the_number_is_in_no_sum_and_in_no_share() {
    let (_, heard) = group(&[
        (r#"{"timestamp":1,"cpus_limit":1.0}"#, Some(0.5)),
        // New: it has a limit, but no rate yet.
        (r#"{"timestamp":1,"cpus_limit":1.0}"#, None),
        // Without a limit.
        (r#"{"timestamp":1}"#, Some(2.0)),
    ]);
    assert_eq!(heard.0["count"], Value::Integer(3));
    assert_eq!(heard.0["cpus_used.count"], Value::Integer(2));
    assert_eq!(heard.0["cpus_used.sum"], Value::Float(2.5));
    assert_eq!(heard.0["cpus_limit.count"], Value::Integer(2));
    assert_eq!(
        heard.0["cpus_used_share_of_limit.overall"],
        Value::Float(0.5)
    );
    assert!(!heard.0.contains_key("mem_rss_bytes.sum"), "nobody has it");
}

#[test]
fn a_sum_of_bytes_is_exact_and_ends_at_the_largest_number() {
    let statistics = format!(
        r#"{{"timestamp":1,"mem_limit_bytes":{}}}"#,
        (1_u64 << 53) + 1
    );
    let (_, heard) = group(&[(&statistics, None), (&statistics, None)]);
    assert_eq!(
        heard.0["mem_limit_bytes.sum"],
        Value::Integer((1 << 54) + 2)
    );
    let statistics = format!(r#"{{"timestamp":1,"mem_limit_bytes":{}}}"#, u64::MAX);
    let (_, heard) = group(&[(&statistics, None), (&statistics, None)]);
    assert_eq!(heard.0["mem_limit_bytes.sum"], Value::Integer(u64::MAX));
}

#[test]
fn a_largest_value_below_zero_is_not_zero() {
    let mut tally = Tally::default();
    tally.add(Some(Value::Float(-2.0)));
    tally.add(Some(Value::Float(-3.0)));
    let values = tally.values(Number::Real(|_| None));
    assert_eq!(values, Some((Value::Float(-5.0), Value::Float(-2.0))));
}
