//! A task's part of the disks' time.

use std::path::Path;

use super::{Device, Place};
use crate::degraded::{Degraded, Limit, Why};
use crate::version::Version;
use crate::{Error, kernel_file};

/// What a task may have of the disks; by default all that there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Io {
    /// Against other cgroups, from 1 to 10000; 100 is everybody's, as in v2's `io.weight`. Disks under
    /// the scheduler BFQ have the same scale up to 1000; old kernels with v1 have one from 10 to 1000,
    /// with 500 for everybody.
    pub weight: Option<u16>,
    /// Ceilings, one entry a device.
    pub ceilings: Vec<IoCeiling>,
}

/// The most a second of one device; `None` is no ceiling. On v1 only what a process reads, or
/// writes past the page cache, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoCeiling {
    /// A whole disk; the kernel refuses a partition.
    pub device: Device,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Reads.
    pub read_operations: Option<u64>,
    /// Writes.
    pub write_operations: Option<u64>,
}

/// v1's weight of everybody, of which old kernels have the whole scale.
const V1_DEFAULT: u32 = 500;
const V1_BOUNDS: (u32, u32) = (10, 1000);
/// BFQ's, a scheduler of disks, whose weight of everybody is v2's, and its greatest.
const BFQ_MOST: u16 = 1000;

pub(super) fn write(io: &Io, place: Place<'_>, degraded: &mut Vec<Degraded>) -> Result<(), Error> {
    if !place.is_new || io.weight.is_some() {
        write_weight(io.weight, place, degraded)?;
    }
    if !place.is_new || !io.ceilings.is_empty() {
        match place.version {
            Version::V1 => write_ceilings_v1(io, place)?,
            Version::V2 => write_ceilings_v2(io, place)?,
        }
    }
    Ok(())
}

/// Every file that is there counts, for the disks whose scheduler reads it.
fn write_weight(
    asked: Option<u16>,
    place: Place<'_>,
    degraded: &mut Vec<Degraded>,
) -> Result<(), Error> {
    let weight = asked.unwrap_or(100).clamp(1, 10_000);
    let bfq = weight.min(BFQ_MOST).to_string();
    let files = match place.version {
        Version::V1 => {
            let (least, most) = V1_BOUNDS;
            let old = (u32::from(weight) * V1_DEFAULT / 100).clamp(least, most);
            [("blkio.weight", old.to_string()), ("blkio.bfq.weight", bfq)]
        }
        Version::V2 => [("io.weight", weight.to_string()), ("io.bfq.weight", bfq)],
    };
    let mut is_held = false;
    for (file, value) in &files {
        let path = place.directory.join(file);
        if path.exists() {
            kernel_file::write(&path, value)?;
            is_held = true;
        }
    }
    if !is_held && asked.is_some() {
        degraded.push(Degraded {
            limit: Limit::IoWeight,
            why: Why::NoFile(files[0].0),
        });
    }
    Ok(())
}

fn write_ceilings_v1(io: &Io, place: Place<'_>) -> Result<(), Error> {
    type Of = fn(&IoCeiling) -> Option<u64>;
    let files: [(&str, Of); 4] = [
        ("read_bps", |ceiling| ceiling.read_bytes),
        ("write_bps", |ceiling| ceiling.write_bytes),
        ("read_iops", |ceiling| ceiling.read_operations),
        ("write_iops", |ceiling| ceiling.write_operations),
    ];
    for (name, of) in files {
        let path = place
            .directory
            .join(format!("blkio.throttle.{name}_device"));
        let wanted: Vec<_> = io.ceilings.iter().filter(|one| of(one).is_some()).collect();
        for device in now(&path, place)? {
            if !wanted.iter().any(|one| one.device == device) {
                kernel_file::write(&path, &format!("{device} 0"))?;
            }
        }
        for one in wanted {
            let value = of(one).unwrap_or_default().max(1);
            kernel_file::write(&path, &format!("{} {value}", one.device))?;
        }
    }
    Ok(())
}

