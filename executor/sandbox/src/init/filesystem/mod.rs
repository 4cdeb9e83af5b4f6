//! A file system of the task's own, made in the mount namespace of its pid 1, so that the task and whoever is let in beside
//! it have the same.
//!
//! ```text
//! the host's tree, as it was cloned with the namespace: opened from, never shown
//!  '- over its root the new root: the host's once more, or an image's, closed off
//!      |- something empty, to hide with                                blank.rs
//!      |- /tmp, /var/tmp, /dev/shm   directories inside the task's     private.rs
//!      |- what is hidden, and what is shown below that                 hidden.rs, aliases.rs
//!      |- the task's directory
//!      |- /proc, /sys, /dev                                            kernel.rs, cgroups.rs, devices.rs
//!      '- volumes                                                      volumes.rs
//! ```
//!
//! Then the new root becomes the root, and the host's tree is taken away. The new root is a clone so that only that one
//! has to be made read-only: what is bound from the host's tree has the rights that it has there, neither more nor less.
//! Everything that is opened, made or mounted below a directory that a task could write to is so by descriptors
//! (tree.rs, mounts.rs).

mod aliases;
mod blank;
mod cgroups;
mod devices;
mod each_mount;
mod hidden;
mod kernel;
mod mounts;
mod private;
mod tree;
mod volumes;

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, fstatat, umask};
use nix::unistd::{chdir, fchdir, pivot_root};

use self::blank::Blank;
use self::hidden::Covers;
use self::mounts::Bans;
use self::private::Private;

use self::tree::{Kind, Tree};
use super::failed_at;
use crate::filesystem::{PrivateFiles, Root};
use crate::namespaces::Own;
use crate::plan::Plan;
use crate::report::{Failure, Feature, Step};

/// How what cannot be had is told.
type Without<'a> = &'a mut dyn FnMut(Feature, Errno);

/// Makes `files` what this process sees. It is to be the only one in its mount namespace, whose mounts no other
/// namespace hears of. `sandbox` is the task's directory, by whoever made it. The current directory is the root
/// afterwards.
pub(super) fn enter(
    files: &PrivateFiles,
    plan: &Plan,
    sandbox: Option<&OwnedFd>,
    own: Own,
    without: Without<'_>,
) -> Result<(), Failure> {
    // Modes are meant as they are written here.
    umask(Mode::empty());
    mounts::begin().map_err(failed_at(Step::Mount, "/proc/self/fd"))?;
    let sandbox = open_sandbox(&files.sandbox, sandbox)?;
    let mut private = Private::of(&sandbox, plan.identity.as_ref(), without);

    let root = make_root(files, &sandbox)?;
    let blank = Blank::lay(&root).map_err(failed_at(Step::Mount, "/proc"))?;
    private.lay_temporary(&root)?;
    let mut covers = Covers::of(&root)?;
    let sandbox_is_above =
        |path: &Path| path.starts_with(&files.sandbox_inside) && path != files.sandbox_inside;
    for path in files.hidden.iter().filter(|path| !sandbox_is_above(path)) {
        covers.hide(&root, path, &blank)?;
    }
    for path in &files.visible {
        covers.show(&root, path)?;
    }
    let inside = lay_sandbox(&root, &sandbox, &files.sandbox_inside)?;
    for path in files.hidden.iter().filter(|path| sandbox_is_above(path)) {
        covers.hide_in(&inside, path, &files.sandbox_inside, &blank)?;
    }
    let is_image = files.root != Root::Host;
    // Whoever made a root for this task alone has mounted there what is meant for it. In any other directory it is
    // somebody's, as the whole of the host's devices where people go by chroot.
    let is_tasks = matches!(files.root, Root::Directory { writable: true, .. });
    kernel::lay_proc(&root, &blank, own, private.without)?;
    kernel::lay_sys(&root, &blank, is_image, is_tasks, own, &plan.cgroup_procs)?;
    devices::lay(&root, is_tasks, files.shm, &mut private, &mut covers)?;
    for volume in &files.volumes {
        volumes::lay(volume, files, &root, &inside, &private)?;
    }
    covers.close()?;
    leave_for(&root).map_err(failed_at(Step::EnterRoot, root_path(&files.root)))
}

