//! The init of a sandbox: a program with one thread, that goes in a straight line and ends in
//! exec. The executor's binary becomes it when it is started as `<binary> --sandbox-init`.
//!
//! It comes in processes each of which does what only it can:
//!
//! ```text
//! executor
//!  |- zygote    (zygote.rs)  one for all: clones each pid 1, with its namespaces, as its own sibling
//!  '- pid 1     (pid1.rs)    the executor's own child: network, mounts, host name, then waits and reaps
//!      |- task  (task.rs)    session, cgroup, limits, users, rights, ids, directory, system calls, exec
//!      '- guest (guest.rs)   what runs beside the task, as a check does
//! ```
//!
//! The zygote of an executor that is not root is in a user namespace, and everybody below it: there it has the rights to
//! make the others. A task that asks for users of its own is in one of its own inside, or, under root, in the only one.
//!
//! Pid 1 stays outside the task's cgroup, so that it neither counts towards the task's limits nor
//! is ever chosen when the task runs out of memory: the task's end is always reported.

mod filesystem;
mod guest;
mod limits;
mod network;
mod pid1;
mod reporter;
mod rights;
mod task;
mod tree;
mod users;
mod zygote;

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::built_in::BuiltIn;
use crate::report::{Failure, Step};

/// The one argument that makes an init of the binary.
pub(crate) const ARGUMENT: &str = "--sandbox-init";

/// Becomes the init, and never returns, when the program was started as one; otherwise returns at
/// once. To be called first thing in `main`, before there is any other thread.
///
/// `built_ins` are the functions that a task can have in the place of a program, by their names.
pub fn dispatch(built_ins: &[(&str, BuiltIn)]) {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(ARGUMENT)) && arguments.next().is_none() {
        zygote::run(built_ins);
    }
}

/// Tells pid 1 of a task without a pid namespace to kill everything below it. A real-time signal
/// that nobody else uses, the first but one: sent by the executor, and by the kernel at its death.
pub(crate) fn kill_tree_signal() -> i32 {
    libc::SIGRTMIN() + 1
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// A failure of a step that has no path.
fn failed(step: Step) -> impl Fn(Errno) -> Failure {
    move |errno| Failure {
        step,
        errno: errno as i32,
        path: None,
    }
}

/// A failure of a step at a path.
fn failed_at(step: Step, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure {
        step,
        errno: errno as i32,
        path: Some(path.into()),
    }
}
