use std::path::Path;
use std::time::Duration;

use super::*;
use crate::policy::{Mode, Pattern, Rule};

const FILE: &str = "/etc/watcher.toml";

fn load(text: &str) -> Result<Config, ConfigErrors> {
    load_all(text, &[], &[])
}

fn load_all(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, ConfigErrors> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let sources = Sources(settings::Sources::new(&SCHEMA, None, owned(flags)));
    sources.load_from((Path::new(FILE), text), owned(variables).into_iter())
}

fn errors(text: &str) -> Vec<String> {
    let errors = load(text).expect_err(text);
    errors.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_work_directory_is_all_that_has_to_be_said() {
    let config = load("work_dir = '/w'").unwrap();
    assert_eq!(config.work_dir, Path::new("/w"));
    assert_eq!(config.policy.default, Mode::Observe);
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.limits.soft_share, Some(0.9));
    assert!(config.count.deleted && !config.count.mounts);
    assert_eq!(config.engine.quota, Quota::Observe);
    assert!(config.engine.tracking && !config.engine.in_kernel);
    let all = [Method::Executor, Method::Agent, Method::Processes];
    assert_eq!(config.methods, all);
}

#[test]
fn every_key_is_read() {
    let credential = tempfile::NamedTempFile::new().unwrap();
    let path = credential.path().display();
    let text = format!(
        r#"
work_dir = "/w"
interval = "10secs"
log = "debug"
[agent]
address = "http://127.0.0.1:5051"
credential_file = "{path}"
ca_file = "{path}"
[mode]
default = "warn"
[limit]
default = "10GB"
inodes = 1_000_000
soft_share = 0.5
grace = "1mins"
[count]
deleted = false
mounts = true
du_compatible = false
[engine]
tracking = false
quota = "assign"
project_ids = "7-9"
in_kernel = true
cpu_budget = 1
threads = 4
[enforce]
methods = ["processes", "agent"]
[output]
events = "/var/log/events"
prometheus = "[::1]:9106"
graphite = "tcp://carbon:2003"
graphite_prefix = "a.b"
host = "h"
socket = "/run/s"
[[rule]]
framework = "marathon*"
role = "dev"
label = "team=x"
mode = "enforce"
"#
    );
    let config = load(&text).unwrap();
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!(config.log, LevelFilter::DEBUG);
    let agent = config.agent.unwrap();
    assert_eq!(agent.address.to_string(), "http://127.0.0.1:5051");
    assert_eq!(agent.credential_file.as_deref(), Some(credential.path()));
    assert_eq!(agent.ca_file.as_deref(), Some(credential.path()));
    let rule = Rule {
        framework: Some(Pattern::new("marathon*")),
        role: Some(Pattern::new("dev")),
        label: Some(Pattern::new("team=x")),
        mode: Mode::Enforce,
    };
    assert_eq!(
        (config.policy.rules, config.policy.default),
        (vec![rule], Mode::Warn)
    );
    let limits = LimitSettings {
        default: Some(Bytes::new(10 << 30)),
        inodes: Some(1_000_000),
        soft_share: Some(0.5),
        grace: Duration::from_secs(60),
    };
    assert_eq!(config.limits, limits);
    assert!(!config.count.deleted && config.count.mounts);
    let engine = Engine {
        tracking: false,
        quota: Quota::Assign(7..=9),
        in_kernel: true,
        cpu_budget: 1.0,
        threads: 4,
    };
    assert_eq!(config.engine, engine);
    assert_eq!(config.methods, [Method::Agent, Method::Processes]);
    let output = Output {
        events: Some("/var/log/events".into()),
        prometheus: Some("[::1]:9106".parse().unwrap()),
        graphite: Some(Carbon {
            address: graphite::Address {
                host: "carbon".to_owned(),
                port: 2003,
            },
            prefix: MetricPath::parse("a.b").unwrap(),
            host: Some("h".to_owned()),
        }),
        socket: Some("/run/s".into()),
    };
    assert_eq!(config.output, output);
    for key in keys::ALL {
        let (table, name) = key.path.split_once('.').unwrap_or(("", key.path));
        let is_there = text
            .lines()
            .any(|line| line.starts_with(&format!("{name} = ")));
        assert!(is_there, "{table}.{name} is not in this test");
    }
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file() {
    let file = "work_dir = '/file'\ninterval = '1secs'\n[limit]\ngrace = '1secs'";
    let variables = [
        ("MESOS_DISK_WATCHER_INTERVAL", "2secs"),
        ("MESOS_DISK_WATCHER_LIMIT_GRACE", "2secs"),
        ("MESOS_DISK_WATCHER_CONFIG", "/elsewhere"),
        ("MESOS_WORK_DIR", "/another-programs"),
    ];
    let config = load_all(file, &variables, &[("limit.grace", "3secs")]).unwrap();
    assert_eq!(config.work_dir, Path::new("/file"));
    assert_eq!(config.interval, Duration::from_secs(2));
    assert_eq!(config.limits.grace, Duration::from_secs(3));
}

#[test]
fn each_error_names_its_place_the_key_the_value_and_what_is_allowed() {
    for (text, want) in [
        (
            "",
            "work_dir is missing: want the absolute path of the agent's work directory",
        ),
        (
            "work_dir = 'w'",
            "1: work_dir = \"w\": want the absolute path of the agent's work directory",
        ),
        (
            "\ninterval = 5",
            "2: interval = 5: want a length of time with its unit, such as \"5secs\" or \"500ms\", at least 100ms",
        ),
        (
            "interval = '1ms'",
            "1: interval = \"1ms\": want a length of time",
        ),
        (
            "log = 'loud'",
            "log = \"loud\": want \"error\", \"warn\", \"info\" or \"debug\"",
        ),
        (
            "agent.address = 'localhost'",
            "agent.address = \"localhost\": want the agent's address",
        ),
        (
            "agent.ca_file = '/none'",
            "agent.ca_file = \"/none\": No such file",
        ),
        (
            "[agent]\nca_file = '/'",
            "2: agent.ca_file cannot be together with no agent.address: there is nobody to ask",
        ),
        (
            "mode.default = 'kill'",
            "mode.default = \"kill\": want \"observe\", \"warn\" or \"enforce\"",
        ),
        (
            "mode.default = 'enforce'",
            "agent.address is missing: want the agent's address, http://HOST:PORT, since only a container that it lists is ended",
        ),
        (
            "limit.default = 10",
            "limit.default = 10: want a size over 0 with its unit",
        ),
        (
            "limit.default = '0B'",
            "limit.default = \"0B\": want a size over 0",
        ),
        ("limit.inodes = 0", "limit.inodes = 0: want a count over 0"),
        (
            "limit.inodes = -1",
            "limit.inodes = -1: want a count over 0",
        ),
        (
            "limit.soft_share = 1.0",
            "limit.soft_share = 1.0: want a share over 0 and under 1, or 0 for no warning",
        ),
        (
            "limit.soft_share = nan",
            "limit.soft_share = nan: want a share",
        ),
        (
            "limit.grace = '1 minute'",
            "limit.grace = \"1 minute\": want a length of time",
        ),
        (
            "count.deleted = 'maybe'",
            "count.deleted = \"maybe\": want true or false",
        ),
        (
            "[count]\ndu_compatible = true\ndeleted = true",
            "3: count.deleted cannot be together with count.du_compatible: du does not see",
        ),
        (
            "[count]\ndu_compatible = true\nmounts = false",
            "3: count.mounts cannot be together with count.du_compatible: du counts",
        ),
        (
            "count.du_compatible = true\nengine.quota = 'observe'",
            "2: engine.quota cannot be together with count.du_compatible",
        ),
        (
            "engine.quota = 'on'",
            "engine.quota = \"on\": want \"off\", \"observe\" or \"assign\"",
        ),
        (
            "engine.project_ids = '5'",
            "engine.project_ids = \"5\": want a range of numbers",
        ),
        (
            "engine.project_ids = '0-9'",
            "engine.project_ids = \"0-9\": want a range of numbers from 1 on",
        ),
        (
            "engine.project_ids = '1-9'",
            "engine.project_ids cannot be together with engine.quota other than",
        ),
        (
            "engine.in_kernel = true",
            "engine.in_kernel cannot be together with engine.quota other than \"assign\"",
        ),
        (
            "engine.cpu_budget = 0",
            "engine.cpu_budget = 0: want a number of cores from 0.01 to 64",
        ),
        (
            "engine.threads = 65",
            "engine.threads = 65: want a count from 1 to 64",
        ),
        (
            "engine.tracking = 1",
            "engine.tracking = 1: want true or false",
        ),
        (
            "enforce.methods = ['prayer']",
            "enforce.methods = [\"prayer\"]: want some of",
        ),
        (
            "enforce.methods = [1]",
            "enforce.methods = a list of something other than texts: want some of",
        ),
        (
            "output.events = 'events'",
            "output.events = \"events\": want the absolute path",
        ),
        (
            "output.prometheus = '9106'",
            "output.prometheus = \"9106\": want an address and a port",
        ),
        (
            "output.graphite = 'carbon:2003'",
            "output.graphite = \"carbon:2003\": want tcp://HOST:PORT",
        ),
        (
            "output.graphite_prefix = 'a..b'",
            "output.graphite_prefix = \"a..b\": want names with dots",
        ),
        ("output.host = ''", "output.host = \"\": want a name"),
        (
            "output.socket = 1979-05-27",
            "output.socket = a time: want the absolute path",
        ),
        (
            "work-dir = '/w'",
            "1: unknown key \"work-dir\"; did you mean \"work_dir\"?",
        ),
        ("[limit]\nhard = 1", "2: unknown key \"limit.hard\""),
        ("limit = 1", "1: limit = 1: want a table"),
        ("rule = 1", "1: rule = 1: want [[rule]]"),
        ("rule = [1]", "1: rule = 1: want [[rule]]"),
        (
            "[[rule]]\nrole = 'a'",
            "1: rule.mode is missing: want \"observe\"",
        ),
        (
            "[[rule]]\nrole = ''\nmode = 'warn'",
            "2: rule.role = \"\": want a role or a pattern",
        ),
        (
            "[[rule]]\nframwork = 'a'\nmode = 'warn'",
            "2: unknown key \"rule.framwork\"; did you mean \"framework\"?",
        ),
        ("[[rule]]\nmode = 'Warn'", "2: rule.mode = \"Warn\": want"),
        ("work_dir = ", "1: is no TOML: "),
    ] {
        let errors = errors(text);
        let found = errors.iter().any(|error| {
            let error = error.strip_prefix("/etc/watcher.toml:").unwrap_or(error);
            error.contains(want)
        });
        assert!(found, "{text:?} gives {errors:#?}, not {want:?}");
        let is_placed = |error: &&String| {
            error.starts_with("/etc/watcher.toml:") || error.contains(" is missing: ")
        };
        assert!(errors.iter().all(|error| is_placed(&error)), "{errors:#?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_together() {
    let text = "interval = 5\nlogg = 1\n[[rule]]\nmode = 'x'\n[engine]\nthreads = 0";
    let variables = [
        ("MESOS_DISK_WATCHER_INTERVALL", "1secs"),
        ("MESOS_DISK_WATCHER_LOG", "x"),
    ];
    let errors = load_all(text, &variables, &[("limit.grace", "soon")]).unwrap_err();
    let told = errors.to_string();
    for want in [
        "/etc/watcher.toml:1: interval = 5: want",
        "/etc/watcher.toml:2: unknown key \"logg\"; did you mean \"log\"?",
        "/etc/watcher.toml:4: rule.mode = \"x\": want",
        "/etc/watcher.toml:6: engine.threads = 0: want",
        "environment variable MESOS_DISK_WATCHER_INTERVALL: unknown variable; did you mean \"MESOS_DISK_WATCHER_INTERVAL\"?",
        "environment variable MESOS_DISK_WATCHER_LOG: log = \"x\": want",
        "--limit-grace: limit.grace = \"soon\": want",
        "work_dir is missing",
    ] {
        assert!(told.contains(want), "{want:?} is not in\n{told}");
    }
}

#[test]
fn syntax_errors_are_all_told_and_nothing_is_made_of_the_rest() {
    let errors = errors("a = ]\nb = '/w'\nc c\n");
    for line in [1, 3] {
        let begin = format!("/etc/watcher.toml:{line}: is no TOML: ");
        let is_told = errors.iter().any(|error| error.starts_with(&begin));
        assert!(is_told, "{line}: {errors:#?}");
    }
    let only = errors.iter().all(|error| error.contains("is no TOML"));
    assert!(only, "{errors:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let load = |path: &Path| {
        let file = Some(path.to_owned());
        let sources = Sources(settings::Sources::new(&SCHEMA, file, Vec::new()));
        sources.load().unwrap_err().to_string()
    };
    let absent = directory.path().join("absent");
    let told = load(&absent);
    assert!(
        told.contains("absent:1: cannot be read: No such file"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    let binary = directory.path().join("binary");
    std::fs::write(&binary, [0xff]).unwrap();
    assert!(load(&binary).contains("binary:1: is no text in UTF-8"));
}

/// The example, as it is and with every key that is commented out: nothing in it may be wrong or missing.
#[test]
fn the_example_is_right_and_has_every_key() {
    let example = include_str!("../../../packaging/examples/disk-watcher.toml");
    load(example).unwrap();
    let is_key = |line: &str| {
        let name = line.split_once(" = ").map(|(name, _)| name);
        name.is_some_and(|name| keys::ALL.iter().any(|key| key.path.ends_with(name)))
    };
    let said = example.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if is_key(key) => key,
        _ => line,
    });
    let credential = tempfile::NamedTempFile::new().unwrap();
    let path = credential.path().display().to_string();
    let whole: Vec<String> = said
        .map(|line| line.replace("/etc/mesos-disk-watcher.credential", &path))
        .map(|line| line.replace("/etc/ssl/certs/mesos.pem", &path))
        .collect();
    let whole = whole
        .join("\n")
        .replace("quota = \"observe\"", "quota = \"assign\"");
    load(&whole).unwrap();
    let mut table = "";
    let mut there = Vec::new();
    for line in whole.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_matches(['[', ']']);
        } else if let Some((name, _)) = line.split_once(" = ") {
            there.push(format!("{table}.{name}"));
        }
    }
    for key in keys::ALL {
        let path = match key.path.contains('.') {
            true => key.path.to_owned(),
            false => format!(".{}", key.path),
        };
        assert!(there.contains(&path), "{} is not in the example", key.path);
    }
}
