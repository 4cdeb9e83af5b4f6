//! Running the hooks of tasks.
//!
//! A hook that runs beside its task is started by the task's own init, as the command of a check is. One that runs before
//! its task's program or after it has a sandbox of its own, made from the task's plan: the same user, files, cgroup and
//! limits. All that a hook started ends with it, and at its timeout. What it says is kept in part for messages, and is
//! copied to the task's standard output when it has ended: its standard error is where a status looks for the task's own last
//! words.

use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use dialect::{Hook, Program};
use executor_core::{
    CommandEnd, Event, Fault, Limitation, Moment, Probed, StartFailure, TaskEvent, hook_failure,
};
use mesos_proto::v1::TaskId;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use sandbox::{Command, Exit, Plan, Process, ProcessError, Stdio};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use super::cancellation::Cancellation;
use super::launch::Belongings;
use super::watch::{self, Walking};
use super::workshop::Workshop;
use crate::driver::Wake;
use crate::probe::{Place, beside};
use crate::sys;

/// How much of what a hook says is kept: the end.
const MOST_OUTPUT: usize = 16 << 10;

/// How long what a hook said may take to reach the task's standard output.
const SAYING: Duration = Duration::from_secs(1);

/// What every hook needs.
#[derive(Clone)]
pub(super) struct Hooks {
    /// How many trees are being measured: they share one budget.
    pub(super) measured: Arc<AtomicU32>,
    pub(super) walks: Arc<Semaphore>,
    pub(super) wakes: UnboundedSender<Wake>,
}

/// What a program is to a sandbox.
pub(super) fn command(program: Program) -> Command {
    match program {
        Program::Shell(line) => Command::Shell(line),
        Program::Exec { file, argv } => Command::Exec { file, argv },
    }
}

impl Hooks {
    /// Runs the hook before the start of a task whose place is made. An error is why the task cannot be started.
    pub(super) async fn before_start(
        &self,
        workshop: &Arc<Workshop>,
        task_id: &TaskId,
        belongings: &Arc<Belongings>,
        cancelled: &Cancellation,
    ) -> Result<(), StartFailure> {
        let moment = Moment::BeforeStart;
        let hook = belongings.again.as_ref();
        let Some(hook) = hook.and_then(|again| moment.hook_of(&again.life)) else {
            return Ok(());
        };
        let job = Job {
            task_id: task_id.clone(),
            moment,
            hook: hook.clone(),
            timeout: hook.timeout,
        };
        let outcome = self
            .in_place(workshop, belongings, &job, cancelled.requested())
            .await;
        cancelled.check()?;
        let Some(failure) = hook_failure(moment, hook.timeout, &outcome) else {
            return Ok(());
        };
        // The kernel counts it as the task's own, and its next end would be taken for one of memory.
        if hook.must_succeed || belongings.broke_memory_limit() {
            return Err(StartFailure {
                fault: Fault::Task,
                message: failure,
            });
        }
        self.tell(task_id, moment, outcome);
        Ok(())
    }

    /// Runs a hook beside its task.
    pub(super) async fn beside(
        &self,
        place: Option<io::Result<Place>>,
        belongings: Option<Arc<Belongings>>,
        job: Job,
        called_off: impl Future<Output = ()>,
    ) {
        let looking = async {
            match place {
                Some(Ok(place)) => {
                    let (program, environment) = (&job.hook.program, &job.hook.environment);
                    beside(place, program, environment, Some(job.timeout)).await
                }
                Some(Err(error)) => error_of(format!("reach the task's sandbox: {error}")),
                None => error_of("the task has ended".to_owned()),
            }
        };
        let outcome = tokio::select! {
            outcome = looking => outcome,
            () = called_off => error_of(CALLED_OFF.to_owned()),
        };
        if let Some(belongings) = belongings {
            say(&belongings, job.moment, &outcome).await;
        }
        self.tell(&job.task_id, job.moment, outcome);
    }

