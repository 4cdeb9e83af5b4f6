//! The one place of this crate that needs `unsafe`.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The descriptor itself, which the runtime tells about when it becomes readable or is hung up. Has to be called within a
/// runtime.
pub(crate) fn when_readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `AsyncFd` wants a value whose `as_raw_fd` always gives the same open descriptor. An `OwnedFd` keeps its
    // one descriptor open until it is dropped, and it is moved into the `AsyncFd`, which drops it after deregistering.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(registered?)
}
