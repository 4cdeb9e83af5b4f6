use bytes::Bytes;
use mesos_proto::v1::{
    AgentId, Environment, Label, Labels, TaskId, TaskInfoFields, environment::Variable,
};

use super::*;

fn task(change: impl FnOnce(&mut TaskInfoFields)) -> TaskInfo {
    let mut fields = TaskInfoFields {
        name: "t".into(),
        task_id: TaskId { value: "t".into() },
        agent_id: AgentId { value: "a".into() },
        ..Default::default()
    };
    change(&mut fields);
    TaskInfo::from(fields)
}

fn with_data(data: &str) -> TaskInfo {
    task(|task| task.data = Some(Bytes::copy_from_slice(data.as_bytes())))
}

fn executor(value: &str) -> ExecutorInfo {
    ExecutorInfo {
        command: Some(CommandInfo {
            value: Some(value.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn own() -> Vec<String> {
    vec!["./mesos-sandbox-executor".into()]
}

fn line(task: &TaskInfo) -> Result<String, CommandError> {
    match resolve(task, None, &own())?.program {
        Program::Shell(line) => Ok(line),
        Program::Exec { .. } => panic!("not for the shell"),
    }
}

#[test]
fn versioned_json_data_is_a_command_with_environment_and_user() {
    let data = r#"{"version":1,"command":{"value":"run","environment":{"variables":
        [{"name":"A","value":"1"},{"name":"B","value":"","type":"VALUE"}]},"user":"nobody"}}"#;
    let command = resolve(&with_data(data), None, &own()).unwrap();
    assert_eq!(command.program, Program::Shell("run".into()));
    assert_eq!(
        command.environment,
        [("A".into(), "1".into()), ("B".into(), String::new())]
    );
    assert_eq!(command.user.as_deref(), Some("nobody"));
}

#[test]
fn a_bare_command_info_as_json_data_will_do() {
    let data = r#"{"value":"/bin/echo","shell":false,"arguments":["echo","a b"]}"#;
    let expected = Program::Exec {
        file: "/bin/echo".into(),
        argv: vec!["echo".into(), "a b".into()],
    };
    assert_eq!(
        resolve(&with_data(data), None, &own()).unwrap().program,
        expected
    );
}

#[test]
fn a_program_without_arguments_is_its_own_argv0() {
    let expected = Program::Exec {
        file: "true".into(),
        argv: vec!["true".into()],
    };
    let data = with_data(r#"{"value":"true","shell":false}"#);
    assert_eq!(resolve(&data, None, &own()).unwrap().program, expected);
}

#[test]
fn text_data_is_a_shell_command_also_when_it_begins_with_a_brace() {
    for text in [
        "sleep 1; echo done",
        "{ echo a; echo b; }",
        "[ -e x ] && y",
        "\"quoted\" word",
        "{ \"./run\"; }",
    ] {
        assert_eq!(line(&with_data(text)).as_deref(), Ok(text));
    }
}

#[test]
fn broken_json_data_is_not_run_as_a_shell_command() {
    let error = line(&with_data(r#"{"value": "x""#)).unwrap_err();
    assert!(matches!(error, CommandError::NotJson(_)), "{error}");
}

#[test]
fn an_unknown_key_an_unknown_version_and_a_missing_one_are_named() {
    for (data, wanted) in [
        (r#"{"value":"x","shel":false}"#, "shel"),
        (r#"{"version":2,"command":{"value":"x"}}"#, "not 2"),
        (r#"{"command":{"value":"x"}}"#, "no version"),
        (r#"{"version":1}"#, "command"),
        (r#"{"version":1,"command":{}}"#, "no value"),
        ("{}", "no value"),
    ] {
        let error = line(&with_data(data)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{data}: {error}");
    }
}

#[test]
fn data_that_is_no_text_is_refused() {
    let task = task(|task| task.data = Some(Bytes::from_static(&[0xff, 0xfe])));
    assert!(matches!(line(&task), Err(CommandError::NotText(_))));
}

#[test]
fn the_label_comes_after_data_and_before_the_command() {
    let label = Label {
        key: LABEL.into(),
        value: Some("from label".into()),
    };
    let labels = Some(Labels {
        labels: vec![label],
    });
    let command = Some(CommandInfo {
        value: Some("from command".into()),
        ..Default::default()
    });
    let both = task(|task| {
        task.labels = labels.clone();
        task.command = command.clone();
    });
    assert_eq!(line(&both).as_deref(), Ok("from label"));
    let with_data = task(|task| {
        task.labels = labels;
        task.data = Some("from data".into());
    });
    assert_eq!(line(&with_data).as_deref(), Ok("from data"));
    let alone = task(|task| task.command = command);
    assert_eq!(line(&alone).as_deref(), Ok("from command"));
}

#[test]
fn marathons_and_mesos_composes_splices_are_taken_apart() {
    for value in [
        "chmod ug+rx '/mnt/mesos/sandbox/mesos-sandbox-executor' && exec '/mnt/mesos/sandbox/mesos-sandbox-executor' a $PORT0; b | c",
        "exec '/mnt/mesos/sandbox/mesos-sandbox-executor' a $PORT0; b | c",
        "./mesos-sandbox-executor a $PORT0; b | c",
        "exec ./mesos-sandbox-executor a $PORT0; b | c",
        "\"/x y/mesos-sandbox-executor\" a $PORT0; b | c",
    ] {
        let command = resolve(&task(|_| ()), Some(&executor(value)), &own()).unwrap();
        assert_eq!(
            command.program,
            Program::Shell("a $PORT0; b | c".into()),
            "{value}"
        );
    }
}

#[test]
fn an_executor_command_without_arguments_names_nothing() {
    for value in [
        "./mesos-sandbox-executor",
        "exec './mesos-sandbox-executor'  ",
        "./other a",
    ] {
        let error = resolve(&task(|_| ()), Some(&executor(value)), &own()).unwrap_err();
        assert_eq!(error, CommandError::Nothing, "{value}");
    }
}

#[test]
fn an_executor_started_without_a_shell_passes_its_arguments_on() {
    let mut executor = executor("./mesos-sandbox-executor");
    if let Some(command) = &mut executor.command {
        command.shell = Some(false);
        command.arguments = vec!["x".into(), "echo".into(), "a b".into()];
    }
    let expected = Program::Exec {
        file: "echo".into(),
        argv: vec!["echo".into(), "a b".into()],
    };
    let command = resolve(&task(|_| ()), Some(&executor), &own()).unwrap();
    assert_eq!(command.program, expected);
}

#[test]
fn the_executors_own_arguments_are_the_last_resort() {
    let arguments = ["./mesos-sandbox-executor", "echo", "hi"].map(String::from);
    let command = resolve(&task(|_| ()), None, &arguments).unwrap();
    let expected = Program::Exec {
        file: "echo".into(),
        argv: vec!["echo".into(), "hi".into()],
    };
    assert_eq!(command.program, expected);
}

#[test]
fn a_task_without_any_command_is_told_where_it_was_looked_for() {
    let error = resolve(&task(|_| ()), None, &own()).unwrap_err();
    assert_eq!(error, CommandError::Nothing);
    for place in [
        "TaskInfo.data",
        LABEL,
        "TaskInfo.command",
        "ExecutorInfo.command",
    ] {
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn nul_bytes_secrets_bad_names_and_uris_are_refused_by_name() {
    let with = |change: &dyn Fn(&mut CommandInfo)| {
        let mut command = CommandInfo {
            value: Some("x".into()),
            ..Default::default()
        };
        change(&mut command);
        line(&task(|task| task.command = Some(command))).unwrap_err()
    };
    let variable = |name: &str, value: Option<&str>| Environment {
        variables: vec![Variable {
            name: name.into(),
            value: value.map(Into::into),
            ..Default::default()
        }],
    };
    let error = with(&|c| c.value = Some("a\0b".into()));
    assert!(matches!(error, CommandError::Nul { .. }), "{error}");
    let error = with(&|c| c.environment = Some(variable("A=B", Some(""))));
    assert!(matches!(error, CommandError::BadName { .. }), "{error}");
    let error = with(&|c| c.environment = Some(variable("A", None)));
    assert!(matches!(error, CommandError::NotAValue { .. }), "{error}");
    let error = with(&|c| c.uris = vec![Default::default()]);
    assert!(matches!(error, CommandError::Uris { .. }), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_not_repeated_in_the_message() {
    for data in [
        r#"{"value":"x","environment":"PASSWORD=hunter2"}"#,
        r#"{"version":1,"command":{"value":"x","environment":{"variables":[{"name":"A","value":"b","type":"hunter2"}]}}}"#,
    ] {
        let error = line(&with_data(data)).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
