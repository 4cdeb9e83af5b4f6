//! What is asked about: a container by its id, or a directory by its path.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::checkpoints;
use crate::directory::{Directory, DirectoryError};
use crate::sandboxes::{self, Place, SandboxesError};

/// A directory that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) root: OwnedFd,
    /// By the agent's checkpoints, of a container.
    pub(super) limit_bytes: Option<u64>,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Sandboxes(#[from] SandboxesError),
    #[error(
        "no container in {work_dir:?} has an id that begins with {id:?}; a directory has a '/' in it"
    )]
    NoContainer { id: String, work_dir: PathBuf },
    #[error(
        "{count} containers have ids that begin with {id:?}, {first:?} and {second:?} among them"
    )]
    Ambiguous {
        id: String,
        count: usize,
        first: PathBuf,
        second: PathBuf,
    },
}

/// Finds it. A path is the operator's own: links in it are followed.
pub(super) fn find(what: &str, work_dir: &Path) -> Result<Found, PlaceError> {
    if what.contains('/') {
        return opened(Directory::open(Path::new(what))?, None);
    }
    let work_dir_path = work_dir;
    let work_dir = Directory::open(work_dir)?;
    let mut found = Vec::new();
    for agent in sandboxes::agents(&work_dir, true)? {
        sandboxes::for_each(&work_dir, &agent, &mut |sandbox| {
            // What cannot be entered is not what was asked for, or is missing at the end.
            let Ok(sandbox) = sandbox else { return };
            if begins_with(&sandbox.place, sandbox.run.container_id.as_os_str(), what) {
                found.push((sandbox.run, sandbox.place));
            }
        });
    }
    let is_whole = |place: &Place, container: &OsStr| match place {
        Place::Nested(ids) => ids.last().is_some_and(|id| id == what),
        Place::Container => container == what,
        Place::Task(_) => false,
    };
    if found
        .iter()
        .any(|(run, place)| is_whole(place, run.container_id.as_os_str()))
    {
        found.retain(|(run, place)| is_whole(place, run.container_id.as_os_str()));
    }
    let path = |of: &(mesos_proto::paths::RunPath, Place)| {
        of.1.below(of.0.executor.runs().join(&of.0.container_id))
    };
    match &found[..] {
        [one] => {
            let sandbox = work_dir.enter_all(path(one))?;
            let sandbox = sandbox.ok_or_else(|| PlaceError::NoContainer {
                id: what.to_owned(),
                work_dir: work_dir_path.to_owned(),
            })?;
            // One that cannot be read is not known.
            let limits = checkpoints::limits(&work_dir, &one.0).ok().flatten();
            let is_outermost = one.1 == Place::Container;
            let limit = limits.and_then(|limits| limits.container);
            opened(
                sandbox,
                limit
                    .filter(|_| is_outermost)
                    .map(mesos_proto::Bytes::as_u64),
            )
        }
        [] => Err(PlaceError::NoContainer {
            id: what.to_owned(),
            work_dir: work_dir_path.to_owned(),
        }),
        [first, second, ..] => Err(PlaceError::Ambiguous {
            id: what.to_owned(),
            count: found.len(),
            first: path(first),
            second: path(second),
        }),
    }
}

fn begins_with(place: &Place, container: &OsStr, what: &str) -> bool {
    let id = match place {
        Place::Container => container,
        Place::Nested(ids) => match ids.last() {
            Some(id) => id,
            None => return false,
        },
        Place::Task(_) => return false,
    };
    id.as_bytes().starts_with(what.as_bytes())
}

fn opened(directory: Directory, limit_bytes: Option<u64>) -> Result<Found, PlaceError> {
    let path = directory.path().to_owned();
    let root = directory.as_fd().try_clone_to_owned();
    let root = root.map_err(|source| DirectoryError::Open {
        path: path.clone(),
        source,
    })?;
    Ok(Found {
        path,
        root,
        limit_bytes,
    })
}
