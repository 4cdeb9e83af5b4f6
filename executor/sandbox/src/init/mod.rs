//! The init of a sandbox: a program with one thread, that goes in a straight line and ends in
//! exec. The executor's binary becomes it when it is started as `<binary> init`.
//!
//! It comes in three processes, each of which does what only it can:
//!
//! ```text
//! executor
//!  |- stage 1   (this file)  new namespaces; clones pid 1 as its own sibling, tells its id, exits
//!  '- pid 1     (pid1.rs)    the executor's own child: mounts, host name, then waits and reaps
//!      |- task  (task.rs)    session, cgroup, ids, directory, descriptors, exec
//!      '- guest (guest.rs)   what runs beside the task, as a check does
//! ```
//!
//! Pid 1 stays outside the task's cgroup, so that it neither counts towards the task's limits nor
//! is ever chosen when the task runs out of memory: the task's end is always reported.

mod guest;
mod pid1;
mod reporter;
mod root;
mod task;
mod tree;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::exit;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;

use crate::built_in::{BuiltIn, Table};
use crate::conversation::Order;
use crate::plan::Plan;
use crate::report::{Degraded, Failure, Feature, Report, Step};
use crate::sys;
use reporter::Reporter;

/// The one argument that makes an init of the binary.
pub(crate) const ARGUMENT: &str = "--sandbox-init";

/// So many descriptors come with the plan at the most.
const DESCRIPTORS: usize = 5;

/// The descriptors that come with the plan, in this order.
struct Inherited {
    /// Pid 1's end of the line.
    line: OwnedFd,
    /// The task's standard input, output and error.
    stdio: [OwnedFd; 3],
    /// Where a built-in function's answer goes.
    answer: Option<OwnedFd>,
}

impl Inherited {
    fn from(descriptors: Vec<OwnedFd>) -> io::Result<Inherited> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || {
            let next = descriptors.next();
            next.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        Ok(Inherited {
            line: next()?,
            stdio: [next()?, next()?, next()?],
            answer: next().ok(),
        })
    }
}

/// Becomes the init, and never returns, when the program was started as one; otherwise returns at
/// once. To be called first thing in `main`, before there is any other thread.
///
/// `built_ins` are the functions that a task can have in the place of a program, by their names.
pub fn dispatch(built_ins: &[(&str, BuiltIn)]) {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(ARGUMENT)) && arguments.next().is_none() {
        stage_1(built_ins);
    }
}

/// Tells pid 1 of a task without a pid namespace to kill everything below it. A real-time signal
/// that nobody else uses, the first but one: sent by the executor, and by the kernel at its death.
pub(crate) fn kill_tree_signal() -> i32 {
    libc::SIGRTMIN() + 1
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

fn stage_1(built_ins: Table<'_>) -> ! {
    // At exec those that are left go as well; a built-in function executes nothing.
    let _ = sys::close_inherited_from_3();
    let (mut reporter, order, inherited) = receive().unwrap_or_else(|error| {
        // Started by hand, or the launcher died: there may be no socket to report on.
        eprintln!("sandbox init: no plan on standard input: {error}");
        exit(2);
    });
    let plan = &order.plan;

    // Signals before everything else: dispositions that somebody set to "ignore" would hide the
    // end of children. Blocked here, they are blocked in pid 1 from its first moment, and a blocked
    // signal is kept even for the init of a pid namespace.
    sys::default_signals();
    if let Err(errno) = SigSet::all().thread_block() {
        reporter.fail(failed(Step::Signals)(errno));
    }
    // A directory is not to be kept busy by an init.
    let _ = std::env::set_current_dir("/");

    // One by one, so that what is refused has a name and the rest is had all the same. The pid
    // namespace takes effect with the next child.
    let asked = plan.namespaces;
    let mut own = asked;
    for (wanted, got, flag, feature) in [
        (
            asked.mount,
            &mut own.mount,
            CloneFlags::CLONE_NEWNS,
            Feature::MountNamespace,
        ),
        (
            asked.ipc,
            &mut own.ipc,
            CloneFlags::CLONE_NEWIPC,
            Feature::IpcNamespace,
        ),
        (
            asked.uts,
            &mut own.uts,
            CloneFlags::CLONE_NEWUTS,
            Feature::UtsNamespace,
        ),
        (
            asked.pid,
            &mut own.pid,
            CloneFlags::CLONE_NEWPID,
            Feature::PidNamespace,
        ),
    ] {
        if wanted && let Err(errno) = unshare(flag) {
            *got = false;
            reporter.send(&Report::Without(Degraded {
                feature,
                errno: errno as i32,
            }));
        }
    }

    // A sibling instead of a child: so the executor itself is the parent that is told of pid 1's
    // end and that waits for it, and this process is not needed any longer.
    match sys::clone_sibling() {
        Ok(None) => pid1::run(&order, inherited, reporter, own, built_ins),
        Ok(Some(pid)) => {
            reporter.send(&Report::Init { pid });
            exit(0);
        }
        Err(errno) => reporter.fail(failed(Step::CloneInit)(errno)),
    }
}

/// The order and its descriptors, from the socket that is our standard input, which is given up.
fn receive() -> io::Result<(Reporter, Order<Plan>, Inherited)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut reporter = Reporter::new(socket);
    let (order, descriptors) = reporter.receive::<Plan, DESCRIPTORS>()?;
    let inherited = Inherited::from(descriptors)?;
    // A second reference to the socket would keep it open past exec.
    nix::unistd::dup2_stdin(&inherited.stdio[0])?;
    Ok((reporter, order, inherited))
}
