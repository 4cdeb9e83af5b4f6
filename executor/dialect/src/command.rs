//! What a task is to run.
//!
//! A custom executor gets no `TaskInfo.command` (Mesos: src/master/validation.cpp), so every framework tells it in a way
//! of its own. The first source that says anything decides, in this order:
//!
//! 1. `TaskInfo.data` as JSON: the schema of [`data`], or a v1 `CommandInfo`;
//! 2. `TaskInfo.data` as text: a shell command;
//! 3. the label [`LABEL`]: a shell command;
//! 4. `TaskInfo.command`: tasks of a group have one;
//! 5. what follows the executor's own name in `ExecutorInfo.command`, where Marathon and mesos-compose put it;
//! 6. the executor's own arguments.
//!
//! A source that says something unusable is an error, not a reason to go on to the next.

mod data;
mod splice;

use mesos_proto::TaskInfo;
use mesos_proto::v1::{self, CommandInfo, ExecutorInfo};

use crate::{Options, Program, Request};

/// The label that names a task's shell command.
pub const LABEL: &str = "mesos-sandbox-executor.command";

/// Why a task names nothing that can be run. The text becomes the message of its TASK_ERROR.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(
        "the task names no command: looked for TaskInfo.data, the label '{LABEL}', TaskInfo.command and \
         arguments of the executor in ExecutorInfo.command, and found none"
    )]
    Nothing,
    #[error("TaskInfo.data is not UTF-8 text: {0}")]
    NotText(std::str::Utf8Error),
    #[error("TaskInfo.data is not the JSON it begins like: {0}")]
    NotJson(String),
    #[error("TaskInfo.data: {0}")]
    BadData(String),
    #[error("{place} has no value")]
    NoValue { place: &'static str },
    #[error(
        "{place}: the variable '{name}' is a secret or of an unknown type, which this executor cannot resolve"
    )]
    NotAValue { place: &'static str, name: String },
    #[error("{place}: {what} holds a NUL byte")]
    Nul {
        place: &'static str,
        what: &'static str,
    },
    #[error("{place}: '{name}' is no name for an environment variable")]
    BadName { place: &'static str, name: String },
    #[error(
        "{place} names URIs to fetch for the task, which this version does not do: let the executor's command fetch them"
    )]
    Uris { place: &'static str },
}

/// Finds what `task` is to run. `executor` is the description that the agent sent, `arguments` are the executor's own,
/// its name first.
pub fn resolve(
    task: &TaskInfo,
    executor: Option<&ExecutorInfo>,
    arguments: &[String],
) -> Result<Request, CommandError> {
    if let Some(command) = from_data(task)? {
        return checked(command);
    }
    let mut labels = task.labels.iter().flat_map(|labels| &labels.labels);
    if let Some(label) = labels.find(|label| label.key == LABEL) {
        let value = label.value.as_deref().unwrap_or_default();
        if value.trim().is_empty() {
            return Err(CommandError::NoValue { place: "the label" });
        }
        return checked(Request::shell(value, "the label"));
    }
    if let Some(command) = &task.command {
        return checked(from_command_info(command, "TaskInfo.command")?);
    }
    let own = arguments.first();
    let spliced = executor
        .and_then(|executor| executor.command.as_ref())
        .and_then(|command| splice::arguments_of(command, own));
    if let Some(program) = spliced {
        return checked(Request::of(program, "ExecutorInfo.command"));
    }
    match arguments {
        [_, file, ..] => {
            let program = Program::Exec {
                file: file.clone(),
                argv: arguments[1..].to_vec(),
            };
            checked(Request::of(program, "the executor's arguments"))
        }
        [] | [_] => Err(CommandError::Nothing),
    }
}

impl Request {
    fn of(program: Program, source: &'static str) -> Self {
        Self {
            program,
            environment: Vec::new(),
            user: None,
            uris: Vec::new(),
            checks: Vec::new(),
            options: Options::default(),
            source,
        }
    }

    fn shell(line: &str, source: &'static str) -> Self {
        Self::of(Program::Shell(line.to_owned()), source)
    }
}

fn from_data(task: &TaskInfo) -> Result<Option<Request>, CommandError> {
    let Some(bytes) = task.data.as_deref() else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes).map_err(CommandError::NotText)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    if data::is_json_object(text) {
        data::parse(text).map(Some)
    } else {
        Ok(Some(Request::shell(text, "TaskInfo.data")))
    }
}

/// A v1 `CommandInfo` (Mesos: include/mesos/v1/mesos.proto): `value` for the shell, or a program and its argv.
fn from_command_info(command: &CommandInfo, place: &'static str) -> Result<Request, CommandError> {
    if !command.uris.is_empty() {
        return Err(CommandError::Uris { place });
    }
    let value = command.value.clone().filter(|value| !value.is_empty());
    let value = value.ok_or(CommandError::NoValue { place })?;
    let program = if command.shell.unwrap_or(true) {
        Program::Shell(value)
    } else {
        let argv = if command.arguments.is_empty() {
            vec![value.clone()]
        } else {
            command.arguments.clone()
        };
        Program::Exec { file: value, argv }
    };
    let variables = command.environment.iter().flat_map(|all| &all.variables);
    let environment = variables
        .map(|variable| variable_of(variable, place))
        .collect::<Result<_, _>>()?;
    Ok(Request {
        program,
        environment,
        user: command.user.clone().filter(|user| !user.is_empty()),
        uris: Vec::new(),
        checks: Vec::new(),
        options: Options::default(),
        source: place,
    })
}

fn variable_of(
    variable: &v1::environment::Variable,
    place: &'static str,
) -> Result<(String, String), CommandError> {
    let is_value = variable.r#type() == v1::environment::variable::Type::Value;
    match (&variable.value, is_value) {
        (Some(value), true) => Ok((variable.name.clone(), value.clone())),
        (Some(_) | None, _) => Err(CommandError::NotAValue {
            place,
            name: variable.name.clone(),
        }),
    }
}

/// What the kernel would refuse is refused here, by name.
fn checked(command: Request) -> Result<Request, CommandError> {
    let place = command.source;
    let has_nul = |text: &String| text.contains('\0');
    let nul = |what| Err(CommandError::Nul { place, what });
    match &command.program {
        Program::Shell(line) if has_nul(line) => return nul("the command"),
        Program::Exec { file, argv } if has_nul(file) || argv.iter().any(has_nul) => {
            return nul("the command");
        }
        Program::Shell(_) | Program::Exec { .. } => {}
    }
    for (name, value) in &command.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            let name = name.clone();
            return Err(CommandError::BadName { place, name });
        }
        if has_nul(value) {
            return nul("the environment");
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests;
