use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{EnvironmentError, EnvironmentErrors, ExecutorEnvironment, passes_to_task};
use crate::MesosDuration;

/// What Mesos 1.11 sets for an executor of a framework with checkpointing.
const FROM_AGENT: [(&str, &str); 12] = [
    ("MESOS_FRAMEWORK_ID", "2b1c945e-0000"),
    ("MESOS_EXECUTOR_ID", "worker"),
    ("MESOS_SLAVE_ID", "2b1c945e-S0"),
    ("MESOS_SLAVE_PID", "slave(1)@10.0.0.1:5051"),
    ("MESOS_AGENT_ENDPOINT", "10.0.0.1:5051"),
    ("MESOS_DIRECTORY", "/var/lib/mesos/slaves/a/run"),
    ("MESOS_SANDBOX", "/mnt/mesos/sandbox"),
    ("MESOS_CHECKPOINT", "1"),
    ("MESOS_RECOVERY_TIMEOUT", "15mins"),
    ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
    ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
    ("MESOS_DOMAIN_SOCKET", "/run/mesos/agent.sock"),
];

fn read(vars: &[(&str, &str)]) -> Result<ExecutorEnvironment, EnvironmentErrors> {
    ExecutorEnvironment::from_vars(
        vars.iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

/// What the agent sets, with some variables set otherwise (`Some`) or not at all (`None`).
fn changed(changes: &[(&str, Option<&str>)]) -> Result<ExecutorEnvironment, EnvironmentErrors> {
    let mut vars: Vec<_> = FROM_AGENT
        .into_iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
        .collect();
    vars.extend(
        changes
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?))),
    );
    read(&vars)
}

fn duration(text: &str) -> MesosDuration {
    text.parse().unwrap()
}

/// The variables that are complained about, in order.
fn complaints(result: Result<ExecutorEnvironment, EnvironmentErrors>) -> Vec<&'static str> {
    result
        .unwrap_err()
        .errors()
        .iter()
        .map(|error| match error {
            EnvironmentError::Missing { variable, .. }
            | EnvironmentError::Invalid { variable, .. }
            | EnvironmentError::InvalidSecret { variable, .. } => *variable,
        })
        .collect()
}

#[test]
fn what_the_agent_sets_is_read() {
    let environment = read(&FROM_AGENT).unwrap();
    assert_eq!(environment.framework_id, "2b1c945e-0000");
    assert_eq!(environment.executor_id, "worker");
    assert_eq!(environment.agent_id.as_deref(), Some("2b1c945e-S0"));
    assert_eq!(environment.agent_endpoint.to_string(), "10.0.0.1:5051");
    assert_eq!(environment.api_path, "/slave(1)/api/v1/executor");
    assert_eq!(
        environment.directory,
        Path::new("/var/lib/mesos/slaves/a/run")
    );
    assert_eq!(environment.sandbox, Path::new("/mnt/mesos/sandbox"));
    assert!(environment.checkpoint);
    assert_eq!(environment.recovery_timeout, Some(duration("15mins")));
    assert_eq!(environment.subscription_backoff_max, duration("2secs"));
    assert_eq!(environment.shutdown_grace_period, duration("5secs"));
    assert_eq!(
        environment.domain_socket.as_deref(),
        Some(Path::new("/run/mesos/agent.sock"))
    );
    assert!(environment.authentication_token.is_none());
}

#[test]
fn what_may_be_missing_has_mesoss_defaults() {
    let environment = read(&[
        ("MESOS_FRAMEWORK_ID", "f"),
        ("MESOS_EXECUTOR_ID", "e"),
        ("MESOS_AGENT_ENDPOINT", "agent:5051"),
        ("MESOS_DIRECTORY", "/d"),
        ("MESOS_CHECKPOINT", "1"),
    ])
    .unwrap();
    assert_eq!(environment.agent_id, None);
    assert_eq!(environment.api_path, "/api/v1/executor");
    assert_eq!(environment.sandbox, Path::new("/d"));
    assert_eq!(environment.recovery_timeout, Some(duration("15mins")));
    assert_eq!(environment.subscription_backoff_max, duration("2secs"));
    assert_eq!(environment.shutdown_grace_period, duration("5secs"));
    assert_eq!(environment.domain_socket, None);
}

