//! The host's edge: starts tasks, watches them, ends them, and removes what they leave.
//!
//! Everything that can block runs on a blocking thread or waits on a descriptor, and comes back as a [`Wake`] or, a launch,
//! as a [`Launched`]. The driver owns the [`Host`]; a task's handles are in it from the moment its launch is through until
//! its clean-up.

mod breaches;
mod cancellation;
mod demands;
mod disk;
mod fetching;
mod hooks;
mod host_files;
mod isolation;
mod killing;
mod launch;
mod limits;
mod output;
mod processes;
mod questions;
mod roll;
mod site;
mod tail;
mod usage;
mod volumes;
mod watch;
mod workshop;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cgroup::Parent;
use dialect::Request;
use executor_core::{Event, Fault, Moment, StartFailure, TaskEvent};
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::event::Subscribed;
use mesos_proto::v1::{Resource, TaskId};
use sandbox::Process;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{info, warn};

use crate::driver::Wake;
use crate::figures::{Published, Publisher};
use crate::journal::Owner;
use crate::probe::{Network, Place, View};
pub(crate) use breaches::Speaker;
use cancellation::Cancellation;
pub(crate) use disk::Disks;
pub(crate) use fetching::{BUILT_INS, FetchSettings};
pub(crate) use hooks::Job;
pub(crate) use host_files::HostFiles;
pub(crate) use launch::Launched;
use launch::{Belongings, Held, Order, Stage, Started};
pub(crate) use roll::Roll;
pub(crate) use workshop::{MOST_TURNS, Way, Workshop};

/// The tasks' processes.
pub(crate) struct Host {
    workshop: Arc<Workshop>,
    /// The agent's name on the network; known before the first LAUNCH.
    hostname: Option<String>,
    /// The executor's own resources; likewise.
    resources: Arc<[Resource]>,
    launching: HashMap<String, Launching>,
    launches: JoinSet<Launched>,
    tasks: HashMap<String, Running>,
    /// What is left of a task's last run for its next one.
    aside: HashMap<String, Arc<Belongings>>,
    wakes: UnboundedSender<Wake>,
    clean_ups: JoinSet<()>,
    /// By task the hook that was begun last, and what calls it off when it is dropped.
    hooks: HashMap<String, (Moment, oneshot::Sender<()>)>,
    hooking: JoinSet<()>,
    /// Who runs, for [`Published`].
    roll: Roll,
    published: Option<Published>,
}

/// A launch that is not through.
struct Launching {
    cancellation: Cancellation,
    /// There while everything is ready and waits for its release.
    held: Option<Box<Held>>,
}

/// A task that runs, or has ended and is not cleaned up yet.
struct Running {
    /// Gone once it is being reaped.
    process: Option<Process>,
    belongings: Arc<Belongings>,
    /// A kill of its cgroup is under way.
    killing: Arc<AtomicBool>,
    /// Dropping them ends them.
    watches: JoinSet<()>,
    disk: Option<disk::Listening>,
}

