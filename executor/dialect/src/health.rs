//! Checks in Mesos's own messages (Mesos: docs/health-checks.md; src/common/validation.cpp).

use std::time::Duration;

use mesos_proto::v1::network_info::Protocol;
use mesos_proto::v1::{CheckInfo, CommandInfo, HealthCheck, TaskInfoFields};
use mesos_proto::v1::{check_info, health_check};

use crate::command_info::program;
use crate::{Check, CheckError, CommandError, HttpProbe, Probe, Role, Target};

/// How a check is timed, as the framework says it. The defaults are mesos.proto's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub(crate) delay: Option<f64>,
    pub(crate) interval: Option<f64>,
    pub(crate) timeout: Option<f64>,
    pub(crate) grace_period: Option<f64>,
    pub(crate) consecutive_failures: Option<u32>,
}

impl Timing {
    /// The check that is timed so. What ends no task has neither a grace period nor a count of failures.
    pub(crate) fn check(self, name: String, role: Role, probe: Probe) -> Result<Check, CheckError> {
        let timeout = seconds("timeout_seconds", self.timeout, 20)?;
        let grace_period = seconds("grace_period_seconds", self.grace_period, 10)?;
        let failures = self.consecutive_failures.unwrap_or(3);
        let ends_tasks = role == Role::Health;
        Ok(Check {
            name,
            role,
            probe,
            delay: seconds("delay_seconds", self.delay, 15)?,
            interval: seconds("interval_seconds", self.interval, 10)?,
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            grace_period: if ends_tasks {
                grace_period
            } else {
                Duration::ZERO
            },
            consecutive_failures: Some(failures).filter(|&most| ends_tasks && most > 0),
        })
    }
}

/// As many seconds as fit Mesos's 64 bits of nanoseconds.
const MOST_SECONDS: f64 = 9_223_372_036.0;

fn seconds(field: &'static str, value: Option<f64>, default: u64) -> Result<Duration, CheckError> {
    let Some(value) = value else {
        return Ok(Duration::from_secs(default));
    };
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|_| value <= MOST_SECONDS)
        .ok_or(CheckError::Seconds { field })
}

/// `TaskInfo.health_check` and `TaskInfo.check`.
pub(crate) fn of(task: &TaskInfoFields) -> Result<Vec<Check>, CommandError> {
    let at = |place: &str| {
        let check = place.to_owned();
        move |source| CommandError::Check { check, source }
    };
    let health = task.health_check.as_ref().map(health_check);
    let general = task.check.as_ref().map(general_check);
    let health = health.transpose().map_err(at("TaskInfo.health_check"))?;
    let general = general.transpose().map_err(at("TaskInfo.check"))?;
    Ok(health.into_iter().chain(general).collect())
}

fn health_check(check: &HealthCheck) -> Result<Check, CheckError> {
    let probe = match check.r#type() {
        health_check::Type::Unknown => return Err(CheckError::NoType),
        health_check::Type::Command => command_probe(check.command.as_ref())?,
        health_check::Type::Http => {
            let http = check.http.as_ref().ok_or(missing("http", "HTTP"))?;
            Probe::Http(HttpProbe {
                https: is_https(http.scheme.as_deref())?,
                verify: false,
                target: target(loopback(http.protocol()), http.port)?,
                path: path(http.path.as_deref())?,
                headers: Vec::new(),
                statuses: http.statuses.clone(),
            })
        }
        health_check::Type::Tcp => {
            let tcp = check.tcp.as_ref().ok_or(missing("tcp", "TCP"))?;
            let target = target(loopback(tcp.protocol()), tcp.port)?;
            Probe::Tcp { target }
        }
    };
    let timing = Timing {
        delay: check.delay_seconds,
        interval: check.interval_seconds,
        timeout: check.timeout_seconds,
        grace_period: check.grace_period_seconds,
        consecutive_failures: check.consecutive_failures,
    };
    timing.check("health check".to_owned(), Role::Health, probe)
}

fn general_check(check: &CheckInfo) -> Result<Check, CheckError> {
    let probe = match check.r#type() {
        check_info::Type::Unknown => return Err(CheckError::NoType),
        check_info::Type::Command => {
            let command = check.command.as_ref().map(|inner| &inner.command);
            command_probe(command)?
        }
        check_info::Type::Http => {
            let http = check.http.as_ref().ok_or(missing("http", "HTTP"))?;
            Probe::Http(HttpProbe {
                https: false,
                verify: false,
                target: target(loopback(Protocol::IPv4), http.port)?,
                path: path(http.path.as_deref())?,
                headers: Vec::new(),
                statuses: Vec::new(),
            })
        }
        check_info::Type::Tcp => {
            let tcp = check.tcp.as_ref().ok_or(missing("tcp", "TCP"))?;
            let target = target(loopback(Protocol::IPv4), tcp.port)?;
            Probe::Tcp { target }
        }
    };
    let timing = Timing {
        delay: check.delay_seconds,
        interval: check.interval_seconds,
        timeout: check.timeout_seconds,
        ..Timing::default()
    };
    timing.check("check".to_owned(), Role::General, probe)
}

pub(crate) fn missing(field: &'static str, kind: &'static str) -> CheckError {
    CheckError::Missing { field, kind }
}

/// Like Mesos, takes no notice of a `user` and of `uris`: a check runs as its task, with its task's files.
fn command_probe(command: Option<&CommandInfo>) -> Result<Probe, CheckError> {
    let command = command.ok_or(missing("command", "COMMAND"))?;
    let (program, environment) = program(command)?;
    Ok(Probe::Command {
        program,
        environment,
    })
}

/// Where a check goes that names no host: to the task's own network (Mesos: src/checks/checker_process.cpp).
pub(crate) fn loopback(protocol: Protocol) -> String {
    match protocol {
        Protocol::IPv4 => "127.0.0.1",
        Protocol::IPv6 => "::1",
    }
    .to_owned()
}

pub(crate) fn target(host: String, port: u32) -> Result<Target, CheckError> {
    let port = u16::try_from(port).ok().filter(|&port| port != 0);
    let port = port.ok_or(CheckError::Port)?;
    Ok(Target { host, port })
}

pub(crate) fn is_https(scheme: Option<&str>) -> Result<bool, CheckError> {
    match scheme {
        None | Some("http") => Ok(false),
        Some("https") => Ok(true),
        Some(_) => Err(CheckError::Scheme),
    }
}

pub(crate) fn path(path: Option<&str>) -> Result<String, CheckError> {
    let path = path.unwrap_or("/");
    let is_bad = |letter: char| letter.is_control() || letter.is_whitespace();
    match path.starts_with('/') && !path.contains(is_bad) {
        true => Ok(path.to_owned()),
        false => Err(CheckError::Path),
    }
}
