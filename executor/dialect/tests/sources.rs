//! Which source names the command.

use bytes::Bytes;
use dialect::{CommandError, LABEL, Place, Program, ProgramError};
use mesos_proto::v1::{CommandInfo, ContainerInfo, Environment, environment::Variable};

use crate::task::{
    command, exec, executor, labels, line, own, refusal, resolve, task, variables, with_data,
};

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
fn data_that_is_no_text_is_refused() {
    let task = task(|task| task.data = Some(Bytes::from_static(&[0xff, 0xfe])));
    assert!(matches!(line(&task), Err(CommandError::NotText(_))));
}

#[test]
fn the_label_comes_after_data_and_before_the_command() {
    let from_label = labels(&[(LABEL, "from label")]);
    let both = task(|task| {
        task.labels = Some(from_label.clone());
        task.command = Some(command("from command"));
    });
    assert_eq!(line(&both).as_deref(), Ok("from label"));
    let with_data = task(|task| {
        task.labels = Some(from_label);
        task.data = Some("from data".into());
    });
    assert_eq!(line(&with_data).as_deref(), Ok("from data"));
    let alone = task(|task| task.command = Some(command("from command")));
    assert_eq!(line(&alone).as_deref(), Ok("from command"));
}

/// P-35: a task of a group has a command of its own, and the executor that the master put into it.
#[test]
fn a_task_of_a_group_has_its_command_in_the_message() {
    let member = task(|task| task.command = Some(command("./member")));
    let request = resolve(&member).unwrap();
    assert_eq!(request.program, Program::Shell("./member".into()));
    assert_eq!(request.source, Place::Command);
}

#[test]
fn the_data_and_the_label_of_a_command_task_are_the_frameworks_own_affair() {
    let command_task = task(|task| {
        task.executor = None;
        task.command = Some(command("from command"));
        task.data = Some(Bytes::from_static(&[0xff, 0xfe]));
        task.labels = Some(labels(&[(LABEL, "from label")]));
    });
    assert_eq!(line(&command_task).as_deref(), Ok("from command"));
}

#[test]
fn an_executor_command_without_arguments_names_nothing() {
    for value in [
        "./mesos-sandbox-executor",
        "exec './mesos-sandbox-executor'  ",
        "./other a",
    ] {
        let task = task(|task| task.executor = Some(executor(value)));
        assert_eq!(resolve(&task), Err(CommandError::Nothing), "{value}");
    }
}

#[test]
fn an_executor_started_without_a_shell_passes_its_arguments_on() {
    let task = task(|task| {
        task.executor.as_mut().unwrap().command = Some(CommandInfo {
            shell: Some(false),
            arguments: ["x", "echo", "a b"].map(Into::into).to_vec(),
            ..command("./mesos-sandbox-executor")
        });
    });
    assert_eq!(resolve(&task).unwrap().program, exec(&["echo", "a b"]));
}

#[test]
fn the_executors_own_arguments_are_the_last_resort() {
    let arguments = ["./mesos-sandbox-executor", "echo", "hi"].map(String::from);
    let request = dialect::resolve(&task(|_| ()), None, &arguments).unwrap();
    assert_eq!(request.program, exec(&["echo", "hi"]));
    let arguments = ["./mesos-sandbox-executor", ""].map(String::from);
    let error = dialect::resolve(&task(|_| ()), None, &arguments).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the executor's arguments: the command has no value"
    );
}

#[test]
fn an_executor_that_was_started_without_even_a_name_names_nothing() {
    let error = dialect::resolve(&task(|_| ()), None, &[]).unwrap_err();
    assert_eq!(error, CommandError::Nothing);
}

#[test]
fn a_task_without_any_command_is_told_where_it_was_looked_for() {
    let error = dialect::resolve(&task(|_| ()), None, &own()).unwrap_err();
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
fn a_program_without_arguments_is_its_own_argv0() {
    let bare = task(|task| {
        task.command = Some(CommandInfo {
            shell: Some(false),
            ..command("true")
        });
    });
    assert_eq!(resolve(&bare).unwrap().program, exec(&["true"]));
}

#[test]
fn nul_bytes_secrets_and_bad_names_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut CommandInfo)| {
        let mut command = command("x");
        change(&mut command);
        match resolve(&task(|task| task.command = Some(command))) {
            Err(CommandError::Program { place, source }) => {
                assert_eq!(place, Place::Command);
                source
            }
            other => panic!("{other:?}"),
        }
    };
    let error = refused(&|c| c.value = Some("a\0b".into()));
    assert!(matches!(error, ProgramError::Nul { .. }), "{error}");
    let error = refused(&|c| c.environment = Some(variables(&[("A", "\0")])));
    assert!(matches!(error, ProgramError::Nul { .. }), "{error}");
    let error = refused(&|c| c.environment = Some(variables(&[("A=B", "")])));
    assert!(matches!(error, ProgramError::BadName { .. }), "{error}");
    let secret = Variable {
        name: "A".into(),
        ..Default::default()
    };
    let variables = vec![secret];
    let error = refused(&|c| {
        c.environment = Some(Environment {
            variables: variables.clone(),
        });
    });
    assert!(matches!(error, ProgramError::NotAValue { .. }), "{error}");
    let error = refused(&|c| c.value = None);
    assert_eq!(error, ProgramError::NoValue);
}

#[test]
fn a_nul_byte_in_data_or_a_label_is_refused_too() {
    let data = task(|task| task.data = Some("a\0b".into()));
    assert_eq!(
        refusal(&data),
        "TaskInfo.data: the command holds a NUL byte"
    );
    let label = task(|task| task.labels = Some(labels(&[(LABEL, "a\0b")])));
    assert_eq!(
        refusal(&label),
        format!("the label '{LABEL}': the command holds a NUL byte")
    );
}

#[test]
fn the_container_of_a_command_task_is_the_agents_affair() {
    let command_task = task(|task| {
        task.executor = None;
        task.command = Some(command("x"));
        task.container = Some(ContainerInfo {
            docker: Some(Default::default()),
            ..Default::default()
        });
    });
    assert_eq!(line(&command_task).as_deref(), Ok("x"));
}
