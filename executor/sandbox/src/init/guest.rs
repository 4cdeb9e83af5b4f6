//! What runs beside a task in its sandbox, as a check does: a child of pid 1, and so in all of the
//! task's namespaces without having to join any.
//!
//! ```text
//! pid 1
//!  |- task
//!  '- guest's watcher  (this file)  adopts the guest's orphans, keeps the end of its output
//!      '- guest        (task.rs)    session, cgroup, ids, directory, exec
//! ```
//!
//! The watcher is what makes the guest's processes a tree of their own, which can be ended without
//! touching the task's. It goes with pid 1.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::reporter::Reporter;
use super::task::Task;
use super::tree::Tree;
use super::{failed, kill_tree_signal};
use crate::built_in::Table;
use crate::guest::{Guest, Word};
use crate::line;
use crate::plan::Plan;
use crate::report::{Failure, Step};
use crate::sys;
use crate::tail::Tail;

/// So many descriptors come with the order at the most.
const DESCRIPTORS: usize = 32;

/// How much of the guest's output is taken at once.
const PORTION: usize = 64 * 1024;

/// More portions than a pipe can hold.
const LAST_PORTIONS: u32 = 17;

/// How long whoever writes without end has to wait for us after each portion, lest reading it takes
/// a processor.
const BREATH: Duration = Duration::from_millis(1);

/// In the child that pid 1 forked for a guest of `host`'s.
pub(super) fn run(
    host: &Plan,
    users: Option<&OwnedFd>,
    built_ins: Table<'_>,
    mut reporter: Reporter,
) -> ! {
    let received = reporter.receive::<Guest, DESCRIPTORS>().ok();
    let received = received.and_then(|(order, descriptors)| {
        let mut descriptors = descriptors.into_iter();
        let (outcome, null) = (descriptors.next()?, descriptors.next()?);
        Some((order.plan, outcome, null, descriptors.collect::<Vec<_>>()))
    });
    let Some((guest, outcome, null, cgroups)) = received else {
        // Nobody waits for it any more.
        exit(1);
    };
    let plan = guest.plan_beside(host);
    let (signals, output, stdout, stderr) = match prepare() {
        Ok(prepared) => prepared,
        Err(failure) => reporter.fail(failure),
    };
    let guest = Task {
        plan: &plan,
        stdio: [null, stdout, stderr],
        answer: None,
        cgroups,
        held: false,
        users,
        built_ins,
        reporter,
    };
    // One of our own user could stop us, who are the init of no namespace.
    let (main, (outcome, signals, output)) = guest.start(true, (outcome, signals, output));
    Watcher {
        tree: Tree::of(main),
        signals,
        output: Some(output),
        tail: Tail::default(),
        outcome,
    }
    .watch()
}

/// The signals, and both ends of the output, the writing one twice.
fn prepare() -> Result<(SignalFd, PipeReader, OwnedFd, OwnedFd), Failure> {
    // Without a pid namespace pid 1's end is not ours.
    sys::set_parent_death_signal(kill_tree_signal()).map_err(failed(Step::FollowExecutor))?;
    set_child_subreaper(true).map_err(failed(Step::FollowExecutor))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&SigSet::all(), flags).map_err(failed(Step::Signals))?;
    let (output, stdout) = io::pipe().map_err(of_io(Step::Stdio))?;
    let stderr = stdout.try_clone().map_err(of_io(Step::Stdio))?;
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed(Step::Stdio))?;
    Ok((signals, output, stdout.into(), stderr.into()))
}

fn of_io(step: Step) -> impl Fn(io::Error) -> Failure {
    move |error| failed(step)(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

struct Watcher {
    tree: Tree,
    signals: SignalFd,
    /// Gone once everybody has closed it.
    output: Option<PipeReader>,
    tail: Tail,
    outcome: OwnedFd,
}

impl Watcher {
    /// Waits for the guest's end, ends whatever it left, and reports.
    fn watch(mut self) -> ! {
        while self.tree.ended().is_none() {
            let output = self.output.as_ref().map(AsFd::as_fd);
            let mut polled = vec![
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.outcome.as_fd(), PollFlags::POLLIN),
            ];
            polled.extend(output.map(|output| PollFd::new(output, PollFlags::POLLIN)));
            // EINTR cannot be with everything blocked, and would only mean to look again.
            let _ = poll(&mut polled, PollTimeout::NONE);
            let is_unwanted = polled[1].any() == Some(true);
            let has_written = polled.get(2).and_then(PollFd::any) == Some(true);
            if is_unwanted || self.is_told_to_end() {
                self.tree.end();
                break;
            }
            if has_written && self.read() {
                sleep(BREATH);
            }
        }
        self.tree.end();
        // Nobody writes any more, or could not be killed and is not to be waited for.
        for _ in 0..LAST_PORTIONS {
            if !self.read() {
                break;
            }
        }
        let (output, dropped) = self.tail.finish();
        let word = Word {
            status: self.tree.ended(),
            dropped,
            output,
        };
        // Nobody may want to know it.
        let _ = line::tell(&self.outcome, &word.encode());
        exit(0);
    }

    /// Reaps, and looks for the one signal that is for us: what the task is sent as a whole reaches
    /// the guest's processes without us.
    fn is_told_to_end(&mut self) -> bool {
        let mut told = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            told |= signal.ssi_signo.cast_signed() == kill_tree_signal();
        }
        self.tree.reap();
        told
    }

    /// Takes what was written; true when there may be more at once.
    fn read(&mut self) -> bool {
        let Some(output) = &mut self.output else {
            return false;
        };
        let mut portion = vec![0; PORTION];
        match output.read(&mut portion) {
            Ok(length @ 1..) => {
                self.tail.push(&portion[..length]);
                length == PORTION
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Ok(0) | Err(_) => {
                self.output = None;
                false
            }
        }
    }
}
