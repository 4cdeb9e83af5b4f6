//! Labels of a task that speak to this executor, for frameworks whose users can set no data: Marathon's apps,
//! mesos-compose's services.
//!
//! | label | value |
//! |---|---|
//! | `mesos-sandbox-executor.command` | a shell command |
//! | `mesos-sandbox-executor.health_checks` | a JSON list, as `health_checks` of the data |
//! | `mesos-sandbox-executor.readiness_checks` | a JSON list, as `readiness_checks` of the data |
//! | `mesos-sandbox-executor.unhealthy` | `failed` or `killed` (the default) |
//! | `mesos-sandbox-executor.kill_grace` | a duration: `30secs` |
//! | `mesos-sandbox-executor.success_codes` | exit statuses: `0,3` |
//! | `mesos-sandbox-executor.descriptor_limit` | a number |
//! | `mesos-sandbox-executor.process_limit` | a number |
//! | `mesos-sandbox-executor.logs` | a JSON object, as `logs` of the data |
//! | `mesos-sandbox-executor.messages` | a JSON list, as `messages` of the data |
//! | `mesos-sandbox-executor.hooks`, `.stop`, `.restart` | a JSON object, as under the same key of the data |
//! | `mesos-sandbox-executor.sandbox` | a JSON object, as `sandbox` of the data |
//! | `mesos-sandbox-executor.limits` | a JSON object, as `limits` of the data |
//!
//! Any other that begins like these is a slip of the pen, and refused.

use mesos_proto::v1::TaskInfoFields;
use serde_json::Value;

use crate::json::{self, JsonError, Keys};
use crate::life_json::{self, LifeError};
use crate::wishes::{self, Wishes};
use crate::{Check, CommandError, Place, Role};
use crate::{check_json, limit_keys, logs, messages, sandbox_keys};

const PREFIX: &str = "mesos-sandbox-executor.";

/// The label that names a task's shell command.
pub const LABEL: &str = "mesos-sandbox-executor.command";
const HEALTH_CHECKS: &str = "mesos-sandbox-executor.health_checks";
const READINESS_CHECKS: &str = "mesos-sandbox-executor.readiness_checks";
const UNHEALTHY: &str = "mesos-sandbox-executor.unhealthy";
const KILL_GRACE: &str = "mesos-sandbox-executor.kill_grace";
const SUCCESS_CODES: &str = "mesos-sandbox-executor.success_codes";
const DESCRIPTOR_LIMIT: &str = "mesos-sandbox-executor.descriptor_limit";
const PROCESS_LIMIT: &str = "mesos-sandbox-executor.process_limit";
const LOGS: &str = "mesos-sandbox-executor.logs";
const MESSAGES: &str = "mesos-sandbox-executor.messages";
const HOOKS: &str = "mesos-sandbox-executor.hooks";
const STOP: &str = "mesos-sandbox-executor.stop";
const RESTART: &str = "mesos-sandbox-executor.restart";
const SANDBOX: &str = "mesos-sandbox-executor.sandbox";
const LIMITS: &str = "mesos-sandbox-executor.limits";

/// What is wrong with a label of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nobody knows it.
    #[error("is not one that this executor knows")]
    Unknown,
    /// Which one would count?
    #[error("is there twice")]
    Twice,
    /// It says nothing.
    #[error("has no value")]
    NoValue,
}

/// What the labels of a task ask for.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(crate) command: Option<String>,
    pub(crate) wishes: Wishes,
}

