//! The host's edge: starts tasks, watches them, ends them, and removes what they leave.
//!
//! Everything that can block runs on a blocking thread or waits on a descriptor, and comes back as a [`Wake`]. The
//! driver owns the [`Host`]; a task's handles are in it from the moment its launch is through until its clean-up.

mod launch;
mod limits;
mod watch;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cgroup::{Cgroup, Parent};
use dialect::Request;
use executor_core::{Event, Fault, Signal, StartFailure, TaskEvent};
use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskId;
use mesos_proto::v1::executor::event::Subscribed;
use sandbox::{Launcher, Process, TaskSignal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{info, warn};

use crate::driver::Wake;
use crate::probe::{Network, Place, View};
pub(crate) use launch::Launched;
use launch::Started;

/// What every launch needs.
pub(crate) struct Workshop {
    pub(crate) launcher: Launcher,
    /// Where the cgroups of tasks go; none when this host or the executor's rights give none.
    pub(crate) cgroups: Option<Parent>,
    /// The executor's own sandbox.
    pub(crate) sandbox: PathBuf,
    /// What every task's environment begins with.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// The soft limit of open descriptors that tasks get: the executor's own before it raised it.
    pub(crate) descriptor_limit: Option<u64>,
    /// The executor's own arguments, its name first.
    pub(crate) arguments: Vec<String>,
}

/// The tasks' processes.
pub(crate) struct Host {
    workshop: Arc<Workshop>,
    /// The agent's name on the network; known before the first LAUNCH.
    agent_host: Option<String>,
    /// Launches that wait for [`Host::release`].
    held: HashMap<String, (TaskInfo, Request)>,
    /// Launches that are not through, each with the flag that cancels it.
    launching: HashMap<String, Arc<AtomicBool>>,
    tasks: HashMap<String, Running>,
    /// How many trees are being measured: they share one budget.
    measured: Arc<AtomicU32>,
    walks: Arc<Semaphore>,
    wakes: UnboundedSender<Wake>,
    clean_ups: JoinSet<()>,
}

/// A task that runs, or has ended and is not cleaned up yet.
struct Running {
    /// Gone once it is being reaped.
    process: Option<Process>,
    cgroup: Option<Arc<Cgroup>>,
    limits: Arc<limits::TaskLimits>,
    /// A kill of its cgroup is under way.
    killing: Arc<AtomicBool>,
    /// Dropping them ends them.
    watches: JoinSet<()>,
}

/// How many directories are walked at the same time.
const MOST_WALKS: usize = 8;

/// How long the executor waits for its last clean-ups when it leaves. What they do not reach, the next executor's sweep
/// does.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Host {
    pub(crate) fn new(workshop: Workshop, wakes: UnboundedSender<Wake>) -> Self {
        Self {
            workshop: Arc::new(workshop),
            agent_host: None,
            held: HashMap::new(),
            launching: HashMap::new(),
            tasks: HashMap::new(),
            measured: Arc::default(),
            walks: Arc::new(Semaphore::new(MOST_WALKS)),
            wakes,
            clean_ups: JoinSet::new(),
        }
    }

    /// Keeps what the agent told about itself: tasks see its name.
    pub(crate) fn describe(&mut self, subscribed: Subscribed) {
        self.agent_host = Some(subscribed.agent_info.hostname);
    }

    /// Keeps a task until it is released.
    pub(crate) fn hold(&mut self, task: TaskInfo, request: Request) {
        let task_id = task.task_id.clone();
        self.held.insert(task_id.value.clone(), (task, request));
        self.tell(task_id, TaskEvent::Prepared);
    }

    /// Starts a task that was held; [`Wake::Launched`] tells the outcome.
    pub(crate) fn release(&mut self, task_id: &TaskId) {
        if let Some((task, request)) = self.held.remove(&task_id.value) {
            self.launch(task, request);
        }
    }

    /// What of a task can be looked at; none when it has ended.
    pub(crate) fn view(&self, task_id: &TaskId) -> Option<View> {
        let running = self.tasks.get(&task_id.value)?;
        let process = running.process.as_ref()?;
        let place = |door| Place {
            door,
            cgroup: running.cgroup.clone(),
        };
        Some(View {
            network: Network::of_process(process.pid()),
            place: process.door().map(place),
        })
    }

    fn tell(&self, task_id: TaskId, event: TaskEvent) {
        drop(self.wakes.send(Wake::Event(Event::Task { task_id, event })));
    }

    /// Starts a task; [`Wake::Launched`] tells the outcome.
    pub(crate) fn launch(&mut self, task: TaskInfo, request: Request) {
        let cancelled = Arc::<AtomicBool>::default();
        self.launching
            .insert(task.task_id.value.clone(), Arc::clone(&cancelled));
        let workshop = Arc::clone(&self.workshop);
        let host = self.agent_host.clone();
        let wakes = self.wakes.clone();
        spawn_blocking(move || {
            let task_id = task.task_id.clone();
            let outcome = launch::launch(&workshop, &task, request, host, &cancelled);
            let launched = Box::new(Launched { task_id, outcome });
            // Without a driver the executor is leaving; dropping the process ends it.
            drop(wakes.send(Wake::Launched(launched)));
        });
    }

    /// Keeps a launch that is not through from starting anything.
    pub(crate) fn cancel(&mut self, task_id: &TaskId) {
        if self.held.remove(&task_id.value).is_some() {
            let failure = StartFailure {
                fault: Fault::Host,
                message: "cancelled before it started".to_owned(),
            };
            self.tell(task_id.clone(), TaskEvent::StartFailed(failure));
        }
        if let Some(cancelled) = self.launching.get(&task_id.value) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Takes a finished launch in and begins to watch the task.
    pub(crate) fn take_in(&mut self, launched: Launched) -> Event {
        let Launched { task_id, outcome } = launched;
        self.launching.remove(&task_id.value);
        let event = match outcome.and_then(|started| self.watch(&task_id, started)) {
            Ok(()) => TaskEvent::Started,
            Err(failure) => TaskEvent::StartFailed(failure),
        };
        Event::Task { task_id, event }
    }

    fn watch(&mut self, task_id: &TaskId, started: Started) -> Result<(), StartFailure> {
        let Started {
            process,
            cgroup,
            directory,
            limits,
        } = started;
        for degraded in process.degraded() {
            warn!("task '{}' runs with {degraded}", task_id.value);
        }
        info!("task '{}' runs as process {}", task_id.value, process.pid());
        let limits = Arc::new(limits);
        let mut watches = JoinSet::new();
        let outcome = watch::end(&mut watches, task_id, &process, &self.wakes);
        if let Err(failure) = outcome {
            self.clean_ups.spawn_blocking(move || {
                // Dropping the process ends it; the cgroup has to be told.
                drop(process);
                if let Some(cgroup) = cgroup {
                    launch::discard(&cgroup);
                }
            });
            return Err(failure);
        }
        if let Some(cgroup) = &cgroup {
            watch::memory(&mut watches, task_id, cgroup, &limits, &self.wakes);
        }
        if limits.disk.is_some() {
            let tree = watch::Tree {
                directory,
                limits: Arc::clone(&limits),
                measured: Arc::clone(&self.measured),
                walks: Arc::clone(&self.walks),
            };
            watch::disk(&mut watches, task_id, tree, &self.wakes);
        }
        let running = Running {
            process: Some(process),
            cgroup,
            limits,
            killing: Arc::default(),
            watches,
        };
        self.tasks.insert(task_id.value.clone(), running);
        Ok(())
    }

    /// The task's main process has ended: reaps it, and tells the core how it ended.
    pub(crate) fn reap(&mut self, task_id: TaskId) {
        let Some(running) = self.tasks.get_mut(&task_id.value) else {
            return;
        };
        // What it does from here on, it does to nobody: no limit is worth a look any more.
        running.watches.abort_all();
        let Some(mut process) = running.process.take() else {
            return;
        };
        let cgroup = running.cgroup.clone();
        let limits = Arc::clone(&running.limits);
        let wakes = self.wakes.clone();
        spawn_blocking(move || {
            let ended = watch::ended(&mut process, cgroup.as_deref(), &limits);
            let event = TaskEvent::Ended(ended);
            drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
        });
    }

    pub(crate) fn signal(&self, task_id: &TaskId, signal: Signal) {
        let signal = match signal {
            Signal::Terminate => TaskSignal::Terminate,
            Signal::Hangup => TaskSignal::Hangup,
            Signal::User1 => TaskSignal::User1,
            Signal::User2 => TaskSignal::User2,
            Signal::Interrupt => TaskSignal::Interrupt,
            Signal::Quit => TaskSignal::Quit,
        };
        let process = self
            .tasks
            .get(&task_id.value)
            .and_then(|task| task.process.as_ref());
        if let Some(process) = process
            && let Err(error) = process.signal(signal)
        {
            warn!("task '{}' did not get {signal:?}: {error}", task_id.value);
        }
    }

    /// Ends every process of a task. The namespace's end is the sure way; without one the cgroup's is.
    pub(crate) fn kill(&self, task_id: &TaskId) {
        let Some(running) = self.tasks.get(&task_id.value) else {
            return;
        };
        if let Some(process) = &running.process
            && let Err(error) = process.kill()
        {
            warn!("task '{}' did not get SIGKILL: {error}", task_id.value);
        }
        // One at a time: what cannot die keeps a thread busy for as long as the attempt lasts.
        if let Some(cgroup) = running.cgroup.clone()
            && !running.killing.swap(true, Ordering::Relaxed)
        {
            let id = task_id.value.clone();
            let killing = Arc::clone(&running.killing);
            spawn_blocking(move || {
                if let Err(error) = cgroup.kill() {
                    warn!("the cgroup of task '{id}' could not be killed: {error}");
                }
                killing.store(false, Ordering::Relaxed);
            });
        }
    }

    /// Removes what an ended task left; its sandbox directory stays for people to read.
    pub(crate) fn clean_up(&mut self, task_id: &TaskId) {
        let running = self.tasks.remove(&task_id.value);
        let wakes = self.wakes.clone();
        let task_id = task_id.clone();
        self.clean_ups.spawn_blocking(move || {
            if let Some(cgroup) = running.and_then(|running| running.cgroup) {
                launch::discard(&cgroup);
            }
            let event = TaskEvent::CleanedUp;
            drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
        });
        // Those that are through need not be kept.
        while self.clean_ups.try_join_next().is_some() {}
    }

    /// Leaves nothing behind, as far as [`LEAVE_TIMEOUT`] allows.
    pub(crate) async fn leave(mut self) {
        for cancelled in self.launching.values() {
            cancelled.store(true, Ordering::Relaxed);
        }
        for (id, running) in &self.tasks {
            warn!("task '{id}' is ended by force: the executor leaves");
            if let Some(process) = &running.process {
                // It ends with this process anyway.
                drop(process.kill());
            }
        }
        let workshop = Arc::clone(&self.workshop);
        let tasks = std::mem::take(&mut self.tasks);
        let last = async move {
            while self.clean_ups.join_next().await.is_some() {}
            drop(self.workshop);
            let removal = spawn_blocking(move || {
                for running in tasks.into_values() {
                    drop(running.process);
                    if let Some(cgroup) = running.cgroup {
                        launch::discard(&cgroup);
                    }
                }
                let Ok(workshop) = Arc::try_unwrap(workshop) else {
                    warn!("the executor's cgroup stays: a launch is still under way");
                    return;
                };
                if let Some(Err(errors)) = workshop.cgroups.map(Parent::remove) {
                    warn!("the executor's cgroup stays: {errors}");
                }
            });
            drop(removal.await);
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, last).await.is_err() {
            warn!("the executor leaves before everything was removed");
        }
    }
}
