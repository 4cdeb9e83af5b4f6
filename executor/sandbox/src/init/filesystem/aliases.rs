//! Other names of the same place: a file system, or a part of one, can be mounted at several. The agent's work directory
//! is often one, bound from a larger disk.

use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::readlink;

use super::each_mount::{Mount, id_of, tree_of};
use super::mounts::name;
use super::tree::Tree;

/// The mounts of a root.
pub(super) struct Aliases {
    mounts: Vec<Mount>,
}

impl Aliases {
    pub(super) fn in_root(root: &Tree) -> Result<Aliases, Errno> {
        let (mounts, _) = tree_of(&root.root())?;
        Ok(Aliases { mounts })
    }

    /// The paths, below the root, at which other mounts show what is open as `place`, as long as nothing lies over them.
    pub(super) fn of(&self, place: &impl AsFd) -> Result<Vec<PathBuf>, Errno> {
        let id = id_of(place)?;
        let Some(own) = self.mounts.iter().find(|mount| mount.id == id) else {
            return Ok(Vec::new());
        };
        // Relative to the directory that `begin` has made the current one.
        let path = PathBuf::from(readlink(&*name(place))?);
        let Ok(below) = path.strip_prefix(&own.point) else {
            return Ok(Vec::new());
        };
        let in_file_system = own.root.join(below);
        let others = self
            .mounts
            .iter()
            .filter(|other| other.id != own.id && other.device == own.device);
        let shown = others.filter_map(|other| {
            let below = in_file_system.strip_prefix(&other.root).ok()?;
            Some(other.point.join(below))
        });
        Ok(shown.collect())
    }
}
