//! `TaskInfo.data` as JSON.

use std::time::Duration;

use dialect::{Options, Place, Program};

use crate::task::{command, exec, line, refusal, resolve, task, with_data};

#[test]
fn versioned_json_data_is_a_command_with_environment_and_user() {
    let data = r#"{"version":1,"command":{"value":"run","environment":{"variables":
        [{"name":"A","value":"1"},{"name":"B","value":"","type":"VALUE"}]},"user":"nobody"}}"#;
    let request = resolve(&with_data(data)).unwrap();
    assert_eq!(request.program, Program::Shell("run".into()));
    assert_eq!(
        request.environment,
        [("A".into(), "1".into()), ("B".into(), String::new())]
    );
    assert_eq!(request.user.as_deref(), Some("nobody"));
    assert_eq!(request.options, Options::default());
}

#[test]
fn a_bare_command_info_as_json_data_will_do() {
    let data = r#"{"value":"echo","shell":false,"arguments":["echo","a b"]}"#;
    let request = resolve(&with_data(data)).unwrap();
    assert_eq!(request.program, exec(&["echo", "a b"]));
}

#[test]
fn json_null_is_as_good_as_absent() {
    let data =
        r#"{"version":1,"command":{"value":"x","shell":null,"user":null},"kill_grace":null}"#;
    assert_eq!(line(&with_data(data)).as_deref(), Ok("x"));
}

#[test]
fn all_options_are_heard() {
    let data = r#"{"version":1,"command":{"value":"x"},"unhealthy":"failed","kill_grace":"1.5mins",
        "success_codes":[0,3],"descriptor_limit":4096,"process_limit":7}"#;
    let options = resolve(&with_data(data)).unwrap().options;
    assert_eq!(
        options,
        Options {
            success_codes: vec![0, 3],
            unhealthy_is_failed: true,
            kill_grace: Some(Duration::from_secs(90)),
            descriptor_limit: Some(4096),
            process_limit: Some(7),
        }
    );
}

#[test]
fn data_may_leave_the_command_to_another_source() {
    let member = task(|task| {
        task.data = Some(r#"{"version":1,"unhealthy":"failed"}"#.into());
        task.command = Some(command("from command"));
    });
    let request = resolve(&member).unwrap();
    assert_eq!(request.source, Place::Command);
    assert!(request.options.unhealthy_is_failed);
}

#[test]
fn broken_json_data_is_not_run_as_a_shell_command() {
    assert_eq!(
        refusal(&with_data(r#"{"value": "x""#)),
        "TaskInfo.data: it is not the JSON it begins like: line 1, column 13"
    );
}

#[test]
fn what_is_wrong_with_data_is_named_by_its_key() {
    for (data, wanted) in [
        (r#"{"value":"x","shel":false}"#, "shel is not a key"),
        (
            r#"{"version":2,"command":{"value":"x"}}"#,
            "version must be 1",
        ),
        (
            r#"{"version":"1","command":{"value":"x"}}"#,
            "version must be a number",
        ),
        (r#"{"command":{"value":"x"}}"#, "version must be 1"),
        ("{}", "version must be 1"),
        (r#"{"version":1}"#, "names no command"),
        (r#"{"version":1,"command":{}}"#, "no value"),
        (r#"{"version":1,"command":[]}"#, "command must be an object"),
        (
            r#"{"version":1,"command":{"value":"x","environment":{"variables":[{"name":"A"}]}}}"#,
            "command.environment.variables[0].value is missing",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"unhealthy":"dead"}"#,
            "unhealthy must be failed or killed",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"kill_grace":"-1secs"}"#,
            "kill_grace must be a duration",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"kill_grace":10}"#,
            "kill_grace must be a text",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"success_codes":[]}"#,
            "success_codes must be at least one",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"success_codes":[256]}"#,
            "success_codes must be at least one",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"success_codes":[0.5]}"#,
            "success_codes[0] must be a whole number",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"process_limit":0}"#,
            "process_limit must be from 1",
        ),
        (
            r#"{"version":1,"command":{"value":"x"},"descriptor_limit":-1}"#,
            "descriptor_limit must be a whole number",
        ),
    ] {
        let error = refusal(&with_data(data));
        assert!(error.contains(wanted), "{data}: {error}");
    }
}

#[test]
fn no_value_is_repeated_in_a_message() {
    for data in [
        r#"{"value":"x","environment":"PASSWORD=hunter2"}"#,
        r#"{"version":1,"command":{"value":"x","environment":{"variables":[{"name":"A","value":"b","type":"hunter2"}]}}}"#,
        r#"{"version":1,"command":{"value":"x","uris":[{"value":"http://me:hunter2@h/f","output_file":"../x"}]}}"#,
        r#"{"version":1,"command":{"value":"x","uris":[{"value":"http://h/f","checksum":"hunter2"}]}}"#,
        r#"{"version":1,"command":{"value":"x"},"health_checks":[{"type":"HTTP","http":{"port":1,"headers":{"Authorization":"hunter2\n"}}}]}"#,
        r#"{"version":1,"command":{"value":"x"},"health_checks":[{"type":"HTTP","http":{"port":1,"path":"hunter2"}}]}"#,
        r#"{"version":1,"command":{"value":"hunter2"},"kill_grace":"hunter2"}"#,
        r#"{"cmd":"hunter2","embeddedArtifacts":[{"filename":"f","content":"hunter2!"}]}"#,
        "hunter2\0",
    ] {
        let error = refusal(&with_data(data));
        assert!(!error.contains("hunter2"), "{error}");
    }
}
