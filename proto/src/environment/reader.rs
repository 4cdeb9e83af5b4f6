//! Looks variables up and gathers what is wrong with them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use thiserror::Error;

use super::values::Kind;

/// What is wrong with one variable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// Not set, and needed.
    #[error("{variable} is not set, want {wanted}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Set to something else.
    #[error("{variable} is {value:?}, want {wanted}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
        /// What it should be.
        wanted: &'static str,
    },
    /// A secret that is set to something else: its value stays out of the message.
    #[error("{variable} has a value not to be shown, want {wanted}")]
    InvalidSecret {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// All that is wrong with an executor's environment; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentErrors(Vec<EnvironmentError>);

impl EnvironmentErrors {
    pub(super) fn new(errors: Vec<EnvironmentError>) -> Self {
        Self(errors)
    }

    /// One error a variable.
    #[must_use]
    pub fn errors(&self) -> &[EnvironmentError] {
        &self.0
    }
}

impl fmt::Display for EnvironmentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for EnvironmentErrors {}

/// The variables and what has been found wrong with them so far.
pub(super) struct Reader {
    vars: BTreeMap<OsString, OsString>,
    errors: Vec<EnvironmentError>,
}

impl Reader {
    pub(super) fn new(vars: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut first = BTreeMap::new();
        for (name, value) in vars {
            first.entry(name).or_insert(value);
        }
        Self {
            vars: first,
            errors: Vec::new(),
        }
    }

    pub(super) fn get(&self, variable: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(variable)).map(OsString::as_os_str)
    }

    /// `None` if the variable is not set, or is wrong.
    pub(super) fn optional<T>(&mut self, variable: &'static str, kind: &Kind<T>) -> Option<T> {
        let value = self.get(variable)?;
        let parsed = (kind.parse)(value);
        if parsed.is_none() {
            let wanted = kind.wanted;
            let error = if kind.secret {
                EnvironmentError::InvalidSecret { variable, wanted }
            } else {
                EnvironmentError::Invalid {
                    variable,
                    value: value.to_owned(),
                    wanted,
                }
            };
            self.errors.push(error);
        }
        parsed
    }

    /// `None` if the variable is wrong; not to be set is wrong, too.
    pub(super) fn required<T>(&mut self, variable: &'static str, kind: &Kind<T>) -> Option<T> {
        if self.get(variable).is_none() {
            self.errors.push(EnvironmentError::Missing {
                variable,
                wanted: kind.wanted,
            });
        }
        self.optional(variable, kind)
    }

    /// Adds what is wrong with several variables together.
    pub(super) fn complain(&mut self, error: EnvironmentError) {
        self.errors.push(error);
    }

    pub(super) fn into_errors(self) -> Vec<EnvironmentError> {
        self.errors
    }
}
