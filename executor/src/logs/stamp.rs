//! The time at the begin of a line: `2026-11-21T20:03:51.123Z ` (RFC 3339, UTC).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Appends the text of `time`, and a blank.
pub(super) fn push(line: &mut Vec<u8>, time: SystemTime) {
    // A clock before 1970 gives 1970.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    let text =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z ");
    line.extend_from_slice(text.as_bytes());
}

/// Year, month and day of a day that is counted from 1970 on, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let mut year = 1970 + 400 * (days / DAYS_IN_400_YEARS);
    days %= DAYS_IN_400_YEARS;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64, millis: u64) -> String {
        let mut line = Vec::new();
        let since = Duration::from_secs(seconds) + Duration::from_millis(millis);
        push(&mut line, UNIX_EPOCH + since);
        String::from_utf8(line).unwrap()
    }

    /// As `date --utc --date=@<seconds> +%FT%TZ` says.
    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00.007Z "),
            (951_782_399, "2000-02-28T23:59:59.007Z "),
            (951_782_400, "2000-02-29T00:00:00.007Z "),
            (951_868_800, "2000-03-01T00:00:00.007Z "),
            (1_704_067_199, "2023-12-31T23:59:59.007Z "),
            (1_795_291_431, "2026-11-21T20:03:51.007Z "),
            (4_107_542_399, "2100-02-28T23:59:59.007Z "),
            (4_107_542_400, "2100-03-01T00:00:00.007Z "),
        ] {
            assert_eq!(text(seconds, 7), wanted);
        }
    }

    #[test]
    fn a_clock_before_1970_does_no_harm() {
        let mut line = Vec::new();
        push(&mut line, UNIX_EPOCH - Duration::from_secs(1));
        assert!(line.starts_with(b"1970-01-01T00:00:00.000Z "));
    }
}
