//! What a finding says to a check, and to a person.

use std::time::Duration;

use dialect::{Check, HttpProbe, Probe, Target};
use mesos_proto::MesosDuration;

use super::text;
use crate::event::{CommandEnd, Probed};

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
            Self::Command { status, .. } => *status == CommandEnd::Exited(0),
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
            Self::Command { status, output } => {
                let end = match status {
                    CommandEnd::Exited(status) => format!("exited with status {status}"),
                    CommandEnd::Signalled(signal) => format!("was ended by signal {signal}"),
                    CommandEnd::Unknown => "ended in an unknown way".to_owned(),
                };
                (format!("{what} {end}"), output)
            }
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
            Self::Error { message } => {
                let verb = match probe {
                    Probe::Command { .. } => "could not be run",
                    Probe::Http(_) => "gave no answer",
                    Probe::Tcp { .. } => "could not be tried",
                };
                (format!("{what} {verb}"), message)
            }
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