/// Whether a task can do without what [`enter`] makes, which only a mount namespace allows; it has the host's files then.
///
/// # Errors
/// It is to have what it would not find there.
pub(super) fn is_dispensable(files: &PrivateFiles) -> Result<(), Failure> {
    let (step, path) = match (&files.root, files.volumes.first()) {
        (Root::Directory { path, .. }, _) => (Step::EnterRoot, path),
        (Root::Host, Some(volume)) => (Step::MountVolume, &volume.target),
        (Root::Host, None) if files.sandbox_inside != files.sandbox => {
            (Step::PlaceSandbox, &files.sandbox_inside)
        }
        (Root::Host, None) => return Ok(()),
    };
    Err(failed_at(step, path)(Errno::EPERM))
}

/// The task's directory, which is `made` when that is known.
fn open_sandbox(path: &Path, made: Option<&OwnedFd>) -> Result<OwnedFd, Failure> {
    // One of our own mounts; what was opened by the executor is on one of its.
    let opened = open_on_host(path).and_then(|found| {
        let identity = |descriptor: &OwnedFd| {
            let found = fstatat(descriptor, "", AtFlags::AT_EMPTY_PATH)?;
            Ok((found.st_dev, found.st_ino))
        };
        match made {
            // Somebody has put another one there.
            Some(made) if identity(made)? != identity(&found)? => Err(Errno::ESTALE),
            _ => Ok(found),
        }
    });
    opened.map_err(failed_at(Step::OpenSandbox, path))
}

/// By name only, links followed.
fn open_on_host(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

fn root_path(root: &Root) -> &Path {
    match root {
        Root::Host => Path::new("/"),
        Root::Directory { path, .. } => path,
    }
}

fn make_root(files: &PrivateFiles, sandbox: &OwnedFd) -> Result<Tree, Failure> {
    let path = root_path(&files.root);
    let in_sandbox = path.strip_prefix(&files.sandbox).ok();
    let in_sandbox = in_sandbox.filter(|_| files.root != Root::Host);
    let bans = match files.root {
        // Its devices are those that the task gets in /dev.
        Root::Host => Bans::WRITING_AND_DEVICES,
        Root::Directory {
            writable: false, ..
        } => Bans::WRITING,
        // As the directory that it is in.
        Root::Directory { writable: true, .. } if in_sandbox.is_some() => Bans::DEVICES,
        Root::Directory { writable: true, .. } => Bans::default(),
    };
    let source = match in_sandbox {
        Some(inside) => sandbox
            .try_clone()
            .map_err(|error| super::errno_of(&error))
            .and_then(|sandbox| Tree::without_links(sandbox).open(inside)),
        None => open_on_host(path),
    };
    source
        .and_then(|source| attach(&source))
        .and_then(|root| mounts::close_off(&root, bans).map(|()| Tree::new(root)))
        .map_err(failed_at(Step::EnterRoot, path))
}

/// Lays it over the root, with all that is mounted below it: the mount that this makes.
fn attach(source: &OwnedFd) -> Result<OwnedFd, Errno> {
    mounts::bind(source, &open_on_host(Path::new("/"))?)?;
    // `/` is still what it was, while `..` of it leads to what lies over it.
    open_on_host(Path::new("/.."))
}

/// Puts the task's directory where the task is to see it.
fn lay_sandbox(root: &Tree, sandbox: &OwnedFd, path: &Path) -> Result<Tree, Failure> {
    root.open_or_make(path, Kind::Directory)
        .and_then(|target| mounts::bind(sandbox, &target))
        // What is at the path is now what is mounted there.
        .and_then(|()| root.open(path))
        .and_then(|mounted| mounts::close_off(&mounted, Bans::DEVICES).map(|()| mounted))
        .map(Tree::without_links)
        .map_err(failed_at(Step::PlaceSandbox, path))
}

/// Makes it the root; the old one, and all that is mounted below it, is gone afterwards.
fn leave_for(root: &Tree) -> Result<(), Errno> {
    fchdir(root.root())?;
    // The old root comes to lie over the new one, and is taken away from there.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}
