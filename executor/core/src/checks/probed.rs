//! What a probe found, and what that says to a check.

use std::time::Duration;

use dialect::{Check, HttpProbe, Probe, Target};
use mesos_proto::MesosDuration;

use super::text;

/// What one look of a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The command of a COMMAND check ended.
    Command {
        /// How.
        end: CommandEnd,
        /// The last of what it wrote to stdout and stderr.
        output: String,
    },
    /// An HTTP server answered.
    Http {
        /// The status of the last answer, after redirects.
        status: u32,
        /// Who gave it, when that was somebody else than was asked at first; empty otherwise.
        detail: String,
    },
    /// A TCP connection came about, or was refused by the network or its other end.
    Tcp {
        /// Whether it came about.
        connected: bool,
        /// Why not; empty when it did.
        detail: String,
    },
    /// The check's timeout passed first. Whatever was started for the look is gone.
    TimedOut {
        /// The last of what its command wrote; empty for the other kinds.
        output: String,
    },
    /// There is no answer: no HTTP server that answers with HTTP, or a look that could not be made at all.
    Error {
        /// What was attempted and what went wrong.
        message: String,
    },
}

/// How the command of a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself, with this status.
    Exited(i32),
    /// In another way, in words that go with "command": `terminated with signal Killed`.
    Signaled(String),
}

impl Probed {
    /// What this says to `check`, a health or readiness check: nothing wrong, or what.
    pub(super) fn verdict(&self, check: &Check) -> Result<(), String> {
        if self.is_success(&check.probe) {
            Ok(())
        } else {
            Err(self.describe(&check.probe, check.timeout))
        }
    }

    fn is_success(&self, probe: &Probe) -> bool {
        match self {
            Self::Command { end, .. } => *end == CommandEnd::Exited(0),
            Self::Http { status, .. } => match probe {
                Probe::Http(HttpProbe { statuses, .. }) if !statuses.is_empty() => {
                    statuses.contains(status)
                }
                Probe::Http(_) | Probe::Command { .. } | Probe::Tcp { .. } => {
                    (200..400).contains(status)
                }
            },
            Self::Tcp { connected, .. } => *connected,
            Self::TimedOut { .. } | Self::Error { .. } => false,
        }
    }

    /// One bounded sentence about what was found, for a person.
    fn describe(&self, probe: &Probe, timeout: Option<Duration>) -> String {
        let what = what(probe);
        let (sentence, detail) = match self {
            Self::Command {
                end: CommandEnd::Exited(status),
                output,
            } => (format!("{what} exited with status {status}"), output),
            Self::Command {
                end: CommandEnd::Signaled(how),
                output,
            } => (format!("{what} {how}"), output),
            Self::Http { status, detail } => (format!("{what} answered {status}"), detail),
            Self::Tcp {
                connected: true,
                detail,
            } => (format!("{what} is connected"), detail),
            Self::Tcp {
                connected: false,
                detail,
            } => (format!("{what} is not reachable"), detail),
            Self::TimedOut { output } => {
                let verb = match probe {
                    Probe::Command { .. } => "did not end",
                    Probe::Http(_) | Probe::Tcp { .. } => "did not answer",
                };
                let within = timeout.and_then(|timeout| MesosDuration::from_std(timeout).ok());
                let within = within.map_or(String::new(), |within| format!(" within {within}"));
                (format!("{what} {verb}{within}"), output)
            }
            Self::Error { message } => (format!("{what} could not be checked"), message),
        };
        match text::tail(detail, text::DETAIL_LIMIT) {
            detail if detail.is_empty() => sentence,
            detail => format!("{sentence}: {detail}"),
        }
    }
}

/// What a probe looks at.
fn what(probe: &Probe) -> String {
    match probe {
        Probe::Command { .. } => "command".to_owned(),
        Probe::Http(http) => {
            let scheme = if http.https { "HTTPS" } else { "HTTP" };
            let path = text::head(&http.path, text::PATH_LIMIT);
            format!("{scheme} {}{path}", address(&http.target))
        }
        Probe::Tcp { target } => format!("TCP {}", address(target)),
    }
}

fn address(target: &Target) -> String {
    let host = text::head(&target.host, text::PATH_LIMIT);
    if host.contains(':') {
        format!("[{host}]:{}", target.port)
    } else {
        format!("{host}:{}", target.port)
    }
}
