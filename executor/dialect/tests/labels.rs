//! Labels that speak to this executor.

use std::time::Duration;

use dialect::{Options, Role};

use crate::task::{labels, refusal, resolve, task, with_labels};

#[test]
fn every_option_can_be_a_label() {
    let task = with_labels(&[
        ("owner", "somebody"),
        ("mesos-sandbox-executor.unhealthy", "failed"),
        ("mesos-sandbox-executor.kill_grace", " 10secs "),
        ("mesos-sandbox-executor.success_codes", "0, 143"),
        ("mesos-sandbox-executor.descriptor_limit", "4096"),
        ("mesos-sandbox-executor.process_limit", "7"),
        (
            "mesos-sandbox-executor.health_checks",
            r#"[{"type":"TCP","tcp":{"port":1}}]"#,
        ),
        (
            "mesos-sandbox-executor.readiness_checks",
            r#"[{"type":"TCP","tcp":{"port":1}}]"#,
        ),
    ]);
    let request = resolve(&task).unwrap();
    assert_eq!(
        request.options,
        Options {
            success_codes: vec![0, 143],
            unhealthy_is_failed: true,
            kill_grace: Some(Duration::from_secs(10)),
            descriptor_limit: Some(4096),
            process_limit: Some(7),
        }
    );
    let roles: Vec<Role> = request.checks.iter().map(|check| check.role).collect();
    assert_eq!(roles, [Role::Health, Role::Readiness]);
}

#[test]
fn what_data_says_takes_the_place_of_the_label_key_by_key() {
    let task = task(|task| {
        task.data = Some(
            r#"{"version":1,"command":{"value":"x"},"kill_grace":"1secs","health_checks":[]}"#
                .into(),
        );
        task.labels = Some(labels(&[
            ("mesos-sandbox-executor.kill_grace", "10secs"),
            ("mesos-sandbox-executor.process_limit", "7"),
            (
                "mesos-sandbox-executor.health_checks",
                r#"[{"type":"TCP","tcp":{"port":1}}]"#,
            ),
        ]));
    });
    let request = resolve(&task).unwrap();
    assert_eq!(request.options.kill_grace, Some(Duration::from_secs(1)));
    assert_eq!(request.options.process_limit, Some(7));
    assert_eq!(request.checks, []);
}

#[test]
fn a_label_of_ours_that_makes_no_sense_is_an_error_that_names_it() {
    for (label, value, wanted) in [
        ("helth_checks", "[]", "is not one that this executor knows"),
        ("command", " ", "has no value"),
        ("unhealthy", "dead", "unhealthy must be failed or killed"),
        ("kill_grace", "10", "kill_grace must be a duration"),
        ("success_codes", "0,x", "success_codes must be at least one"),
        ("success_codes", ",", "success_codes must be at least one"),
        ("process_limit", "many", "process_limit must be from 1"),
        ("descriptor_limit", "0", "descriptor_limit must be from 1"),
        ("health_checks", "[", "it is not the JSON"),
        ("health_checks", "{}", "it must be a list"),
        ("health_checks", "[1]", "[0] must be an object"),
        ("health_checks", "[{}]", "[0]: 'type' must be"),
        (
            "readiness_checks",
            r#"[{"type":"TCP","tcp":{"port":1},"consecutive_failures":1}]"#,
            "[0].consecutive_failures is not a key",
        ),
    ] {
        let name = format!("mesos-sandbox-executor.{label}");
        let error = refusal(&with_labels(&[(&name, value)]));
        let found = error.contains(&format!("the label '{name}'")) && error.contains(wanted);
        assert!(found, "{error}");
    }
}

#[test]
fn a_label_of_ours_that_is_there_twice_is_refused() {
    let name = "mesos-sandbox-executor.unhealthy";
    let error = refusal(&with_labels(&[(name, "failed"), (name, "failed")]));
    assert_eq!(error, format!("the label '{name}' is there twice"));
}

#[test]
fn labels_of_others_are_nobodys_business() {
    let request = resolve(&with_labels(&[
        ("a", ""),
        ("a", ""),
        ("mesos-sandbox", "x"),
    ]))
    .unwrap();
    assert_eq!(request.options, Options::default());
}
