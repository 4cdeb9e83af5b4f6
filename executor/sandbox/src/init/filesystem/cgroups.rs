//! `/sys/fs/cgroup`: the task's own cgroups, where programs look for their limits, and no others.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use super::super::failed_at;
use super::blank::Blank;
use super::tree::NAME;
use super::{mounts, open_on_host};
use crate::report::{Failure, Step};

const MOUNT_POINT: &str = "/sys/fs/cgroup";

/// Lays them there, below `sys`, that is the task's: as on the host, but with the task's cgroup in the place of the root of each hierarchy.
/// `procs` are their `cgroup.procs` on the host.
pub(super) fn lay(sys: &OwnedFd, blank: &Blank, procs: &[PathBuf]) -> Result<(), Failure> {
    let at = failed_at(Step::Mount, MOUNT_POINT);
    let target = match openat(sys, "fs/cgroup", NAME | OFlag::O_DIRECTORY, Mode::empty()) {
        Ok(target) => target,
        // A kernel without cgroups.
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(at(errno)),
    };
    let groups = procs.iter().filter_map(|procs| procs.parent());
    let groups: Vec<_> = groups
        .filter(|group| group.starts_with(MOUNT_POINT))
        .collect();
    match groups[..] {
        [] => mounts::bind(&blank.directory, &target).map_err(at),
        [group] if is_unified().map_err(failed_at(Step::Mount, MOUNT_POINT))? => {
            open_on_host(group)
                .and_then(|group| mounts::bind(&group, &target))
                .map_err(failed_at(Step::Mount, group))
        }
        _ => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            let laid = mounts::lay("tmpfs", &target, flags, "mode=755,size=64k");
            let below = laid.and_then(|()| openat(sys, "fs/cgroup", NAME, Mode::empty()));
            let below = below.map_err(at)?;
            for group in groups {
                lay_one(&below, group).map_err(failed_at(Step::Mount, group))?;
            }
            Ok(())
        }
    }
}

/// One hierarchy among several, each of which has a directory of its own.
fn lay_one(below: &OwnedFd, group: &Path) -> Result<(), Errno> {
    let inside = group.strip_prefix(MOUNT_POINT).unwrap_or(group);
    let hierarchy = inside.iter().next().ok_or(Errno::EINVAL)?;
    mkdirat(below, hierarchy, Mode::from_bits_truncate(0o755))?;
    let target = openat(below, hierarchy, NAME, Mode::empty())?;
    mounts::bind(&open_on_host(group)?, &target)
}

/// Whether the host has the one hierarchy of version 2 alone.
fn is_unified() -> Result<bool, Errno> {
    let found = fstatfs(&open_on_host(Path::new(MOUNT_POINT))?)?;
    Ok(found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}
