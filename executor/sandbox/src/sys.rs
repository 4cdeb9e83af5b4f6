//! The system calls for which there is no safe wrapper. Everything `unsafe` of this crate is here.

pub(crate) mod network;
pub(crate) mod rights;

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::ForkResult;

/// Forks. The caller must be the only thread, which only the init is; that is the caller's to see
/// to, and asserted.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    debug_assert_single_threaded();
    // SAFETY: this process has one thread, so that the child's copy of memory is consistent: no
    // lock in it is held by a thread that the child does not have.
    unsafe { nix::unistd::fork() }
}

/// Forks a sibling instead of a child: its parent is ours, which is to be the one who waits for it.
/// `Ok(None)` is the sibling's return, `Ok(Some(pid))` ours. It
/// has `namespaces` of its own.
pub(crate) fn clone_sibling(namespaces: CloneFlags) -> nix::Result<Option<i32>> {
    debug_assert_single_threaded();
    let flags = namespaces.bits() | libc::CLONE_PARENT | libc::SIGCHLD;
    let zero: libc::c_long = 0;
    // SAFETY: without CLONE_VM, which is none of the flags for namespaces, and with no stack given this is a fork: the sibling goes on with a
    // copy of our memory and stack. As with fork, this process has one thread. The C library's
    // atfork handlers do not run; with one thread there is nothing that they would have to mend.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            zero,
            zero,
            zero,
            zero,
        )
    };
    let pid = Errno::result(pid)?;
    // The kernel's ids fit: /proc/sys/kernel/pid_max is at most 2^22.
    Ok((pid != 0).then_some(pid as i32))
}

/// Asserted once for all that come from this process, none of which makes a thread.
pub(crate) fn assert_single_threaded() {
    // Without /proc there is nothing to ask.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert!(threads == 1, "fork with {threads} threads");
}

/// At each fork this would cost as much as the fork.
fn debug_assert_single_threaded() {
    if cfg!(debug_assertions) {
        assert_single_threaded();
    }
}

/// Waits for a child: any with -1. `Ok(None)` when `block` is false and none has ended.
pub(crate) fn wait(pid: i32, block: bool) -> nix::Result<Option<(i32, i32)>> {
    let mut status = 0;
    let flags = if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is a valid place for one int for the duration of the call.
        let result = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        match Errno::result(result) {
            Ok(0) => return Ok(None),
            Ok(pid) => return Ok(Some((pid, status))),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Takes ownership of descriptors that the kernel has just made for us in recvmsg(2).
pub(crate) fn own_received(descriptors: Vec<RawFd>) -> Vec<OwnedFd> {
    descriptors
        .into_iter()
        // SAFETY: the only caller passes the numbers of one SCM_RIGHTS message, each of which the
        // kernel has opened for this process alone, and passes them once.
        .map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) })
        .collect()
}

/// Sets every signal to its default action: an ignored one would stay so over exec, Rust's own
/// start ignores SIGPIPE, and the C library's posix_spawn the two that it keeps for itself.
pub(crate) fn default_signals() {
    // The kernel's struct sigaction: handler, flags, restorer, mask; all zero is SIG_DFL.
    let default = [0_u64; 4];
    for signal in 1..=64 as libc::c_long {
        let (action, old) = (&raw const default, std::ptr::null::<u64>());
        // SAFETY: `default` is a valid struct sigaction for the duration of the call, and SIG_DFL
        // is no handler of ours, so there is no code that could run at a wrong moment. It is the
        // bare call since the C library refuses its own signals, which are of use to threads alone.
        // SIGKILL and SIGSTOP are refused, which changes nothing.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                action,
                old,
                size_of::<u64>(),
            )
        };
    }
}

/// Has a write to a pipe that nobody reads fail instead of ending us.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: SIG_IGN is no handler of ours, so there is no code that could run at a wrong moment.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Closes every descriptor from 3 on: whatever the executor was started with and has not marked to be
/// closed at exec. To be called before the program has opened any.
pub(crate) fn close_inherited_from_3() -> io::Result<()> {
    // Read before any is closed, one of which is then that of the directory itself.
    each_from_3(0, |descriptor| {
        // SAFETY: nothing in this process owns a descriptor yet, as the caller sees to, but for the
        // standard ones. One that is not open any more is refused.
        unsafe { libc::close(descriptor) };
    })
}

/// Marks every descriptor from 3 on to be closed at exec.
pub(crate) fn close_on_exec_from_3() -> io::Result<()> {
    each_from_3(libc::CLOSE_RANGE_CLOEXEC, |descriptor| {
        // SAFETY: F_SETFD on a number is defined whether it is open or not, and this flag
        // leaves whoever owns it its descriptor.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    })
}

/// `close_range` from 3 on or, where the kernel does not have it with these `flags`, `otherwise` for
/// each that is open.
fn each_from_3(flags: libc::c_uint, otherwise: impl Fn(RawFd)) -> io::Result<()> {
    let (first, last) = (3 as libc::c_uint, libc::c_uint::MAX);
    // SAFETY: three integers. Without a flag descriptors are closed, of which the one caller that
    // passes none says that nobody owns them; with the one to close at exec none is closed now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 {
        return Ok(());
    }
    // Before Linux 5.11 there is no such flag, before 5.9 no such call.
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let descriptor = name.to_str().and_then(|name| name.parse::<RawFd>().ok());
        open.extend(descriptor.filter(|descriptor| *descriptor >= 3));
    }
    open.into_iter().for_each(otherwise);
    Ok(())
}

/// Asks for `signal` when the thread that is our parent ends. It is a number and no
/// `nix::Signal`, since one of the two is a real-time signal.
pub(crate) fn set_parent_death_signal(signal: i32) -> nix::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory.
    let result =
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_long::from(signal), 0, 0, 0) };
    Errno::result(result).map(drop)
}

/// Changes the mount whose root is `mount`, and those below it when `recursive` (mount_setattr(2), Linux 5.12): `set` and
/// `clear` are `MOUNT_ATTR_*`, `propagation` a propagation type or 0.
pub(crate) fn mount_setattr(
    mount: &impl AsFd,
    recursive: bool,
    set: u64,
    clear: u64,
    propagation: u64,
) -> nix::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: clear,
        propagation,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | (libc::AT_RECURSIVE * libc::c_int::from(recursive));
    // SAFETY: the path is a C string and `attributes` a struct of the size that is said, both alive during the call, and
    // only read. The descriptor is borrowed until after it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Sends a signal by number (see [`set_parent_death_signal`]).
pub(crate) fn kill(pid: i32, signal: i32) -> nix::Result<()> {
    // SAFETY: kill(2) takes two integers and touches no memory of ours.
    Errno::result(unsafe { libc::kill(pid, signal) }).map(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::CStr;

    pub(crate) fn strsignal_of_every_signal() -> Vec<(i32, String)> {
        (1..=64)
            .map(|signal| {
                // SAFETY: strsignal takes any number; it is called from this test alone, so that
                // nobody changes the text before it is copied.
                let text = unsafe { libc::strsignal(signal) };
                // SAFETY: it gives a C string, valid until this thread's next call.
                let text = unsafe { CStr::from_ptr(text) };
                (signal, text.to_string_lossy().into_owned())
            })
            .collect()
    }
}
