//! Numbers as people read them.

/// Bytes a second, with a sign.
pub fn growth(bytes_per_second: f64) -> String {
    let amount = in_units(bytes_per_second.abs() as u64);
    match bytes_per_second {
        rate if rate >= 1.0 => format!("+{amount}/s"),
        rate if rate <= -1.0 => format!("-{amount}/s"),
        _ => "0 B/s".to_owned(),
    }
}

/// Rounded up, so that only what is within the limit shows as 100 % or less.
pub fn percent(share: f64) -> String {
    if share < 100.0 {
        format!("{}%", (share * 100.0).ceil())
    } else {
        ">9999%".to_owned()
    }
}

/// Bytes in the largest unit that leaves a number of at least 1, with one decimal.
pub fn in_units(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024.0 is 1.0 of the next unit.
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Seconds in the unit that fits.
pub fn age(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0}ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.0}s"),
        s if s < 7_200.0 => format!("{:.0}min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0}h", s / 3_600.0),
        s => format!("{:.0}d", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_leaves_at_least_one() {
        let shown = [0, 1023, 1024, 1_048_524, 1 << 20, u64::MAX].map(in_units);
        let want = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1023.9 KiB",
            "1.0 MiB",
            "16384.0 PiB",
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn a_rate_has_a_sign_unless_it_is_nothing() {
        assert_eq!(
            [0.4, 2048.0, -1.0].map(growth),
            ["0 B/s", "+2.0 KiB/s", "-1 B/s"]
        );
    }
}
