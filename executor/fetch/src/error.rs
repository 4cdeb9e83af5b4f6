//! Why fetching failed.

use crate::archive::ArchiveError;
use crate::download::DownloadError;
use crate::place::PlaceError;
use crate::uri::UriError;

/// Which URI, and why.
#[derive(Debug, thiserror::Error)]
#[error("failed to fetch '{uri}': {cause}")]
pub struct FetchError {
    /// As [`crate::redacted`] makes it.
    pub uri: String,
    /// Why.
    pub cause: Cause,
}

/// Why a URI could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It names nothing that can be fetched, or no name in the sandbox.
    #[error("{0}")]
    Uri(#[from] UriError),
    /// It did not arrive whole.
    #[error("{0}")]
    Download(#[from] DownloadError),
    /// It could not be put into the sandbox.
    #[error("{0}")]
    Place(#[from] PlaceError),
    /// It arrived and could not be extracted.
    #[error("extract '{file}': {source}")]
    Extract {
        /// The archive's name below the sandbox.
        file: String,
        /// Why not.
        source: ArchiveError,
    },
}
