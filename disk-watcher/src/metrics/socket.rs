//! The socket: who connects is told what is known, on one line of JSON, and the connection is closed.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Asker;

/// Who connects while so many are being told is not heard.
const MOST_CLIENTS: usize = 8;

/// Who does not read in this time is not told the rest.
const PATIENCE: Duration = Duration::from_secs(5);

/// After an error of the kernel's: it may have no descriptors left.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// Read and write for the owner and the group: whose sandboxes are how full is nobody else's business.
const RIGHTS: u32 = 0o660;

/// The socket in its place. Dropping it removes it, unless another has taken the place.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    listener: UnixListener,
    /// The device and inode of the file.
    id: (u64, u64),
}

impl Socket {
    /// Takes the place of a socket that nobody listens on; of nothing else. To be called within the runtime.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            match StdUnixStream::connect(path) {
                Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => fs::remove_file(path)?,
            }
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(RIGHTS))?;
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
            id: (found.dev(), found.ino()),
        })
    }

    /// Tells whoever connects, for ever.
    pub(super) async fn serve(self, asker: Asker) {
        let clients = Arc::new(Semaphore::new(MOST_CLIENTS));
        loop {
            let Ok((client, _)) = self.listener.accept().await else {
                sleep(AFTER_AN_ERROR).await;
                continue;
            };
            // Dropping the connection closes it.
            let Ok(place) = Arc::clone(&clients).try_acquire_owned() else {
                continue;
            };
            let asker = asker.clone();
            tokio::spawn(async move {
                let _place = place;
                if let Some(report) = asker.report().await {
                    // One who goes away is nobody's trouble.
                    let _ = timeout(PATIENCE, tell(client, &report.line())).await;
                }
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_own = |found: fs::Metadata| (found.dev(), found.ino()) == self.id;
        if fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            // What stays is taken over by the next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn tell(mut client: UnixStream, line: &[u8]) -> io::Result<()> {
    client.write_all(line).await?;
    client.shutdown().await
}