/// Reads the labels of a task with these ports.
pub(crate) fn read(task: &TaskInfoFields, ports: &[u16]) -> Result<Labels, CommandError> {
    let mut read = Labels::default();
    let mut seen: Vec<&str> = Vec::new();
    for label in task.labels.iter().flat_map(|labels| &labels.labels) {
        let key = label.key.as_str();
        if !key.starts_with(PREFIX) {
            continue;
        }
        let bad = |source| {
            let label = key.to_owned();
            Err(CommandError::Label { label, source })
        };
        if seen.contains(&key) {
            return bad(LabelError::Twice);
        }
        seen.push(key);
        let value = label.value.as_deref().unwrap_or_default().trim();
        if value.is_empty() {
            return bad(LabelError::NoValue);
        }
        let wishes = &mut read.wishes;
        match key {
            LABEL => read.command = Some(value.to_owned()),
            HEALTH_CHECKS => {
                wishes.health_checks = Some(checks(HEALTH_CHECKS, value, Role::Health, ports)?);
            }
            READINESS_CHECKS => {
                let role = Role::Readiness;
                wishes.readiness_checks = Some(checks(READINESS_CHECKS, value, role, ports)?);
            }
            UNHEALTHY => {
                let failed = wishes::unhealthy_is_failed(Place::Label(UNHEALTHY), value)?;
                wishes.unhealthy_is_failed = Some(failed);
            }
            KILL_GRACE => {
                wishes.kill_grace = Some(wishes::kill_grace(Place::Label(KILL_GRACE), value)?);
            }
            SUCCESS_CODES => {
                // What is no number is out of bounds, too.
                let codes = value
                    .split(',')
                    .map(|code| code.trim().parse().unwrap_or(-1));
                let codes: Vec<i64> = codes.collect();
                let codes =
                    wishes::success_codes(Place::Label(SUCCESS_CODES), "success_codes", &codes)?;
                wishes.success_codes = Some(codes);
            }
            DESCRIPTOR_LIMIT => {
                let most = limit(DESCRIPTOR_LIMIT, "descriptor_limit", value)?;
                wishes.descriptor_limit = Some(most);
            }
            PROCESS_LIMIT => {
                wishes.process_limit = Some(limit(PROCESS_LIMIT, "process_limit", value)?);
            }
            LOGS => {
                let read = |value| Keys::of(String::new(), value).and_then(logs::read);
                wishes.logs = Some(json_of(LOGS, value, read)?);
            }
            MESSAGES => {
                let read = |value| json::elements(value).and_then(messages::read);
                wishes.messages = Some(json_of(MESSAGES, value, read)?);
            }
            HOOKS => wishes.life.hooks = Some(life(HOOKS, value, life_json::hooks)?),
            STOP => wishes.life.stop = Some(life(STOP, value, life_json::stop)?),
            RESTART => wishes.life.restart = Some(life(RESTART, value, life_json::restart)?),
            SANDBOX => {
                let read = sandbox_keys::read(object(SANDBOX, value)?, Place::Label(SANDBOX))?;
                wishes.sandbox = Some(read);
            }
            LIMITS => {
                let read = limit_keys::read(object(LIMITS, value)?, task, Place::Label(LIMITS))?;
                wishes.limits = Some(read);
            }
            _ => return bad(LabelError::Unknown),
        }
    }
    Ok(read)
}

fn checks(
    label: &'static str,
    text: &str,
    role: Role,
    ports: &[u16],
) -> Result<Vec<Check>, CommandError> {
    let list = json_of(label, text, json::elements)?;
    check_json::checks(list, role, ports, Place::Label(label))
}

fn json_of<T>(
    label: &'static str,
    text: &str,
    read: impl FnOnce(Value) -> Result<T, JsonError>,
) -> Result<T, CommandError> {
    json::parse(text)
        .and_then(read)
        .map_err(|source| CommandError::Json {
            place: Place::Label(label),
            source,
        })
}

fn life<T>(
    label: &'static str,
    text: &str,
    read: impl FnOnce(Keys) -> Result<T, LifeError>,
) -> Result<T, CommandError> {
    let read = json::parse(text)
        .map_err(LifeError::from)
        .and_then(|value| life_json::whole(value, read));
    read.map_err(|source| CommandError::Life {
        place: Place::Label(label),
        source,
    })
}

/// The keys of an object that is all of a label.
fn object(label: &'static str, text: &str) -> Result<Keys, CommandError> {
    json_of(label, text, |value| Keys::of(String::new(), value))
}

fn limit(label: &'static str, key: &'static str, text: &str) -> Result<u64, CommandError> {
    // What is no number is out of bounds, too.
    wishes::limit(Place::Label(label), key, text.parse().unwrap_or(0))
}
