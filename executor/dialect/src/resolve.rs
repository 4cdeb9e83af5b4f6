//! From a task to a [`Request`].

use mesos_proto::TaskInfo;
use mesos_proto::v1::ExecutorInfo;

use crate::command_info::{self, Wanted};
use crate::data::Said;
use crate::labels::Labels;
use crate::{CommandError, LABEL, Place, Program, ProgramError, Request};
use crate::{container, data, health, labels, limit_keys, ports, splice};

/// Finds what `task` asks for. `executor` is the description that the agent sent, `arguments` are the executor's own,
/// its name first.
///
/// A custom executor gets no `TaskInfo.command` (Mesos: src/master/validation.cpp), so every framework tells in a way of
/// its own what to run. The first source that says anything decides, in this order:
///
/// 1. `TaskInfo.data` as JSON: our own schema, Singularity's, or a v1 `CommandInfo`;
/// 2. `TaskInfo.data` as text: a shell command;
/// 3. the label [`LABEL`]: a shell command;
/// 4. `TaskInfo.command`: tasks of a group have one;
/// 5. what follows the executor's own name in `ExecutorInfo.command`, where Marathon and mesos-compose put it;
/// 6. the executor's own arguments.
///
/// A task with a command and without an executor is one of Mesos's command executor, in whose place this one is then
/// started: its command alone decides, its data is the framework's own affair, and its URIs were fetched by the agent
/// (Mesos: src/slave/slave.cpp, `getExecutorInfo`).
///
/// Checks are `TaskInfo.health_check` and `TaskInfo.check`, then those of the data, or, where it names none, those of
/// the labels; so with each of the options, and with `sandbox` and `limits` as a whole, of which `TaskInfo.container` and
/// `TaskInfo.limits` count before.
///
/// # Errors
///
/// A source that says something unusable is an error, not a reason to go on to the next: [`CommandError`] is what the
/// framework did wrong, and its text the message of the task's TASK_ERROR.
pub fn resolve(
    task: &TaskInfo,
    executor: Option<&ExecutorInfo>,
    arguments: &[String],
) -> Result<Request, CommandError> {
    let ports: Vec<u16> = ports::of(task).iter().map(|port| port.number).collect();
    let labels = labels::read(task, &ports)?;
    let is_command_task = task.executor.is_none() && task.command.is_some();
    let said = match is_command_task {
        true => Said::default(),
        false => data::read(task, &ports)?,
    };
    let (mut wanted, source) = match said.wanted {
        Some(wanted) => (wanted, Place::Data),
        None => elsewhere(task, executor, arguments, &labels, is_command_task)?,
    };
    command_info::check(&wanted.program).map_err(|problem| CommandError::Program {
        place: source,
        source: problem,
    })?;
    if is_command_task {
        wanted.uris.clear();
    }
    let mut wishes = said.wishes.or(labels.wishes);
    let logs = wishes.logs.take().unwrap_or_default();
    let messages = wishes.messages.take().unwrap_or_default();
    let sandbox = container::over(
        container::of(task, is_command_task)?,
        wishes.sandbox.take().unwrap_or_default(),
    )?;
    let limits = limit_keys::of_task(task, wishes.limits.take().unwrap_or_default())?;
    let (more_checks, options, life) = wishes.granted();
    let mut checks = health::of(task)?;
    checks.extend(more_checks);
    Ok(Request {
        program: wanted.program,
        environment: wanted.environment,
        user: wanted.user,
        uris: wanted.uris,
        checks,
        logs,
        messages,
        life,
        sandbox,
        limits,
        options,
        without_effect: said.without_effect,
        source,
    })
}

/// The command of a task whose data names none.
fn elsewhere(
    task: &TaskInfo,
    executor: Option<&ExecutorInfo>,
    arguments: &[String],
    labels: &Labels,
    is_command_task: bool,
) -> Result<(Wanted, Place), CommandError> {
    let label = labels.command.as_ref().filter(|_| !is_command_task);
    if let Some(line) = label {
        let program = Program::Shell(line.clone());
        return Ok((Wanted::of(program), Place::Label(LABEL)));
    }
    if let Some(command) = &task.command {
        let place = Place::Command;
        return Ok((command_info::wanted(command, place)?, place));
    }
    let spliced = executor
        .and_then(|executor| executor.command.as_ref())
        .and_then(|command| splice::arguments_of(command, arguments.first()));
    if let Some(program) = spliced {
        return Ok((Wanted::of(program), Place::Executor));
    }
    let [_, argv @ ..] = arguments else {
        return Err(CommandError::Nothing);
    };
    let [file, ..] = argv else {
        return Err(CommandError::Nothing);
    };
    if file.is_empty() {
        return Err(CommandError::Program {
            place: Place::Arguments,
            source: ProgramError::NoValue,
        });
    }
    let program = Program::Exec {
        file: file.clone(),
        argv: argv.to_vec(),
    };
    Ok((Wanted::of(program), Place::Arguments))
}