/// How long the executor waits for its last clean-ups when it leaves. What they do not reach, the next executor's sweep
/// does.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Host {
    pub(crate) fn new(workshop: Workshop, wakes: UnboundedSender<Wake>) -> Self {
        Self {
            workshop: Arc::new(workshop),
            hostname: None,
            resources: Arc::default(),
            launching: HashMap::new(),
            launches: JoinSet::new(),
            tasks: HashMap::new(),
            aside: HashMap::new(),
            wakes,
            clean_ups: JoinSet::new(),
            hooks: HashMap::new(),
            hooking: JoinSet::new(),
            roll: Roll::default(),
            published: None,
        }
    }

    /// Publishes what the tasks of this executor use, from now on. To be called within the runtime.
    pub(crate) fn publish(&mut self, owner: Owner) {
        let roll = self.roll.clone();
        self.published = Published::begin(&self.workshop.sandbox, Publisher { owner, roll });
    }

    /// Keeps what the agent told about itself, whose name tasks see, and about the executor, whose volumes they may share.
    pub(crate) fn describe(&mut self, subscribed: Subscribed) {
        self.hostname = Some(subscribed.agent_info.hostname);
        self.resources = subscribed.executor_info.resources.into();
    }

    /// What of a task can be looked at; none when it has ended.
    pub(crate) fn view(&self, task_id: &TaskId) -> Option<View> {
        let running = self.tasks.get(&task_id.value)?;
        let process = running.process.as_ref()?;
        let place = |door| Place {
            door,
            cgroup: running.belongings.cgroup.clone(),
        };
        Some(View {
            network: Network::of_task(process),
            place: process.door().map(place),
        })
    }

    /// Starts a task, or with `held` makes it ready to be; [`Host::launched`] tells the outcome.
    pub(crate) fn launch(&mut self, task: TaskInfo, request: Request, held: bool) {
        let task_id = task.task_id.clone();
        let cancellation = self.begin_launch(&task_id);
        let order = Order {
            task,
            request,
            hostname: self.hostname.clone(),
            executors: Arc::clone(&self.resources),
            held,
        };
        let (workshop, hooks) = (Arc::clone(&self.workshop), self.hooks_of_tasks());
        self.launches.spawn(async move {
            let outcome = launch::launch(&workshop, order, &hooks, &cancellation).await;
            Launched { task_id, outcome }
        });
    }

    /// Starts a task again that was put aside; [`Host::launched`] tells the outcome.
    pub(crate) fn relaunch(&mut self, task_id: &TaskId) {
        let Some(last) = self.aside.remove(&task_id.value) else {
            return;
        };
        let task_id = task_id.clone();
        let cancellation = self.begin_launch(&task_id);
        let (workshop, hooks) = (Arc::clone(&self.workshop), self.hooks_of_tasks());
        self.launches.spawn(async move {
            let id = task_id.clone();
            let outcome = launch::relaunch(&workshop, id, last, &hooks, &cancellation).await;
            Launched { task_id, outcome }
        });
    }

    fn begin_launch(&mut self, task_id: &TaskId) -> Cancellation {
        let cancellation = Cancellation::default();
        let launching = Launching {
            cancellation: cancellation.clone(),
            held: None,
        };
        self.launching.insert(task_id.value.clone(), launching);
        cancellation
    }

    /// Lets a held task run that is ready; [`Host::launched`] tells the outcome.
    pub(crate) fn release(&mut self, task_id: &TaskId) {
        let launching = self.launching.get_mut(&task_id.value);
        let Some(held) = launching.and_then(|launching| launching.held.take()) else {
            return;
        };
        let (workshop, task_id) = (Arc::clone(&self.workshop), task_id.clone());
        self.launches.spawn(async move {
            let outcome = launch::release(&workshop, held).await;
            Launched { task_id, outcome }
        });
    }

    /// Keeps a launch that is not through from starting anything.
    pub(crate) fn cancel(&mut self, task_id: &TaskId) {
        let Some(launching) = self.launching.get_mut(&task_id.value) else {
            return;
        };
        launching.cancellation.request();
        if let Some(held) = launching.held.take() {
            self.abandon(task_id.clone(), held);
        }
    }

    /// Ends a task that is held; [`Host::launched`] tells that it was cancelled.
    fn abandon(&mut self, task_id: TaskId, held: Box<Held>) {
        self.launches.spawn_blocking(move || {
            held.abandon();
            let outcome = Err(Cancellation::failure());
            Launched { task_id, outcome }
        });
    }

    /// Waits until a launch is through.
    pub(crate) async fn launched(&mut self) -> Launched {
        match self.launches.join_next().await {
            Some(Ok(launched)) => launched,
            // Nothing aborts a launch, and a panic ends the executor.
            Some(Err(_)) | None => pending().await,
        }
    }

    /// Takes a launch in that is through, and begins to watch a task that runs. What is for the core comes back.
    pub(crate) fn take_in(&mut self, launched: Launched) -> Option<Event> {
        let Launched { task_id, outcome } = launched;
        let event = match outcome {
            Ok(Stage::Held(held)) => {
                let launching = self.launching.get_mut(&task_id.value)?;
                if launching.cancellation.check().is_err() {
                    // It was cancelled in the very moment when it became ready.
                    self.abandon(task_id, held);
                    return None;
                }
                launching.held = Some(held);
                TaskEvent::Prepared
            }
            Ok(Stage::Started(started)) => {
                self.launching.remove(&task_id.value);
                self.watch(&task_id, *started)
                    .unwrap_or_else(TaskEvent::StartFailed)
            }
            Err(failure) => {
                self.launching.remove(&task_id.value);
                TaskEvent::StartFailed(failure)
            }
        };
        if matches!(event, TaskEvent::StartFailed(_)) {
            // It is over, and an earlier run of it may be there still.
            self.roll.leave(&task_id);
        }
        Some(Event::Task { task_id, event })
    }

    fn watch(&mut self, task_id: &TaskId, started: Started) -> Result<TaskEvent, StartFailure> {
        let Started {
            process,
            belongings,
        } = started;
        let lacks = belongings.lacks(&process);
        if let Some(lacks) = &lacks {
            warn!("task '{}' runs with {lacks}", task_id.value);
        }
        info!("task '{}' runs as process {}", task_id.value, process.pid());
        let mut watches = JoinSet::new();
        if let Err(error) = watch::end(&mut watches, task_id, &process, &self.wakes) {
            self.clean_ups.spawn_blocking(move || {
                // Dropping the process ends it; the cgroup has to be told.
                drop(process);
                belongings.discard();
            });
            return Err(StartFailure {
                fault: Fault::Host,
                message: format!("the task's end could not be watched: {error}"),
            });
        }
        watch::memory(&mut watches, task_id, &belongings, &self.wakes);
        let cgroup = belongings.cgroup.as_ref();
        let disk = belongings
            .disk
            .listen(&self.wakes, cgroup, Some(process.pid()));
        let running = Running {
            disk: Some(disk),
            process: Some(process),
            belongings,
            killing: Arc::default(),
            watches,
        };
        self.roll.enter(task_id, &running.belongings);
        self.tasks.insert(task_id.value.clone(), running);
        Ok(lacks.map_or(TaskEvent::Started, TaskEvent::StartedWithout))
    }

    /// The task's main process has ended: reaps it, and tells the core how it ended.
    pub(crate) fn reap(&mut self, task_id: TaskId) {
        let Some(running) = self.tasks.get_mut(&task_id.value) else {
            return;
        };
        // What it does from here on, it does to nobody: no limit is worth a look any more.
        running.disk = None;
        let mut watches = std::mem::take(&mut running.watches);
        let Some(mut process) = running.process.take() else {
            return;
        };
        let belongings = Arc::clone(&running.belongings);
        let wakes = self.wakes.clone();
        tokio::spawn(async move {
            // They tell nothing any more once the end is told.
            watches.shutdown().await;
            spawn_blocking(move || {
                let ended = watch::ended(&mut process, &belongings);
                let event = TaskEvent::Ended(ended);
                drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
            });
        });
    }

    /// Removes what an ended task left; its sandbox directory stays for people to read.
    pub(crate) fn clean_up(&mut self, task_id: &TaskId) {
        self.roll.leave(task_id);
        let running = self.tasks.remove(&task_id.value);
        let aside = self.aside.remove(&task_id.value);
        self.discard(task_id, running, aside);
    }

    /// Removes what an ended run left, but for what the next run of the task needs.
    pub(crate) fn put_aside(&mut self, task_id: &TaskId) {
        let running = self.tasks.remove(&task_id.value);
        if let Some(running) = &running {
            let belongings = Arc::clone(&running.belongings);
            self.aside.insert(task_id.value.clone(), belongings);
        }
        self.discard(task_id, running, None);
    }

    fn discard(
        &mut self,
        task_id: &TaskId,
        running: Option<Running>,
        aside: Option<Arc<Belongings>>,
    ) {
        let wakes = self.wakes.clone();
        let task_id = task_id.clone();
        self.clean_ups.spawn_blocking(move || {
            if let Some(running) = running {
                running.belongings.discard();
            }
            // Its cgroup is gone already; files may take their time to be closed.
            drop(aside);
            let event = TaskEvent::CleanedUp;
            drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
        });
        // Those that are through need not be kept.
        while self.clean_ups.try_join_next().is_some() {}
    }

    /// Leaves nothing behind, as far as [`LEAVE_TIMEOUT`] allows.
    pub(crate) async fn leave(mut self) {
        for (_, launching) in self.launching.drain() {
            launching.cancellation.request();
            if let Some(held) = launching.held {
                self.clean_ups.spawn_blocking(move || held.abandon());
            }
        }
        for (id, running) in self.tasks.drain() {
            warn!("task '{id}' is ended by force: the executor leaves");
            self.clean_ups.spawn_blocking(move || {
                // Dropping the process ends it.
                drop(running.process);
                running.belongings.discard();
            });
        }
        let published = self.published.take();
        self.clean_ups.spawn_blocking(move || drop(published));
        let last = async move {
            self.hooking.shutdown().await;
            while let Some(launched) = self.launches.join_next().await {
                if let Ok(Launched { outcome, .. }) = launched
                    && let Ok(stage) = outcome
                {
                    self.clean_ups.spawn_blocking(move || stage.abandon());
                }
            }
            while self.clean_ups.join_next().await.is_some() {}
            let Some(workshop) = Arc::into_inner(self.workshop) else {
                warn!("the executor's cgroup stays: something is still at work in it");
                return;
            };
            let removal = spawn_blocking(move || {
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

fn failure(fault: Fault, error: &dyn std::error::Error) -> StartFailure {
    StartFailure {
        fault,
        message: error.to_string(),
    }
}

fn fault(fault: sandbox::Fault) -> Fault {
    match fault {
        sandbox::Fault::Task => Fault::Task,
        sandbox::Fault::Host => Fault::Host,
    }
}