#[test]
fn an_empty_environment_is_told_everything_that_is_missing_at_once() {
    assert_eq!(
        complaints(read(&[])),
        [
            "MESOS_FRAMEWORK_ID",
            "MESOS_EXECUTOR_ID",
            "MESOS_AGENT_ENDPOINT",
            "MESOS_DIRECTORY"
        ]
    );
}

#[test]
fn every_wrong_variable_is_named_with_its_value_and_what_is_wanted() {
    let errors = changed(&[
        ("MESOS_FRAMEWORK_ID", Some("a/b")),
        ("MESOS_SLAVE_ID", Some("..")),
        ("MESOS_AGENT_ENDPOINT", Some("10.0.0.1")),
        ("MESOS_SANDBOX", Some("sandbox")),
        ("MESOS_RECOVERY_TIMEOUT", Some("15 minutes")),
        ("MESOS_DOMAIN_SOCKET", Some("")),
    ])
    .unwrap_err();
    let lines: Vec<String> = errors.errors().iter().map(ToString::to_string).collect();
    let id = "an id: at most 255 bytes, no slash, no control character";
    assert_eq!(
        lines,
        [
            format!("MESOS_FRAMEWORK_ID is \"a/b\", want {id}"),
            format!("MESOS_SLAVE_ID is \"..\", want {id}"),
            "MESOS_AGENT_ENDPOINT is \"10.0.0.1\", want a host:port".to_owned(),
            "MESOS_SANDBOX is \"sandbox\", want an absolute path".to_owned(),
            "MESOS_RECOVERY_TIMEOUT is \"15 minutes\", want a duration like 5secs".to_owned(),
            "MESOS_DOMAIN_SOCKET is \"\", want a path".to_owned(),
        ]
    );
    assert_eq!(errors.to_string(), lines.join("; "));
}

#[test]
fn the_endpoint_comes_from_the_pid_if_there_is_no_other() {
    let environment = changed(&[("MESOS_AGENT_ENDPOINT", None)]).unwrap();
    assert_eq!(environment.agent_endpoint.host, "10.0.0.1");
    assert_eq!(environment.agent_endpoint.port, 5051);
}

#[test]
fn a_wrong_pid_is_reported_once_even_if_the_endpoint_is_missing() {
    for wrong in [
        "10.0.0.1:5051",
        "@10.0.0.1:5051",
        "slave(1)@10.0.0.1",
        "a/b@h:1",
        "a b@h:1",
        "",
    ] {
        let alone = changed(&[
            ("MESOS_AGENT_ENDPOINT", None),
            ("MESOS_SLAVE_PID", Some(wrong)),
        ]);
        assert_eq!(complaints(alone), ["MESOS_SLAVE_PID"], "{wrong:?}");
    }
}

#[test]
fn an_endpoint_is_a_name_or_an_address_and_a_port() {
    for (text, host, port) in [
        ("agent.example:5051", "agent.example", 5051),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("[fe80::1]:65535", "fe80::1", 65535),
    ] {
        let endpoint = changed(&[("MESOS_AGENT_ENDPOINT", Some(text))])
            .unwrap()
            .agent_endpoint;
        assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
        assert_eq!(endpoint.to_string(), text);
    }
    for wrong in [
        "",
        ":5051",
        "h:",
        "h:0",
        "h:65536",
        "h:+1",
        "h:-1",
        "a b:1",
        "h\r\nX:1",
        "u@h:1",
        "h/p:1",
        "fe80::1:5051",
        "[fe80::1:5051",
        "[]:1",
        "[h]:1",
    ] {
        let result = changed(&[("MESOS_AGENT_ENDPOINT", Some(wrong))]);
        assert_eq!(complaints(result), ["MESOS_AGENT_ENDPOINT"], "{wrong:?}");
    }
}

