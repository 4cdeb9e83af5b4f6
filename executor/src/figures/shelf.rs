//! The file and the socket, by their names in the executor's own directory.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use task_figures::{FILE, breach};
use tokio::net::UnixListener;

use crate::journal::{OwnDirectory, PlaceError};

/// What is to become the file.
const NEXT: &str = "figures.json.next";
/// Whoever connects is told the figures.
pub(super) const SOCKET: &str = "figures.sock";
/// Whoever connects may tell something.
pub(super) const COMMANDS: &str = breach::SOCKET;

/// Why something is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShelfError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("write {NEXT}: {0}")]
    Write(io::Error),
    #[error("listen on {0}: {1}")]
    Listen(&'static str, io::Error),
}

/// The directory, and what of ours is in it.
pub(super) struct Shelf {
    directory: OwnDirectory,
    has_file: bool,
    sockets: Vec<&'static str>,
}

impl Shelf {
    /// What an executor before this one left there goes.
    pub(super) fn open(sandbox: &Path) -> Result<Self, ShelfError> {
        let shelf = Self {
            directory: OwnDirectory::open(sandbox)?,
            has_file: false,
            sockets: Vec::new(),
        };
        for name in [FILE, NEXT, SOCKET, COMMANDS] {
            shelf.directory.remove_file(name)?;
        }
        Ok(shelf)
    }

    /// Readers see the old file or the new one, never a part.
    pub(super) fn put(&mut self, line: &[u8]) -> Result<(), ShelfError> {
        self.has_file = true;
        self.directory.remove_file(NEXT)?;
        let mut file = self.directory.file(NEXT, OFlag::O_EXCL)?;
        let written = file.write_all(line).map_err(ShelfError::Write);
        if written.is_err() {
            // As on a full disk, where a part would take room from others.
            self.directory.remove_file(NEXT)?;
        }
        written?;
        self.directory.rename(NEXT, FILE)?;
        Ok(())
    }

    /// Nothing is there to be told any more.
    pub(super) fn take_down(&mut self) -> Result<(), ShelfError> {
        if std::mem::take(&mut self.has_file) {
            for name in [FILE, NEXT] {
                self.directory.remove_file(name)?;
            }
        }
        Ok(())
    }

    /// Listens on a socket of this name. To be called within the runtime.
    pub(super) fn listen(&mut self, name: &'static str) -> Result<UnixListener, ShelfError> {
        let failed = |error| ShelfError::Listen(name, error);
        // A sandbox's own path is longer than a socket's may be.
        let descriptor = self.directory.handle().as_raw_fd();
        let path = format!("/proc/self/fd/{descriptor}/{name}");
        let listener = UnixListener::bind(&path).map_err(failed)?;
        self.sockets.push(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(listener)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // What stays is removed by the next executor here, or with the sandbox.
        let _ = self.take_down();
        for name in &self.sockets {
            let _ = self.directory.remove_file(name);
        }
        // The journal may have gone before, and is gone after otherwise.
        let _ = self.directory.remove_if_empty();
    }
}
