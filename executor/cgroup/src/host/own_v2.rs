//! Where ours hang in the hierarchy of v2, in which a cgroup that has processes cannot hand
//! controllers down to its children (the no-internal-process rule of cgroups(7)).
//!
//! That is this process's own cgroup when somebody delegated it to us, as systemd does with the unit
//! of `Delegate=yes`, and nobody else is in it: then we move to a [`LEAF`] of it, and tasks come
//! beside that. A unit in which others run, as that of an agent that started us, is theirs. Otherwise
//! it is the root, which root alone can write to.

use std::fs;
use std::path::Path;

use nix::unistd::geteuid;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::controller::of_v2_file;
use super::{Controller, Hierarchy, below, visible};
use crate::Error;
use crate::kernel_file::{read, read_if_present};
use crate::mountinfo::CgroupMount;
use crate::own_cgroup::OwnCgroup;
use crate::version::Version;

/// Where this process and its own are while tasks have the cgroups beside.
pub(crate) const LEAF: &str = "mesos-sandbox-executor-itself";

/// What systemd marks the cgroup of a unit with `Delegate=yes` by, the second of them for those who
/// are not root (systemd: docs/CGROUP_DELEGATION.md).
const MARKS: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// What the v2 hierarchy at `directory` can do for us; `None` when it has no controller.
pub(super) fn usable(
    root: &Path,
    mount: &CgroupMount,
    directory: &Path,
    own: &[OwnCgroup],
) -> Result<Option<Hierarchy>, Error> {
    let own = own.iter().find(|line| line.controllers.is_empty());
    let own = own.and_then(|own| visible(&own.path, &mount.root));
    let (anchor, is_own) = match own.map(|own| below(directory, &own)) {
        // We, or who started us, moved here before.
        Some(own) if own.ends_with(LEAF) => (own.parent().unwrap_or(&own).to_owned(), true),
        Some(own) if is_delegated(&own, directory) && are_all_ours(root, &own)? => (own, true),
        Some(_) | None => (directory.to_owned(), false),
    };
    let available = read_if_present(&anchor.join("cgroup.controllers"))?;
    let mut controllers = of_v2_file(&available.unwrap_or_default());
    if controllers.is_empty() {
        return Ok(None);
    }
    controllers.push(Controller::Devices);
    let below_mount = anchor.strip_prefix(directory).unwrap_or(Path::new(""));
    Ok(Some(Hierarchy {
        version: Version::V2,
        controllers,
        cgroup: mount.root.join(below_mount),
        leaf: is_own.then(|| anchor.join(LEAF)),
        anchor,
    }))
}

/// Whether the cgroup at `own` was given to whoever is in it, to make cgroups below.
fn is_delegated(own: &Path, mount_point: &Path) -> bool {
    // Only the root of all has no type. Another cgroup at the mount point is that of a container.
    if own == mount_point {
        return own.join("cgroup.type").exists();
    }
    let is_marked = MARKS.into_iter().any(|mark| {
        let mut value = [0; 8];
        let got = rustix::fs::getxattr(own, mark, &mut value);
        got.is_ok_and(|length| value.get(..length) == Some(b"1"))
    });
    // Who is not root and can write here can because it was given to them.
    is_marked || (!geteuid().is_root() && is_writable(own))
}

fn is_writable(own: &Path) -> bool {
    let files = ["", "cgroup.procs", "cgroup.subtree_control"];
    files
        .iter()
        .all(|file| accessat(CWD, own.join(file), Access::WRITE_OK, AtFlags::EACCESS).is_ok())
}

/// Whether nobody is in the cgroup at `own` but this process and its descendants.
fn are_all_ours(root: &Path, own: &Path) -> Result<bool, Error> {
    let processes = read(&own.join("cgroup.procs"))?;
    let us = std::process::id().to_string();
    Ok(processes.lines().all(|pid| descends(root, pid, &us)))
}

/// Whether the process `pid` is `from` or one of its descendants. One that is gone is not.
fn descends(root: &Path, pid: &str, from: &str) -> bool {
    let mut pid = pid.to_owned();
    while pid != from {
        let Some(parent) = parent(root, &pid) else {
            return false;
        };
        pid = parent;
    }
    true
}

fn parent(root: &Path, pid: &str) -> Option<String> {
    let stat = fs::read(root.join("proc").join(pid).join("stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Its name in parentheses, which may hold anything; its state; its parent.
    let (_, rest) = stat.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?;
    (parent != "0").then(|| parent.to_owned())
}
