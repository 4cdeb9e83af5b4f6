//! A v1 `CommandInfo` (Mesos: include/mesos/v1/mesos.proto): what to run, as whom, with which variables and files.

use mesos_proto::v1::{self, CommandInfo, command_info};

use crate::{Checksum, CommandError, Place, Program, ProgramError, Uri, UriError};

/// What a command asks for, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) program: Program,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) user: Option<String>,
    pub(crate) uris: Vec<Uri>,
}

impl Wanted {
    pub(crate) fn of(program: Program) -> Self {
        Self {
            program,
            environment: Vec::new(),
            user: None,
            uris: Vec::new(),
        }
    }
}

/// Reads and checks `command`, which is at `place`.
pub(crate) fn wanted(command: &CommandInfo, place: Place) -> Result<Wanted, CommandError> {
    let (program, environment) =
        program(command).map_err(|source| CommandError::Program { place, source })?;
    let uris = command.uris.iter().enumerate().map(|(index, from)| {
        uri(from).map_err(|source| CommandError::Uri {
            place,
            number: index + 1,
            source,
        })
    });
    Ok(Wanted {
        program,
        environment,
        user: command.user.clone().filter(|user| !user.is_empty()),
        uris: uris.collect::<Result<_, _>>()?,
    })
}

/// A command that is a line for the shell.
pub(crate) fn line(line: String) -> CommandInfo {
    CommandInfo {
        value: Some(line),
        ..CommandInfo::default()
    }
}

/// `value` for the shell, or a program and its argv; and the variables.
pub(crate) fn program(
    command: &CommandInfo,
) -> Result<(Program, Vec<(String, String)>), ProgramError> {
    let value = command.value.clone().filter(|value| !value.is_empty());
    let value = value.ok_or(ProgramError::NoValue)?;
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
    let environment: Vec<_> = variables.map(variable).collect::<Result<_, _>>()?;
    check(&program)?;
    Ok((program, environment))
}

fn variable(variable: &v1::environment::Variable) -> Result<(String, String), ProgramError> {
    let name = variable.name.clone();
    let is_value = variable.r#type() == v1::environment::variable::Type::Value;
    let Some(value) = variable.value.clone().filter(|_| is_value) else {
        return Err(ProgramError::NotAValue { name });
    };
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(ProgramError::BadName { name });
    }
    if value.contains('\0') {
        let what = "the environment";
        return Err(ProgramError::Nul { what });
    }
    Ok((name, value))
}

/// What the kernel would refuse is refused here, by name.
pub(crate) fn check(program: &Program) -> Result<(), ProgramError> {
    let has_nul = |text: &String| text.contains('\0');
    let bad = match program {
        Program::Shell(line) => has_nul(line),
        Program::Exec { file, argv } => has_nul(file) || argv.iter().any(has_nul),
    };
    match bad {
        true => Err(ProgramError::Nul {
            what: "the command",
        }),
        false => Ok(()),
    }
}

/// `cache` is the agent's affair: what the executor fetches, it fetches for one task.
pub(crate) fn uri(from: &command_info::Uri) -> Result<Uri, UriError> {
    let output_file = from.output_file.as_deref();
    Ok(Uri {
        value: checked_value(&from.value)?,
        executable: from.executable.unwrap_or(false),
        extract: from.extract.unwrap_or(true),
        output_file: output_file.map(inside).transpose()?,
        checksum: None,
    })
}

fn checked_value(value: &str) -> Result<String, UriError> {
    let value = value.trim();
    if value.is_empty() {
        return Err(UriError::NoValue);
    }
    match value.chars().any(char::is_control) {
        true => Err(UriError::Blank),
        false => Ok(value.to_owned()),
    }
}

/// A path that stays inside of the directory that it is looked up in, as far as its text tells.
pub(crate) fn inside(path: &str) -> Result<String, UriError> {
    let is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
    match path.contains('\0') || path.split('/').any(is_bad) {
        true => Err(UriError::OutputFile),
        false => Ok(path.to_owned()),
    }
}

/// `sha256:<64 digits>` and its like.
pub(crate) fn checksum(text: &str) -> Result<Checksum, UriError> {
    let (kind, digits) = text.split_once(':').ok_or(UriError::Checksum)?;
    let (length, of): (_, fn(String) -> Checksum) = match kind {
        "md5" => (32, Checksum::Md5),
        "sha256" => (64, Checksum::Sha256),
        "sha512" => (128, Checksum::Sha512),
        _ => return Err(UriError::Checksum),
    };
    match digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(of(digits.to_ascii_lowercase())),
        false => Err(UriError::Checksum),
    }
}
