//! `TaskInfo.data`, as JSON or as a shell command.
//!
//! ```json
//! {
//!   "version": 1,
//!   "command": {
//!     "value": "./server --port $PORT0",
//!     "shell": true,
//!     "arguments": [],
//!     "environment": { "variables": [ { "name": "MODE", "value": "fast" } ] },
//!     "user": "www-data",
//!     "uris": [ { "value": "https://files.example.com/server.tar.gz", "extract": true, "executable": false,
//!                 "output_file": "bin/server.tar.gz", "checksum": "sha256:..." } ]
//!   },
//!   "health_checks": [ ... ],
//!   "readiness_checks": [ ... ],
//!   "unhealthy": "failed",
//!   "kill_grace": "30secs",
//!   "success_codes": [ 0, 3 ],
//!   "descriptor_limit": 4096,
//!   "process_limit": 100,
//!   "logs": { ... },
//!   "messages": [ "signal", "usage" ],
//!   "hooks": { ... },
//!   "stop": { ... },
//!   "restart": { ... },
//!   "sandbox": { ... },
//!   "limits": { ... }
//! }
//! ```
//!
//! `version` alone must be there. `command` is a v1 `CommandInfo` and may be left out where another source names the
//! command; an object that is a `CommandInfo` by itself does too. `crate::check_json` has the form of a check,
//! `crate::life_json` that of hooks, stop and restart, `crate::sandbox_keys` and `crate::limit_keys` those of `sandbox`
//! and `limits`. An object with a `cmd` is Singularity's (`crate::singularity`).

use mesos_proto::v1::{CommandInfo, Environment, TaskInfoFields, command_info::Uri as UriInfo};
use mesos_proto::v1::{environment::Variable, environment::variable::Type};

use crate::command_info::{self, Wanted};
use crate::json::{self, Element, JsonError, Keys};
use crate::life_json::LifeWishes;
use crate::wishes::Wishes;
use crate::{CommandError, Place, Program, Role, Uri};
use crate::{check_json, limit_keys, logs, messages, sandbox_keys, singularity, wishes};

const PLACE: Place = Place::Data;

/// What the data of a task says.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) wanted: Option<Wanted>,
    pub(crate) wishes: Wishes,
    pub(crate) without_effect: Vec<String>,
}

pub(crate) fn bad(source: JsonError) -> CommandError {
    CommandError::Json {
        place: PLACE,
        source,
    }
}

/// Reads the data of a task with these ports.
pub(crate) fn read(task: &TaskInfoFields, ports: &[u16]) -> Result<Said, CommandError> {
    let data = task.data.as_deref().unwrap_or_default();
    let text = std::str::from_utf8(data).map_err(CommandError::NotText)?;
    if text.trim().is_empty() {
        return Ok(Said::default());
    }
    if !is_json_object(text) {
        return Ok(Said {
            wanted: Some(Wanted::of(Program::Shell(text.to_owned()))),
            ..Said::default()
        });
    }
    let value = json::parse(text).map_err(bad)?;
    let mut keys = Keys::of(String::new(), value).map_err(bad)?;
    if keys.has("version") {
        versioned(keys, task, ports)
    } else if keys.has("cmd") {
        singularity::read(keys)
    } else if keys.has("value") {
        let wanted = Some(command(&mut keys)?);
        keys.end().map_err(bad)?;
        Ok(Said {
            wanted,
            ..Said::default()
        })
    } else {
        Err(CommandError::Version)
    }
}

/// Whether `text` is meant as a JSON object. A shell line may begin with a brace as well, but then a blank and a word
/// follow, not a quote or the closing brace.
fn is_json_object(text: &str) -> bool {
    text.trim_start()
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with(['"', '}']))
        && !is_shell_group(text)
}

/// `{ "program"; }`: a quoted word that no colon follows.
fn is_shell_group(text: &str) -> bool {
    text.trim_end().ends_with("; }") || text.trim_end().ends_with(";}")
}

fn versioned(mut keys: Keys, task: &TaskInfoFields, ports: &[u16]) -> Result<Said, CommandError> {
    if keys.number("version").map_err(bad)? != Some(1.0) {
        return Err(CommandError::Version);
    }
    let wanted = match keys.object("command").map_err(bad)? {
        Some(mut inner) => {
            let wanted = command(&mut inner)?;
            inner.end().map_err(bad)?;
            Some(wanted)
        }
        None => None,
    };
    let wishes = wishes(&mut keys, task, ports)?;
    keys.end().map_err(bad)?;
    Ok(Said {
        wanted,
        wishes,
        without_effect: Vec::new(),
    })
}

