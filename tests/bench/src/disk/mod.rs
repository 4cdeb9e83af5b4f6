//! What it costs to know how much is on disk, beside others that tell it.

mod breaches;
mod image;
mod peers;
mod quiet_day;
mod stopwatch;
mod ticks;
mod walks;
mod writers;

/// Prints the tables; with a name, one of them.
pub(crate) fn measure(only: Option<&str>) {
    let parts: [(&str, fn()); 5] = [
        ("walks", walks::measure),
        ("ticks", ticks::measure),
        ("writers", writers::measure),
        ("breaches", breaches::measure),
        ("quiet-day", quiet_day::measure),
    ];
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            part();
        }
    }
}
