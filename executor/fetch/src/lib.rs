//! Fetches what a task's URIs name into the task's sandbox, with the meanings of Mesos's own fetcher (Mesos:
//! docs/fetcher.md, src/launcher/fetcher.cpp).
//!
//! [`fetch()`] runs in a process of its own, as the task's user and within the task's limits: a local file is read, and
//! everything is written, with that user's rights. What is fetched, archives above all, may be made to do harm, so
//! - every path is taken below the directory handle, a component at a time, and no link is ever followed;
//! - a file grows under a temporary name and gets its own when it is whole; what is not whole is removed;
//! - disk space is counted before it is taken, and so are an archive's members, headers and memory.
//!
//! There is no cache: `cache` of a URI changes nothing.

#![forbid(unsafe_code)]

mod archive;
mod budget;
mod checksum;
mod download;
mod error;
mod fetch;
mod http;
mod inside;
mod local;
mod order;
mod place;
mod progress;
mod resolve;
mod roots;
mod uri;

pub use archive::ArchiveError;
pub use budget::BudgetError;
pub use checksum::ChecksumError;
pub use download::DownloadError;
pub use error::{Cause, FetchError};
pub use fetch::{Summary, fetch};
pub use http::HttpError;
pub use inside::{Inside, InsideError};
pub use local::LocalError;
pub use order::{Order, Proxies};
pub use place::PlaceError;
pub use progress::Progress;
pub use resolve::{ResolveError, resolve};
pub use roots::{RootsError, bundle_of_host};
pub use uri::{Source, UriError, file_name, redacted, source};
