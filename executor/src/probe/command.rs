//! Running a command beside a task, in its sandbox.
//!
//! The task's own init starts it, and it has a watcher and a cgroup of its own: all of its processes can be ended,
//! wherever they went, without touching the task's. What it writes is kept in part and never waited for.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cgroup::Cgroup;
use dialect::Program;
use executor_core::{CommandEnd, Probed};
use sandbox::{Command, Door, EnterError, EnterPlan, Entered, Exit, Finished};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::{blocking, deadline, turn, within};
use crate::sys;

/// Where a command is run.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) door: Door,
    pub(crate) cgroup: Option<Arc<Cgroup>>,
}

/// Why a command did not run, or how it ended is unknown.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Enter(#[from] EnterError),
    #[error("watch the command: {0}")]
    Watch(#[from] io::Error),
    #[error("run the command: {0}")]
    Thread(#[from] JoinError),
}

/// Runs once. A command that has not ended when `timeout` is over is killed; that it had to wait for its turn does not count.
pub(crate) async fn look(
    place: Place,
    program: &Program,
    environment: &[(String, String)],
    timeout: Option<Duration>,
) -> Probed {
    let plan = EnterPlan {
        command: match program.clone() {
            Program::Shell(line) => Command::Shell(line),
            Program::Exec { file, argv } => Command::Exec { file, argv },
        },
        environment: environment.iter().cloned().collect(),
        identity: None,
        cgroup: place.cgroup,
    };
    run(place.door, plan, timeout)
        .await
        .unwrap_or_else(|error| Probed::Error {
            message: error.to_string(),
        })
}

async fn run(
    door: Door,
    plan: EnterPlan,
    timeout: Option<Duration>,
) -> Result<Probed, CommandError> {
    let wanted = Wanted::default();
    let unwanted = Arc::clone(&wanted.0);
    let its_turn = turn().await;
    let until = deadline(timeout);
    let entering = blocking(its_turn, move || {
        door.enter(plan, &unwanted).map(Running::from)
    });
    let Some(entered) = within(until, entering).await else {
        let output = String::new();
        return Ok(Probed::TimedOut { output });
    };
    let running: Running = entered??;
    let ended = running.watch()?;
    let in_time = within(until, ended.readable()).await.is_some();
    let finished = blocking(turn().await, move || running.finish(in_time)).await?;
    Ok(match finished {
        Ok(Finished { exit, output, .. }) if in_time => Probed::Command {
            status: match exit {
                Exit::Exited(status) => CommandEnd::Exited(status),
                Exit::Signaled { signal, .. } => CommandEnd::Signalled(signal),
            },
            output,
        },
        Ok(Finished { output, .. }) => Probed::TimedOut { output },
        Err(error) if in_time => return Err(error.into()),
        Err(error) => Probed::TimedOut {
            output: error.to_string(),
        },
    })
}

/// Dropping it makes what is about to start unwanted.
#[derive(Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A command that runs. Dropping it kills it, on a thread that may wait for that.
struct Running(Option<Entered>);

impl From<Entered> for Running {
    fn from(entered: Entered) -> Self {
        Self(Some(entered))
    }
}

impl Running {
    /// Readable when it has ended.
    fn watch(&self) -> Result<AsyncFd<OwnedFd>, CommandError> {
        let entered = self.0.as_ref().ok_or(EnterError::Untold)?;
        Ok(sys::readable(entered)?)
    }

    /// How it ended, or how it does when it is killed now. Blocks until nothing of it is left.
    fn finish(mut self, has_ended: bool) -> Result<Finished, EnterError> {
        let entered = self.0.take().ok_or(EnterError::Untold)?;
        if !has_ended {
            entered.kill()?;
        }
        entered.reap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let entered = self.0.take();
        match Handle::try_current() {
            Ok(runtime) if entered.is_some() => {
                runtime.spawn_blocking(move || drop(entered));
            }
            // Taken already, or nobody is left who could be held up.
            Ok(_) | Err(_) => drop(entered),
        }
    }
}
