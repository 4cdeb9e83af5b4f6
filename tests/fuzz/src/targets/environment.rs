//! The executor's environment: `NAME=VALUE` in pieces.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use mesos_proto::environment::{ExecutorEnvironment, passes_to_task};

use crate::input::pieces;

const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// It is understood, or every fault is named; the token is in no text; what must not reach a task does not.
pub(crate) fn run(bytes: &[u8]) {
    let variables: Vec<(OsString, OsString)> = pieces(bytes)
        .filter_map(|piece| {
            let at = piece.iter().position(|byte| *byte == b'=')?;
            Some((os(&piece[..at]), os(&piece[at + 1..])))
        })
        .collect();
    let said = match ExecutorEnvironment::from_vars(variables.iter().cloned()) {
        Ok(environment) => format!("{environment:?}"),
        Err(errors) => format!("{errors} {errors:?}"),
    };
    let value = |wanted: &str| {
        variables
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    let token = value(TOKEN).and_then(|token| token.to_str());
    let others: String = variables
        .iter()
        .filter(|(name, _)| name != TOKEN)
        .map(|(name, value)| format!("{name:?}={value:?}\n"))
        .collect();
    // A short one may well be part of what else is said.
    if let Some(token) = token.filter(|token| token.len() >= 16 && !others.contains(token)) {
        assert!(!said.contains(token), "a secret is shown");
    }
    for (name, _) in &variables {
        let kept_back = name == TOKEN || name.as_bytes().starts_with(b"LIBPROCESS_SSL_");
        assert!(
            !(kept_back && passes_to_task(name)),
            "{name:?} reaches a task"
        );
    }
}

fn os(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}
