//! What is wrong with one field of what a framework says, and where that field is.

use std::fmt;

use crate::{CommandError, Place, UriError};

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Nothing can be done without it.
    #[error("is missing")]
    Missing,
    /// It says something that makes no sense.
    #[error("must be {wanted}")]
    Wrong {
        /// What it must be, with its article.
        wanted: &'static str,
    },
    /// It says something that this executor does not do.
    #[error("is not supported: {why}")]
    Unsupported {
        /// Why, and what to do instead where there is something.
        why: &'static str,
    },
    /// Which one would count?
    #[error("is there twice")]
    Twice,
    /// A URI that cannot be fetched.
    #[error("cannot be fetched: {0}")]
    Uri(UriError),
}

/// The path to a field, in words that its author knows it by.
#[derive(Clone, Debug)]
pub(crate) struct Field(String);

impl Field {
    /// `TaskInfo.<name>`.
    pub(crate) fn of_task(name: &str) -> Self {
        Self(format!("TaskInfo.{name}"))
    }

    /// The key of our own that is at `place`: within data it has a name, a label is named after it.
    pub(crate) fn of_key(place: Place, key: &str) -> Self {
        match place {
            Place::Data => Self(format!("{place}: {key}")),
            Place::Label(_) | Place::Command | Place::Executor | Place::Arguments => {
                Self(format!("{place}: it"))
            }
        }
    }

    /// A field of this one.
    pub(crate) fn at(&self, name: &str) -> Self {
        Self(format!("{self}.{name}"))
    }

    /// An element of this list.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{self}[{index}]"))
    }

    pub(crate) fn missing(self) -> CommandError {
        self.bad(FieldError::Missing)
    }

    pub(crate) fn must_be(self, wanted: &'static str) -> CommandError {
        self.bad(FieldError::Wrong { wanted })
    }

    pub(crate) fn unsupported(self, why: &'static str) -> CommandError {
        self.bad(FieldError::Unsupported { why })
    }

    pub(crate) fn twice(self) -> CommandError {
        self.bad(FieldError::Twice)
    }

    fn bad(self, source: FieldError) -> CommandError {
        CommandError::Field {
            field: self.0,
            source,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
