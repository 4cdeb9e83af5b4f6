//! Messages as tests build them.

use bytes::Bytes;
use dialect::{CommandError, Program, Request, SandboxWishes};
use mesos_proto::TaskInfo;
use mesos_proto::v1::container_info::Type;
use mesos_proto::v1::volume::Mode;
use mesos_proto::v1::{
    AgentId, CommandInfo, ContainerInfo, Environment, ExecutorId, ExecutorInfo, Label, Labels,
    TaskId, TaskInfoFields, Volume, environment::Variable,
};

/// The name that the executor is started by.
pub(crate) const OWN: &str = "./mesos-sandbox-executor";

/// The arguments of an executor that was started without any.
pub(crate) fn own() -> Vec<String> {
    vec![OWN.into()]
}

/// A task of a custom executor that nothing else is known of.
pub(crate) fn task(change: impl FnOnce(&mut TaskInfoFields)) -> TaskInfo {
    let mut fields = TaskInfoFields {
        name: "t".into(),
        task_id: TaskId { value: "t".into() },
        agent_id: AgentId { value: "a".into() },
        executor: Some(executor(OWN)),
        ..Default::default()
    };
    change(&mut fields);
    TaskInfo::from(fields)
}

pub(crate) fn with_data(data: &str) -> TaskInfo {
    task(|task| task.data = Some(Bytes::copy_from_slice(data.as_bytes())))
}

/// A task with a command in its data, and these labels.
pub(crate) fn with_labels(labels: &[(&str, &str)]) -> TaskInfo {
    task(|task| {
        task.data = Some("run".into());
        task.labels = Some(self::labels(labels));
    })
}

pub(crate) fn labels(labels: &[(&str, &str)]) -> Labels {
    let label = |(key, value): &(&str, &str)| Label {
        key: (*key).into(),
        value: Some((*value).into()),
    };
    Labels {
        labels: labels.iter().map(label).collect(),
    }
}

/// An executor whose command is this shell line.
pub(crate) fn executor(line: &str) -> ExecutorInfo {
    ExecutorInfo {
        executor_id: ExecutorId { value: "e".into() },
        command: Some(command(line)),
        ..Default::default()
    }
}

pub(crate) fn command(line: &str) -> CommandInfo {
    CommandInfo {
        value: Some(line.into()),
        ..Default::default()
    }
}

pub(crate) fn variables(variables: &[(&str, &str)]) -> Environment {
    let variable = |(name, value): &(&str, &str)| Variable {
        name: (*name).into(),
        value: Some((*value).into()),
        ..Default::default()
    };
    Environment {
        variables: variables.iter().map(variable).collect(),
    }
}

pub(crate) fn resolve(task: &TaskInfo) -> Result<Request, CommandError> {
    dialect::resolve(task, task.executor.as_ref(), &own())
}

/// The shell line that `task` runs.
pub(crate) fn line(task: &TaskInfo) -> Result<String, CommandError> {
    match resolve(task)?.program {
        Program::Shell(line) => Ok(line),
        Program::Exec { .. } => panic!("not for the shell"),
    }
}

/// The message of the TASK_ERROR that `task` ends with.
pub(crate) fn refusal(task: &TaskInfo) -> String {
    resolve(task).expect_err("must be refused").to_string()
}

pub(crate) fn exec(argv: &[&str]) -> Program {
    Program::Exec {
        file: argv[0].into(),
        argv: argv.iter().map(|word| (*word).into()).collect(),
    }
}

/// A task with a container of its own, which runs something.
pub(crate) fn contained(change: impl FnOnce(&mut ContainerInfo)) -> TaskInfo {
    let mut container = ContainerInfo {
        r#type: Type::Mesos as i32,
        ..Default::default()
    };
    change(&mut container);
    task(|task| {
        task.data = Some("run".into());
        task.container = Some(container);
    })
}

/// A task that says this under `sandbox` of its data.
pub(crate) fn with_sandbox(json: &str) -> TaskInfo {
    with_data(&format!(
        r#"{{"version":1,"command":{{"value":"x"}},"sandbox":{json}}}"#
    ))
}

/// What `task` asks of its sandbox.
pub(crate) fn wishes(task: &TaskInfo) -> SandboxWishes {
    resolve(task).unwrap().sandbox
}

pub(crate) fn volume(mode: Mode, at: &str) -> Volume {
    Volume {
        mode: mode as i32,
        container_path: at.into(),
        ..Default::default()
    }
}
