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
fn no_two_machines_have_one_name_since_each_asks_its_own_agent() {
    let host = |address: &str| {
        let text = format!("{CARBON}agent.address = 'http://{address}:5051'\n");
        load(&text).unwrap().names.host
    };
    assert_eq!(host("10.0.0.7"), "10.0.0.7");
    let own = load(CARBON).unwrap().names.host;
    for everybody_s in ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"] {
        assert_eq!(host(everybody_s), own, "{everybody_s}");
    }
    assert!(!own.is_empty());
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

/// The example, as it is and with every key that is commented out: nothing in it may be wrong or missing.
#[test]
fn the_example_is_right_and_has_every_key() {
    let example = include_str!("../../../packaging/examples/stats-collector.toml");
    load(example).unwrap();
    let is_said = |line: &str| {
        let name = line.split_once(" = ").map_or("", |(name, _)| name);
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        line.starts_with("[[") || !name.is_empty() && name.chars().all(is_name)
    };
    let whole: Vec<&str> = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(said) if is_said(said) => said,
            _ => line,
        })
        .collect();
    let mut there = Vec::new();
    let mut table = String::new();
    for line in &whole {
        if line.starts_with('[') {
            table = format!("{}.", line.trim_matches(['[', ']']));
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| is_said(line)) {
            there.push(format!("{table}{name}"));
        }
    }
    let lists = SCHEMA.lists.iter().flat_map(|list| list.keys);
    for key in SCHEMA.keys.iter().chain(lists) {
        let is_there = there.iter().any(|path| path == key.path);
        assert!(is_there, "{} is not in the example", key.path);
    }
    // What may not be together, or names files that are not here, is said to be so; everything else is right.
    let errors = load(&whole.join("\n")).unwrap_err().to_string();
    for error in errors.lines() {
        let is_expected = [
            "No such file",
            "cannot be together",
            "one carbon",
            "see graphite.ca_file",
        ];
        assert!(
            is_expected.iter().any(|part| error.contains(part)),
            "{error}"
        );
    }
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file_and_each_is_told() {
    let file = "interval = '1secs'\ntimeout = '1secs'\nlog = 'warn'\n[[graphite.destination]]\naddress = 'tcp://file:1'";
    let variables = [
        ("MESOS_STATS_COLLECTOR_INTERVAL", "2secs"),
        ("MESOS_STATS_COLLECTOR_TIMEOUT", "2secs"),
        ("MESOS_STATS_COLLECTOR_CONFIG", "/elsewhere"),
        ("MESOS_OTHER", "x"),
    ];
    let flags = [
        ("interval", "3secs"),
        ("graphite.address", "tcp://flag:1,udp://flag:2"),
    ];
    let (config, said) = load_all(file, &variables, &flags).unwrap();
    assert_eq!(config.interval, Duration::from_secs(3));
    assert_eq!(config.agent.timeout, Duration::from_secs(2));
    assert_eq!(config.log, LevelFilter::WARN);
    // A flag stands in for the whole list of the file.
    let fleet = config.output.graphite.unwrap();
    let carbons: Vec<String> = fleet.destinations.iter().map(ToString::to_string).collect();
    assert_eq!(carbons, ["tcp://flag:1", "udp://flag:2"]);
    let shown = said.effective().to_string();
    for line in [
        "interval = \"3secs\"  # --interval",
        "timeout = \"2secs\"  # environment variable MESOS_STATS_COLLECTOR_TIMEOUT",
        "log = \"warn\"  # /etc/collector.toml:3",
        "# graphite.route: all (default)",
        "[[graphite.destination]]  # /etc/collector.toml:4",
        "# agent.ca_file: not set",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is not in\n{shown}"
        );
    }
}

#[test]
fn what_is_said_without_naming_it_is_what_holds_by_default() {
    let said = |key: &&settings::Key| !key.default.is_empty() && !key.default.contains(' ');
    let all: Vec<(&str, &str)> = SCHEMA
        .keys
        .iter()
        .filter(|key| said(key))
        .filter(|key| !["graphite.replication", "state_dir"].contains(&key.path))
        .map(|key| (key.path, key.default))
        .chain([
            ("graphite.address", "tcp://carbon:2003"),
            ("graphite.spool.size", "0B"),
        ])
        .collect();
    assert!(all.len() > 15, "{all:?}");
    let (explicit, _) = load_all("", &[], &all).unwrap();
    let no_spool = [("graphite.spool.size", "0B")];
    let (implicit, _) = load_all(CARBON, &[], &no_spool).unwrap();
    assert_eq!(format!("{explicit:?}"), format!("{implicit:?}"));
}