    /// Runs a hook in the place of its task, of which nothing runs any more.
    pub(super) async fn after_stop(
        &self,
        workshop: &Arc<Workshop>,
        belongings: Option<Arc<Belongings>>,
        killing: Arc<AtomicBool>,
        job: Job,
        called_off: impl Future<Output = ()>,
    ) {
        let mut called_off = std::pin::pin!(called_off);
        // Whoever still kills the task's cgroup would kill the hook.
        let free = async {
            while killing.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let is_free = tokio::select! {
            () = free => true,
            () = &mut called_off => false,
        };
        let outcome = match belongings {
            Some(belongings) if is_free => {
                let run = self.in_place(workshop, &belongings, &job, called_off);
                run.await
            }
            Some(_) => error_of(CALLED_OFF.to_owned()),
            None => error_of("the task has ended".to_owned()),
        };
        self.tell(&job.task_id, job.moment, outcome);
    }

    fn tell(&self, task_id: &TaskId, moment: Moment, outcome: Probed) {
        let task_id = task_id.clone();
        let event = TaskEvent::Hooked { moment, outcome };
        // Whoever does not listen any more is on the way out.
        drop(self.wakes.send(Wake::Event(Event::Task { task_id, event })));
    }

    /// Runs a hook in a sandbox of its own in its task's place. When this is over nothing of it is left.
    async fn in_place(
        &self,
        workshop: &Arc<Workshop>,
        belongings: &Arc<Belongings>,
        job: &Job,
        called_off: impl Future<Output = ()>,
    ) -> Probed {
        let outcome = self.run(workshop, belongings, job, called_off).await;
        let outcome = outcome.unwrap_or_else(|error| error_of(error.to_string()));
        say(belongings, job.moment, &outcome).await;
        outcome
    }

    async fn run(
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
        let started = tokio::select! {
            started = &mut starting => started,
            () = &mut called_off => { unwanted.store(true, Ordering::Release); starting.await }
            () = sleep_until(until) => { unwanted.store(true, Ordering::Release); starting.await }
        };
        drop(turn);
        let running: Running = match started? {
            Ok(running) => running,
            Err(error) => return Ok(error_of(error.to_string())),
        };

        let ended = running.watch()?;
        let mut quota = self.quota(&job.task_id, belongings);
        let end = tokio::select! {
            // An error here is the runtime's own end.
            _ = ended.readable() => End::ByItself,
            () = sleep_until(until) => End::TimedOut,
            () = &mut called_off => End::CalledOff,
            limitation = quota.broken() => End::Limited(limitation),
            never = output.keep() => match never {},
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

    /// Watches the task's disk quota meanwhile.
    fn quota(&self, task_id: &TaskId, belongings: &Arc<Belongings>) -> Quota {
        let (found, heard) = unbounded_channel();
        let mut watches = JoinSet::new();
        let walking = Walking {
            measured: Arc::clone(&self.measured),
            walks: Arc::clone(&self.walks),
        };
        watch::disk(&mut watches, task_id, belongings, walking, &found);
        Quota {
            heard,
            _watches: watches,
        }
    }
}

const CALLED_OFF: &str = "it was called off";

/// Why a hook did not run, or how it ended is unknown.
#[derive(Debug, thiserror::Error)]
enum HookError {
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

/// One hook to run.
pub(crate) struct Job {
    pub(crate) task_id: TaskId,
    pub(crate) moment: Moment,
    pub(crate) hook: Hook,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// How a hook came to its end.
enum End {
    ByItself,
    TimedOut,
    CalledOff,
    Limited(Limitation),
}

fn error_of(message: String) -> Probed {
    Probed::Error { message }
}

/// A watch over the task's disk quota. Dropping it ends it.
struct Quota {
    heard: UnboundedReceiver<Wake>,
    _watches: JoinSet<()>,
}

impl Quota {
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

/// What a hook says: its end is kept.
struct Output {
    reader: Receiver,
    kept: Vec<u8>,
}

impl Output {
    /// And what it comes from.
    fn held() -> io::Result<(Self, Stdio)> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let output = Self {
            reader: Receiver::from_owned_fd(reader)?,
            kept: Vec::new(),
        };
        let stdio = Stdio {
            stdin: None,
            stdout: writer.try_clone()?,
            stderr: writer,
        };
        Ok((output, stdio))
    }

    /// Reads for as long as it is waited for.
    async fn keep(&mut self) -> Infallible {
        while self.reader.readable().await.is_ok() {
            if self.take() == Took::End {
                break;
            }
        }
        pending().await
    }

    /// What is there and was not read yet, when nobody is left to write more.
    fn rest(&mut self) {
        while self.take() == Took::Some {}
    }

    fn take(&mut self) -> Took {
        let mut some = [0; 4096];
        match self.reader.try_read(&mut some) {
            Ok(0) => Took::End,
            Ok(count) => {
                self.kept.extend(&some[..count]);
                let more = self.kept.len().saturating_sub(MOST_OUTPUT);
                self.kept.drain(..more);
                Took::Some
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Took::NothingYet,
            Err(_) => Took::End,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    Some,
    NothingYet,
    End,
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

/// Copies what a hook said to the task's standard output, with the hook's name before each line.
async fn say(belongings: &Arc<Belongings>, moment: Moment, outcome: &Probed) {
    let (Probed::Command { output, .. } | Probed::TimedOut { output }) = outcome else {
        return;
    };
    if output.trim().is_empty() {
        return;
    }
    let lines = output.lines().map(|line| format!("[{moment}] {line}\n"));
    let text: String = lines.collect();
    let belongings = Arc::clone(belongings);
    let said = spawn_blocking(move || {
        let again = belongings.again.as_ref();
        let stdout = again.map(|again| again.stdio.stdout.try_clone());
        let written = stdout.transpose().and_then(|stdout| match stdout {
            Some(stdout) => File::from(stdout).write_all(text.as_bytes()),
            None => Ok(()),
        });
        if let Err(error) = written {
            debug!("what a {moment} said is not in its task's log: {error}");
        }
    });
    // A disk that hangs must not hold the task up.
    drop(timeout(SAYING, said).await);
}
