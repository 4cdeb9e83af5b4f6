use std::path::Path;

use graphite::Route;
use settings::{ConfigErrors, Said, Sources};

use super::*;
use crate::names::{FieldRules, Form, LabelRule};
use crate::scrape::List;

const FILE: &str = "/etc/collector.toml";

fn load_all(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<(Config, Said), ConfigErrors> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let sources = Sources::new(&SCHEMA, None, owned(flags));
    sources.load_from(
        (Path::new(FILE), text),
        owned(variables).into_iter(),
        |said, check| config(Purpose::Ship, said, check),
    )
}

fn load(text: &str) -> Result<Config, ConfigErrors> {
    load_all(text, &[], &[]).map(|(config, _)| config)
}

const CARBON: &str = "graphite.address = 'tcp://carbon:2003'\n";

#[test]
fn a_carbon_is_all_that_has_to_be_said() {
    let config = load(CARBON).unwrap();
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!(config.agent.address, None);
    assert_eq!(config.agent.timeout, Duration::from_secs(5));
    let fleet = config.output.graphite.unwrap();
    assert_eq!(fleet.destinations.len(), 1);
    assert_eq!(fleet.destinations[0].to_string(), "tcp://carbon:2003");
    assert_eq!(fleet.queue_bytes, 32 << 20);
    assert_eq!(config.names.prefix.as_str(), "mesos");
}

#[test]
fn prometheus_or_lines_of_json_are_outputs_enough() {
    let config = load("[output]\nprometheus = '127.0.0.1:9106'\n").unwrap();
    assert!(config.output.graphite.is_none());
    assert_eq!(config.output.prometheus.unwrap().port(), 9106);
    let config = load("output.json = '-'\n").unwrap();
    assert_eq!(config.output.json, Some(crate::output::Place::Stdout));
    let error = load("[output]\nprometheus = ':9106'\njson = 'relative'\n").unwrap_err();
    let text = error.to_string();
    for key in ["output.prometheus", "output.json"] {
        assert!(text.contains(key), "{text}");
    }
    assert!(!text.contains("graphite.address"), "{text}");
}

/// Three carbons on two hosts.
fn ring(more: &str) -> Result<Route, String> {
    let text = format!("graphite.address = 'tcp://x:2003:a,tcp://x:2103:b,tcp://y:2003:a'\n{more}");
    let config = load(&text).map_err(|errors| errors.to_string())?;
    Ok(config.output.graphite.unwrap().route)
}

#[test]
fn copies_in_a_ring_are_on_different_hosts_where_carbon_would_have_them_so() {
    let is_diverse = |route| match ring(&format!("graphite.route = '{route}'")) {
        Ok(Route::Ring { replication, .. }) => replication.diverse,
        other => panic!("{other:?}"),
    };
    assert!(is_diverse("carbon_ch"));
    assert!(!is_diverse("jump_fnv1a_ch"));
}

#[test]
fn carbons_that_make_no_such_ring_are_refused_with_the_cause() {
    let refused = |more: &str| ring(more).unwrap_err();
    let few = refused("graphite.route = 'carbon_ch'\ngraphite.replication = 3");
    assert!(
        few.contains("3 replicas want 3 hosts, and there are 2"),
        "{few}"
    );
    assert!(few.contains("graphite.route"), "{few}");
    let alike = refused("graphite.route = 'fnv1a_ch'");
    assert!(
        alike.contains("tcp://x:2003:a and tcp://y:2003:a are one and the same to the ring"),
        "{alike}"
    );
    let twice = load("graphite.address = 'tcp://x:2003,tcp://x:2003'")
        .unwrap_err()
        .to_string();
    assert!(twice.contains("tcp://x:2003 is there twice"), "{twice}");
}