/// A carbon for who does not say anything of one.
fn carbon_for(text: &str) -> Vec<(&'static str, &'static str)> {
    let is_said = text.contains("graphite");
    (!is_said)
        .then_some(("graphite.address", "tcp://carbon:2003"))
        .into_iter()
        .collect()
}

#[test]
fn each_error_names_its_place_the_key_the_value_and_what_is_allowed() {
    for (text, want) in [
        (
            "interval = '1500ms'",
            "1: interval = \"1500ms\": want a length of time in whole seconds",
        ),
        ("interval = '0secs'", "interval = \"0secs\": want"),
        (
            "timeout = '11secs'",
            "timeout = \"11secs\": want a length of time, over 0 and at most the interval, 10s",
        ),
        ("log = 'loud'", "log = \"loud\": want \"error\", \"warn\""),
        (
            "state_dir = 'x'",
            "state_dir = \"x\": want the absolute path of a directory",
        ),
        ("work_dir = 'x'", "work_dir = \"x\": want the absolute path"),
        (
            "disk_watcher = 'x'",
            "disk_watcher = \"x\": want the absolute path of a socket",
        ),
        (
            "agent.address = 'http://user:hunter2@a:1'",
            "agent.address = \"http://...@a:1\": want the agent's address",
        ),
        (
            "agent.address = 'https://a:1'",
            "agent.ca_file is missing: want the file of certificates",
        ),
        (
            "[agent]\naddress = 'http://a:1'\nca_file = '/'",
            "3: agent.ca_file cannot be together with an http agent.address",
        ),
        (
            "agent.credential_file = '/none'",
            "agent.credential_file = \"/none\": No such file",
        ),
        (
            "agent.key_file = '/'",
            "agent.certificate_file is missing: want the other half",
        ),
        (
            "agent.api = 'v2'",
            "agent.api = \"v2\": want \"v1\" or \"v0\"",
        ),
        (
            "[agent]\napi = 'v0'\nnested = true",
            "3: agent.nested cannot be together with agent.api = \"v0\"",
        ),
        (
            "agent.refresh = '1secs'",
            "agent.refresh = \"1secs\": want a length of time with its unit, such as \"5secs\" or \"500ms\", at least 10s",
        ),
        (
            "graphite.address = 'carbon:2003'",
            "graphite.address = \"carbon:2003\": want tcp://HOST:PORT",
        ),
        (
            "graphite.address = 'tcp://u:hunter2@c:1'",
            "graphite.address = \"tcp://...@c:1\": want",
        ),
        (
            "graphite.address = 'pickle+udp://c:1'",
            "want tcp://HOST:PORT",
        ),
        (
            "graphite.address = 'tls://c:1'",
            "graphite.address = \"tls://c:1\": TLS needs a file of certificate authorities to trust; see graphite.ca_file",
        ),
        ("graphite.address = []", "graphite.address = []: want"),
        (
            "graphite.route = 'random'",
            "graphite.route = \"random\": want \"all\", \"failover\"",
        ),
        (
            "graphite.replication = 2",
            "graphite.replication cannot be together with a graphite.route that is no ring",
        ),
        (
            "graphite.queue = '1KB'",
            "graphite.queue = \"1KB\": want a size of at least 1MB",
        ),
        (
            "graphite.spool.size = '1KB'",
            "graphite.spool.size = \"1KB\": want a size of at least 1MB",
        ),
        (
            "graphite.spool.size = '1GB'",
            "state_dir is missing: want the directory that the spool is to be in",
        ),
        (
            "graphite.spool.replay = 0",
            "graphite.spool.replay = 0: want a count over 0",
        ),
        (
            "graphite.spool.holds = '1secs'",
            "unknown key \"graphite.spool.holds\"; did you mean \"graphite.spool.hold\"?",
        ),
        ("graphite.spool = 1", "graphite.spool = 1: want a table"),
        (
            "[[graphite.destination]]\nserver_name = 'x'",
            "1: graphite.destination.address is missing: want",
        ),
        (
            "[[graphite.destination]]\naddres = 'x'",
            "2: unknown key \"graphite.destination.addres\"; did you mean \"address\"?",
        ),
        (
            "[graphite]\naddress = 'tcp://a:1'\n[[graphite.destination]]\naddress = 'tcp://b:1'",
            "2: graphite.address cannot be together with [[graphite.destination]]",
        ),
        (
            "names.prefix = 'a..b'",
            "names.prefix = \"a..b\": want names",
        ),
        ("names.host = ''", "names.host = \"\": want a name"),
        (
            "names.form = 'x'",
            "names.form = \"x\": want \"path\" or \"tags\"",
        ),
        (
            "names.tags = ['app']",
            "names.tags cannot be together with names.form = \"path\"",
        ),
        (
            "names.labels = ['=x']",
            "names.labels = [\"=x\"]: want a list of KEY or KEY=TAG",
        ),
        (
            "names.most_series = 0",
            "names.most_series = 0: want a count over 0",
        ),
        (
            "fields.deny = 1",
            "fields.deny = 1: want a list of patterns",
        ),
        (
            "[[kind]]\nname = 'container'",
            "2: kind.name = \"container\": want one of containers, nested",
        ),
        (
            "[[kind]]\nallow = ['x']",
            "1: kind.name is missing: want one of",
        ),
        (
            "intervall = '1secs'",
            "1: unknown key \"intervall\"; did you mean \"interval\"?",
        ),
    ] {
        let errors = load_all(text, &[], &carbon_for(text)).map(|_| ());
        let errors = errors.unwrap_err().to_string();
        let found = errors.lines().any(|error| {
            let error = error.strip_prefix("/etc/collector.toml:").unwrap_or(error);
            error.contains(want)
        });
        assert!(found, "{text:?} gives\n{errors}\nnot {want:?}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn what_is_said_of_the_agent_and_of_names_comes_to_its_place() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let path = secret.path().display();
    let text = format!(
        r#"
state_dir = "/state"
work_dir = "/work"
disk_watcher = "/run/socket"
[agent]
address = "http://10.0.0.1:5051"
credential_file = "{path}"
standalone = false
metrics = false
refresh = "1mins"
[graphite]
address = ["tcp://a:2003", "pickle+tcp://[::1]:2004"]
route = "failover"
queue = "1GB"
[graphite.spool]
size = "5GB"
replay = 7
hold = "1secs"
sync = "2secs"
[names]
prefix = "dc1.mesos"
form = "tags"
tags = ["host", "app", "slot", "tier"]
labels = ["team", "com.example/tier=tier"]
slot_reuse_after = "5mins"
most_series = 10
[fields]
allow = ["cpus_*"]
deny = ["perf.*"]
[[kind]]
name = "disk.tasks"
allow = ["used_bytes"]
"#
    );
    let config = load(&text).unwrap();
    let paths = [config.work_dir.unwrap(), config.disk_watcher.unwrap()];
    assert_eq!(paths, [Path::new("/work"), Path::new("/run/socket")]);
    let agent = config.agent;
    assert_eq!(agent.address.unwrap().to_string(), "http://10.0.0.1:5051");
    assert_eq!(agent.access.credential_file.as_deref(), Some(secret.path()));
    let list = List::V1 {
        nested: true,
        standalone: false,
    };
    assert_eq!((agent.list, agent.has_metrics), (list, false));
    assert_eq!(agent.refresh, Duration::from_secs(60));
    let fleet = config.output.graphite.unwrap();
    let carbons: Vec<String> = fleet.destinations.iter().map(ToString::to_string).collect();
    assert_eq!(carbons, ["tcp://a:2003", "pickle+tcp://[::1]:2004"]);
    assert_eq!((fleet.route, fleet.queue_bytes), (Route::Failover, 1 << 30));
    let spool = graphite::SpoolConfig {
        directory: "/state/spool".into(),
        bytes: 5 << 30,
        replay_points_per_second: 7,
        hold: Duration::from_secs(1),
        sync_interval: Duration::from_secs(2),
    };
    assert_eq!(fleet.spool, Some(spool));
    let names = config.names;
    assert_eq!(
        (names.prefix.as_str(), names.host.as_str()),
        ("dc1.mesos", "10.0.0.1")
    );
    assert_eq!(names.form, Form::Tags);
    assert_eq!(names.tags, ["host", "app", "slot", "tier"]);
    let rule = |label: &str, tag: &str| LabelRule {
        label: label.to_owned(),
        tag: tag.to_owned(),
    };
    let labels = [rule("team", "team"), rule("com.example/tier", "tier")];
    assert_eq!(names.labels, labels);
    assert_eq!(names.slot_reuse_after, Duration::from_secs(300));
    assert_eq!(names.most_series, 10);
    assert_eq!(names.state_file.as_deref(), Some(Path::new("/state/slots")));
    let rules = |allow: &str, deny: &[&str]| FieldRules {
        allow: vec![allow.to_owned()],
        deny: deny.iter().map(|&one| one.to_owned()).collect(),
    };
    assert_eq!(names.fields, rules("cpus_*", &["perf.*"]));
    let by_kind = [(crate::model::Kind::DiskTask, rules("used_bytes", &[]))];
    assert_eq!(names.fields_by_kind, by_kind);
}
