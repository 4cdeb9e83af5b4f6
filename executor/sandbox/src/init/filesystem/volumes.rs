//! Volumes: files and directories of the host's at paths of the task's.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

use super::super::failed_at;
use super::mounts::{self, Bans};
use super::open_on_host;
use super::private::Private;
use super::tree::{Kind, Tree, kind_of};
use crate::filesystem::{PrivateFiles, Propagation, Source, Volume};
use crate::report::{Failure, Step};

/// Lays one. `inside` is the task's directory as the task sees it.
pub(super) fn lay(
    volume: &Volume,
    files: &PrivateFiles,
    root: &Tree,
    inside: &Tree,
    private: &Private<'_>,
) -> Result<(), Failure> {
    let source = open(&volume.source, private)?;
    // By the shortest way: what is below the task's directory is anybody's, and made with its user's rights.
    let below = match volume.target.strip_prefix(&files.sandbox_inside) {
        Ok(below) => Some(below),
        Err(_) => Some(&*volume.target).filter(|target| target.is_relative()),
    };
    let open_target = |kind| match below {
        Some(below) => private.as_owner(|| inside.open_or_make(below, kind)),
        None => root.open_or_make(&volume.target, kind),
    };
    let open_mounted = || match below {
        Some(below) => inside.open(below),
        None => root.open(&volume.target),
    };
    let bans = Bans {
        writing: volume.read_only,
        // One that a task has made where tasks can write is none that the host gives.
        devices: matches!(volume.source, Source::Inside { .. }),
    };
    kind_of(&source)
        .and_then(|kind| open_target(Kind::like(kind)))
        .and_then(|target| mounts::bind(&source, &target))
        .and_then(|()| match volume.propagation {
            Propagation::Private => mounts::close_off(&open_mounted()?, bans),
            // It has it from the host's tree, that follows the host.
            Propagation::FromHost => mounts::ban_below(&open_mounted()?, bans),
        })
        .map_err(failed_at(Step::MountVolume, &volume.target))
}

fn open(source: &Source, private: &Private<'_>) -> Result<OwnedFd, Failure> {
    match source {
        Source::Host(path) => open_on_host(path).map_err(failed_at(Step::OpenVolume, path)),
        Source::Inside { directory, path } => open_inside(directory, path, private)
            .map_err(failed_at(Step::OpenVolume, directory.join(path))),
    }
}

fn open_inside(directory: &Path, path: &Path, private: &Private<'_>) -> Result<OwnedFd, Errno> {
    let tree = Tree::without_links(open_on_host(directory)?);
    match tree.open(path) {
        Err(Errno::ENOENT) => private.as_owner(|| tree.open_or_make(path, Kind::Directory)),
        outcome => outcome,
    }
}
