//! Lengths of time as Mesos writes them: `15mins`, `2secs`, `1.5hrs`
//! (Mesos: 3rdparty/stout/include/stout/duration.hpp).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("days", 86_400_000_000_000),
    ("weeks", 604_800_000_000_000),
];

/// As many digits as every `f64` carries: what a C++ stream prints at the precision that Mesos sets.
const SIGNIFICANT_DIGITS: usize = 15;

/// Why a text or a length of time is not a [`MesosDuration`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Nothing but digits, or nothing at all.
    #[error("duration {text:?} has no unit, want one of ns, us, ms, secs, mins, hrs, days, weeks")]
    NoUnit {
        /// The whole text.
        text: String,
    },
    /// A unit that Mesos does not know; units are in lower case.
    #[error(
        "duration {text:?} has an unknown unit, want one of ns, us, ms, secs, mins, hrs, days, weeks"
    )]
    UnknownUnit {
        /// The whole text.
        text: String,
    },
    /// What stands before the unit is not digits with at most one point.
    #[error("duration {text:?} does not start with a number")]
    NotANumber {
        /// The whole text.
        text: String,
    },
    /// More than 2^63-1 nanoseconds, about 292 years.
    #[error("duration {text:?} is longer than 64 bits of nanoseconds hold")]
    TooLong {
        /// The whole text, or a length of time in Rust's notation.
        text: String,
    },
}

/// A signed length of time in whole nanoseconds, with Mesos's text form.
///
/// Printing follows Mesos to the letter: the largest unit that the length reaches, or the unit below it where only
/// that one gives a whole number (`90secs`, not `1.5mins`), in at most 15 significant digits. Hence a text parsed back
/// may differ from what was printed by one part in 10^15, unless the number printed is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MesosDuration {
    nanos: i64,
}

impl MesosDuration {
    /// From nanoseconds, such as those of [`v1::DurationInfo`](crate::v1::DurationInfo).
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// From Rust's duration.
    ///
    /// # Errors
    ///
    /// [`DurationError::TooLong`] above 2^63-1 nanoseconds.
    pub fn from_std(duration: Duration) -> Result<Self, DurationError> {
        match i64::try_from(duration.as_nanos()) {
            Ok(nanos) => Ok(Self { nanos }),
            Err(_) => Err(DurationError::TooLong {
                text: format!("{duration:?}"),
            }),
        }
    }

    /// As Rust's duration, which has no sign: `None` if negative. What a negative length means is the caller's to
    /// decide, at most places zero: `to_std().unwrap_or_default()`.
    #[must_use]
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.nanos).ok().map(Duration::from_nanos)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }
}

impl From<crate::v1::DurationInfo> for MesosDuration {
    fn from(info: crate::v1::DurationInfo) -> Self {
        Self::from_nanos(info.nanoseconds)
    }
}

impl FromStr for MesosDuration {
    type Err = DurationError;

    /// Digits with at most one point, then a unit, nothing between and nothing around; no sign. Fractions of a
    /// nanosecond are cut off.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let owned = || text.to_owned();
        let Some(split) = text.find(|c: char| !c.is_ascii_digit() && c != '.') else {
            return Err(DurationError::NoUnit { text: owned() });
        };
        let (number, unit) = text.split_at(split);
        let number: f64 = number
            .parse()
            .map_err(|_| DurationError::NotANumber { text: owned() })?;
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { text: owned() });
        };
        let nanos = number * *unit as f64;
        // i64::MAX as f64 is 2^63, the first value that does not fit.
        if nanos >= i64::MAX as f64 {
            return Err(DurationError::TooLong { text: owned() });
        }
        Ok(Self {
            nanos: nanos as i64,
        })
    }
}

impl fmt::Display for MesosDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        // As in Mesos, the one value without a positive counterpart prints as its neighbour.
        let nanos = self.nanos.checked_abs().unwrap_or(i64::MAX);
        let reached = UNITS.iter().rposition(|(_, unit)| *unit <= nanos);
        let bucket = match reached {
            None | Some(0) => return write!(f, "{nanos}ns"),
            Some(bucket) => bucket,
        };
        let whole_in = |index: usize| nanos % UNITS[index].1 == 0;
        let (name, unit) = if !whole_in(bucket) && whole_in(bucket - 1) {
            UNITS[bucket - 1]
        } else {
            UNITS[bucket]
        };
        write!(f, "{}{name}", significant(nanos as f64 / unit as f64))
    }
}

/// Prints a number of at least 1 in [`SIGNIFICANT_DIGITS`], without trailing zeros.
fn significant(number: f64) -> String {
    let whole_digits = format!("{}", number.trunc()).len();
    let mut text = format!(
        "{number:.*}",
        SIGNIFICANT_DIGITS.saturating_sub(whole_digits)
    );
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text
}
