//! A length of time, or a number of bytes, as text.

use mesos_proto::{Bytes, MesosDuration};

use crate::input::text;

/// What is printed can be parsed, and is the same but for what fifteen digits and whole nanoseconds lose.
pub(crate) fn run(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(duration) = text.parse::<MesosDuration>() {
        assert!(duration.to_std().is_some(), "{text} is negative");
        let printed = duration.to_string();
        // The longest there is prints as one more than fits.
        if let Ok(again) = printed.parse::<MesosDuration>() {
            let apart = again.as_nanos().abs_diff(duration.as_nanos());
            assert!(
                apart <= 1 + duration.as_nanos().unsigned_abs() / 100_000_000_000_000,
                "{text}: {printed}"
            );
        } else {
            assert!(
                duration.as_nanos() > i64::MAX / 1_000_000 * 999_999,
                "{text}: {printed}"
            );
        }
    }
    if let Ok(bytes) = text.parse::<Bytes>() {
        assert_eq!(bytes.to_string().parse(), Ok(bytes), "{text}");
    }
}
