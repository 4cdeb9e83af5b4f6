//! What is run around a task's program, and what its failure is called.

use std::fmt;
use std::time::Duration;

use dialect::{Hook, Life};
use mesos_proto::MesosDuration;

use crate::checks::text;
use crate::event::{CommandEnd, Probed};

/// The moments of a task's life at which something may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Everything is ready but the program; part of [`crate::Action::Launch`].
    BeforeStart,
    /// The program runs.
    AfterStart,
    /// The task is told to end.
    BeforeStop,
    /// The second step of its end.
    Deregister,
    /// Nothing of the task runs any more.
    AfterStop,
}

impl Moment {
    /// What a task asks for at this moment.
    pub fn hook_of(self, life: &Life) -> Option<&Hook> {
        match self {
            Self::BeforeStart => life.hooks.before_start.as_ref(),
            Self::AfterStart => life.hooks.after_start.as_ref(),
            Self::BeforeStop => life.hooks.before_stop.as_ref(),
            Self::Deregister => life.stop.deregister.as_ref(),
            Self::AfterStop => life.hooks.after_stop.as_ref(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeStart => "hook before_start",
            Self::AfterStart => "hook after_start",
            Self::BeforeStop => "hook before_stop",
            Self::Deregister => "hook deregister",
            Self::AfterStop => "hook after_stop",
        })
    }
}

/// One bounded sentence about what went wrong with a hook that had this long; none when it succeeded. It ends with the last
/// of what the hook has said.
pub fn hook_failure(moment: Moment, timeout: Duration, outcome: &Probed) -> Option<String> {
    let (sentence, detail) = match outcome {
        Probed::Command {
            status: CommandEnd::Exited(0),
            ..
        } => return None,
        Probed::Command { status, output } => {
            let end = match status {
                CommandEnd::Exited(status) => format!("exited with status {status}"),
                CommandEnd::Signalled(signal) => format!("was ended by signal {signal}"),
                CommandEnd::Unknown => "ended in an unknown way".to_owned(),
            };
            (format!("{moment} {end}"), output)
        }
        Probed::TimedOut { output } => {
            let within = MesosDuration::from_std(timeout);
            let within = within.map_or_else(|_| format!("{timeout:?}"), |time| time.to_string());
            (format!("{moment} did not end within {within}"), output)
        }
        Probed::Error { message } => (format!("{moment} could not be run"), message),
        // No command ends like these.
        Probed::Http { detail, .. } | Probed::Tcp { detail, .. } => {
            (format!("{moment} could not be run"), detail)
        }
    };
    Some(match text::tail(detail, text::DETAIL_LIMIT) {
        detail if detail.is_empty() => sentence,
        detail => format!("{sentence}: {detail}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure(outcome: &Probed) -> Option<String> {
        hook_failure(Moment::AfterStop, SECOND, outcome)
    }

    #[test]
    fn a_failure_says_which_hook_and_what_it_said_last() {
        let command = |status, output: &str| Probed::Command {
            status,
            output: output.to_owned(),
        };
        assert_eq!(
            failure(&command(CommandEnd::Exited(0), "all is well")),
            None
        );
        for (outcome, expected) in [
            (
                command(CommandEnd::Exited(3), "first\nlast\n"),
                "hook after_stop exited with status 3: first\nlast",
            ),
            (
                command(CommandEnd::Signalled(9), ""),
                "hook after_stop was ended by signal 9",
            ),
            (
                Probed::TimedOut {
                    output: "still at it".into(),
                },
                "hook after_stop did not end within 1secs: still at it",
            ),
            (
                Probed::Error {
                    message: "no such file".into(),
                },
                "hook after_stop could not be run: no such file",
            ),
        ] {
            assert_eq!(failure(&outcome).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_a_hook_says_is_bounded() {
        let output = "x".repeat(1 << 20);
        let failure = failure(&Probed::TimedOut { output }).unwrap();
        assert!(failure.len() < 2 * text::DETAIL_LIMIT, "{}", failure.len());
    }
}
