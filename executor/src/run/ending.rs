//! How a command in a sandbox ended: the exit status, and the last line on standard error.

use executor_core::{CommandEnd, Ended, Fault, LimitKind, Limitation, StartFailure};
use mesos_proto::MesosDuration;

use super::NO_SANDBOX;

/// How it ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// By itself, or by a signal.
    Command(Ended),
    /// It broke a limit.
    Limit(Limitation),
    /// It ran longer than it may.
    Timeout(MesosDuration),
    /// It did not start.
    NotStarted(StartFailure),
    /// This process was told to end before it started.
    Cancelled {
        /// The number of the signal that told it.
        signal: i32,
    },
    /// It could not be ended in time: the kernel holds it.
    Unreaped,
    /// What it needs could not be made.
    NoSandbox(String),
}

// What `run --help` says.
const MEMORY: u8 = 122;
const DISK: u8 = 123;
const TIMEOUT: u8 = 124;
const NOT_STARTED: u8 = 126;
const SIGNALS: i32 = 128;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

impl Ending {
    /// The exit status.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Command(ended) => match ended.exit {
                // The kernel has no others.
                CommandEnd::Exited(code) => u8::try_from(code).unwrap_or(u8::MAX),
                CommandEnd::Signalled(signal) => of_signal(signal),
                CommandEnd::Unknown => NO_SANDBOX,
            },
            Self::Limit(limitation) => match limitation.kind {
                LimitKind::Memory => MEMORY,
                LimitKind::Disk => DISK,
                // As a shell has it.
                LimitKind::CpuTime => of_signal(SIGXCPU),
                LimitKind::FileSize => of_signal(SIGXFSZ),
            },
            Self::Timeout(_) => TIMEOUT,
            Self::NotStarted(failure) => match failure.fault {
                Fault::Task | Fault::Framework => NOT_STARTED,
                Fault::Host => NO_SANDBOX,
            },
            Self::Cancelled { signal } => of_signal(*signal),
            Self::Unreaped | Self::NoSandbox(_) => NO_SANDBOX,
        }
    }

    /// What to say of it, in one line.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Command(ended) => format!("Command {}", ended.description),
            // The statistics after it are for an agent.
            Self::Limit(limitation) => {
                let first = limitation.message.lines().next();
                first.unwrap_or_default().to_owned()
            }
            Self::Timeout(timeout) => format!("Command did not end within {timeout}"),
            Self::NotStarted(failure) => failure.message.replace('\n', " "),
            Self::Cancelled { .. } => "Killed before the command was started".to_owned(),
            Self::Unreaped => "Command could not be ended: the kernel holds it".to_owned(),
            Self::NoSandbox(why) => format!("no sandbox: {why}"),
        }
    }
}

fn of_signal(signal: i32) -> u8 {
    u8::try_from(SIGNALS + signal).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit: CommandEnd) -> Ending {
        Ending::Command(Ended {
            exit,
            description: "exited with status 3".to_owned(),
            limitation: None,
            refused: None,
            stderr_tail: None,
        })
    }

    #[test]
    fn the_status_is_the_commands_own_or_that_of_its_signal() {
        assert_eq!(ended(CommandEnd::Exited(3)).status(), 3);
        assert_eq!(ended(CommandEnd::Signalled(9)).status(), 137);
        assert_eq!(ended(CommandEnd::Unknown).status(), 125);
        assert_eq!(Ending::Cancelled { signal: 15 }.status(), 143);
    }

    #[test]
    fn the_reason_of_a_broken_limit_is_one_line() {
        let limit = Ending::Limit(Limitation {
            kind: LimitKind::Memory,
            message: "Memory limit exceeded: Requested: 1MB\n\nMEMORY STATISTICS: \nrss 1\n".into(),
            resources: Vec::new(),
        });
        assert_eq!(limit.reason(), "Memory limit exceeded: Requested: 1MB");
        assert_eq!(limit.status(), 122);
    }

    #[test]
    fn whose_fault_it_is_that_nothing_started_can_be_told_by_the_status() {
        let failed = |fault| {
            let message = "no".to_owned();
            Ending::NotStarted(StartFailure { fault, message }).status()
        };
        assert_eq!(failed(Fault::Task), 126);
        assert_eq!(failed(Fault::Host), 125);
    }
}