fn wishes(keys: &mut Keys, task: &TaskInfoFields, ports: &[u16]) -> Result<Wishes, CommandError> {
    let mut checks = |key, role| match keys.has(key) {
        true => {
            let list = keys.list(key).map_err(bad)?;
            check_json::checks(list, role, ports, PLACE).map(Some)
        }
        false => Ok(None),
    };
    let health_checks = checks("health_checks", Role::Health)?;
    let readiness_checks = checks("readiness_checks", Role::Readiness)?;
    let success_codes = match keys.has("success_codes") {
        true => {
            let list = keys.list("success_codes").map_err(bad)?;
            let codes: Result<Vec<i64>, _> = list.into_iter().map(Element::whole_number).collect();
            Some(wishes::success_codes(
                PLACE,
                "success_codes",
                &codes.map_err(bad)?,
            )?)
        }
        false => None,
    };
    let logs = keys.object("logs").map_err(bad)?;
    let messages = match keys.has("messages") {
        true => Some(
            keys.list("messages")
                .and_then(messages::read)
                .map_err(bad)?,
        ),
        false => None,
    };
    let unhealthy = keys.text("unhealthy").map_err(bad)?;
    let kill_grace = keys.text("kill_grace").map_err(bad)?;
    let life = LifeWishes::take(keys).map_err(|source| CommandError::Life {
        place: PLACE,
        source,
    })?;
    let sandbox = keys.object(sandbox_keys::KEY).map_err(bad)?;
    let limits = keys.object(limit_keys::KEY).map_err(bad)?;
    let mut limit = |key| {
        let wanted = keys.count(key).map_err(bad)?;
        wanted
            .map(|most| wishes::limit(PLACE, key, most))
            .transpose()
    };
    Ok(Wishes {
        health_checks,
        readiness_checks,
        success_codes,
        descriptor_limit: limit("descriptor_limit")?,
        process_limit: limit("process_limit")?,
        sandbox: sandbox
            .map(|inner| sandbox_keys::read(inner, PLACE))
            .transpose()?,
        limits: limits
            .map(|inner| limit_keys::read(inner, task, PLACE))
            .transpose()?,
        unhealthy_is_failed: unhealthy
            .map(|text| wishes::unhealthy_is_failed(PLACE, &text))
            .transpose()?,
        life,
        kill_grace: kill_grace
            .map(|text| wishes::kill_grace(PLACE, &text))
            .transpose()?,
        logs: logs.map(logs::read).transpose().map_err(bad)?,
        messages,
    })
}

fn command(keys: &mut Keys) -> Result<Wanted, CommandError> {
    let mut info = program(keys).map_err(bad)?;
    info.user = keys.text("user").map_err(bad)?;
    let uris = keys.list("uris").map_err(bad)?;
    let mut checksums = Vec::with_capacity(uris.len());
    for (index, element) in uris.into_iter().enumerate() {
        let (uri, checksum) = element.keys().and_then(uri).map_err(bad)?;
        info.uris.push(uri);
        let checksum = checksum.as_deref().map(command_info::checksum).transpose();
        checksums.push(checksum.map_err(|source| CommandError::Uri {
            place: PLACE,
            number: index + 1,
            source,
        })?);
    }
    let wanted = command_info::wanted(&info, PLACE)?;
    let uris = wanted.uris.into_iter().zip(checksums);
    Ok(Wanted {
        uris: uris
            .map(|(uri, checksum)| Uri { checksum, ..uri })
            .collect(),
        ..wanted
    })
}

/// The keys of a `CommandInfo` that every command may have, also that of a check.
pub(crate) fn program(keys: &mut Keys) -> Result<CommandInfo, JsonError> {
    let mut variables = Vec::new();
    if let Some(mut environment) = keys.object("environment")? {
        for element in environment.list("variables")? {
            variables.push(variable(element.keys()?)?);
        }
        environment.end()?;
    }
    Ok(CommandInfo {
        value: keys.text("value")?,
        shell: keys.flag("shell")?,
        arguments: keys.texts("arguments")?,
        environment: Some(Environment { variables }),
        ..CommandInfo::default()
    })
}

fn variable(mut keys: Keys) -> Result<Variable, JsonError> {
    let name = keys.text("name")?;
    let name = keys.must("name", name)?;
    let value = keys.text("value")?;
    let value = keys.must("value", value)?;
    // Written by schedulers that spell the default out.
    let kind = keys.text("type")?.filter(|kind| kind != "VALUE");
    keys.end()?;
    Ok(Variable {
        name,
        value: Some(value),
        r#type: kind.map(|_| Type::Unknown as i32),
        ..Variable::default()
    })
}

/// A URI, and what its content must hash to.
pub(crate) fn uri(mut keys: Keys) -> Result<(UriInfo, Option<String>), JsonError> {
    let value = keys.text("value")?;
    let uri = UriInfo {
        value: keys.must("value", value)?,
        executable: keys.flag("executable")?,
        extract: keys.flag("extract")?,
        cache: keys.flag("cache")?,
        output_file: keys.text("output_file")?,
    };
    let checksum = keys.text("checksum")?;
    keys.end()?;
    Ok((uri, checksum))
}
