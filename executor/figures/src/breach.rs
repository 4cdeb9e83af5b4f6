//! What the disk watcher tells an executor, which can end the right task and report the true reason, and what it answers.
//!
//! On the socket [`SOCKET`] in the executor's own directory: one line, and one line back.
//!
//! ```json
//! { "disk_breach": { "task_id": "web.1", "used_bytes": 10489856, "limit_bytes": 10485760,
//!                    "message": "Disk usage (10244KB) exceeds quota (10MB)" } }
//! { "accepted": { "task_id": "web.1" } }
//! ```
//!
//! The other answers are `"unknown_task"` and `{ "refused": { "why": "..." } }`.
//!
//! A task is named by `task_id`, by `directory` (that of [`crate::Task`]), or by both. A breach that names neither is of
//! the container as a whole. `volume` is the id of the persistent volume that is over its limit, where it is one.

use serde::{Deserialize, Serialize};

/// The name of the socket in [`crate::DIRECTORY`].
pub const SOCKET: &str = "commands.sock";

/// The longest line, either way, its end included, in bytes. Longer is no command, and no answer.
pub const LONGEST_LINE: usize = 16 << 10;

/// The longest message that a command is given, in bytes; escaped in JSON it may take six times that.
const LONGEST_MESSAGE: usize = 2 << 10;

/// One line to an executor. Unlike with figures, a key that is not known is refused: who is not understood is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Something uses more of a disk than it may: the executor is to end whose fault it is.
    DiskBreach(DiskBreach),
}

/// What was found of a task, of one of its volumes, or of a container as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskBreach {
    /// As the framework named the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The name of the task's directory, as the executor publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The id of the persistent volume that is meant, and not the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// What was found, as it counts toward the limit.
    pub used_bytes: u64,
    /// What it may use.
    pub limit_bytes: u64,
    /// For the task's terminal update: Mesos's words in the first line, more in those after it.
    pub message: String,
}

/// One line from the executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It has looked for itself, and ends this task.
    Accepted {
        /// Whom it ends.
        task_id: String,
    },
    /// No such task runs.
    UnknownTask,
    /// It does not.
    Refused {
        /// For a person.
        why: String,
    },
}

/// Why a line is no command, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoCommand {
    /// No JSON, a key that is not known, or one that is missing.
    #[error("read a line of {SOCKET}: {0}")]
    Broken(serde_json::Error),
    /// See [`LONGEST_LINE`].
    #[error("read a line of {SOCKET}: it is longer than {LONGEST_LINE} bytes")]
    Long,
    /// What is used is no more than the limit.
    #[error("read a line of {SOCKET}: {used_bytes} bytes break no limit of {limit_bytes}")]
    NoBreach {
        /// See [`DiskBreach`].
        used_bytes: u64,
        /// See [`DiskBreach`].
        limit_bytes: u64,
    },
}

impl Command {
    /// One line, with its end. A message that is too long is cut; other texts are ids, which are as short as they were
    /// found.
    pub fn line(&self) -> Vec<u8> {
        let Self::DiskBreach(breach) = self;
        let message = &breach.message;
        let message = &message[..message.floor_char_boundary(LONGEST_MESSAGE)];
        line(&Self::DiskBreach(DiskBreach {
            message: message.to_owned(),
            ..breach.clone()
        }))
    }

    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// See [`NoCommand`].
    pub fn parse(line: &[u8]) -> Result<Self, NoCommand> {
        let command = parse(line)?;
        let Self::DiskBreach(DiskBreach {
            used_bytes,
            limit_bytes,
            ..
        }) = command;
        match used_bytes > limit_bytes {
            true => Ok(command),
            false => Err(NoCommand::NoBreach {
                used_bytes,
                limit_bytes,
            }),
        }
    }
}

