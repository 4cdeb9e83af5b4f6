//! The lines of `/proc/self/mountinfo` that mount a cgroup hierarchy (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::kernel_file::malformed;

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    /// The cgroup that is seen at the mount point: not `/` in a container that was given only its
    /// own part of the hierarchy.
    pub(crate) root: PathBuf,
    pub(crate) mount_point: PathBuf,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A v1 hierarchy and its super options, among them the names of its controllers.
    V1 {
        options: Vec<String>,
    },
    V2,
}

/// Every mounted cgroup hierarchy of `text`, the content of `path`.
///
/// A line is `id parent major:minor root mount-point options [optional...] - type source
/// super-options`; root and mount point have spaces and the like as octal escapes.
pub(crate) fn cgroup_mounts(path: &Path, text: &str) -> Result<Vec<CgroupMount>, Error> {
    let mut mounts = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let bad = || malformed(path, index + 1, line);
        let (before, after) = line.split_once(" - ").ok_or_else(bad)?;
        let mut after = after.split(' ');
        let kind = match after.next() {
            Some("cgroup") => {
                let options = after.nth(1).ok_or_else(bad)?;
                Kind::V1 {
                    options: options.split(',').map(str::to_owned).collect(),
                }
            }
            Some("cgroup2") => Kind::V2,
            Some(_) => continue,
            None => return Err(bad()),
        };
        let mut before = before.split(' ').skip(3);
        let root = unescape(before.next().ok_or_else(bad)?);
        let mount_point = unescape(before.next().ok_or_else(bad)?);
        mounts.push(CgroupMount {
            root,
            mount_point,
            kind,
        });
    }
    Ok(mounts)
}

/// Undoes the kernel's escapes: `\040` for a space, and so for tab, newline and backslash.
fn unescape(field: &str) -> PathBuf {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'\\')
            .then(|| field.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 4 } else { 1 };
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<CgroupMount>, Error> {
        cgroup_mounts(Path::new("/proc/self/mountinfo"), text)
    }

    #[test]
    fn co_mounted_controllers_are_all_among_the_options() {
        let mounts = parse(
            "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
             33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n",
        )
        .unwrap();
        assert_eq!(mounts.len(), 1);
        assert_eq!(
            mounts[0].mount_point,
            Path::new("/sys/fs/cgroup/cpu,cpuacct")
        );
        let Kind::V1 { options } = &mounts[0].kind else {
            panic!("{mounts:?}")
        };
        assert_eq!(options, &["rw", "cpu", "cpuacct"]);
    }

    #[test]
    fn escapes_in_a_path_are_undone() {
        let mounts = parse("41 31 0:38 /a\\040b /mnt/c\\134d rw - cgroup2 cgroup2 rw\n").unwrap();
        assert_eq!(mounts[0].root, Path::new("/a b"));
        assert_eq!(mounts[0].mount_point, Path::new("/mnt/c\\d"));
        assert_eq!(mounts[0].kind, Kind::V2);
    }

    #[test]
    fn a_line_without_the_separator_is_named() {
        let error = parse("27 1 254:0 / / rw - ext4 d rw\nnonsense\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("mountinfo line 2: 'nonsense'"), "{error}");
    }
}
