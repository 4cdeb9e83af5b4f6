//! Where a task's output goes: into files of its own, by pipes that the executor holds or directly; or to wherever this
//! process's own goes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use dialect::LogWishes;
use executor_core::{Fault, StartFailure};
use mesos_proto::Bytes;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use sandbox::Stdio;
use sandbox::identity::Identity;
use tracing::warn;

use super::failure;
use super::tail::Tail;
use crate::logs::{Directory, LogFigures, Logs, Policy, Turns};

/// A task's output, before the task is there.
pub(super) struct Output {
    pub(super) stdio: Stdio,
    pub(super) kept: Kept,
}

/// What there is to hold of a task's output.
#[derive(Default)]
pub(super) struct Kept {
    /// None when the task writes by itself.
    logs: Option<Arc<Logs>>,
    /// None when the task's standard error is no file.
    tail: Option<Tail>,
}

impl Kept {
    /// Of another run of the task: what was said until now is not its own.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            logs: self.logs.clone(),
            tail: self.tail.as_ref().map(Tail::again).transpose()?,
        })
    }

    /// Waits until everything that was said before is where it belongs. Blocks, but not for long.
    pub(super) fn drain(&self) {
        if let Some(logs) = &self.logs {
            logs.drain();
        }
    }

    /// What was said until now is not the task's own. Blocks, but not for long.
    pub(super) fn begin_here(&mut self) {
        self.drain();
        if let Some(tail) = &mut self.tail
            && let Err(error) = tail.begin_here()
        {
            warn!("the last words of a task may be somebody else's: {error}");
        }
    }

    /// None when the task writes by itself.
    pub(super) fn figures(&self) -> Option<LogFigures> {
        self.logs.as_ref().map(|logs| logs.figures())
    }

    /// The last lines that the task wrote to its standard error. Blocks, but not for long.
    pub(super) fn last_words(&self) -> Option<String> {
        let tail = self.tail.as_ref()?;
        tail.read().unwrap_or_else(|error| {
            warn!("what a task wrote last to its standard error is not shown: {error}");
            None
        })
    }
}

/// What is to be done about a task's output.
pub(super) struct Orders<'a> {
    pub(super) wishes: &'a LogWishes,
    /// The task's disk quota.
    pub(super) quota: Option<Bytes>,
    pub(super) turns: &'a Turns,
}

impl Output {
    /// Files of the task's own.
    pub(super) fn own(directory: Directory<'_>, orders: &Orders<'_>) -> Result<Self, StartFailure> {
        if orders.wishes.rotate == Some(false) {
            let stderr = directory.stderr.try_clone();
            return Ok(Self {
                kept: Kept {
                    tail: Some(Tail::of(stderr.map_err(no_output)?)),
                    logs: None,
                },
                stdio: Stdio {
                    stdin: None,
                    stdout: directory.stdout.into(),
                    stderr: directory.stderr.into(),
                },
            });
        }
        Self::held(directory, None, orders)
    }

    /// As with Mesos's command executor: this process's own output, or on request what that is in the sandbox's files.
    pub(super) fn shared(
        sandbox: &Path,
        handle: &OwnedFd,
        owner: Option<&Identity>,
        orders: &Orders<'_>,
    ) -> Result<Self, StartFailure> {
        let own = own_stdio().map_err(no_output)?;
        if !orders.wishes.wants_rotation() {
            let tail = Tail::of_own_stderr(handle).unwrap_or_else(|error| {
                warn!(
                    "what the task writes to its standard error is not shown at its end: {error}"
                );
                None
            });
            return Ok(Self {
                stdio: own,
                kept: Kept { logs: None, tail },
            });
        }
        let directory = Directory {
            handle,
            path: sandbox.to_owned(),
            owner,
            stdout: file_of(handle, "stdout", &own.stdout)?,
            stderr: file_of(handle, "stderr", &own.stderr)?,
        };
        Self::held(directory, own.stdin, orders)
    }

    /// This process's own, whatever it is.
    pub(super) fn inherited() -> io::Result<Self> {
        Ok(Self {
            stdio: own_stdio()?,
            kept: Kept::default(),
        })
    }

    fn held(
        directory: Directory<'_>,
        stdin: Option<OwnedFd>,
        orders: &Orders<'_>,
    ) -> Result<Self, StartFailure> {
        let policy = Policy::of(orders.wishes, orders.quota);
        let logs = Logs::open(directory, &policy, orders.turns).map_err(no_output)?;
        let (stdout, stderr) = logs.writers().map_err(no_output)?;
        Ok(Self {
            stdio: Stdio {
                stdin,
                stdout,
                stderr,
            },
            kept: Kept {
                tail: Some(Tail::of_log(logs.stderr())),
                logs: Some(Arc::new(logs)),
            },
        })
    }
}

fn no_output(error: io::Error) -> StartFailure {
    StartFailure {
        fault: Fault::Host,
        message: format!("hold the task's output: {error}"),
    }
}

/// This process's own input and output.
fn own_stdio() -> io::Result<Stdio> {
    Ok(Stdio {
        // Under an agent /dev/null.
        stdin: Some(io::stdin().as_fd().try_clone_to_owned()?),
        stdout: io::stdout().as_fd().try_clone_to_owned()?,
        stderr: io::stderr().as_fd().try_clone_to_owned()?,
    })
}

/// The sandbox's file `name`, when it is what `own` is open on: under an agent with another container logger somebody else
/// holds this process's output and writes the files (Mesos: src/slave/container_loggers/logrotate.cpp).
fn file_of(directory: &OwnedFd, name: &str, own: &OwnedFd) -> Result<File, StartFailure> {
    let elsewhere = || StartFailure {
        fault: Fault::Task,
        message: format!(
            "the task's logs cannot be rotated as it asks: the agent's container logger has its {name}"
        ),
    };
    let flags =
        OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(|_| elsewhere())?;
    let identity = |found: nix::sys::stat::FileStat| (found.st_dev, found.st_ino);
    let same = |error| failure(Fault::Host, &io::Error::from(error));
    let (there, ours) = (fstat(&file).map_err(same)?, fstat(own).map_err(same)?);
    if identity(there) != identity(ours) {
        return Err(elsewhere());
    }
    Ok(file.into())
}
