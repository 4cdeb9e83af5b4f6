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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::resource::DiskInfo;
    use crate::v1::resource::disk_info::Persistence;
    use crate::v1::value::{Range, Ranges, Scalar};
    use crate::v1::{Volume, volume};

    fn amount(name: &str, value: f64) -> Resource {
        Resource {
            name: name.to_owned(),
            r#type: value::Type::Scalar.into(),
            scalar: Some(Scalar { value }),
            ..Resource::default()
        }
    }

    fn port_ranges(ranges: &[(u64, u64)]) -> Resource {
        let range = ranges
            .iter()
            .map(|&(begin, end)| Range { begin, end })
            .collect();
        Resource {
            name: "ports".to_owned(),
            r#type: value::Type::Ranges.into(),
            ranges: Some(Ranges { range }),
            ..Resource::default()
        }
    }

    fn persistent(megabytes: f64, volume: Option<Volume>) -> Resource {
        Resource {
            disk: Some(DiskInfo {
                persistence: Some(Persistence {
                    id: "data".to_owned(),
                    ..Persistence::default()
                }),
                volume,
                ..DiskInfo::default()
            }),
            ..amount("disk", megabytes)
        }
    }

    #[test]
    fn equal_names_are_added_up() {
        let resources = [
            amount("cpus", 0.1),
            amount("mem", 32.0),
            amount("cpus", 0.2),
        ];
        assert_eq!(scalar(&resources, "cpus"), Some(0.3));
        assert_eq!(scalar(&resources, "mem"), Some(32.0));
    }

    #[test]
    fn none_at_all_is_not_zero() {
        assert_eq!(scalar(&[amount("mem", 32.0)], "cpus"), None);
        assert_eq!(scalar(&[amount("cpus", 0.0)], "cpus"), Some(0.0));
        assert_eq!(sandbox_disk(&[]), None);
    }

    #[test]
    fn a_resource_of_another_or_an_unknown_type_is_no_scalar() {
        for r#type in [value::Type::Ranges.into(), 77] {
            let resource = Resource {
                r#type,
                ..amount("cpus", 1.0)
            };
            assert_eq!(scalar(&[resource], "cpus"), None);
        }
    }

    #[test]
    fn a_scalar_that_is_no_number_is_zero() {
        assert_eq!(scalar(&[amount("cpus", f64::NAN)], "cpus"), Some(0.0));
    }

    #[test]
    fn a_volume_is_not_the_sandboxs_disk() {
        let volume = Volume {
            mode: volume::Mode::Rw.into(),
            container_path: "data".to_owned(),
            ..Volume::default()
        };
        let resources = [
            amount("disk", 10.0),
            persistent(100.0, Some(volume)),
            persistent(5.0, None),
            amount("mem", 32.0),
        ];
        assert_eq!(sandbox_disk(&resources), Some(15.0));
        assert_eq!(scalar(&resources, "disk"), Some(115.0));
    }

    #[test]
    fn ports_are_sorted_and_joined() {
        let resources = [
            port_ranges(&[(31_005, 31_006), (31_000, 31_001)]),
            amount("ports", 1.0),
            port_ranges(&[(31_002, 31_003), (31_000, 31_000)]),
        ];
        assert_eq!(ports(&resources), [31_000..=31_003, 31_005..=31_006]);
        assert_eq!(ports(&[]), []);
    }

    #[test]
    fn what_is_no_port_number_is_left_out() {
        let resources = [port_ranges(&[(9, 8), (65_530, u64::MAX), (65_536, 65_537)])];
        assert_eq!(ports(&resources), [65_530..=65_535]);
    }
}
