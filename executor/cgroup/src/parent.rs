use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::host::{Controller, Hierarchy, Host};
use crate::kill::{kill_all, remove_one, remove_tree};
use crate::version::Version;
use crate::{Error, Errors, kernel_file, safe_name};

/// How often taking a directory is tried: a sweep of another executor may hold it for a moment,
/// or remove it between our making and our locking it.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// This executor's own cgroup: in each hierarchy one directory, named after the container, that
/// the cgroups of its tasks go into.
///
/// Each directory is locked (`flock`) for as long as this value lives. The kernel drops the lock
/// when the process ends in whatever way, so that a lock to be had is a sure sign that the owner is
/// gone; neither a reused process id nor a pid namespace can mislead it.
#[derive(Debug)]
pub struct Parent {
    directories: Vec<Owned>,
}

#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) path: PathBuf,
    /// Held open for its lock alone.
    _lock: File,
}

impl Parent {
    /// Makes and locks the directories for `container` (any text; it is made safe by
    /// [`safe_name`]). On v2 the controllers are handed down to it, from the root on.
    ///
    /// What a dead executor of the same container left there is killed and removed.
    ///
    /// # Errors
    /// A directory cannot be made or locked, a controller cannot be handed down, or
    /// [`Error::Owned`]. What was made until then is removed.
    pub fn create(host: &Host, container: &str) -> Result<Parent, Error> {
        let mut parent = Parent {
            directories: Vec::new(),
        };
        for hierarchy in host.hierarchies() {
            match take(hierarchy, &safe_name(container)) {
                Ok(owned) => parent.directories.push(owned),
                Err(error) => {
                    // The first error is the one that tells.
                    let _ = parent.remove();
                    return Err(error);
                }
            }
        }
        Ok(parent)
    }

    /// Removes the directories and, when this was the last executor, the one above them.
    ///
    /// # Errors
    /// Everything that could not be removed, for example because a task's cgroup is still there.
    pub fn remove(self) -> Result<(), Errors> {
        let mut errors = Vec::new();
        for owned in &self.directories {
            // Not the whole tree: a task's cgroup that is left is a mistake to be seen.
            if let Err(source) = remove_one(&owned.path) {
                errors.push(Error::Remove {
                    path: owned.path.clone(),
                    source,
                });
            }
            leave(&owned.hierarchy);
        }
        Errors(errors).or(())
    }

    pub(crate) fn directories(&self) -> &[Owned] {
        &self.directories
    }
}

fn take(hierarchy: &Hierarchy, name: &str) -> Result<Owned, Error> {
    let top = hierarchy.top();
    let path = top.join(name);
    let mut last = Error::Owned { path: path.clone() };
    for _ in 0..ATTEMPTS {
        match try_take(hierarchy, &top, &path)? {
            Attempt::Taken(lock) => {
                let owned = Owned {
                    hierarchy: hierarchy.clone(),
                    path,
                    _lock: lock,
                };
                if let Err(error) = prepare(&owned) {
                    let _ = fs::remove_dir(&owned.path);
                    leave(hierarchy);
                    return Err(error);
                }
                return Ok(owned);
            }
            Attempt::Lost(error) => last = error,
        }
        sleep(PAUSE);
    }
    Err(last)
}

enum Attempt {
    Taken(File),
    /// Another was in between; the error if it stays so.
    Lost(Error),
}

fn try_take(hierarchy: &Hierarchy, top: &Path, path: &Path) -> Result<Attempt, Error> {
    let lost = |path: &Path, source| {
        Attempt::Lost(Error::Create {
            path: path.to_owned(),
            source,
        })
    };
    for directory in [top, path] {
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // The last executor to leave removed the top just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory == path => {
                return Ok(lost(directory, error));
            }
            Err(source) => {
                leave(hierarchy);
                return Err(Error::Create {
                    path: directory.to_owned(),
                    source,
                });
            }
        }
    }
    match try_lock(path) {
        Ok(Some(lock)) => Ok(Attempt::Taken(lock)),
        Ok(None) => Ok(Attempt::Lost(Error::Owned {
            path: path.to_owned(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(lost(path, error)),
        Err(source) => Err(Error::Lock {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The lock of the directory at `path`; `None` while another has it. When the directory was
/// removed (and perhaps made anew) before the lock was had, that is [`io::ErrorKind::NotFound`].
pub(crate) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let directory = File::open(path)?;
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if fs::metadata(path)?.ino() != directory.metadata()?.ino() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Some(directory))
}

/// What is to be done once the directory is ours.
fn prepare(owned: &Owned) -> Result<(), Error> {
    for leftover in children(&owned.path)? {
        kill_all(std::slice::from_ref(&leftover))?;
        // What stays shows when a task of that name is launched.
        let _ = remove_tree(&leftover);
    }
    if owned.hierarchy.version == Version::V2 {
        for directory in [&owned.hierarchy.anchor, &owned.hierarchy.top(), &owned.path] {
            hand_down(directory, &owned.hierarchy.controllers)?;
        }
    }
    Ok(())
}

/// Enables `controllers` for the children of `directory` (v2).
fn hand_down(directory: &Path, controllers: &[Controller]) -> Result<(), Error> {
    let path = directory.join("cgroup.subtree_control");
    let enabled = kernel_file::read(&path)?;
    for controller in controllers {
        // Only where it is not: the root's file need not be writable when systemd did it already.
        if !enabled
            .split_whitespace()
            .any(|name| name == controller.name())
        {
            kernel_file::write(&path, &format!("+{controller}"))?;
        }
    }
    Ok(())
}

/// The cgroups in `directory`; none when it does not exist.
pub(crate) fn children(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}

/// Removes the directory of all executors, which only works for the last one.
pub(crate) fn leave(hierarchy: &Hierarchy) {
    let _ = fs::remove_dir(hierarchy.top());
}
