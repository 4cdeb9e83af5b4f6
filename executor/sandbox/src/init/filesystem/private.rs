//! The task's private directories: `/tmp` and the like, inside of its own directory so that they count toward its quota.

use std::mem::replace;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};

use super::super::failed_at;
use super::Without;
use super::mounts::{self, Bans};
use super::tree::{NAME, Tree};
use crate::filesystem::PRIVATE_DIRECTORY;
use crate::identity::Identity;
use crate::report::{Failure, Feature, Step};

/// Where programs put what is temporary, and the private directory that it is.
const TEMPORARY: [(&str, &str); 2] = [("/tmp", "tmp"), ("/var/tmp", "var-tmp")];

const OPEN_TO_ALL: Mode = Mode::from_bits_truncate(0o1777);

const TMPFS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Those of one task.
pub(super) struct Private<'a> {
    sandbox: &'a OwnedFd,
    owner: Option<(Uid, Gid)>,
    pub(super) without: Without<'a>,
    is_told: bool,
}

impl<'a> Private<'a> {
    /// Below `sandbox`, made and found with the rights of `owner`: whatever that one has planted there, it comes to
    /// nothing that it could not do itself.
    pub(super) fn of(
        sandbox: &'a OwnedFd,
        owner: Option<&Identity>,
        without: Without<'a>,
    ) -> Private<'a> {
        Private {
            sandbox,
            owner: owner.map(|owner| (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid))),
            without,
            is_told: false,
        }
    }

    /// Where there is no such directory, none is needed.
    pub(super) fn lay_temporary(&mut self, root: &Tree) -> Result<(), Failure> {
        for (path, name) in TEMPORARY {
            let path = Path::new(path);
            match root.open(path) {
                Ok(target) => self.lay(name, &target, path, || root.open(path))?,
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(failed_at(Step::MakePrivate, path)(errno)),
            }
        }
        Ok(())
    }

    /// Lays the one of this name over `target`, which the task sees at `path`, and which `reopen` opens once more. Where
    /// the task may not write to its own directory, memory has to do.
    pub(super) fn lay(
        &mut self,
        name: &str,
        target: &OwnedFd,
        path: &Path,
        reopen: impl FnOnce() -> Result<OwnedFd, Errno>,
    ) -> Result<(), Failure> {
        let outcome = match self.as_owner(|| open_directory(self.sandbox, name)) {
            Ok(directory) => mounts::bind(&directory, target)
                .and_then(|()| reopen())
                .and_then(|laid| mounts::ban(&laid, Bans::DEVICES)),
            Err(errno @ (Errno::EACCES | Errno::EPERM | Errno::EROFS)) => {
                // Once for all of them.
                if !replace(&mut self.is_told, true) {
                    (self.without)(Feature::PrivateDirectories, errno);
                }
                mounts::lay("tmpfs", target, TMPFS, "mode=1777")
            }
            Err(errno) => Err(errno),
        };
        outcome.map_err(failed_at(Step::MakePrivate, path))
    }

    /// Does `deed` with the rights that the task's user has to files.
    pub(super) fn as_owner<T>(&self, deed: impl FnOnce() -> T) -> T {
        let Some((uid, gid)) = self.owner else {
            return deed();
        };
        // The group first: the user may not change it.
        setfsgid(gid);
        setfsuid(uid);
        let outcome = deed();
        setfsuid(geteuid());
        setfsgid(getegid());
        outcome
    }
}

/// Opens it, made where it is not there; a link in its place is an error.
fn open_directory(sandbox: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = NAME | OFlag::O_DIRECTORY;
    let make = |directory: &OwnedFd, name: &str, mode| match mkdirat(directory, name, mode) {
        Ok(()) | Err(Errno::EEXIST) => openat(directory, name, flags, Mode::empty()),
        Err(errno) => Err(errno),
    };
    let private = make(sandbox, PRIVATE_DIRECTORY, Mode::S_IRWXU)?;
    make(&private, name, OPEN_TO_ALL)
}
