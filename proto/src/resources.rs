//! What a list of resources amounts to (Mesos: src/common/resources.cpp, src/common/values.cpp).

use std::ops::RangeInclusive;

use crate::v1::{Resource, value};

/// How many of the scalar resource `name` there are in all, whatever their role, reservation or volume: `cpus` in
/// shares of a processor, `mem` and `disk` in MB. `None` if there is none.
///
/// Like Mesos, counts in thousandths, so that 0.1 and 0.2 are 0.3 (Mesos: src/common/values.cpp).
#[must_use]
pub fn scalar(resources: &[Resource], name: &str) -> Option<f64> {
    sum(resources.iter().filter(|resource| resource.name == name))
}

/// The disk that the sandbox may use, in MB: `disk` resources without a volume. Those with one are a volume's, which
/// is measured apart (Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp). `None` if there is none.
#[must_use]
pub fn sandbox_disk(resources: &[Resource]) -> Option<f64> {
    sum(resources.iter().filter(|resource| {
        let volume = resource.disk.as_ref().and_then(|disk| disk.volume.as_ref());
        resource.name == "disk" && volume.is_none()
    }))
}

/// The ports, as ranges in ascending order that neither overlap nor touch. What is no port number is left out.
#[must_use]
pub fn ports(resources: &[Resource]) -> Vec<RangeInclusive<u16>> {
    let mut ranges: Vec<(u16, u16)> = resources
        .iter()
        .filter(|resource| {
            resource.name == "ports" && resource.r#type == value::Type::Ranges as i32
        })
        .filter_map(|resource| resource.ranges.as_ref())
        .flat_map(|ranges| &ranges.range)
        .filter_map(|range| {
            let begin = u16::try_from(range.begin).ok()?;
            let end = u16::try_from(range.end).unwrap_or(u16::MAX);
            (begin <= end).then_some((begin, end))
        })
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (begin, end) in ranges {
        match merged.last_mut() {
            Some((_, last)) if begin <= last.saturating_add(1) => *last = end.max(*last),
            _ => merged.push((begin, end)),
        }
    }
    merged.into_iter().map(|(begin, end)| begin..=end).collect()
}

fn sum<'a>(resources: impl Iterator<Item = &'a Resource>) -> Option<f64> {
    resources
        .filter(|resource| resource.r#type == value::Type::Scalar as i32)
        .filter_map(|resource| resource.scalar.as_ref())
        // `as` saturates, and makes zero of what is not a number.
        .map(|scalar| (scalar.value * 1000.0).round() as i64)
        .reduce(i64::saturating_add)
        .map(|thousandths| thousandths as f64 / 1000.0)
}
