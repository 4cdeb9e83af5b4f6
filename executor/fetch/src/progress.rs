//! What happens while fetching, for a log.

use std::fmt;

/// Something that happened; its text is a line for the log. URIs in it are as [`crate::redacted`] makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Fetching begins.
    Started {
        /// What.
        uri: String,
        /// Its name below the sandbox.
        file: String,
        /// Its size in bytes, if announced.
        size: Option<u64>,
    },
    /// Fetching goes on; at most every few seconds.
    Received {
        /// What.
        uri: String,
        /// So many bytes are here.
        bytes: u64,
        /// Of so many, if announced.
        size: Option<u64>,
    },
    /// A file is here, whole, and under its name.
    Fetched {
        /// What.
        uri: String,
        /// Its name below the sandbox.
        file: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// An archive is unpacked beside itself.
    Extracted {
        /// Its name below the sandbox.
        file: String,
        /// How many files, directories and links.
        members: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A file was to be extracted, which is the default, and has a name that no archive has.
    NotAnArchive {
        /// Its name below the sandbox.
        file: String,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |size: &Option<u64>| size.map(|size| format!(" of {size}")).unwrap_or_default();
        match self {
            Progress::Started {
                uri,
                file,
                size: Some(size),
            } => {
                write!(f, "Fetching '{uri}' into '{file}', {size} bytes")
            }
            Progress::Started {
                uri,
                file,
                size: None,
            } => write!(f, "Fetching '{uri}' into '{file}'"),
            Progress::Received { uri, bytes, size } => {
                write!(f, "Fetching '{uri}': {bytes}{} bytes", of(size))
            }
            Progress::Fetched { uri, file, bytes } => {
                write!(f, "Fetched '{uri}' into '{file}', {bytes} bytes")
            }
            Progress::Extracted {
                file,
                members,
                bytes,
            } => {
                write!(f, "Extracted '{file}': {members} members, {bytes} bytes")
            }
            Progress::NotAnArchive { file } => {
                write!(
                    f,
                    "Not extracting '{file}': its name is not one of an archive"
                )
            }
        }
    }
}
