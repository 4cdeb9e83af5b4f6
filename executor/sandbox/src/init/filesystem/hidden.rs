//! What is hidden, and what is shown below that.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::mount::MsFlags;
use nix::sys::stat::{SFlag, fstatat};

use super::super::failed_at;
use super::aliases::Aliases;
use super::blank::Blank;
use super::mounts::{self, Bans};
use super::open_on_host;
use super::tree::{Kind, Tree, kind_of};
use crate::report::{Failure, Step};

/// What is laid over something, in which places are still being made for what is to be seen below.
pub(super) struct Covers {
    aliases: Aliases,
    laid: Vec<OwnedFd>,
    /// Their numbers of devices.
    devices: Vec<u64>,
}

impl Covers {
    /// Of nothing yet, in `root` with the mounts that it has now.
    pub(super) fn of(root: &Tree) -> Result<Covers, Failure> {
        let aliases = Aliases::in_root(root).map_err(super::super::failed(Step::Hide))?;
        Ok(Covers {
            aliases,
            laid: Vec::new(),
            devices: Vec::new(),
        })
    }

    /// Lays something empty over what is at `path`, whatever it is, and wherever else it is to be seen.
    pub(super) fn hide(&mut self, root: &Tree, path: &Path, blank: &Blank) -> Result<(), Failure> {
        self.cover_everywhere(root, path, blank)
            .map_err(failed_at(Step::Hide, path))
    }

    fn cover_everywhere(&mut self, root: &Tree, path: &Path, blank: &Blank) -> Result<(), Errno> {
        let target = match root.open(path) {
            Ok(target) => target,
            // It needs no hiding.
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let (place, aliases) = (identity(&target)?, self.aliases.of(&target)?);
        self.cover(root, path, blank)?;
        for alias in aliases {
            match root.open(&alias) {
                Ok(found) if identity(&found)? == place => self.cover(root, &alias, blank)?,
                // Something lies over it, which may be what was laid just now; or it is where this process, that has the
                // task's rights and more, does not get to.
                Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The same inside the task's directory, which is seen at `inside`.
    pub(super) fn hide_in(
        &mut self,
        sandbox: &Tree,
        path: &Path,
        inside: &Path,
        blank: &Blank,
    ) -> Result<(), Failure> {
        let below = path.strip_prefix(inside).unwrap_or(path);
        self.cover(sandbox, below, blank)
            .map_err(failed_at(Step::Hide, path))
    }

    fn cover(&mut self, tree: &Tree, path: &Path, blank: &Blank) -> Result<(), Errno> {
        let target = match tree.open(path) {
            Ok(target) => target,
            // It needs no hiding.
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let found = fstatat(&target, "", AtFlags::AT_EMPTY_PATH)?;
        if self.devices.contains(&found.st_dev) {
            // The same by another name, as /run and /var/run.
            return Ok(());
        }
        if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
            return mounts::bind(&blank.file, &target);
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mounts::lay("tmpfs", &target, flags, "mode=755,size=1m")?;
        let cover = tree.open(path)?;
        self.devices
            .push(fstatat(&cover, "", AtFlags::AT_EMPTY_PATH)?.st_dev);
        self.laid.push(cover);
        Ok(())
    }

    /// Shows what the host has at `path`, read-only.
    pub(super) fn show(&self, root: &Tree, path: &Path) -> Result<(), Failure> {
        let source = match open_on_host(path) {
            Ok(source) => source,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(failed_at(Step::Show, path)(errno)),
        };
        let shown = kind_of(&source)
            .and_then(|kind| root.open_or_make(path, Kind::like(kind)))
            .and_then(|target| mounts::bind(&source, &target))
            .and_then(|()| root.open(path))
            .and_then(|mounted| mounts::close_off(&mounted, Bans::WRITING_AND_DEVICES));
        shown.map_err(failed_at(Step::Show, path))
    }

    /// Keeps a file system that was laid over something to be closed with the others.
    pub(super) fn keep(&mut self, laid: OwnedFd) {
        self.laid.push(laid);
    }

    /// Has nobody write to what lies over something.
    pub(super) fn close(self) -> Result<(), Failure> {
        for cover in self.laid {
            mounts::ban(&cover, Bans::WRITING).map_err(super::super::failed(Step::Hide))?;
        }
        Ok(())
    }
}

/// Which file it is, whatever its name.
fn identity(what: &OwnedFd) -> Result<(u64, u64), Errno> {
    let found = fstatat(what, "", AtFlags::AT_EMPTY_PATH)?;
    Ok((found.st_dev, found.st_ino))
}
