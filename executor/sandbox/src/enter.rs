use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cgroup::{Cgroup, Subgroup};
use nix::sys::socket::{Shutdown, shutdown};

use crate::conversation::{Conversation, Pause};
use crate::error::LaunchError;
use crate::exit::Exit;
use crate::guest::{Guest, Word};
use crate::identity::Identity;
use crate::launch::open_cgroups;
use crate::line;
use crate::plan::Command;

/// The way into the sandbox of a running task ([`crate::Process::door`]), for programs that are to
/// run beside it, as checks are.
#[derive(Debug)]
pub struct Door {
    line: OwnedFd,
}

/// What is to run beside a task. All else it has from the task: namespaces, working directory, limits.
/// Its standard input is `/dev/null`.
#[derive(Debug, Clone)]
pub struct EnterPlan {
    /// What to run; a program without a slash is looked for in the `PATH` of the environment.
    pub command: Command,
    /// Set over the task's own environment.
    pub environment: BTreeMap<String, String>,
    /// Who it runs as; `None` is whoever the task is.
    pub identity: Option<Identity>,
    /// The task's cgroup: it runs in one of its own inside that. `None` where tasks have none.
    pub cgroup: Option<Arc<Cgroup>>,
}

/// Why nothing runs beside a task, or how it ended is unknown.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The task has ended, and its sandbox with it.
    #[error("the task has ended")]
    TaskEnded,
    /// It could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It got no cgroup of its own.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// Its watcher was killed: by the end of the task, or by a task that may do so.
    #[error("its end was not told")]
    Untold,
    /// It hangs in the kernel, and killing it did not help.
    #[error("it cannot be killed")]
    Unkillable,
    /// Its end could not be waited for.
    #[error("wait for a program beside a task: {source}")]
    Wait {
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Door {
    pub(crate) fn new(line: OwnedFd) -> Door {
        Door { line }
    }

    /// Starts `plan` beside the task. Blocks until it is executed or has failed, which takes a
    /// millisecond unless something hangs; once `cancelled` becomes true it is given up, at the latest a
    /// moment after.
    ///
    /// # Errors
    /// See [`EnterError`]. Nothing of it is left then.
    pub fn enter(&self, plan: EnterPlan, cancelled: &AtomicBool) -> Result<Entered, EnterError> {
        let mut guest = Guest {
            command: plan.command,
            environment: plan.environment,
            identity: plan.identity,
            cgroup_procs: Vec::new(),
        };
        guest.check().map_err(LaunchError::from)?;

        let preparing = |source| LaunchError::Prepare { source };
        let (ours, theirs) = UnixStream::pair().map_err(preparing)?;
        let (outcome, outcome_of_watcher) = line::pair().map_err(preparing)?;
        let null = File::open("/dev/null").map_err(preparing)?;
        let mut conversation = Conversation::new(ours).map_err(preparing)?;
        let subgroup = plan.cgroup.map(|cgroup| cgroup.subgroup()).transpose()?;
        guest.cgroup_procs = subgroup.iter().flat_map(Subgroup::procs_files).collect();
        // From here on its drop undoes everything.
        let entered = Entered { outcome, subgroup };
        let cgroups = open_cgroups(&guest.cgroup_procs)?;

        match line::pass(&self.line, 0, &theirs) {
            Err(error) if line::is_gone(&error) => return Err(EnterError::TaskEnded),
            passed => passed.map_err(preparing)?,
        }
        drop(theirs);
        let mut descriptors = vec![outcome_of_watcher.as_raw_fd(), null.as_raw_fd()];
        descriptors.extend(cgroups.iter().map(AsRawFd::as_raw_fd));
        let sent = conversation.order(&guest, false, &descriptors, cancelled);
        drop((outcome_of_watcher, cgroups));
        match (conversation.listen(cancelled), conversation.heard.failure) {
            (Pause::Cancelled, _) => Err(LaunchError::Cancelled.into()),
            (_, Some(failure)) => Err(LaunchError::from(failure).into()),
            // Whoever was to take the order is gone.
            (_, None) if sent.is_err() => Err(EnterError::TaskEnded),
            (_, None) => Ok(entered),
        }
    }
}

/// A program that runs beside a task.
///
/// The descriptor ([`AsFd`]) becomes readable or is hung up when it has ended; then
/// [`Entered::reap`] tells how. Everything that it started ends with it, and with the task.
///
/// Dropping it kills it, and removes its cgroup, for which it blocks until all of it is dead; as a
/// rule that is at once.
#[derive(Debug)]
pub struct Entered {
    outcome: OwnedFd,
    subgroup: Option<Subgroup>,
}

/// How a program beside a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its first process's end.
    pub exit: Exit,
    /// The end of what it wrote to standard output and error, in the order in which it wrote it: 16 KiB at
    /// the most. What is no UTF-8 is replaced.
    pub output: String,
    /// How many bytes of output there were before that.
    pub dropped: u64,
}

impl Entered {
    /// Kills all of its processes, wherever they went, and none of the task's. Its end is told as any
    /// other.
    ///
    /// # Errors
    /// Its cgroup could not be killed.
    pub fn kill(&self) -> Result<(), EnterError> {
        // Whoever is not there any more need not be told.
        let _ = shutdown(self.outcome.as_raw_fd(), Shutdown::Write);
        if let Some(subgroup) = &self.subgroup {
            subgroup.kill()?;
        }
        Ok(())
    }

    /// How it ended. Blocks until then; afterwards nothing of it is left.
    ///
    /// # Errors
    /// That is not to be had: [`EnterError::Untold`], as when the task has ended first.
    pub fn reap(self) -> Result<Finished, EnterError> {
        let message = line::hear(&self.outcome, Word::MOST);
        let message = message.map_err(|source| EnterError::Wait { source })?;
        let word = message.ok_or(EnterError::Untold)?;
        let word = Word::decode(&word).ok_or(EnterError::Untold)?;
        let status = word.status.ok_or(EnterError::Unkillable)?;
        let exit = Exit::from_wait_status(status).ok_or(EnterError::Untold)?;
        Ok(Finished {
            exit,
            output: String::from_utf8_lossy(&word.output).into_owned(),
            dropped: word.dropped,
        })
    }
}

impl AsFd for Entered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outcome.as_fd()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // What cannot be killed or removed now is, with the task's own cgroup, at the task's end.
        let _ = self.kill();
        if let Some(subgroup) = &self.subgroup {
            let _ = subgroup.remove();
        }
    }
}
