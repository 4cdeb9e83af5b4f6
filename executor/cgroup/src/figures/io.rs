use std::collections::BTreeMap;
use std::path::Path;

use super::IoFigures;
use crate::Error;
use crate::kernel_file::{malformed, read_if_present};
use crate::limits::Device;

type ByDevice = BTreeMap<Device, IoFigures>;

fn of(device: Device, found: &mut ByDevice) -> &mut IoFigures {
    found.entry(device).or_insert(IoFigures {
        device,
        read_bytes: 0,
        written_bytes: 0,
        reads: 0,
        writes: 0,
    })
}

/// Lines are `8:0 Read 4096`, and so on for `Write`, `Sync`, `Total`; at the end is `Total 4096`.
pub(super) fn read_v1(directory: &Path) -> Result<Option<Vec<IoFigures>>, Error> {
    let mut found = ByDevice::new();
    // With its child cgroups, where the kernel counts that.
    for (files, bytes) in [
        (
            [
                "blkio.throttle.io_service_bytes_recursive",
                "blkio.throttle.io_service_bytes",
            ],
            true,
        ),
        (
            [
                "blkio.throttle.io_serviced_recursive",
                "blkio.throttle.io_serviced",
            ],
            false,
        ),
    ] {
        let mut path = directory.join(files[0]);
        let mut text = read_if_present(&path)?;
        if text.is_none() {
            path = directory.join(files[1]);
            text = read_if_present(&path)?;
        }
        let Some(text) = text else {
            return Ok(None);
        };
        for (index, line) in text.lines().enumerate() {
            let mut fields = line.split(' ');
            let (Some(first), Some(kind), Some(value)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let bad = || malformed(&path, index + 1, line);
            let number = value.parse().map_err(|_| bad())?;
            let figures = of(Device::parse(first).ok_or_else(bad)?, &mut found);
            match (kind, bytes) {
                ("Read", true) => figures.read_bytes = number,
                ("Write", true) => figures.written_bytes = number,
                ("Read", false) => figures.reads = number,
                ("Write", false) => figures.writes = number,
                _ => {}
            }
        }
    }
    Ok(Some(found.into_values().collect()))
}

/// Lines are `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`, and a device can come without
/// any of them.
pub(super) fn read_v2(directory: &Path) -> Result<Option<Vec<IoFigures>>, Error> {
    let path = directory.join("io.stat");
    let Some(text) = read_if_present(&path)? else {
        return Ok(None);
    };
    let mut found = ByDevice::new();
    for (index, line) in text.lines().enumerate() {
        let bad = || malformed(&path, index + 1, line);
        let mut fields = line.split_whitespace();
        let first = fields.next().and_then(Device::parse).ok_or_else(bad)?;
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let figures = of(first, &mut found);
            let place = match key {
                "rbytes" => &mut figures.read_bytes,
                "wbytes" => &mut figures.written_bytes,
                "rios" => &mut figures.reads,
                "wios" => &mut figures.writes,
                _ => continue,
            };
            *place = value.parse().map_err(|_| bad())?;
        }
    }
    Ok(Some(found.into_values().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const EXPECTED: IoFigures = IoFigures {
        device: Device { major: 8, minor: 0 },
        read_bytes: 4096,
        written_bytes: 8192,
        reads: 1,
        writes: 2,
    };

    #[test]
    fn both_versions_tell_the_same_of_a_disk() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(
            at.join("blkio.throttle.io_service_bytes"),
            "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Total 12288\nTotal 12288\n",
        )
        .unwrap();
        fs::write(
            at.join("blkio.throttle.io_serviced"),
            "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n",
        )
        .unwrap();
        assert_eq!(read_v1(at).unwrap(), Some(vec![EXPECTED]));
        fs::write(
            at.join("io.stat"),
            "7:0 \n8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
        )
        .unwrap();
        assert_eq!(read_v2(at).unwrap(), Some(vec![EXPECTED]));
    }

    #[test]
    fn a_cgroup_that_used_no_disk_has_none_and_one_without_the_controller_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_v2(directory.path()).unwrap(), None);
        assert_eq!(read_v1(directory.path()).unwrap(), None);
        fs::write(directory.path().join("io.stat"), "").unwrap();
        assert_eq!(read_v2(directory.path()).unwrap(), Some(vec![]));
    }
}
