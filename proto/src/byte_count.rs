//! Byte counts as Mesos writes them: `10MB`, `1025KB` (Mesos: 3rdparty/stout/include/stout/bytes.hpp).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const UNITS: [(&str, u64); 5] = [
    ("B", 1),
    ("KB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("TB", 1 << 40),
];

/// Why a text is not a [`Bytes`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BytesError {
    /// Nothing but digits, or nothing at all.
    #[error("byte count {text:?} has no unit, want one of B, KB, MB, GB, TB")]
    NoUnit {
        /// The whole text.
        text: String,
    },
    /// A unit that Mesos does not know.
    #[error("byte count {text:?} has an unknown unit, want one of B, KB, MB, GB, TB")]
    UnknownUnit {
        /// The whole text.
        text: String,
    },
    /// A point: Mesos takes whole numbers only.
    #[error("byte count {text:?} has a fraction, want a whole number")]
    Fraction {
        /// The whole text.
        text: String,
    },
    /// No digit before the unit.
    #[error("byte count {text:?} does not start with a number")]
    NotANumber {
        /// The whole text.
        text: String,
    },
    /// More than 2^64-1 bytes.
    #[error("byte count {text:?} is more than 64 bits hold")]
    TooMany {
        /// The whole text.
        text: String,
    },
}

/// A number of bytes. Units are powers of 1024.
///
/// Printed in the largest unit, up to TB, that gives a whole number: nothing is rounded, and what is printed parses
/// back to the same count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// From a count.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From a scalar resource in MB, such as `mem` or `disk`, as Mesos reads it: the fraction of a megabyte is cut off
    /// (Mesos: `Resources::mem` and `Resources::disk`, src/common/resources.cpp). Less than zero and not-a-number
    /// count as zero, more than 64 bits hold as the most they hold.
    #[must_use]
    pub fn from_megabytes(megabytes: f64) -> Self {
        // `as` cuts off the fraction and saturates.
        Self((megabytes as u64).saturating_mul(1 << 20))
    }

    /// The count.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = BytesError;

    /// Digits, then a unit in either case, nothing between and nothing around.
    fn from_str(text: &str) -> Result<Self, BytesError> {
        let owned = || text.to_owned();
        let Some(split) = text.find(|c: char| !c.is_ascii_digit()) else {
            return Err(BytesError::NoUnit { text: owned() });
        };
        let (number, unit) = text.split_at(split);
        if unit.starts_with('.') {
            return Err(BytesError::Fraction { text: owned() });
        }
        if number.is_empty() {
            return Err(BytesError::NotANumber { text: owned() });
        }
        let Some((_, unit)) = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        else {
            return Err(BytesError::UnknownUnit { text: owned() });
        };
        // All digits: the only way to fail is to be too large.
        number
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(*unit))
            .map(Self)
            .ok_or_else(|| BytesError::TooMany { text: owned() })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS
            .into_iter()
            .rfind(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit))
            .unwrap_or(UNITS[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}
