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
/// may differ from what was printed by one part in 10^15 or one nanosecond, unless the number printed is whole.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400 * SECOND;

    fn print(nanos: i64) -> String {
        MesosDuration::from_nanos(nanos).to_string()
    }

    fn parse(text: &str) -> Result<i64, DurationError> {
        text.parse().map(MesosDuration::as_nanos)
    }

    #[test]
    fn prints_what_mesos_prints() {
        for (nanos, text) in [
            (0, "0ns"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1us"),
            (1_500, "1500ns"),
            (999_999, "999999ns"),
            (1_000_000, "1ms"),
            (1_500_000, "1500us"),
            (1_000_001, "1.000001ms"),
            (2 * SECOND, "2secs"),
            (1_500_000_000, "1500ms"),
            (3_140_000_000, "3140ms"),
            (3_141_592_653, "3.141592653secs"),
            (60 * SECOND, "1mins"),
            (90 * SECOND, "90secs"),
            (90 * SECOND + 1, "1.50000000001667mins"),
            (15 * 60 * SECOND, "15mins"),
            (10 * 3600 * SECOND, "10hrs"),
            (5400 * SECOND, "90mins"),
            (25 * 3600 * SECOND, "25hrs"),
            (DAY + (4 * 60 + 30) * 60 * SECOND, "1.1875days"),
            (7 * DAY, "1weeks"),
            (10 * DAY, "10days"),
            (14 * DAY, "2weeks"),
            (10 * DAY + 1, "1.42857142857143weeks"),
            (i64::MAX, "15250.2844524715weeks"),
            (-10 * 3600 * SECOND, "-10hrs"),
            (-1, "-1ns"),
            (i64::MIN, "-15250.2844524715weeks"),
        ] {
            assert_eq!(print(nanos), text, "{nanos}");
        }
    }

    #[test]
    fn parses_every_unit_and_fractions() {
        for (text, nanos) in [
            ("0ns", 0),
            ("1ns", 1),
            ("1us", 1_000),
            ("1ms", 1_000_000),
            ("1secs", SECOND),
            ("1mins", 60 * SECOND),
            ("3.5hrs", 12_600 * SECOND),
            ("1days", DAY),
            ("1weeks", 7 * DAY),
            (".5secs", SECOND / 2),
            ("1.secs", SECOND),
            ("007ns", 7),
            ("1.9ns", 1),
            ("106751days", 106_751 * DAY),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn a_number_alone_has_no_unit() {
        for text in ["", "15", "1.5", "."] {
            let no_unit = DurationError::NoUnit {
                text: text.to_owned(),
            };
            assert_eq!(parse(text), Err(no_unit));
        }
    }

    #[test]
    fn units_other_than_mesoss_are_refused() {
        for text in [
            "1s", "1sec", "1 secs", "1secs ", "1SECS", "1m", "1e3ns", "0x1ns", "1,5hrs",
        ] {
            let unknown = DurationError::UnknownUnit {
                text: text.to_owned(),
            };
            assert_eq!(parse(text), Err(unknown));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "secs",
            ".secs",
            "1.2.3secs",
            "-1secs",
            "+1secs",
            " 1secs",
            "infsecs",
            "٣secs",
        ] {
            let not_a_number = DurationError::NotANumber {
                text: text.to_owned(),
            };
            assert_eq!(parse(text), Err(not_a_number));
        }
    }

    #[test]
    fn more_than_64_bits_of_nanoseconds_are_too_long() {
        let endless = format!("{}ns", "9".repeat(400));
        for text in [
            "9223372036854775808ns",
            "15251weeks",
            "106752days",
            &endless,
        ] {
            let too_long = DurationError::TooLong {
                text: text.to_owned(),
            };
            assert_eq!(parse(text), Err(too_long));
        }
        let longest = Duration::from_nanos(i64::MAX as u64);
        assert_eq!(
            MesosDuration::from_std(longest).map(MesosDuration::as_nanos),
            Ok(i64::MAX)
        );
        assert!(MesosDuration::from_std(longest + Duration::from_nanos(1)).is_err());
    }

    #[test]
    fn a_negative_length_is_no_rust_duration() {
        let to_std = |nanos| MesosDuration::from_nanos(nanos).to_std();
        assert_eq!(to_std(-1), None);
        assert_eq!(to_std(0), Some(Duration::ZERO));
        assert_eq!(to_std(1_500), Some(Duration::from_nanos(1_500)));
    }

    proptest! {
        #[test]
        fn a_whole_number_of_a_unit_survives_printing_and_parsing(
            (name, unit, count) in prop::sample::select(&UNITS[..])
                .prop_flat_map(|(name, unit)| (Just(name), Just(unit), 0..=999_999_i64.min(i64::MAX / unit)))
        ) {
            let nanos = unit * count;
            prop_assert_eq!(parse(&format!("{count}{name}")), Ok(nanos));
            let printed = print(nanos);
            if !printed.contains('.') {
                prop_assert_eq!(parse(&printed), Ok(nanos));
            }
        }

        #[test]
        fn any_length_survives_within_the_digits_that_are_printed(
            nanos in (0..63_u32).prop_flat_map(|bits| 0..=(i64::MAX >> bits))
        ) {
            // Half a unit of the 15th digit, and what parsing cuts off.
            let error = i64::abs_diff(parse(&print(nanos)).unwrap(), nanos);
            prop_assert!(error <= 1 + nanos.unsigned_abs() / 100_000_000_000_000);
        }
    }
}
