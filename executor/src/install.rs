//! Puts this program in the place of Mesos's command executor in an agent's launcher directory, and back.
//!
//! The agent starts `mesos-executor` from there anew for every command task (Mesos: src/slave/slave.cpp,
//! `Slave::getExecutorInfo`), so that neither needs a restart of it. At every moment a whole program is there under
//! that name, also when this is killed between two steps: each step is a rename, and doing all of them again goes on
//! where it ended.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::command_executor::NAME;

/// Where Mesos's own is kept.
const KEPT: &str = "mesos-executor.mesos";
/// What an agent's launcher directory has beside it (Mesos: src/slave/containerizer/mesos/constants.hpp).
const NEIGHBOUR: &str = "mesos-containerizer";
/// Names for the moment before a rename. They are the same every time, so that a run that was killed leaves nothing that
/// the next one does not remove.
const NEW: &str = ".mesos-executor.new";
const LINK: &str = ".mesos-executor.link";

/// By which this program is known in a file, whatever its version.
#[used]
static MARK: [u8; 57] = *b"mesos-sandbox-executor stands in for Mesos's own executor";

/// What was done, for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Mesos's own has given way and is kept.
    Installed,
    /// Another version of this program has given way; Mesos's own was kept before.
    Renewed,
    /// It was there already.
    Already,
    /// Mesos's own is back.
    Restored,
    /// Mesos's own is there, and an older one that was kept is removed.
    Forgotten,
    /// Mesos's own is there, and none is kept.
    Nothing,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("{path} is no launcher directory of a Mesos agent: it has no {missing}", path = .path.display())]
    NoLauncherDir {
        path: PathBuf,
        missing: &'static str,
    },
    #[error(
        "{path} is this program, but Mesos's own is not kept beside it: install the mesos package again, then this",
        path = .path.display()
    )]
    Lost { path: PathBuf },
    #[error("{path} is this program, too: it must be Mesos's own", path = .path.display())]
    NotMesoss { path: PathBuf },
    #[error("another install or uninstall is at work in {path}", path = .path.display())]
    Busy { path: PathBuf },
    #[error("{action} {path}: {source}", path = .path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

type Outcome<T> = Result<T, InstallError>;

/// Puts the program at `own` (`/proc/self/exe`) in the place of Mesos's in `directory`.
pub(crate) fn install(directory: &Path, own: &Path) -> Outcome<Done> {
    let place = Place::of(directory)?;
    let Some(found) = place.look(NAME)? else {
        return Err(place.without(NAME));
    };
    let program = fs::read(own).map_err(failed("read", own))?;
    let done = match found.kind {
        Kind::Ours if found.content == program => return Ok(Done::Already),
        Kind::Ours => Done::Renewed,
        Kind::Mesoss => {
            place.keep()?;
            Done::Installed
        }
    };
    place.put(&program, &found.metadata)?;
    Ok(done)
}

/// Puts Mesos's own back in `directory`.
pub(crate) fn uninstall(directory: &Path) -> Outcome<Done> {
    let place = Place::of(directory)?;
    let kept = place.look(KEPT)?;
    if kept.as_ref().is_some_and(|kept| kept.kind == Kind::Ours) {
        let path = place.path(KEPT);
        return Err(InstallError::NotMesoss { path });
    }
    let found = place.look(NAME)?.map(|found| found.kind);
    match (found, kept) {
        (Some(Kind::Mesoss), None) => Ok(Done::Nothing),
        (Some(Kind::Mesoss), Some(_)) => {
            place.remove(KEPT)?;
            place.sync()?;
            Ok(Done::Forgotten)
        }
        (Some(Kind::Ours) | None, Some(_)) => {
            place.rename(KEPT, NAME)?;
            place.sync()?;
            Ok(Done::Restored)
        }
        (Some(Kind::Ours), None) => {
            let path = place.path(NAME);
            Err(InstallError::Lost { path })
        }
        (None, None) => Err(place.without(NAME)),
    }
}

/// A launcher directory, held against another run.
struct Place {
    directory: PathBuf,
    /// Also what makes a rename last.
    lock: Flock<File>,
}

/// A program in it.
struct Found {
    kind: Kind,
    content: Vec<u8>,
    metadata: Metadata,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    Mesoss,
}

