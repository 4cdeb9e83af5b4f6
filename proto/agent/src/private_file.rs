//! Files with secrets.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A token or a key is some kilobytes long at most.
const LARGEST: u64 = 64 << 10;

/// Why a file with a secret cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It is not there, may not be read, or is no text.
    #[error("cannot read {path:?}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Others could have read the secret.
    #[error("{path:?} is open to others than its owner, want mode 0600: it has {mode:04o}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Too large to hold a secret alone.
    #[error("{path:?} is longer than {LARGEST} bytes")]
    TooLong {
        /// Which.
        path: PathBuf,
    },
}

/// The text in a file that is its owner's alone. Blocks.
pub(crate) fn read(path: &Path) -> Result<String, PrivateFileError> {
    let error = |source| PrivateFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(error)?;
    let mode = file.metadata().map_err(error)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(error)?;
    if text.len() as u64 > LARGEST {
        return Err(PrivateFileError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(text)
}
