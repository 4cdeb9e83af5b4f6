//! What the kernel tells of a process whose file names and mounts a task chose: mountinfo, maps and fdinfo.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use disk_engine::proc_text::{Mount, deleted_mappings, mount_id, mounts};

/// No line has a say in what is made of another, and a mount is the one that the kernel has, whatever its paths hold.
pub(crate) fn run(bytes: &[u8]) {
    let lines = || bytes.split(|byte| *byte == b'\n');
    let found: Vec<Mount> = mounts(bytes).collect();
    assert!(lines().flat_map(mounts).eq(found.iter().cloned()));
    assert!(
        lines()
            .flat_map(deleted_mappings)
            .eq(deleted_mappings(bytes))
    );
    assert_eq!(lines().find_map(mount_id), mount_id(bytes));

    let again: String = found.iter().map(line).collect();
    assert!(mounts(again.as_bytes()).eq(found), "does not come back");
}

/// As the kernel writes it.
fn line(mount: &Mount) -> String {
    let (root, point) = (escaped(&mount.root), escaped(&mount.point));
    format!("{} 1 8:1 {root} {point} rw - ext4 /dev/sda rw\n", mount.id)
}

fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            // The kernel leaves other bytes as they are; here the text must be one of Rust's.
            b'\\' | b' ' | b'\t' | b'\n' | 0x80.. => {
                let _ = write!(text, "\\{byte:03o}");
            }
            byte => text.push(char::from(*byte)),
        }
    }
    text
}
