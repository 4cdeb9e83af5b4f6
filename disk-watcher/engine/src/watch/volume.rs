//! A file system: what it is, and what it can tell of itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::event::FileSystem;
use super::schedule::Used;
use super::settings::QuotaUse;
use super::subject::Subject;

use crate::quota::{Membership, ProjectQuota, project_of, top_of};

/// It is looked again what a file system can do after this long: it may have been mounted anew.
const AGAIN: Duration = Duration::from_secs(60);

/// Numbers of file systems (Linux: include/uapi/linux/magic.h, and fs/xfs/libxfs/xfs_format.h).
const KINDS: [(u64, &str); 10] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x0102_1994, "tmpfs"),
    (0x9123_683E, "btrfs"),
    (0x794C_7630, "overlay"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0x8584_58F6, "ramfs"),
];

/// Those of which `fstatfs` tells at once and exactly what was written, and waits for no server.
const TELLING: [&str; 3] = ["ext4", "xfs", "tmpfs"];

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: FileSystem,
    /// To ask it through what it holds; `None` where that is not to be believed.
    handle: Option<OwnedFd>,
    /// Its project quotas, or why there are none.
    pub(super) quota: Result<ProjectQuota, String>,
    probed: Instant,
}

impl Volume {
    /// Finds out about the file system that a tree is in. May wait for its disk.
    pub(super) fn probe(subject: &Subject, quota: &QuotaUse) -> Self {
        let kind = rustix::fs::fstatfs(subject.root()).map(|found| found.f_type as u64);
        let kind = match kind {
            Ok(number) => KINDS
                .iter()
                .find(|(known, _)| *known == number & 0xFFFF_FFFF)
                .map_or_else(|| format!("{number:#x}"), |(_, name)| (*name).to_owned()),
            Err(_) => "unknown".to_owned(),
        };
        // Not by the root: it would stay on disk when it is removed. And a directory that has a project tells what the
        // project holds, as if it were a file system.
        let top = TELLING
            .contains(&kind.as_str())
            .then(|| top_of(subject.root(), subject.dev()).ok())
            .flatten();
        Self {
            handle: top.filter(|top| !has_project(top.as_fd())),
            name: FileSystem {
                dev: subject.dev(),
                kind,
            },
            quota: match quota {
                QuotaUse::Off => Err("project quotas are switched off".to_owned()),
                QuotaUse::Observe | QuotaUse::Assign { .. } => {
                    ProjectQuota::probe(subject.root()).map_err(|error| error.to_string())
                }
            },
            probed: Instant::now(),
        }
    }

    /// Whether it is time to look again what it can do.
    pub(super) fn is_old(&self) -> bool {
        self.probed.elapsed() >= AGAIN
    }

    /// Whether it tells what it holds.
    pub(super) fn tells(&self) -> bool {
        self.handle.is_some()
    }

    /// What it holds; `None` where it does not tell. Waits for no disk.
    pub(super) fn used(&self) -> Option<Used> {
        let found = rustix::fs::fstatfs(self.handle.as_ref()?).ok()?;
        let block = u64::try_from(found.f_frsize).ok()?;
        let blocks = found.f_blocks.saturating_sub(found.f_bfree);
        Some(Used {
            bytes: blocks.saturating_mul(block),
            inodes: found.f_files.saturating_sub(found.f_ffree),
        })
    }
}

/// Whether a directory is of a project. One that cannot be asked, since its file system knows of no projects, is not.
fn has_project(root: BorrowedFd<'_>) -> bool {
    membership(root, c".").is_ok_and(|found| found.project.is_some())
}

/// What a directory, or the one above it (`..`), says of projects.
pub(super) fn membership(root: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<Membership, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(root, name, flags, Mode::empty())?;
    project_of(directory.as_fd()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
