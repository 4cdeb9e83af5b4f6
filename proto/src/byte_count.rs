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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn print(bytes: u64) -> String {
        Bytes::new(bytes).to_string()
    }

    fn parse(text: &str) -> Result<u64, BytesError> {
        text.parse().map(Bytes::as_u64)
    }

    #[test]
    fn prints_in_the_largest_unit_that_is_exact() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (1 << 10, "1KB"),
            (1025, "1025B"),
            (1023 << 10, "1023KB"),
            (1025 << 10, "1025KB"),
            (30_732 << 10, "30732KB"),
            (10 << 20, "10MB"),
            (1023 << 20, "1023MB"),
            (1 << 30, "1GB"),
            (1023 << 30, "1023GB"),
            (1 << 40, "1TB"),
            (1 << 50, "1024TB"),
            (u64::MAX, "18446744073709551615B"),
        ] {
            assert_eq!(print(bytes), text);
        }
    }

    #[test]
    fn parses_every_unit_in_either_case() {
        for (text, bytes) in [
            ("0B", 0),
            ("12B", 12),
            ("12KB", 12 << 10),
            ("12mb", 12 << 20),
            ("1Gb", 1 << 30),
            ("1TB", 1 << 40),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_whole_number_with_a_unit_is_refused_by_name() {
        let text = |text: &str| text.to_owned();
        for missing in ["", "12"] {
            assert_eq!(
                parse(missing),
                Err(BytesError::NoUnit {
                    text: text(missing)
                })
            );
        }
        for fraction in ["1.5GB", ".5GB", "1.B"] {
            assert_eq!(
                parse(fraction),
                Err(BytesError::Fraction {
                    text: text(fraction)
                })
            );
        }
        for unit in ["1PB", "1M", "1MiB", "1 MB", "1MB ", "1e3B"] {
            assert_eq!(
                parse(unit),
                Err(BytesError::UnknownUnit { text: text(unit) })
            );
        }
        for number in ["MB", "-1MB", "+1MB", " 1MB"] {
            assert_eq!(
                parse(number),
                Err(BytesError::NotANumber { text: text(number) })
            );
        }
        for many in ["18446744073709551616B", "16777216TB"] {
            assert_eq!(parse(many), Err(BytesError::TooMany { text: text(many) }));
        }
    }

    #[test]
    fn a_scalar_of_megabytes_loses_its_fraction_as_in_mesos() {
        for (megabytes, text) in [
            (10.0, "10MB"),
            (10.9, "10MB"),
            (0.9, "0B"),
            (1024.0, "1GB"),
            (-1.0, "0B"),
            (f64::NAN, "0B"),
        ] {
            assert_eq!(Bytes::from_megabytes(megabytes).to_string(), text);
        }
        for endless in [f64::INFINITY, 1e300, 18_446_744_073_709.0] {
            assert_eq!(Bytes::from_megabytes(endless).as_u64(), u64::MAX);
        }
    }

    proptest! {
        #[test]
        fn any_count_survives_printing_and_parsing(
            bytes in (0..64_u32, any::<u64>()).prop_map(|(zeros, bytes)| bytes << zeros)
        ) {
            prop_assert_eq!(parse(&print(bytes)), Ok(bytes));
        }
    }
}
