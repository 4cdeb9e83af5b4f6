//! Checks as JSON, in data and in labels: a v1 `HealthCheck` as Mesos's own API writes it, and more.
//!
//! ```json
//! [ { "type": "HTTP", "name": "front door",
//!     "http": { "scheme": "https", "verify": true, "host": "10.0.0.7", "port_index": 0, "path": "/health",
//!               "headers": { "Host": "www.example.com" }, "statuses": [ 200 ], "protocol": "IPv4" },
//!     "delay_seconds": 0, "interval_seconds": 5, "timeout_seconds": 2, "grace_period_seconds": 60,
//!     "consecutive_failures": 5 },
//!   { "type": "TCP", "tcp": { "port": 8080 } },
//!   { "type": "COMMAND", "command": { "value": "test -e ready" } } ]
//! ```
//!
//! A `port` is the port itself; a `port_index` counts the task's own from 0, as `PORT0` does, which a label that is
//! written before the ports are known needs. A readiness check has neither a grace period nor a count of failures.

use mesos_proto::v1::network_info::Protocol;

use crate::command_info;
use crate::data;
use crate::health::{Timing, is_https, loopback, missing, path, target};
use crate::json::{Element, JsonError, Keys};
use crate::{Check, CheckError, CommandError, HttpProbe, Place, Probe, Role, Target};

/// The longest name that a check keeps, in characters: it goes into messages.
const LONGEST_NAME: usize = 64;

/// The checks of a list at `place`, of a task with these ports.
pub(crate) fn checks(
    list: Vec<Element>,
    role: Role,
    ports: &[u16],
    place: Place,
) -> Result<Vec<Check>, CommandError> {
    let checks = list.into_iter().enumerate().map(|(index, element)| {
        let at = format!("{place}: {}", element.path);
        check(element, role, index + 1, ports)
            .map_err(|source| CommandError::Check { check: at, source })
    });
    checks.collect()
}

fn check(element: Element, role: Role, number: usize, ports: &[u16]) -> Result<Check, CheckError> {
    let mut keys = element.keys()?;
    let name = name(&mut keys, role, number)?;
    let kind = keys.text("type")?;
    let probe = match kind.as_deref() {
        Some("COMMAND") => {
            let inner = keys.object("command")?;
            command(inner.ok_or(missing("command", "COMMAND"))?)?
        }
        Some("HTTP") => {
            let inner = keys.object("http")?;
            http(inner.ok_or(missing("http", "HTTP"))?, ports)?
        }
        Some("TCP") => {
            let mut inner = keys.object("tcp")?.ok_or(missing("tcp", "TCP"))?;
            let target = target_of(&mut inner, ports)?;
            inner.end()?;
            Probe::Tcp { target }
        }
        Some(_) | None => return Err(CheckError::NoType),
    };
    let mut timing = Timing {
        delay: keys.number("delay_seconds")?,
        interval: keys.number("interval_seconds")?,
        timeout: keys.number("timeout_seconds")?,
        ..Timing::default()
    };
    if role == Role::Health {
        timing.grace_period = keys.number("grace_period_seconds")?;
        let failures = keys.count("consecutive_failures")?;
        // More than 32 bits of failures are as good as any number that no task lives to see.
        timing.consecutive_failures = failures.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    }
    keys.end()?;
    timing.check(name, role, probe)
}

fn name(keys: &mut Keys, role: Role, number: usize) -> Result<String, JsonError> {
    let what = match role {
        Role::Health => "health check",
        Role::Readiness => "readiness check",
        Role::General => "check",
    };
    let name = keys.text("name")?.unwrap_or_default();
    let name = name.chars().filter(|letter| !letter.is_control());
    let name: String = name.take(LONGEST_NAME).collect();
    Ok(match name.trim() {
        "" => format!("{what} {number}"),
        name => name.to_owned(),
    })
}

fn command(mut keys: Keys) -> Result<Probe, CheckError> {
    let info = data::program(&mut keys)?;
    keys.end()?;
    let (program, environment) = command_info::program(&info)?;
    Ok(Probe::Command {
        program,
        environment,
    })
}

fn http(mut keys: Keys, ports: &[u16]) -> Result<Probe, CheckError> {
    let target = target_of(&mut keys, ports)?;
    let https = is_https(keys.text("scheme")?.as_deref())?;
    let verify = keys.flag("verify")?.unwrap_or(false);
    if verify && !https {
        return Err(CheckError::Verify);
    }
    let path = path(keys.text("path")?.as_deref())?;
    let headers = keys.pairs("headers")?;
    if let Some((name, _)) = headers.iter().find(|header| !can_be_sent(header)) {
        let name = name.clone();
        return Err(CheckError::Header { name });
    }
    let statuses = keys.list("statuses")?.into_iter();
    let statuses: Vec<i64> = statuses
        .map(Element::whole_number)
        .collect::<Result<_, _>>()?;
    let statuses = statuses.into_iter().map(|status| {
        let status = u32::try_from(status).ok();
        status.filter(|status| (100..=599).contains(status))
    });
    let statuses: Option<Vec<u32>> = statuses.collect();
    keys.end()?;
    Ok(Probe::Http(HttpProbe {
        https,
        verify,
        target,
        path,
        headers,
        statuses: statuses.ok_or(CheckError::Status)?,
    }))
}

fn target_of(keys: &mut Keys, ports: &[u16]) -> Result<Target, CheckError> {
    let protocol = match keys.text("protocol")?.as_deref() {
        None | Some("IPv4") => Protocol::IPv4,
        Some("IPv6") => Protocol::IPv6,
        Some(_) => return Err(CheckError::Protocol),
    };
    let host = keys.text("host")?;
    let is_bad = |letter: char| !letter.is_ascii_alphanumeric() && !".:-_%".contains(letter);
    if host
        .as_deref()
        .is_some_and(|host| host.is_empty() || host.contains(is_bad))
    {
        return Err(CheckError::Host);
    }
    let host = host.unwrap_or_else(|| loopback(protocol));
    let port = keys.count("port")?;
    let index = keys.count("port_index")?;
    match (port, index) {
        (Some(port), None) => target(host, u32::try_from(port).unwrap_or(u32::MAX)),
        (None, Some(index)) => {
            let port = usize::try_from(index).ok().and_then(|at| ports.get(at));
            let count = ports.len();
            let port = *port.ok_or(CheckError::PortIndex { index, count })?;
            Ok(Target { host, port })
        }
        (Some(_), Some(_)) => Err(CheckError::Json(JsonError::Both {
            key: keys.path("port"),
            other: "port_index",
        })),
        (None, None) => Err(CheckError::Json(JsonError::Missing {
            key: keys.path("port"),
        })),
    }
}

/// Whether a header is well formed, and none of those by which the request itself is framed (RFC 9110, RFC 9112).
fn can_be_sent((name, value): &(String, String)) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let framing = [
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
    ];
    !name.is_empty()
        && name.bytes().all(is_token)
        && !framing.iter().any(|own| name.eq_ignore_ascii_case(own))
        && value
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t')
}