impl Answer {
    /// One line, with its end.
    pub fn line(&self) -> Vec<u8> {
        line(self)
    }

    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// See [`NoCommand`].
    pub fn parse(line: &[u8]) -> Result<Self, NoCommand> {
        parse(line)
    }
}

fn line(of: &impl Serialize) -> Vec<u8> {
    // Texts and numbers alone: it cannot fail.
    let mut line = serde_json::to_vec(of).unwrap_or_default();
    line.push(b'\n');
    line
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, NoCommand> {
    match line.len() > LONGEST_LINE {
        true => Err(NoCommand::Long),
        false => serde_json::from_slice(line).map_err(NoCommand::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"disk_breach":{"task_id":"web.1","volume":"v","used_bytes":4097,
        "limit_bytes":4096,"message":"Disk usage (5KB) exceeds quota (4KB)"}}"#;

    fn breach() -> DiskBreach {
        DiskBreach {
            task_id: Some("web.1".to_owned()),
            directory: None,
            volume: Some("v".to_owned()),
            used_bytes: 4097,
            limit_bytes: 4096,
            message: "Disk usage (5KB) exceeds quota (4KB)".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was_on_one_line() {
        let command = Command::DiskBreach(DiskBreach {
            message: "first\nsecond".to_owned(),
            ..breach()
        });
        let line = command.line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(Command::parse(&line).unwrap(), command);
        for answer in [
            Answer::Accepted {
                task_id: "a\nb".to_owned(),
            },
            Answer::UnknownTask,
            Answer::Refused {
                why: "it uses 1KB".to_owned(),
            },
        ] {
            assert_eq!(Answer::parse(&answer.line()).unwrap(), answer);
        }
    }

    #[test]
    fn a_command_is_read_as_it_is_documented() {
        let command = Command::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(command, Command::DiskBreach(breach()));
        let answer = Answer::parse(br#"{"accepted":{"task_id":"web.1"}}"#).unwrap();
        let task_id = "web.1".to_owned();
        assert_eq!(answer, Answer::Accepted { task_id });
        assert_eq!(Answer::UnknownTask.line(), b"\"unknown_task\"\n");
    }

    #[test]
    fn a_long_message_is_cut_so_that_the_line_is_never_too_long() {
        for letter in ["\u{1}", "ä", "\\"] {
            let command = Command::DiskBreach(DiskBreach {
                message: letter.repeat(100_000),
                ..breach()
            });
            let Command::DiskBreach(read) = Command::parse(&command.line()).unwrap();
            assert!((2000..=LONGEST_MESSAGE).contains(&read.message.len()));
        }
    }

    #[test]
    fn what_is_no_command_is_refused_however_it_is_wrong() {
        let long = [TEXT, &" ".repeat(LONGEST_LINE)].concat();
        for text in [
            "",
            "{}",
            "null",
            "[1]",
            r#"{"disk_breach":{}}"#,
            r#"{"kill":{"task_id":"t"}}"#,
            // What does not know a key would do more than it was asked for.
            r#"{"disk_breach":{"used_bytes":2,"limit_bytes":1,"message":"","dry_run":true}}"#,
            r#"{"disk_breach":{"used_bytes":-2,"limit_bytes":1,"message":""}}"#,
            r#"{"disk_breach":{"used_bytes":1,"limit_bytes":1,"message":""}}"#,
            &long,
        ] {
            assert!(Command::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    /// Every command that differs in one byte, or is cut short.
    #[test]
    fn a_command_that_is_changed_anywhere_is_read_or_refused() {
        for at in 0..TEXT.len() {
            let mut bytes = TEXT.as_bytes().to_vec();
            for byte in [0, b'"', b'9', b'-', b'[', b'{', b',', 0xff] {
                bytes[at] = byte;
                if let Ok(Command::DiskBreach(breach)) = Command::parse(&bytes) {
                    assert!(breach.used_bytes > breach.limit_bytes);
                }
            }
            assert!(Command::parse(&TEXT.as_bytes()[..at]).is_err());
        }
    }
}
