//! What is wrong with a configuration, each thing with its place.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, from 1 on.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// From 1 on.
        line: usize,
    },
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
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Nowhere => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct ConfigError {
    /// Where it was said.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Nowhere => write!(f, "{}", self.problem),
            origin => write!(f, "{origin}: {}", self.problem),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

/// What it is.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file is longer than any should be.
    #[error("is longer than {0} bytes")]
    TooLong(u64),
    /// The file is not text.
    #[error("is no text in UTF-8")]
    NotText,
    /// The file is no TOML.
    #[error("is no TOML: {0}")]
    Syntax(String),
    /// A key that there is not.
    #[error("unknown key {key:?}{}", suggestion(.nearest))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A variable that begins as ours do and is none.
    #[error("unknown variable{}", suggestion(.nearest))]
    UnknownVariable {
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A value that its key does not take.
    #[error("{key} = {value}: want {allowed}")]
    Value {
        /// Of the value.
        key: String,
        /// As it was written, without what may be a secret in it.
        value: String,
        /// What the key takes.
        allowed: String,
    },
    /// A key that has to be said.
    #[error("{key} is missing: want {allowed}")]
    Missing {
        /// That was not said.
        key: &'static str,
        /// What it takes.
        allowed: String,
    },
    /// Two things that were said and contradict each other.
    #[error("{key} cannot be together with {other}: {why}")]
    Conflict {
        /// The one that this was noticed at.
        key: &'static str,
        /// The other.
        other: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A value that is well-formed and of no use here and now.
    #[error("{key} = {value}: {why}")]
    Unusable {
        /// Of the value.
        key: &'static str,
        /// As it was written, without what may be a secret in it.
        value: String,
        /// What is the matter with it, and what to do.
        why: String,
    },
}

impl Problem {
    /// Whether the file could not be understood at all, so that all that it says would be missing.
    pub(crate) fn is_about_the_whole_file(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(_) | Self::TooLong(_) | Self::NotText | Self::Syntax(_)
        )
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    let suggest = |nearest| format!("; did you mean {nearest:?}?");
    nearest.as_ref().map_or_else(String::new, suggest)
}

/// Everything that is wrong, never nothing.
#[derive(Debug)]
pub struct ConfigErrors(pub(crate) Vec<ConfigError>);

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