fn write_ceilings_v2(io: &Io, place: Place<'_>) -> Result<(), Error> {
    let path = place.directory.join("io.max");
    let number = |value: Option<u64>| value.map_or("max".to_owned(), |n| n.max(1).to_string());
    for device in now(&path, place)? {
        if !io.ceilings.iter().any(|one| one.device == device) {
            let none = format!("{device} rbps=max wbps=max riops=max wiops=max");
            kernel_file::write(&path, &none)?;
        }
    }
    for one in &io.ceilings {
        let line = format!(
            "{} rbps={} wbps={} riops={} wiops={}",
            one.device,
            number(one.read_bytes),
            number(one.write_bytes),
            number(one.read_operations),
            number(one.write_operations)
        );
        kernel_file::write(&path, &line)?;
    }
    Ok(())
}

/// The devices that have a ceiling in the file at `path`: lines begin with the device.
fn now(path: &Path, place: Place<'_>) -> Result<Vec<Device>, Error> {
    if place.is_new {
        return Ok(Vec::new());
    }
    let text = kernel_file::read_if_present(path)?.unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split(' ').next());
    Ok(lines.filter_map(Device::parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const DISK: Device = Device { major: 8, minor: 0 };

    fn put(directory: &Path, version: Version, io: &Io, is_new: bool) -> Vec<Degraded> {
        let place = Place {
            version,
            directory,
            is_new,
        };
        let mut degraded = Vec::new();
        write(io, place, &mut degraded).unwrap();
        degraded
    }

    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in files {
            fs::write(directory.path().join(file), text).unwrap();
        }
        directory
    }

    fn text(directory: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(directory.path().join(file)).unwrap()
    }

    #[test]
    fn everybodys_weight_is_everybodys_on_each_scale() {
        let directory = with(&[
            ("blkio.weight", "     "),
            ("blkio.bfq.weight", "     "),
            ("io.weight", "       "),
        ]);
        let of = |weight| Io {
            weight: Some(weight),
            ..Io::default()
        };
        for (weight, old, bfq, v2) in [
            (100, "500", "100", "100"),
            (1, "10", "1", "1"),
            (10_000, "1000", "1000", "10000"),
        ] {
            for version in [Version::V1, Version::V2] {
                assert_eq!(put(directory.path(), version, &of(weight), true), []);
            }
            let found = ["blkio.weight", "blkio.bfq.weight", "io.weight"];
            let found = found.map(|file| text(&directory, file).trim().to_owned());
            // Like the kernel's files these are written over, not cut off.
            for (found, expected) in found.iter().zip([old, bfq, v2]) {
                assert!(found.starts_with(expected), "{found}: {expected}");
            }
        }
    }

    #[test]
    fn a_weight_that_nothing_reads_is_told_of() {
        let directory = with(&[]);
        let io = Io {
            weight: Some(50),
            ..Io::default()
        };
        let expected = Degraded {
            limit: Limit::IoWeight,
            why: Why::NoFile("io.weight"),
        };
        assert_eq!(put(directory.path(), Version::V2, &io, true), [expected]);
    }

    #[test]
    fn a_ceiling_is_written_by_device_and_taken_back_by_it() {
        let io = Io {
            weight: None,
            ceilings: vec![IoCeiling {
                device: DISK,
                read_bytes: Some(1 << 20),
                write_bytes: None,
                read_operations: None,
                write_operations: Some(0),
            }],
        };
        let v2 = with(&[("io.max", "")]);
        put(v2.path(), Version::V2, &io, true);
        let line = "8:0 rbps=1048576 wbps=max riops=max wiops=1";
        assert_eq!(text(&v2, "io.max"), line);
        put(v2.path(), Version::V2, &Io::default(), false);
        let none = "8:0 rbps=max wbps=max riops=max wiops=max";
        assert!(text(&v2, "io.max").starts_with(none));

        let v1 = with(
            &["read_bps", "write_bps", "read_iops", "write_iops"].map(|name| {
                let file: &'static str = Box::leak(format!("blkio.throttle.{name}_device").into());
                (file, "")
            }),
        );
        put(v1.path(), Version::V1, &io, true);
        assert_eq!(text(&v1, "blkio.throttle.read_bps_device"), "8:0 1048576");
        assert_eq!(text(&v1, "blkio.throttle.write_iops_device"), "8:0 1");
        assert_eq!(text(&v1, "blkio.throttle.write_bps_device"), "");
        put(v1.path(), Version::V1, &Io::default(), false);
        assert!(text(&v1, "blkio.throttle.read_bps_device").starts_with("8:0 0"));
    }
}
