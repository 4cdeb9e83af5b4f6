//! The block device that holds a file system, by which kernels before Linux 5.14 have to be asked of its quotas.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};

/// What there is of a device.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// A device file of its number.
    At(CString),
    /// None at any path that is known: a container's /dev has but a few.
    OutOfSight,
}

/// A file of the block device with this number (`st_dev` of the files on it).
///
/// # Errors
/// When /proc/self/mountinfo cannot be read.
pub(super) fn find(device: u64) -> io::Result<Device> {
    let mounts = fs::read("/proc/self/mountinfo")?;
    let by_number = PathBuf::from(format!("/dev/block/{}:{}", major(device), minor(device)));
    let found = sources(&mounts, device)
        .chain([by_number])
        // The name is whatever the one who mounted it wrote. The number behind it is what counts.
        .find(|path| is_device(path, device))
        .and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
    Ok(found.map_or(Device::OutOfSight, Device::At))
}

fn is_device(path: &Path, device: u64) -> bool {
    path.is_absolute()
        && fs::metadata(path)
            .is_ok_and(|found| found.file_type().is_block_device() && found.rdev() == device)
}

/// What the mounts of `device` were mounted from: the second field after the hyphen
/// (Linux: Documentation/filesystems/proc.rst, 3.5).
fn sources(mountinfo: &[u8], device: u64) -> impl Iterator<Item = PathBuf> {
    let number = format!("{}:{}", major(device), minor(device));
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(move |line| {
            let mut fields = line.split(|byte| *byte == b' ');
            if fields.nth(2)? != number.as_bytes() {
                return None;
            }
            fields.find(|field| *field == b"-")?;
            Some(PathBuf::from(unescape(fields.nth(1)?)))
        })
}

/// Blanks and the like are written as a backslash and three octal digits there.
fn unescape(field: &[u8]) -> OsString {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal {
            Some(byte) if first == b'\\' => {
                text.push(byte);
                rest = &after[3..];
            }
            _ => {
                text.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::makedev;

    const MOUNTS: &[u8] = b"\
        21 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/root rw\n\
        22 21 0:5 / /dev rw - devtmpfs udev rw\n\
        30 21 7:1 /a/b /mnt\\040- rw - xfs /dev/my\\040disk\\134 rw,prjquota\n\
        torn 7:1";

    #[test]
    fn a_source_is_found_by_the_number_whatever_else_the_line_has() {
        let of = |device| sources(MOUNTS, device).collect::<Vec<_>>();
        assert_eq!(of(makedev(7, 1)), [PathBuf::from("/dev/my disk\\")]);
        assert_eq!(of(makedev(254, 0)), [PathBuf::from("/dev/root")]);
        assert_eq!(of(makedev(7, 2)), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(b"a\\0b\\777\\"), OsString::from("a\\0b\\777\\"));
        assert_eq!(unescape(b"\\011"), OsString::from("\t"));
    }

    #[test]
    fn what_is_no_such_device_is_not_taken_for_it() {
        assert!(!is_device(Path::new("/dev/null"), makedev(1, 3)));
        assert!(!is_device(Path::new("udev"), makedev(0, 5)));
        assert_eq!(find(makedev(4_000, 4_000)).unwrap(), Device::OutOfSight);
    }
}
