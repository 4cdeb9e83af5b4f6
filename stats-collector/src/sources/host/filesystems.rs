//! How full file systems are.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

/// More than are worth a series each.
const MOST: usize = 32;

/// What the agent's file system is called.
const WORK_DIR: &str = "work_dir";

/// Images: full from the beginning.
const IMAGES: [&str; 4] = ["squashfs", "iso9660", "erofs", "udf"];

/// One file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filesystem {
    pub(super) name: String,
    pub(super) size_bytes: u64,
    /// For who is not root.
    pub(super) available_bytes: u64,
    pub(super) free_bytes: u64,
    /// 0 where there are as many as there is room for.
    pub(super) inodes: u64,
    pub(super) free_inodes: u64,
}

/// The one with the agent's work directory, and those of block devices, each once.
pub(super) fn read(work_dir: Option<&Path>) -> Vec<Filesystem> {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let places = places(&mounts, work_dir);
    let named = work_dir.map(|work_dir| (WORK_DIR.to_owned(), work_dir.to_owned()));
    let others = places.into_iter().map(|place| (name(&place), place));
    named
        .into_iter()
        .chain(others)
        .take(MOST)
        .filter_map(|(name, place)| Filesystem::look(name, &place))
        .collect()
}

/// Where to look at each device's file system: nowhere in the work directory, which tasks' mounts are in, and for each
/// the shortest path, so that no directory bound elsewhere is taken for one.
pub(super) fn places(mountinfo: &[u8], work_dir: Option<&Path>) -> Vec<PathBuf> {
    let mut places: HashMap<&[u8], PathBuf> = HashMap::new();
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let Some(mount) = Mount::parse(line) else {
            continue;
        };
        let is_inside = work_dir
            .is_some_and(|work_dir| mount.place.starts_with(work_dir) && mount.place != work_dir);
        if is_inside || !mount.is_of_a_disk() {
            continue;
        }
        let shortest = places
            .entry(mount.device)
            .or_insert_with(|| mount.place.clone());
        if mount.place.as_os_str().len() < shortest.as_os_str().len() {
            *shortest = mount.place;
        }
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_unstable();
    places
}

/// Without the slash in front: `var/lib`, and `root` for the root.
fn name(place: &Path) -> String {
    match place.to_string_lossy().trim_matches('/') {
        "" => "root".to_owned(),
        path => path.to_owned(),
    }
}

impl Filesystem {
    fn look(name: String, place: &Path) -> Option<Self> {
        let found = statvfs(place).ok()?;
        let is_image = found.f_bavail == 0 && found.f_flag.contains(StatVfsMountFlags::RDONLY);
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        (found.f_blocks > 0 && !is_image).then(|| Self {
            name,
            size_bytes: bytes(found.f_blocks),
            available_bytes: bytes(found.f_bavail),
            free_bytes: bytes(found.f_bfree),
            inodes: found.f_files,
            free_inodes: found.f_ffree,
        })
    }
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), whose names may be anything.
struct Mount<'a> {
    /// Numbers with a colon between them.
    device: &'a [u8],
    place: PathBuf,
    kind: &'a [u8],
    source: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let device = words.nth(2)?;
        let place = unescaped(words.nth(1)?);
        let mut behind = words.skip_while(|word| *word != b"-").skip(1);
        Some(Self {
            device,
            place: std::ffi::OsString::from_vec(place).into(),
            kind: behind.next()?,
            source: behind.next()?,
        })
    }

    fn is_of_a_disk(&self) -> bool {
        let is_image = IMAGES.iter().any(|image| image.as_bytes() == self.kind);
        // btrfs has no number of a device, and zfs no device at all.
        let is_on_one = !self.device.starts_with(b"0:") || matches!(self.kind, b"btrfs" | b"zfs");
        is_on_one && !is_image && !self.source.starts_with(b"/dev/loop")
    }
}

/// White space and backslashes are written as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let octal = match (first, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        plain.push(octal.unwrap_or(*first));
        rest = if octal.is_some() {
            &behind[3..]
        } else {
            behind
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        23 22 0:21 / /proc rw - proc proc rw\n\
        24 22 8:17 / /var/lib/mesos rw master:2 shared:3 - xfs /dev/sdb1 rw\n\
        25 22 8:17 /volumes/x /var/lib/mesos/slaves/S/volume rw - xfs /dev/sdb1 rw\n\
        26 22 8:33 / /var/lib/mesos/slaves/S/evil rw - ext4 /dev/sdc1 rw\n\
        27 22 8:1 /home /bound rw - ext4 /dev/sda1 rw\n\
        28 22 7:0 / /snap/x ro - squashfs /dev/loop0 ro\n\
        29 22 0:40 / /data\\040disk rw - btrfs /dev/sdd rw\n\
        30 22 0:41 / /nfs rw - nfs4 server:/ rw\n\
        31 22 8:49 / /odd\xff rw - ext4 /dev/sde rw\n\
        nonsense\n";

    #[test]
    fn each_device_is_looked_at_once_and_never_where_tasks_have_mounts() {
        let work_dir = Path::new("/var/lib/mesos");
        let found = places(MOUNTS, Some(work_dir));
        let found: Vec<_> = found.iter().map(|place| name(place)).collect();
        assert_eq!(found, ["root", "data disk", "odd\u{fffd}", "var/lib/mesos"]);
    }

    #[test]
    fn a_file_system_is_as_large_as_the_kernel_says() {
        let work_dir = tempfile::tempdir().unwrap();
        let found = read(Some(work_dir.path()));
        let own = &found[0];
        assert_eq!(own.name, WORK_DIR);
        let said = std::process::Command::new("stat")
            .args(["--file-system", "--format=%b %S %c"])
            .arg(work_dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let said: Vec<u64> = said
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        assert_eq!((own.size_bytes, own.inodes), (said[0] * said[1], said[2]));
        assert!(own.available_bytes <= own.free_bytes && own.free_bytes <= own.size_bytes);
    }
}
