//! `TaskInfo.data` as JSON.
//!
//! ```json
//! {
//!   "version": 1,
//!   "command": {
//!     "value": "./server --port $PORT",
//!     "shell": true,
//!     "arguments": [],
//!     "environment": { "variables": [ { "name": "MODE", "value": "fast" } ] },
//!     "user": "www-data"
//!   }
//! }
//! ```
//!
//! `command` is a v1 `CommandInfo`; only `value` must be there, and an object that is a `CommandInfo` by itself does
//! too. A key that is not listed here is refused: a setting that was asked for and not heard is worse than none.

use serde::Deserialize;

use super::{CommandError, from_command_info};
use crate::Request;
use mesos_proto::v1::{CommandInfo, Environment, environment::Variable};

const PLACE: &str = "TaskInfo.data";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned {
    command: JsonCommand,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonCommand {
    value: Option<String>,
    shell: Option<bool>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    environment: JsonEnvironment,
    user: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEnvironment {
    #[serde(default)]
    variables: Vec<JsonVariable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonVariable {
    name: String,
    value: String,
    // Written by schedulers that spell the default out.
    #[serde(default, rename = "type")]
    kind: VariableType,
}

#[derive(Default, Deserialize)]
enum VariableType {
    #[default]
    #[serde(rename = "VALUE")]
    Value,
}

/// Whether `text` is meant as a JSON object. A shell line may begin with a brace as well, but then a blank and a word
/// follow, not a quote or the closing brace.
pub(super) fn is_json_object(text: &str) -> bool {
    text.trim_start()
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with(['"', '}']))
        && !is_shell_group(text)
}

/// `{ "program"; }`: a quoted word that no colon follows.
fn is_shell_group(text: &str) -> bool {
    text.trim_end().ends_with("; }") || text.trim_end().ends_with(";}")
}

pub(super) fn parse(text: &str) -> Result<Request, CommandError> {
    let mut value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| CommandError::NotJson(error.to_string()))?;
    let bad = |error: serde_json::Error| CommandError::BadData(without_values(&error));
    let command = if value.get("version").is_some() || value.get("command").is_some() {
        let version = value
            .as_object_mut()
            .and_then(|keys| keys.remove("version"));
        if version != Some(1.into()) {
            let found = version.map_or("no version".to_owned(), |version| version.to_string());
            return Err(CommandError::BadData(format!(
                "version 1 is what this executor knows, not {found}"
            )));
        }
        let Versioned { command } = serde_json::from_value(value).map_err(bad)?;
        command
    } else {
        serde_json::from_value::<JsonCommand>(value).map_err(bad)?
    };
    from_command_info(&command.into(), PLACE)
}

/// What is wrong, by the names of keys alone: a value may be a secret, and the text goes to the scheduler and the log.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let names_keys = ["unknown field", "missing field", "duplicate field"];
    if names_keys.iter().any(|begin| text.starts_with(begin)) {
        text
    } else {
        "a value is not of the type that its key wants".to_owned()
    }
}

impl From<JsonCommand> for CommandInfo {
    fn from(json: JsonCommand) -> Self {
        let variables = json.environment.variables.into_iter().map(Into::into);
        Self {
            value: json.value,
            shell: json.shell,
            arguments: json.arguments,
            environment: Some(Environment {
                variables: variables.collect(),
            }),
            user: json.user,
            ..Default::default()
        }
    }
}

impl From<JsonVariable> for Variable {
    fn from(json: JsonVariable) -> Self {
        let VariableType::Value = json.kind;
        Self {
            name: json.name,
            value: Some(json.value),
            ..Default::default()
        }
    }
}