impl Place {
    fn of(directory: &Path) -> Outcome<Self> {
        let path = directory.to_owned();
        let open = File::open(directory).map_err(failed("open", directory))?;
        let lock = match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, nix::Error::EWOULDBLOCK)) => return Err(InstallError::Busy { path }),
            Err((_, errno)) => return Err(failed("lock", directory)(errno.into())),
        };
        let place = Self {
            directory: path,
            lock,
        };
        match fs::metadata(place.path(NEIGHBOUR)) {
            Ok(_) => {}
            Err(error) if is_absence(&error) => return Err(place.without(NEIGHBOUR)),
            Err(error) => return Err(failed("look at", &place.path(NEIGHBOUR))(error)),
        }
        // What a run that was killed may have left.
        place.remove(NEW)?;
        place.remove(LINK)?;
        Ok(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn without(&self, missing: &'static str) -> InstallError {
        let path = self.directory.clone();
        InstallError::NoLauncherDir { path, missing }
    }

    /// The program of this name; none when there is nothing.
    fn look(&self, name: &str) -> Outcome<Option<Found>> {
        let path = self.path(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let mut content = Vec::new();
        let metadata = file
            .read_to_end(&mut content)
            .and_then(|_| file.metadata())
            .map_err(failed("read", &path))?;
        let is_ours = content
            .windows(MARK.len())
            .any(|window| window[0] == MARK[0] && window == MARK);
        Ok(Some(Found {
            kind: if is_ours { Kind::Ours } else { Kind::Mesoss },
            content,
            metadata,
        }))
    }

    /// Keeps Mesos's own under its second name, in the place of an older one that a package has meanwhile renewed. A
    /// link of the very file: an agent that is just starting it finds it under the first name as well.
    fn keep(&self) -> Outcome<()> {
        let link = self.path(LINK);
        fs::hard_link(self.path(NAME), &link).map_err(failed("link to", &link))?;
        self.rename(LINK, KEPT)?;
        // Renaming one name of a file to another of its names does nothing (rename(2)).
        self.remove(LINK)?;
        self.sync()
    }

    /// Puts a program into the place of one that belongs to somebody and may be executed by somebody.
    fn put(&self, program: &[u8], like: &Metadata) -> Outcome<()> {
        let path = self.path(NEW);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("create", &path))?;
        // Without its set-uid bits: they were given to another program.
        let mode = Permissions::from_mode(like.mode() & 0o777);
        let written = file
            .write_all(program)
            .and_then(|()| fchown(&file, Some(like.uid()), Some(like.gid())))
            .and_then(|()| file.set_permissions(mode))
            .and_then(|()| file.sync_all());
        // Before it can be executed, nobody may have it open for writing.
        drop(file);
        if let Err(error) = written {
            // The error that came first is the one that tells.
            let _ = fs::remove_file(&path);
            return Err(failed("write", &path)(error));
        }
        self.rename(NEW, NAME)?;
        self.sync()
    }

    fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        let path = self.path(to);
        fs::rename(self.path(from), &path).map_err(failed("put in place", &path))
    }

    fn remove(&self, name: &str) -> Outcome<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if !is_absence(&error) => Err(failed("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> Outcome<()> {
        let synced = self.lock.sync_all();
        synced.map_err(failed("write", &self.directory))
    }
}

fn is_absence(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::File {
        action,
        path,
        source,
    }
}

impl Done {
    /// What to tell whoever asked for it.
    pub(crate) fn tell(&self, directory: &Path) -> String {
        let program = directory.join(NAME);
        let kept = directory.join(KEPT);
        let (program, kept) = (program.display(), kept.display());
        let running = "The agent need not be restarted: it starts the program anew for each command task. Tasks \
                       that run already keep the executor that they have.";
        match self {
            Self::Installed => {
                format!("{program} is this program now; Mesos's own is kept as {kept}.\n{running}")
            }
            Self::Renewed => {
                format!(
                    "{program} was another version of this program, and is this one now.\n{running}"
                )
            }
            Self::Already => format!("Nothing to do: {program} is this program already."),
            Self::Restored => format!("{program} is Mesos's own again.\n{running}"),
            Self::Forgotten => format!(
                "{program} is Mesos's own: the mesos package was installed again. {kept}, an older one, is removed."
            ),
            Self::Nothing => format!("Nothing to do: {program} is Mesos's own."),
        }
    }
}

#[cfg(test)]
mod tests;
