//! The file and the socket, by their names in the executor's own directory.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use task_figures::FILE;
use tokio::net::UnixListener;

use crate::journal::{OwnDirectory, PlaceError};

/// What is to become the file.
const NEXT: &str = "figures.json.next";
const SOCKET: &str = "figures.sock";

/// Why something is not published.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShelfError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("write {NEXT}: {0}")]
    Write(io::Error),
    #[error("listen on {SOCKET}: {0}")]
    Listen(io::Error),
}

/// The directory, and what of ours is in it.
pub(super) struct Shelf {
    directory: OwnDirectory,
    has_file: bool,
    has_socket: bool,
}

impl Shelf {
    /// What an executor before this one left there goes.
    pub(super) fn open(sandbox: &Path) -> Result<Self, ShelfError> {
        let shelf = Self {
            directory: OwnDirectory::open(sandbox)?,
            has_file: false,
            has_socket: false,
        };
        for name in [FILE, NEXT, SOCKET] {
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

    /// To be called within the runtime.
    pub(super) fn listen(&mut self) -> Result<UnixListener, ShelfError> {
        // A sandbox's own path is longer than a socket's may be.
        let descriptor = self.directory.handle().as_raw_fd();
        let path = format!("/proc/self/fd/{descriptor}/{SOCKET}");
        let listener = UnixListener::bind(&path).map_err(ShelfError::Listen)?;
        self.has_socket = true;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(ShelfError::Listen)?;
        Ok(listener)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // What stays is removed by the next executor here, or with the sandbox.
        let _ = self.take_down();
        if self.has_socket {
            let _ = self.directory.remove_file(SOCKET);
        }
        // The journal may have gone before, and is gone after otherwise.
        let _ = self.directory.remove_if_empty();
    }
}
