//! The one place of this crate that needs `unsafe`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A duplicate of `descriptor` that the runtime tells about when it becomes readable or is hung up.
pub(crate) fn readable(descriptor: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = descriptor.as_fd().try_clone_to_owned()?;
    // SAFETY: `AsyncFd` wants a value whose `as_raw_fd` always gives the same open descriptor. An `OwnedFd` keeps its
    // one descriptor open until it is dropped, and it is moved into the `AsyncFd`, which drops it after deregistering.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(registered?)
}
