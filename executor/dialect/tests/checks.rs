//! Checks, from Mesos's own messages and from JSON.

use std::time::Duration;

use dialect::{Check, HttpProbe, Probe, Program, Role, Target};
use mesos_proto::TaskInfo;
use mesos_proto::v1::network_info::Protocol;
use mesos_proto::v1::{CheckInfo, DiscoveryInfo, HealthCheck, Port, Ports};
use mesos_proto::v1::{check_info, health_check};

use crate::task::{command, labels, refusal, resolve, task, variables, with_labels};

const LABEL: &str = "mesos-sandbox-executor.health_checks";

fn healthy(check: HealthCheck) -> TaskInfo {
    task(|task| {
        task.data = Some("run".into());
        task.health_check = Some(check);
    })
}

fn checked(check: CheckInfo) -> TaskInfo {
    task(|task| {
        task.data = Some("run".into());
        task.check = Some(check);
    })
}

fn only(task: &TaskInfo) -> Check {
    let mut checks = resolve(task).unwrap().checks;
    assert_eq!(checks.len(), 1);
    checks.remove(0)
}

fn tcp(port: u32) -> HealthCheck {
    HealthCheck {
        r#type: Some(health_check::Type::Tcp as i32),
        tcp: Some(health_check::TcpCheckInfo {
            port,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn http(http: health_check::HttpCheckInfo) -> HealthCheck {
    HealthCheck {
        r#type: Some(health_check::Type::Http as i32),
        http: Some(http),
        ..Default::default()
    }
}

fn target(host: &str, port: u16) -> Target {
    let host = host.into();
    Target { host, port }
}

#[test]
fn a_health_check_that_says_nothing_of_its_times_has_mesoss_defaults() {
    let expected = Check {
        name: "health check".into(),
        role: Role::Health,
        probe: Probe::Tcp {
            target: target("127.0.0.1", 80),
        },
        delay: Duration::from_secs(15),
        interval: Duration::from_secs(10),
        timeout: Some(Duration::from_secs(20)),
        grace_period: Duration::from_secs(10),
        consecutive_failures: Some(3),
    };
    assert_eq!(only(&healthy(tcp(80))), expected);
}

#[test]
fn a_timeout_of_zero_is_none_and_no_consecutive_failures_never_end_a_task() {
    let check = only(&healthy(HealthCheck {
        timeout_seconds: Some(0.0),
        delay_seconds: Some(0.5),
        interval_seconds: Some(0.25),
        grace_period_seconds: Some(0.0),
        consecutive_failures: Some(0),
        ..tcp(80)
    }));
    assert_eq!(check.timeout, None);
    assert_eq!(check.consecutive_failures, None);
    assert_eq!(check.delay, Duration::from_millis(500));
    assert_eq!(check.interval, Duration::from_millis(250));
    assert_eq!(check.grace_period, Duration::ZERO);
}

#[test]
fn an_http_health_check_keeps_its_scheme_path_statuses_and_protocol() {
    let check = only(&healthy(http(health_check::HttpCheckInfo {
        protocol: Some(Protocol::IPv6 as i32),
        scheme: Some("https".into()),
        port: 8443,
        path: Some("/health?deep=1".into()),
        statuses: vec![200, 204],
    })));
    let expected = HttpProbe {
        https: true,
        verify: false,
        target: target("::1", 8443),
        path: "/health?deep=1".into(),
        headers: Vec::new(),
        statuses: vec![200, 204],
    };
    assert_eq!(check.probe, Probe::Http(expected));
}

#[test]
fn a_command_health_check_has_a_program_and_variables() {
    let mut info = command("curl -f localhost:$PORT0");
    info.environment = Some(variables(&[("A", "1")]));
    info.user = Some("ignored, as by Mesos".into());
    let check = only(&healthy(HealthCheck {
        r#type: Some(health_check::Type::Command as i32),
        command: Some(info),
        ..Default::default()
    }));
    let expected = Probe::Command {
        program: Program::Shell("curl -f localhost:$PORT0".into()),
        environment: vec![("A".into(), "1".into())],
    };
    assert_eq!(check.probe, expected);
}

#[test]
fn a_general_check_has_neither_grace_nor_a_count_of_failures() {
    let check = only(&checked(CheckInfo {
        r#type: Some(check_info::Type::Http as i32),
        http: Some(check_info::Http {
            port: 80,
            path: None,
        }),
        ..Default::default()
    }));
    assert_eq!(check.name, "check");
    assert_eq!(check.role, Role::General);
    assert_eq!(check.grace_period, Duration::ZERO);
    assert_eq!(check.consecutive_failures, None);
    assert_eq!(check.timeout, Some(Duration::from_secs(20)));
    let Probe::Http(probe) = check.probe else {
        panic!("{:?}", check.probe);
    };
    assert_eq!((probe.path.as_str(), probe.https), ("/", false));
}

#[test]
fn a_health_check_that_mesos_would_refuse_is_refused_with_its_field() {
    let of_type = |kind| HealthCheck {
        r#type: Some(kind as i32),
        ..Default::default()
    };
    let http_with = |change: &dyn Fn(&mut health_check::HttpCheckInfo)| {
        let mut info = health_check::HttpCheckInfo {
            port: 80,
            ..Default::default()
        };
        change(&mut info);
        http(info)
    };
    let timed = |delay, interval, timeout, grace| HealthCheck {
        delay_seconds: delay,
        interval_seconds: interval,
        timeout_seconds: timeout,
        grace_period_seconds: grace,
        ..tcp(80)
    };
    for (check, wanted) in [
        (
            HealthCheck::default(),
            "'type' must be COMMAND, HTTP or TCP",
        ),
        (of_type(health_check::Type::Unknown), "'type' must be"),
        (
            of_type(health_check::Type::Command),
            "'command' must be set for a check of type COMMAND",
        ),
        (
            of_type(health_check::Type::Http),
            "'http' must be set for a check of type HTTP",
        ),
        (
            of_type(health_check::Type::Tcp),
            "'tcp' must be set for a check of type TCP",
        ),
        (
            HealthCheck {
                command: Some(Default::default()),
                ..of_type(health_check::Type::Command)
            },
            "the command has no value",
        ),
        (tcp(0), "'port' must be from 1 to 65535"),
        (tcp(65_536), "'port' must be"),
        (
            http_with(&|http| http.scheme = Some("ftp".into())),
            "'scheme' must be http or https",
        ),
        (
            http_with(&|http| http.path = Some("health".into())),
            "'path' must start with '/'",
        ),
        (
            http_with(&|http| http.path = Some("/a\r\nX: y".into())),
            "'path' must",
        ),
        (
            timed(Some(-1.0), None, None, None),
            "'delay_seconds' must be",
        ),
        (
            timed(None, Some(f64::NAN), None, None),
            "'interval_seconds' must be",
        ),
        (
            timed(None, None, Some(f64::INFINITY), None),
            "'timeout_seconds' must be",
        ),
        (
            timed(None, None, None, Some(1e10)),
            "'grace_period_seconds' must be",
        ),
    ] {
        let error = refusal(&healthy(check));
        let found = error.starts_with("TaskInfo.health_check: ") && error.contains(wanted);
        assert!(found, "{wanted}: {error}");
    }
}

#[test]
fn a_general_check_that_mesos_would_refuse_is_refused_with_its_field() {
    let of_type = |kind| CheckInfo {
        r#type: Some(kind as i32),
        ..Default::default()
    };
    for (check, wanted) in [
        (CheckInfo::default(), "'type' must be"),
        (of_type(check_info::Type::Command), "'command' must be set"),
        (of_type(check_info::Type::Http), "'http' must be set"),
        (of_type(check_info::Type::Tcp), "'tcp' must be set"),
        (
            CheckInfo {
                tcp: Some(check_info::Tcp { port: 80 }),
                delay_seconds: Some(-0.5),
                ..of_type(check_info::Type::Tcp)
            },
            "'delay_seconds' must be",
        ),
    ] {
        let error = refusal(&checked(check));
        let found = error.starts_with("TaskInfo.check: ") && error.contains(wanted);
        assert!(found, "{wanted}: {error}");
    }
}

#[test]
fn checks_by_label_can_do_more_and_come_after_the_tasks_own() {
    let json = r#"[
        { "type": "HTTP", "name": "front door",
          "http": { "scheme": "https", "verify": true, "host": "10.0.0.7", "port": 8443, "path": "/h",
                    "headers": { "Host": "www.example.com" }, "statuses": [200, 418] },
          "delay_seconds": 0, "interval_seconds": 0.5, "timeout_seconds": 0, "grace_period_seconds": 60,
          "consecutive_failures": 0 },
        { "type": "COMMAND", "command": { "value": "test", "shell": false, "arguments": ["test", "-e", "x"] } }]"#;
    let task = task(|task| {
        task.data = Some("run".into());
        task.health_check = Some(tcp(80));
        task.labels = Some(labels(&[(LABEL, json)]));
    });
    let checks = resolve(&task).unwrap().checks;
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["health check", "front door", "health check 2"]);
    let expected = Check {
        name: "front door".into(),
        role: Role::Health,
        probe: Probe::Http(HttpProbe {
            https: true,
            verify: true,
            target: target("10.0.0.7", 8443),
            path: "/h".into(),
            headers: vec![("Host".into(), "www.example.com".into())],
            statuses: vec![200, 418],
        }),
        delay: Duration::ZERO,
        interval: Duration::from_millis(500),
        timeout: None,
        grace_period: Duration::from_secs(60),
        consecutive_failures: None,
    };
    assert_eq!(checks[1], expected);
}

#[test]
fn a_readiness_check_never_ends_a_task() {
    let check = only(&with_labels(&[(
        "mesos-sandbox-executor.readiness_checks",
        r#"[{"type":"TCP","tcp":{"port":1,"protocol":"IPv6"}}]"#,
    )]));
    assert_eq!(check.name, "readiness check 1");
    assert_eq!(check.role, Role::Readiness);
    assert_eq!(check.consecutive_failures, None);
    assert_eq!(check.grace_period, Duration::ZERO);
    let target = target("::1", 1);
    assert_eq!(check.probe, Probe::Tcp { target });
}

#[test]
fn a_check_can_name_the_tasks_port_by_its_index() {
    let with_index = |index: u32| {
        let json = format!(r#"[{{"type":"TCP","tcp":{{"port_index":{index}}}}}]"#);
        let port = |number| Port {
            number,
            ..Default::default()
        };
        task(|task| {
            task.data = Some("run".into());
            task.labels = Some(labels(&[(LABEL, &json)]));
            task.discovery = Some(DiscoveryInfo {
                ports: Some(Ports {
                    ports: vec![port(31_005), port(31_002)],
                }),
                ..Default::default()
            });
        })
    };
    let target = target("127.0.0.1", 31_002);
    assert_eq!(only(&with_index(1)).probe, Probe::Tcp { target });
    assert_eq!(
        refusal(&with_index(2)),
        format!("the label '{LABEL}': [0]: 'port_index' 2 is beyond the task's 2 ports")
    );
}

#[test]
fn what_is_wrong_with_a_check_by_json_is_named() {
    for (check, wanted) in [
        (r#"{"type":"UDP"}"#, "'type' must be COMMAND, HTTP or TCP"),
        (r#"{"type":"HTTP"}"#, "'http' must be set"),
        (r#"{"type":"TCP","tcp":{}}"#, "[0].tcp.port is missing"),
        (
            r#"{"type":"TCP","tcp":{"port":99999999999}}"#,
            "'port' must be from 1",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":"80"}}"#,
            "[0].tcp.port must be a whole number",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1,"port_index":0}}"#,
            "cannot be set together with port_index",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1,"protocol":"ipv6"}}"#,
            "'protocol' must be IPv4 or IPv6",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1,"host":"a b"}}"#,
            "'host' must be",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1,"host":""}}"#,
            "'host' must be",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1},"http":{}}"#,
            "[0].http is not a key",
        ),
        (
            r#"{"type":"TCP","tcp":{"port":1},"interval_seconds":-1}"#,
            "'interval_seconds' must be",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"verify":true}}"#,
            "'verify' needs the scheme https",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"statuses":[99]}}"#,
            "'statuses' must be from 100",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"headers":{"A B":"x"}}}"#,
            "the header 'A B' cannot be sent",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"headers":{"A":"x\ny"}}}"#,
            "the header 'A' cannot be sent",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"headers":{"Content-Length":"9"}}}"#,
            "cannot be sent",
        ),
        (
            r#"{"type":"HTTP","http":{"port":1,"headers":{"A":1}}}"#,
            "[0].http.headers.A must be a text",
        ),
        (
            r#"{"type":"COMMAND","command":{"value":"x","user":"root"}}"#,
            "[0].command.user is not a key",
        ),
        (
            r#"{"type":"COMMAND","command":{}}"#,
            "the command has no value",
        ),
    ] {
        let error = refusal(&with_labels(&[(LABEL, &format!("[{check}]"))]));
        assert!(error.contains(wanted), "{check}: {error}");
    }
}
