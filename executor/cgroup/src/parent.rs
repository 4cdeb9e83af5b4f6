use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;

use crate::host::{Controller, Hierarchy, Host};
use crate::kernel_log::KernelLog;
use crate::kill::{kill_all, remove_one, remove_tree};
use crate::limits::fill_cpuset;
use crate::version::Version;
use crate::{Error, Errors, Why, kernel_file, safe_name};

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
    refused: Vec<Refused>,
    log: Option<Arc<KernelLog>>,
}

/// A controller that the host has, and that this process could not use.
#[derive(Debug)]
pub struct Refused {
    /// Which.
    pub controller: Controller,
    /// What was attempted, and the kernel's answer.
    pub why: Arc<Error>,
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
    /// [`safe_name`]). On v2 the controllers are handed down to it, after this process and its own
    /// have moved to a cgroup beside it where they are in the way. What this process has no rights to
    /// is left out ([`Parent::refused`]).
    ///
    /// # Errors
    /// A directory cannot be made or locked, or belongs to another running executor; or there are
    /// rights to nothing at all. Whatever was made until then is removed.
    pub fn create(host: &Host, container: &str) -> Result<Parent, Error> {
        let mut parent = Parent {
            directories: Vec::new(),
            refused: Vec::new(),
            log: KernelLog::open().map(Arc::new),
        };
        for hierarchy in host.hierarchies() {
            match take(hierarchy, &safe_name(container)) {
                Ok((owned, refused)) => {
                    parent.directories.push(owned);
                    parent.refused.extend(refused);
                }
                Err(error) if is_denied(&error) => {
                    let why = Arc::new(error);
                    let refused = hierarchy.controllers.iter().map(|controller| Refused {
                        controller: *controller,
                        why: Arc::clone(&why),
                    });
                    parent.refused.extend(refused);
                }
                Err(error) => {
                    // The first error is the one that tells.
                    let _ = parent.remove();
                    return Err(error);
                }
            }
        }
        if !parent.directories.is_empty() {
            return Ok(parent);
        }
        let first = parent.refused.drain(..).next();
        let why = first.and_then(|first| Arc::into_inner(first.why));
        Err(why.unwrap_or_else(|| Error::NoHierarchy {
            root: PathBuf::from("/"),
        }))
    }

    /// What of the host's controllers cannot be used, and why.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Why tasks have no cgroup of `controller`.
    pub(crate) fn why_without(&self, controller: Controller) -> Why {
        let mut refused = self.refused.iter();
        match refused.find(|refused| refused.controller == controller) {
            Some(refused) => Why::Refused(refused.why.errno()),
            None => Why::NoController(controller),
        }
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

    /// The kernel's log since this was made, where it can be read.
    pub(crate) fn log(&self) -> Option<&Arc<KernelLog>> {
        self.log.as_ref()
    }

    pub(crate) fn directories(&self) -> &[Owned] {
        &self.directories
    }
}

impl Owned {
    /// Hands one more controller down to the cgroups of tasks (v2): one that few want and that would
    /// cost all.
    pub(crate) fn hand_down(&self, controller: Controller) -> Result<(), Error> {
        let above = [&self.hierarchy.anchor, &self.hierarchy.top(), &self.path];
        above
            .into_iter()
            .try_for_each(|directory| hand_down(directory, controller))
    }
}

/// Whether it is for want of rights that it did not work.
fn is_denied(error: &Error) -> bool {
    let answers = [Errno::EPERM, Errno::EACCES, Errno::EROFS];
    answers.iter().any(|errno| *errno as i32 == error.errno())
}

fn take(hierarchy: &Hierarchy, name: &str) -> Result<(Owned, Vec<Refused>), Error> {
    let top = hierarchy.top();
    let path = top.join(name);
    let mut last = Error::Owned { path: path.clone() };
    for _ in 0..ATTEMPTS {
        match try_take(hierarchy, &top, &path)? {
            Attempt::Taken(lock) => {
                let mut owned = Owned {
                    hierarchy: hierarchy.clone(),
                    path,
                    _lock: lock,
                };
                return match prepare(&mut owned) {
                    Ok(refused) => Ok((owned, refused)),
                    Err(error) => {
                        let _ = fs::remove_dir(&owned.path);
                        leave(hierarchy);
                        Err(error)
                    }
                };
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

/// What is to be done once the directory is ours. Controllers that cannot be had are taken out of
/// its own, and told.
fn prepare(owned: &mut Owned) -> Result<Vec<Refused>, Error> {
    for leftover in children(&owned.path)? {
        kill_all(std::slice::from_ref(&leftover))?;
        // What stays shows when a task of that name is launched.
        let _ = remove_tree(&leftover);
    }
    let hierarchy = &owned.hierarchy;
    if hierarchy.version == Version::V1 {
        if hierarchy.controllers.contains(&Controller::Cpuset) {
            fill_cpuset(&hierarchy.top(), &hierarchy.anchor)?;
            fill_cpuset(&owned.path, &hierarchy.top())?;
        }
        return Ok(Vec::new());
    }
    if let Some(leaf) = &hierarchy.leaf {
        move_aside(&hierarchy.anchor, leaf)?;
    }
    let mut refused = Vec::new();
    for controller in owned.hierarchy.controllers.clone() {
        // Costs every cgroup of the host, and few want it.
        if controller == Controller::Cpuset {
            continue;
        }
        if let Err(error) = owned.hand_down(controller) {
            refused.push(Refused {
                controller,
                why: Arc::new(error),
            });
        }
    }
    let is_had = |controller: &Controller| !refused.iter().any(|one| one.controller == *controller);
    owned.hierarchy.controllers.retain(is_had);
    Ok(refused)
}

/// Moves whoever is in the cgroup `from` to `leaf`, which is in it: this process and its own, as
/// nobody else is there.
fn move_aside(from: &Path, leaf: &Path) -> Result<(), Error> {
    match fs::create_dir(leaf) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            let path = leaf.to_owned();
            return Err(Error::Create { path, source });
        }
        Ok(()) | Err(_) => {}
    }
    let (ours, theirs) = (from.join("cgroup.procs"), leaf.join("cgroup.procs"));
    for _ in 0..ATTEMPTS {
        let processes = kernel_file::read(&ours)?;
        if processes.is_empty() {
            break;
        }
        for pid in processes.lines() {
            match kernel_file::write(&theirs, pid) {
                // It has ended.
                Err(error) if error.errno() == Errno::ESRCH as i32 => {}
                moved => moved?,
            }
        }
    }
    Ok(())
}

/// Enables `controller` for the children of `directory` (v2).
fn hand_down(directory: &Path, controller: Controller) -> Result<(), Error> {
    let Some(name) = controller.name_v2() else {
        return Ok(());
    };
    let path = directory.join("cgroup.subtree_control");
    let enabled = kernel_file::read(&path)?;
    // Only where it is not: the root's file need not be writable when systemd did it already.
    if enabled.split_whitespace().any(|one| one == name) {
        return Ok(());
    }
    kernel_file::write(&path, &format!("+{name}"))
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
