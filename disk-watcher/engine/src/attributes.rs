//! The attributes of a file that a walk needs, by name below a directory handle or from a descriptor.
//!
//! `statx` since it alone tells the mount (`STATX_MNT_ID`, Linux 5.8) and does not wait for a network file system
//! to sync (`AT_STATX_DONT_SYNC`). Where a seccomp filter of a container runtime refuses it, `fstatat` does.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;

use crate::FileId;
use crate::proc_text;

/// When a file changed last, in seconds and nanoseconds.
pub(crate) type Changed = (i64, u32);

/// What one file is and holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) id: FileId,
    /// The mount that the file was reached through; `None` before Linux 5.8.
    pub(crate) mount: Option<u64>,
    /// When it was made, in seconds and nanoseconds: tells a directory from a later one that was given its inode.
    /// `None` where the file system does not remember.
    pub(crate) born: Option<(i64, u32)>,
    /// When its content or anything else of it changed.
    pub(crate) changed: Changed,
    pub(crate) is_dir: bool,
    pub(crate) nlink: u64,
    /// Allocated 512-byte blocks.
    pub(crate) blocks: u64,
}

/// The attributes of the open file itself; `O_PATH` descriptors and links among them.
pub(crate) fn of(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    get(file, c"", AtFlags::EMPTY_PATH)
}

/// The attributes of `name` in `dir`: of a link itself, and without triggering an automount.
pub(crate) fn at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Attributes, Errno> {
    get(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// The attributes of what `link`, one of the kernel's own in `/proc/PID`, leads to.
pub(crate) fn at_link(dir: BorrowedFd<'_>, link: &CStr) -> Result<Attributes, Errno> {
    get(dir, link, AtFlags::empty())
}

fn get(dir: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<Attributes, Errno> {
    let flags = flags | AtFlags::NO_AUTOMOUNT;
    let wanted = StatxFlags::TYPE
        | StatxFlags::INO
        | StatxFlags::NLINK
        | StatxFlags::BLOCKS
        | StatxFlags::BTIME
        | StatxFlags::CTIME
        | StatxFlags::MNT_ID;
    match rustix::fs::statx(dir, name, flags | AtFlags::STATX_DONT_SYNC, wanted) {
        Ok(found) => Ok(Attributes {
            id: FileId {
                dev: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
                ino: found.stx_ino,
            },
            mount: (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id),
            born: (found.stx_mask & StatxFlags::BTIME.bits() != 0)
                .then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
            is_dir: FileType::from_raw_mode(found.stx_mode.into()).is_dir(),
            nlink: found.stx_nlink.into(),
            blocks: found.stx_blocks,
        }),
        Err(Errno::NOSYS) => without_statx(dir, name, flags),
        Err(errno) => Err(errno),
    }
}

fn without_statx(dir: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<Attributes, Errno> {
    let found = rustix::fs::statat(dir, name, flags)?;
    Ok(Attributes {
        id: FileId {
            dev: found.st_dev,
            ino: found.st_ino,
        },
        mount: None,
        born: None,
        changed: (
            found.st_ctime,
            u32::try_from(found.st_ctime_nsec).unwrap_or(0),
        ),
        is_dir: FileType::from_raw_mode(found.st_mode).is_dir(),
        nlink: found.st_nlink,
        blocks: u64::try_from(found.st_blocks).unwrap_or(0),
    })
}

/// The mount that an open file was reached through, as /proc tells it: for kernels whose `statx` does not.
pub(crate) fn mount_from_proc(file: BorrowedFd<'_>) -> Option<u64> {
    let info = fs::read(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    proc_text::mount_id(&info)
}

/// Whether the error says that the file is simply no longer there.
pub(crate) fn is_gone(errno: Errno) -> bool {
    errno == Errno::NOENT || errno == Errno::STALE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn statx_and_fstatat_tell_the_same() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("f"))
            .unwrap()
            .write_all(&[1; 10_000])
            .unwrap();
        std::fs::hard_link(dir.path().join("f"), dir.path().join("g")).unwrap();
        let handle = File::open(dir.path()).unwrap();
        for name in [c"f", c"."] {
            let new = at(handle.as_fd(), name).unwrap();
            let old = without_statx(handle.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            assert_eq!(
                (new.id, new.is_dir, new.nlink, new.blocks),
                (old.id, old.is_dir, old.nlink, old.blocks)
            );
        }
        assert_eq!(at(handle.as_fd(), c"f").unwrap().nlink, 2);
    }

    #[test]
    fn proc_and_statx_agree_on_the_mount() {
        let root = File::open("/").unwrap();
        let told = of(root.as_fd()).unwrap().mount;
        if told.is_some() {
            assert_eq!(mount_from_proc(root.as_fd()), told);
        }
        assert!(mount_from_proc(root.as_fd()).is_some());
    }
}
