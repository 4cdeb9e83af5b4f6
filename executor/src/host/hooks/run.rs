//! A hook in a sandbox of its own, in the place of its task: before the task's program, or after it.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use executor_core::{CommandEnd, Event, Limitation, Probed, TaskEvent};
use sandbox::{Exit, Plan, Process, ProcessError};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::output::Output;
use super::{CALLED_OFF, Hooks, Job, command, error_of};
use crate::driver::Wake;
use crate::host::disk::Listening;
use crate::host::launch::Belongings;
use crate::host::workshop::Workshop;
use crate::sys;

/// Why a hook did not run, or how it ended is unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("hold the hook's output: {0}")]
    Output(io::Error),
    #[error("watch the hook: {0}")]
    Watch(io::Error),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("run the hook: {0}")]
    Thread(#[from] JoinError),
    #[error("the hook is gone")]
    Gone,
}

impl Hooks {
    /// Returns when nothing of the hook is left.
    pub(super) async fn run(
        &self,
        workshop: &Arc<Workshop>,
        belongings: &Arc<Belongings>,
        job: &Job,
        called_off: impl Future<Output = ()>,
    ) -> Result<Probed, HookError> {
        let Some(again) = &belongings.again else {
            return Ok(error_of("nothing is left of the task's place".to_owned()));
        };
        let mut plan = Plan {
            command: command(job.hook.program.clone()),
            ..again.plan.clone()
        };
        plan.environment
            .extend(job.hook.environment.iter().cloned());
        let (mut output, stdio) = Output::held().map_err(HookError::Output)?;

        // It is closed never.
        let turn = workshop.turns.acquire().await.ok();
        let until = Instant::now() + job.timeout;
        let mut called_off = std::pin::pin!(called_off);
        let unwanted = Arc::new(AtomicBool::new(false));
        let (shared, flag) = (Arc::clone(workshop), Arc::clone(&unwanted));
        let handles = belongings.handles(stdio).map_err(HookError::Output)?;
        let mut starting = spawn_blocking(move || {
            shared
                .launcher
                .launch(plan, handles, &flag)
                .map(Running::from)
        });
        // One that is there all the same is ended as it was to be: what has come about is not waited for again.
        let (started, early) = tokio::select! {
            started = &mut starting => (started, None),
            () = &mut called_off => {
                unwanted.store(true, Ordering::Release);
                (starting.await, Some(End::CalledOff))
            }
            () = sleep_until(until) => {
                unwanted.store(true, Ordering::Release);
                (starting.await, Some(End::TimedOut))
            }
        };
        drop(turn);
        let running: Running = match started? {
            Ok(running) => running,
            Err(error) => return Ok(error_of(error.to_string())),
        };

        let ended = running.watch()?;
        let mut quota = Quota::watch(belongings);
        let end = match early {
            Some(end) => end,
            None => tokio::select! {
                // An error here is the runtime's own end.
                _ = ended.readable() => End::ByItself,
                () = sleep_until(until) => End::TimedOut,
                () = &mut called_off => End::CalledOff,
                limitation = quota.broken() => End::Limited(limitation),
                never = output.keep() => match never {},
            },
        };
        drop(quota);
        let has_ended = matches!(end, End::ByItself);
        let exit = spawn_blocking(move || running.finish(has_ended)).await??;
        output.rest();
        let output = output.text();
        Ok(match end {
            End::ByItself => Probed::Command {
                status: match exit {
                    Exit::Exited(status) => CommandEnd::Exited(status),
                    Exit::Signaled { signal, .. } => CommandEnd::Signalled(signal),
                },
                output,
            },
            End::TimedOut => Probed::TimedOut { output },
            End::CalledOff => error_of(CALLED_OFF.to_owned()),
            End::Limited(limitation) => error_of(limitation.message),
        })
    }
}

/// How a hook came to its end.
enum End {
    ByItself,
    TimedOut,
    CalledOff,
    Limited(Limitation),
}

/// A watch over the task's disk quota. Dropping it ends it.
struct Quota {
    heard: UnboundedReceiver<Wake>,
    _listening: Listening,
}

impl Quota {
    fn watch(belongings: &Belongings) -> Self {
        let (found, heard) = unbounded_channel();
        Self {
            heard,
            _listening: belongings
                .disk
                .listen(&found, belongings.cgroup.as_ref(), None),
        }
    }

    /// Returns when it is broken.
    async fn broken(&mut self) -> Limitation {
        while let Some(wake) = self.heard.recv().await {
            if let Wake::Event(Event::Task {
                event: TaskEvent::Limited(limitation),
                ..
            }) = wake
            {
                return limitation;
            }
        }
        pending().await
    }
}

/// A hook that runs in a sandbox of its own. Dropping it kills it, on a thread that may wait for that.
struct Running(Option<Process>);

impl From<Process> for Running {
    fn from(process: Process) -> Self {
        Self(Some(process))
    }
}

impl Running {
    /// Readable when it has ended.
    fn watch(&self) -> Result<AsyncFd<OwnedFd>, HookError> {
        let process = self.0.as_ref().ok_or(HookError::Gone)?;
        sys::readable(process).map_err(HookError::Watch)
    }

    /// How it ended, or how it does when it is killed now. Blocks until nothing of it is left.
    fn finish(mut self, has_ended: bool) -> Result<Exit, HookError> {
        let mut process = self.0.take().ok_or(HookError::Gone)?;
        if !has_ended {
            process.kill()?;
        }
        Ok(process.reap()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let process = self.0.take();
        match Handle::try_current() {
            Ok(runtime) if process.is_some() => {
                runtime.spawn_blocking(move || drop(process));
            }
            // Taken already, or nobody is left who could be held up.
            Ok(_) | Err(_) => drop(process),
        }
    }
}
