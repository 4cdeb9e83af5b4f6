//! The init of a sandbox: a program with one thread, that goes in a straight line and ends in
//! exec. The executor's binary becomes it when it is started as `<binary> init`.
//!
//! It comes in three processes, each of which does what only it can:
//!
//! ```text
//! executor
//!  |- stage 1   (this file)  new namespaces; clones pid 1 as its own sibling, tells its id, exits
//!  '- pid 1     (pid1.rs)    the executor's own child: mounts, host name, then waits and reaps
//!      '- task  (task.rs)    session, cgroup, ids, directory, descriptors, exec
//! ```
//!
//! Pid 1 stays outside the task's cgroup, so that it neither counts towards the task's limits nor
//! is ever chosen when the task runs out of memory: the task's end is always reported.

mod pid1;
mod task;

use std::ffi::OsStr;
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::exit;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::conversation::Order;
use crate::plan::Plan;
use crate::report::{Degraded, Failure, Feature, Report, Step};
use crate::sys;

/// The one argument that makes an init of the binary.
pub(crate) const ARGUMENT: &str = "--sandbox-init";

/// Sent beside the plan: where the task's wait status goes, and the task's standard input, output
/// and error.
pub(crate) const DESCRIPTORS: usize = 4;

/// Becomes the init, and never returns, when the program was started as one; otherwise returns at
/// once. To be called first thing in `main`, before there is any other thread.
pub fn dispatch() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(ARGUMENT)) && arguments.next().is_none() {
        stage_1();
    }
}

/// Tells pid 1 of a task without a pid namespace to kill everything below it. A real-time signal
/// that nobody else uses, the first but one: sent by the executor, and by the kernel at its death.
pub(crate) fn kill_tree_signal() -> i32 {
    libc::SIGRTMIN() + 1
}

/// What came with the plan.
struct Inherited {
    status: OwnedFd,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// Whether the task is to wait for its release.
    held: bool,
}

/// The way back to the launcher. It is closed, at the latest by exec, when there is no more to tell.
struct Reporter(UnixStream);

impl Reporter {
    fn send(&mut self, report: &Report) {
        // Nobody to tell it to is no reason to stop: then the executor is gone and so are we soon.
        if let Ok(mut line) = serde_json::to_vec(report) {
            line.push(b'\n');
            let _ = self.0.write_all(&line);
        }
    }

    /// Tells that all is set up, and waits for the word to go on. A launcher that is gone, or has
    /// given the task up, gives none.
    fn hold(&mut self) -> Result<(), Failure> {
        self.send(&Report::Ready);
        let answer = self.0.read_exact(&mut [0]);
        answer.map_err(|error| {
            let errno = error.raw_os_error().map(Errno::from_raw);
            failed(Step::Hold)(errno.unwrap_or(Errno::ECANCELED))
        })
    }

    /// The end of a process that could not do its part.
    fn fail(&mut self, failure: Failure) -> ! {
        self.send(&Report::Failed(failure));
        exit(1);
    }
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

fn stage_1() -> ! {
    let (mut reporter, plan, inherited) = receive().unwrap_or_else(|error| {
        // Started by hand, or the launcher died: there may be no socket to report on.
        eprintln!("sandbox init: no plan on standard input: {error}");
        exit(2);
    });

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
        Ok(None) => pid1::run(&plan, inherited, reporter, own),
        Ok(Some(pid)) => {
            reporter.send(&Report::Init { pid });
            exit(0);
        }
        Err(errno) => reporter.fail(failed(Step::CloneInit)(errno)),
    }
}

/// The plan and the descriptors from the socket that is our standard input, which is given up.
fn receive() -> io::Result<(Reporter, Plan, Inherited)> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut length = [0; size_of::<u32>()];
    let mut buffer = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let received = {
        let mut slices = [IoSliceMut::new(&mut length)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut buffer), flags)?;
        let mut numbers = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(more) = control {
                numbers.extend(more);
            }
        }
        sys::own_received(numbers)
    };
    let [status, stdin, stdout, stderr]: [OwnedFd; DESCRIPTORS] = received
        .try_into()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;

    let mut text = vec![0; u32::from_ne_bytes(length) as usize];
    socket.read_exact(&mut text)?;
    let Order { plan, held } = serde_json::from_slice(&text)?;

    // A second reference to the socket would keep it open past exec.
    nix::unistd::dup2_stdin(&stdin)?;
    Ok((
        Reporter(socket),
        plan,
        Inherited {
            status,
            stdin,
            stdout,
            stderr,
            held,
        },
    ))
}
