use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::built_in::Answer;
use crate::enter::Door;
use crate::exit::Exit;
use crate::init::kill_tree_signal;
use crate::line;
use crate::report::Degraded;
use crate::sys;

/// How long [`Process`] waits for the end of a task that is dropped.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

/// A signal that a task can be sent ([`Process::signal`] has to whom). SIGKILL is [`Process::kill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSignal {
    /// SIGTERM
    Terminate,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
    /// SIGHUP
    Hangup,
    /// SIGUSR1
    User1,
    /// SIGUSR2
    User2,
}

impl TaskSignal {
    fn number(self) -> i32 {
        match self {
            TaskSignal::Terminate => libc::SIGTERM,
            TaskSignal::Interrupt => libc::SIGINT,
            TaskSignal::Quit => libc::SIGQUIT,
            TaskSignal::Hangup => libc::SIGHUP,
            TaskSignal::User1 => libc::SIGUSR1,
            TaskSignal::User2 => libc::SIGUSR2,
        }
    }
}

/// Why a task could not be signalled or waited for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The init did not get the signal.
    #[error("signal the init of a sandbox, process {pid}: {source}")]
    Signal {
        /// The init's process id.
        pid: i32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The init could not be waited for, and it had reported nothing.
    #[error("wait for the init of a sandbox, process {pid}: {source}")]
    Wait {
        /// The init's process id.
        pid: i32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The init ended by itself, which it never does, without saying how the task ended.
    #[error("the init of a sandbox, process {pid}, {exit} and did not report the task's end")]
    Unreported {
        /// The init's process id.
        pid: i32,
        /// How the init ended.
        exit: Exit,
    },
}

/// A running task: the init that watches over it, as seen from the executor.
///
/// The descriptor ([`AsFd`]) becomes readable or is hung up when the task has ended; then
/// [`Process::reap`] tells how. The init's id stays ours until then, so that no signal reaches a
/// stranger.
///
/// Dropping it kills the task, and waits a second at most.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    /// Brings the task's wait status, and takes programs that are to run beside it.
    line: OwnedFd,
    /// Brings a built-in function's answer.
    answer: Option<OwnedFd>,
    own_namespace: bool,
    shares_network: bool,
    degraded: Vec<Degraded>,
    exit: Option<Exit>,
}

impl Process {
    pub(crate) fn new(
        pid: i32,
        line: OwnedFd,
        answer: Option<OwnedFd>,
        own_namespace: bool,
        shares_network: bool,
        degraded: Vec<Degraded>,
    ) -> Process {
        Process {
            pid,
            line,
            answer,
            own_namespace,
            shares_network,
            degraded,
            exit: None,
        }
    }

    /// The process id of the task's init, a child of this process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it is in the executor's network ([`crate::Network::Host`]). An executor that is not root may not look at
    /// its init to find out.
    pub fn shares_network(&self) -> bool {
        self.shares_network
    }

    /// What of the plan this host or the executor's rights did not give.
    pub fn degraded(&self) -> &[Degraded] {
        &self.degraded
    }

    pub(crate) fn lacks_too(&mut self, without: Vec<Degraded>) {
        self.degraded.extend(without);
    }

    /// What the built-in function answered that ran in the place of a program, once it was reaped;
    /// `None` when it has not come so far. It is given once.
    pub fn answer(&self) -> Option<String> {
        self.answer.as_ref().and_then(Answer::hear)
    }

    /// The way into its sandbox.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn door(&self) -> io::Result<Door> {
        Ok(Door::new(self.line.try_clone()?))
    }

    /// Sends the task a signal. SIGTERM goes to every process of it, what runs beside it included:
    /// the end is everybody's. The others, which tell a program something, go to the process group
    /// of its first process, as from a terminal; what left that group, or runs beside the task, does
    /// not get them. Does nothing once it was reaped.
    ///
    /// # Errors
    /// The init could not be signalled.
    pub fn signal(&self, signal: TaskSignal) -> Result<(), ProcessError> {
        self.send(signal.number())
    }

    /// Kills every process of the task. In a pid namespace none can escape, as the kernel does it;
    /// without one the init walks the tree of its descendants, and killing the task's cgroup as
    /// well is what makes it sure. Does nothing once it was reaped.
    ///
    /// # Errors
    /// The init could not be signalled.
    pub fn kill(&self) -> Result<(), ProcessError> {
        if self.own_namespace {
            return self.send(libc::SIGKILL);
        }
        self.send(kill_tree_signal())?;
        // A task of the same user may have stopped its init.
        self.send(libc::SIGCONT)
    }

    fn send(&self, signal: i32) -> Result<(), ProcessError> {
        if self.exit.is_some() {
            return Ok(());
        }
        match sys::kill(self.pid, signal) {
            // Ended, and nobody left to wait for: the host does so when SIGCHLD is ignored.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(ProcessError::Signal {
                pid: self.pid,
                source: errno.into(),
            }),
        }
    }

    /// How the task ended: by the report of its init or, when that was killed before it could
    /// report, by the init's own end. Blocks until then, and until everything in the task's pid
    /// namespace is gone; afterwards it gives the same answer again.
    ///
    /// # Errors
    /// Neither is to be had.
    pub fn reap(&mut self) -> Result<Exit, ProcessError> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        // An init that cannot be heard ends in a way that tells as much.
        let message = line::hear(&self.line, size_of::<i32>()).ok().flatten();
        let status = message.and_then(|message| message.try_into().ok());
        let reported = status
            .map(i32::from_ne_bytes)
            .and_then(Exit::from_wait_status);
        let own = match sys::wait(self.pid, true) {
            Ok(own) => own.and_then(|(_, status)| Exit::from_wait_status(status)),
            // Waited for by the kernel itself; the report is as good.
            Err(Errno::ECHILD) if reported.is_some() => None,
            Err(errno) => {
                return Err(ProcessError::Wait {
                    pid: self.pid,
                    source: errno.into(),
                });
            }
        };
        let exit = match (reported, own) {
            (Some(exit), _) | (None, Some(exit @ Exit::Signaled { .. })) => exit,
            (None, own) => {
                let exit = own.unwrap_or(Exit::Exited(0));
                self.exit = Some(exit);
                return Err(ProcessError::Unreported {
                    pid: self.pid,
                    exit,
                });
            }
        };
        self.exit = Some(exit);
        Ok(exit)
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit.is_some() || self.kill().is_err() {
            return;
        }
        // Not for ever: a process that hangs in the kernel must not hang the executor with it.
        let started = Instant::now();
        while started.elapsed() < DROP_PATIENCE && matches!(sys::wait(self.pid, false), Ok(None)) {
            sleep(Duration::from_millis(2));
        }
    }
}
