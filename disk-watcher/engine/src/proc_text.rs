//! What `/proc` tells in text that tasks have a hand in: file names in `maps`, mount points in `mountinfo`.
//!
//! The parsers of the procfs crate take such text for UTF-8 and give up on a whole file for one odd name; here every
//! name is bytes, and a line that makes no sense is passed over. Pure, so that it can be fuzzed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A line of `/proc/PID/mountinfo`, as far as it tells where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// As in `mnt_id` of `/proc/PID/fdinfo`. Of all mounts that there are, in any namespace, only one has it.
    pub id: u64,
    /// The directory of the file system that is mounted: `/`, but for bind mounts.
    pub root: PathBuf,
    /// Where, as seen from the process's root directory.
    pub point: PathBuf,
}

/// All mounts that the text tells of. Linux: Documentation/filesystems/proc.rst, /proc/PID/mountinfo.
pub fn mounts(mountinfo: &[u8]) -> impl Iterator<Item = Mount> {
    mountinfo.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = number(fields.next()?, 10)?;
        let mut paths = fields.skip(2);
        Some(Mount {
            id,
            root: path(paths.next()?),
            point: path(paths.next()?),
        })
    })
}

/// The address ranges of the mapped files that `/proc/PID/maps` calls deleted, which are names in
/// `/proc/PID/map_files`. A file may just be called so: its link count tells.
///
/// Linux: Documentation/filesystems/proc.rst, /proc/PID/maps.
pub fn deleted_mappings(maps: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    maps.split(|byte| *byte == b'\n').filter_map(|line| {
        let range = line.split(|byte| *byte == b' ').next()?;
        if !line.ends_with(b" (deleted)") {
            return None;
        }
        let dash = range.iter().position(|byte| *byte == b'-')?;
        Some((number(&range[..dash], 16)?, number(&range[dash + 1..], 16)?))
    })
}

/// The mount that a file was opened through. Linux: Documentation/filesystems/proc.rst, /proc/PID/fdinfo.
pub fn mount_id(fdinfo: &[u8]) -> Option<u64> {
    let mut lines = fdinfo.split(|byte| *byte == b'\n');
    lines.find_map(|line| number(line.strip_prefix(b"mnt_id:")?.trim_ascii(), 10))
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    // from_str_radix would take a sign, too.
    let text = std::str::from_utf8(digits).ok()?;
    if text.starts_with('+') {
        return None;
    }
    u64::from_str_radix(text, radix).ok()
}

/// Undoes the kernel's escapes, a backslash and three octal digits for whatever could be taken for a separator.
fn path(escaped: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let octal = (first == b'\\').then(|| after.get(..3)).flatten();
        let byte = octal.and_then(|digits| u8::try_from(number(digits, 8)?).ok());
        if byte.is_some() {
            rest = &after[3..];
        }
        bytes.push(byte.unwrap_or(first));
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_whatever_its_paths_hold() {
        let text = b"29 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            nonsense\n\
            31 29 253:0 /vol\\040[1]\\134x /mnt/new\\012line\xff rw - ext4 /dev/vda rw\n\
            32 29 253:0 /short\n";
        let found: Vec<Mount> = mounts(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].id, found[0].root.as_os_str()), (29, "/".as_ref()));
        assert_eq!(found[1].root, PathBuf::from("/vol [1]\\x"));
        let point = OsString::from_vec(b"/mnt/new\nline\xff".to_vec());
        assert_eq!(found[1].point, PathBuf::from(point));
    }

    #[test]
    fn a_backslash_without_three_digits_stands_for_itself() {
        assert_eq!(path(b"a\\04"), PathBuf::from("a\\04"));
        assert_eq!(path(b"a\\999b\\777"), PathBuf::from("a\\999b\\777"));
    }

    #[test]
    fn mappings_of_deleted_files_are_found_and_no_others() {
        let text = b"00400000-0040b000 r-xp 00000000 fd:00 12 /bin/cat\n\
            7f00-7fff rw-s 00000000 fd:00 13    /SYSV\xc3 (deleted)\n\
            x-7fff rw-s 00000000 fd:00 13 /y (deleted)\n\
            7ffe000-7fff000 rw-p 00000000 00:00 0 [stack]\n";
        let found: Vec<_> = deleted_mappings(text).collect();
        assert_eq!(found, [(0x7f00, 0x7fff)]);
    }

    #[test]
    fn a_mount_id_is_read_from_fdinfo() {
        let fdinfo = b"pos:\t0\nflags:\t012500000\nmnt_id:\t29\nino:\t2\n";
        assert_eq!(mount_id(fdinfo), Some(29));
        assert_eq!(mount_id(b"pos:\t0\n"), None);
        assert_eq!(mount_id(b"mnt_id:\tmany\n"), None);
        assert_eq!(mount_id(b"mnt_id:\t+1\n"), None);
    }
}
