//! The one place of this crate that needs `unsafe`.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A duplicate of `descriptor` that the runtime tells about when it becomes readable or is hung up.
pub(crate) fn readable(descriptor: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    when_readable(descriptor.as_fd().try_clone_to_owned()?)
}

/// The descriptor itself, which the runtime tells about when it becomes readable or is hung up.
pub(crate) fn when_readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: `AsyncFd` wants a value whose `as_raw_fd` always gives the same open descriptor. An `OwnedFd` keeps its
    // one descriptor open until it is dropped, and it is moved into the `AsyncFd`, which drops it after deregistering.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(registered?)
}

/// A duplicate of `descriptor` that the runtime tells about when something urgent is to be had from it (`POLLPRI`).
pub(crate) fn urgent(descriptor: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = descriptor.as_fd().try_clone_to_owned()?;
    // SAFETY: as in `when_readable`.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, Interest::PRIORITY) };
    Ok(registered?)
}

/// Has writing beyond the limit of file sizes (RLIMIT_FSIZE) fail with EFBIG, instead of ending this process by SIGXFSZ.
/// A task gets the signal as any program does: its sandbox's init gives all signals their default meaning.
pub(crate) fn outlive_file_size_limit() {
    // SAFETY: no handler of ours is installed: SIG_IGN is one of the two values that `signal` takes beside functions.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Takes a variable out of this process's environment, and overwrites its value where the kernel put it, which is what
/// /proc/self/environ shows for as long as the process lives.
///
/// # Errors
///
/// When the process has more than one thread, or it cannot be told whether it has.
pub(crate) fn forget_variable(name: &CStr) -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there is more than one thread"));
    }
    // SAFETY: `name` is a C string. Nothing else reads or writes the environment meanwhile: this is the only thread.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return Ok(());
    }
    // SAFETY: a value that `getenv` gives is a C string, and stays one until the environment is changed below.
    let length = unsafe { libc::strlen(value) };
    // SAFETY: those bytes are the process's own and writable: the environment lies on the stack that the kernel made,
    // or, once changed, on the heap. Nothing holds a reference to them, as `std::env` gives copies.
    unsafe { value.write_bytes(0, length) };
    // SAFETY: this is the only thread, so nobody reads the environment at the same time.
    unsafe { std::env::remove_var(OsStr::from_bytes(name.to_bytes())) };
    Ok(())
}
