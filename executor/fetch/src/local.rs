//! Files of this host.

use std::fs::File;
use std::io;

use rustix::fs::{FileType, Mode, OFlags};

/// Why a file of this host could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// It could not be opened with the rights of the task's user.
    #[error("open it as the task's user: {0}")]
    Open(io::Error),
    /// It is a directory, a pipe, a device.
    #[error("not a regular file")]
    NotAFile,
    /// It could not be read to its end.
    #[error("read it: {0}")]
    Read(io::Error),
}

/// A file to copy.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// Permissions, which a copy keeps as one by `cp` does (Mesos: `os::copyfile`).
    pub(crate) mode: u32,
}

/// Opens `path`, following links: this process has the rights of the task's user, who could do the same.
pub(crate) fn open(path: &str) -> Result<Local, LocalError> {
    // A pipe without a writer would hold up an opening that blocks.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| LocalError::Open(errno.into()))?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| LocalError::Open(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(LocalError::NotAFile);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(Local {
        file: file.into(),
        size,
        mode: stat.st_mode & 0o777,
    })
}