#[test]
fn only_1_switches_checkpointing_on() {
    for value in [None, Some("0"), Some("true"), Some("01"), Some("")] {
        let environment = changed(&[("MESOS_CHECKPOINT", value)]).unwrap();
        assert!(!environment.checkpoint, "{value:?}");
        assert_eq!(environment.recovery_timeout, None);
    }
}

#[test]
fn without_checkpointing_the_recovery_settings_are_not_looked_at() {
    let environment = changed(&[
        ("MESOS_CHECKPOINT", Some("0")),
        ("MESOS_RECOVERY_TIMEOUT", Some("soon")),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", Some("soon")),
    ])
    .unwrap();
    assert_eq!(environment.subscription_backoff_max, duration("2secs"));
}

#[test]
fn of_a_variable_that_comes_twice_the_first_counts() {
    let mut vars = FROM_AGENT.to_vec();
    vars.push(("MESOS_EXECUTOR_ID", "other"));
    assert_eq!(read(&vars).unwrap().executor_id, "worker");
}

#[test]
fn the_token_is_read_and_never_shown() {
    let token = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl";
    let environment = changed(&[("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", Some(token))]).unwrap();
    assert_eq!(
        environment.authentication_token.as_ref().unwrap().expose(),
        token
    );
    let shown = format!("{environment:?} {environment:#?}");
    assert!(!shown.contains("eyJ"), "{shown}");
}

#[test]
fn a_wrong_token_is_not_shown_either() {
    for wrong in ["eyJ\r\nHost: evil", "eyJ with space", "eyJé", ""] {
        let errors = changed(&[("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", Some(wrong))]).unwrap_err();
        let shown = format!("{errors} {errors:?}");
        assert!(shown.contains("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"));
        assert!(!shown.contains("eyJ"), "{shown}");
        assert_eq!(errors.errors().len(), 1);
    }
}

#[test]
fn a_path_need_not_be_utf8_and_an_id_must() {
    let strange = OsStr::from_bytes(b"/\xff\xfe");
    let read_with = |changed: &str| {
        ExecutorEnvironment::from_vars(FROM_AGENT.into_iter().map(|(name, value)| {
            let value = if name == changed {
                strange.to_owned()
            } else {
                value.into()
            };
            (name.into(), value)
        }))
    };
    let environment = read_with("MESOS_DIRECTORY").unwrap();
    assert_eq!(environment.directory.as_os_str(), strange);
    assert_eq!(
        complaints(read_with("MESOS_EXECUTOR_ID")),
        ["MESOS_EXECUTOR_ID"]
    );
}

#[test]
fn credentials_and_libprocess_settings_do_not_pass_to_a_task() {
    for name in [
        "MESOS_EXECUTOR_AUTHENTICATION_TOKEN",
        "MESOS_CREDENTIAL",
        "MESOS_HTTP_CREDENTIALS",
        "MESOS_JWT_SECRET_KEY",
        "LIBPROCESS_IP",
        "LIBPROCESS_PORT",
        "LIBPROCESS_SSL_KEY_FILE",
        "SSL_KEY_FILE",
        "SSL_ENABLED",
    ] {
        assert!(!passes_to_task(OsStr::new(name)), "{name}");
    }
}

#[test]
fn everything_else_passes_to_a_task() {
    for name in [
        "PATH",
        "PORT0",
        "MESOS_TASK_ID",
        "MESOS_SANDBOX",
        "MESOS_FRAMEWORK_ID",
        "MARATHON_APP_ID",
        "GITHUB_TOKEN",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "MY_SSL_KEY_FILE",
        "",
    ] {
        assert!(passes_to_task(OsStr::new(name)), "{name}");
    }
    assert!(passes_to_task(OsStr::from_bytes(b"\xffTOKEN")));
}
