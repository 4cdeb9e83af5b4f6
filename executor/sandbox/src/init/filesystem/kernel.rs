//! `/proc` and `/sys`: what of them concerns the task, and nothing of the host's to write to.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};

use super::super::failed_at;
use super::blank::Blank;
use super::mounts::{self, Bans};
use super::tree::{NAME, Tree, kind_of};
use super::{Without, cgroups, open_on_host};
use crate::namespaces::Own;
use crate::report::{Failure, Feature, Step};

const QUIET: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

/// What of `/proc` is the host's and nothing for a task to write to (Mesos: src/linux/fs.cpp; runc's and crun's default
/// specification). Not every kernel has all of it.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What of `/proc` tells of the host and its other tenants (as runc's and crun's default specification).
const MASKED: [&str; 11] = [
    "acpi",
    "asound",
    "kcore",
    "keys",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "vmcore",
];

/// The same of `/sys`.
const MASKED_IN_SYS: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// A `/proc` that shows the task's own namespace of processes.
pub(super) fn lay_proc(
    root: &Tree,
    blank: &Blank,
    own: Own,
    without: Without<'_>,
) -> Result<(), Failure> {
    let at = |step| failed_at(step, "/proc");
    let outcome = if own.pid {
        directory(root, "proc").and_then(|target| mounts::lay("proc", &target, QUIET, ""))
    } else {
        // The host's, as it sees the same processes, as writable as it is there.
        let target = directory(root, "proc").map_err(at(Step::Mount))?;
        open_on_host(Path::new("/proc")).and_then(|proc| mounts::bind(&proc, &target))
    };
    match outcome {
        Ok(()) => close_proc(root, blank),
        // Without the rights. An image's is its own, and empty.
        Err(errno @ Errno::EPERM) => {
            without(Feature::Proc, errno);
            let target = directory(root, "proc").map_err(at(Step::Mount))?;
            mounts::bind(&blank.directory, &target).map_err(at(Step::Mount))
        }
        Err(errno) => Err(at(Step::Mount)(errno)),
    }
}

fn close_proc(root: &Tree, blank: &Blank) -> Result<(), Failure> {
    let at = |step| failed_at(step, "/proc");
    let proc = directory(root, "proc").map_err(at(Step::Mount))?;
    // What is bound while it is read-only stays so: half as many calls as to change each.
    mounts::ban(&proc, Bans::WRITING).map_err(at(Step::Mount))?;
    for name in READ_ONLY {
        lay_over_itself(&proc, name)
            .map_err(failed_at(Step::Mount, Path::new("/proc").join(name)))?;
    }
    mounts::allow(&proc, Bans::WRITING).map_err(at(Step::Mount))?;
    for name in MASKED {
        mask(&proc, name, blank).map_err(failed_at(Step::Hide, Path::new("/proc").join(name)))?;
    }
    Ok(())
}

/// `/sys`, read-only, with the task's own cgroups alone: those of `cgroup_procs`. The root may be an image's, and one that
/// was made for this task alone.
pub(super) fn lay_sys(
    root: &Tree,
    blank: &Blank,
    is_image: bool,
    is_tasks: bool,
    own: Own,
    cgroup_procs: &[PathBuf],
) -> Result<(), Failure> {
    let at = |step| failed_at(step, "/sys");
    let target = directory(root, "sys").map_err(at(Step::Mount))?;
    if is_tasks && is_mounted(root, &target).map_err(at(Step::Mount))? {
        // The agent has made it for this container.
        return Ok(());
    }
    let host = || open_on_host(Path::new("/sys"));
    let laid = if is_image || own.network {
        match mounts::lay("sysfs", &target, QUIET, "") {
            // Not without the rights over the network; then it is the host's, with what is mounted below it.
            Err(Errno::EPERM) if is_image => host().and_then(|host| mounts::bind(&host, &target)),
            Err(Errno::EPERM) => Ok(()),
            outcome => outcome,
        }
    } else {
        // The host's without what is mounted below it, as for debugging.
        match host().and_then(|host| mounts::bind_alone(&host, &target)) {
            // In a user namespace what is below may not be uncovered.
            Err(Errno::EINVAL) => Ok(()),
            outcome => outcome,
        }
    };
    laid.map_err(at(Step::Mount))?;
    let sys = directory(root, "sys").map_err(at(Step::Mount))?;
    for name in MASKED_IN_SYS {
        mask(&sys, name, blank).map_err(failed_at(Step::Hide, Path::new("/sys").join(name)))?;
    }
    cgroups::lay(&sys, blank, cgroup_procs)?;
    mounts::close_off(&sys, Bans::WRITING).map_err(at(Step::Mount))
}

/// What is at this name in the root, a directory, which an image need not have: a link in its place is none.
pub(super) fn directory(root: &Tree, name: &str) -> Result<OwnedFd, Errno> {
    let open = || openat(root.root(), name, NAME | OFlag::O_DIRECTORY, Mode::empty());
    match open() {
        Err(Errno::ENOENT) => {
            match mkdirat(root.root(), name, Mode::from_bits_truncate(0o755)) {
                // That it is not there says more.
                Err(Errno::EROFS) => Err(Errno::ENOENT),
                made => made.and_then(|()| open()),
            }
        }
        outcome => outcome,
    }
}

/// Whether `place` is of another file system than the root.
pub(super) fn is_mounted(root: &Tree, place: &OwnedFd) -> Result<bool, Errno> {
    let device = |what: std::os::fd::BorrowedFd<'_>| {
        let found = fstatat(what, "", AtFlags::AT_EMPTY_PATH)?;
        Ok(found.st_dev)
    };
    Ok(device(place.as_fd())? != device(root.root())?)
}

fn lay_over_itself(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    match openat(directory, name, NAME, Mode::empty()) {
        Ok(found) => mounts::bind(&found, &found),
        Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn mask(directory: &OwnedFd, name: &str, blank: &Blank) -> Result<(), Errno> {
    let found = match openat(directory, name, NAME, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    match kind_of(&found)? {
        SFlag::S_IFDIR => mounts::bind(&blank.directory, &found),
        _ => mounts::bind(&blank.file, &found),
    }
}
