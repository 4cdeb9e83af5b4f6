//! What is wrong with a configuration, each thing with its place.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the file, from 1 on.
    File { path: Arc<PathBuf>, line: usize },
    /// A variable of the environment.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
    /// Nobody said anything.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}: ", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}: "),
            Self::Flag(name) => write!(f, "--{name}: "),
            Self::Nowhere => Ok(()),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{origin}{problem}")]
pub struct ConfigError {
    pub(super) origin: Origin,
    pub(super) problem: Problem,
}

/// What it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("is longer than {0} bytes")]
    TooLong(u64),
    #[error("is no text in UTF-8")]
    NotText,
    #[error("is no TOML: {0}")]
    Syntax(String),
    #[error("unknown key {key:?}{}", suggestion(.nearest))]
    UnknownKey {
        key: String,
        nearest: Option<String>,
    },
    #[error("unknown variable{}", suggestion(.nearest))]
    UnknownVariable { nearest: Option<String> },
    #[error("{key} = {value}: want {allowed}")]
    Value {
        key: String,
        value: String,
        allowed: String,
    },
    #[error("{key} is missing: want {allowed}")]
    Missing {
        key: &'static str,
        allowed: &'static str,
    },
    #[error("{key} cannot be together with {other}: {why}")]
    Conflict {
        key: &'static str,
        other: &'static str,
        why: &'static str,
    },
    #[error("{key} = {value:?}: {why}")]
    Unusable {
        key: &'static str,
        value: String,
        why: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    let suggest = |nearest| format!("; did you mean {nearest:?}?");
    nearest.as_ref().map_or_else(String::new, suggest)
}

/// Everything that is wrong, never nothing.
#[derive(Debug)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// A line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
