//! The task's command inside the executor's.
//!
//! Marathon starts a custom executor as `chmod ug+rx '<path>' && exec '<path>' <cmd>`, mesos-compose as
//! `exec '<path>' <cmd>`, both with the task's command unquoted behind it. The shell that starts the executor splits
//! that command into words and cuts it at the first `;`, `&&` or `|`, so the faithful copy is in
//! `ExecutorInfo.command.value`, behind what these two and a plain `<path> <cmd>` put before it.

use std::ffi::OsStr;
use std::path::Path;

use mesos_proto::v1::CommandInfo;

use crate::Program;

/// What follows the executor's own name in its command. `own` is the name it was started by.
pub(crate) fn arguments_of(command: &CommandInfo, own: Option<&String>) -> Option<Program> {
    let own = Path::new(own?).file_name()?;
    if command.shell.unwrap_or(true) {
        let line = after_name(command.value.as_deref()?, own)?.trim();
        (!line.is_empty()).then(|| Program::Shell(line.to_owned()))
    } else {
        // argv[0] is the executor.
        match &command.arguments[..] {
            [_, file, ..] => Some(Program::Exec {
                file: file.clone(),
                argv: command.arguments[1..].to_vec(),
            }),
            [] | [_] => None,
        }
    }
}

fn after_name<'a>(line: &'a str, own: &OsStr) -> Option<&'a str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("chmod ug+rx ") {
        Some(rest) => named(rest, own)?
            .trim_start()
            .strip_prefix("&&")?
            .trim_start(),
        None => line,
    };
    let line = line.strip_prefix("exec ").unwrap_or(line);
    named(line, own)
}

/// What follows a first word, quoted or not, whose last path component is `own`.
fn named<'a>(line: &'a str, own: &OsStr) -> Option<&'a str> {
    let line = line.trim_start();
    let quote = line
        .chars()
        .next()
        .filter(|first| matches!(first, '\'' | '"'));
    let (word, rest) = match quote {
        Some(quote) => line[1..].split_once(quote)?,
        None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
    };
    (Path::new(word).file_name() == Some(own)).then_some(rest)
}
