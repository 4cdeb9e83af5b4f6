//! Starting one task, in steps that each can be taken back: its site, its files, its sandbox.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use cgroup::Cgroup;
use dialect::environment::Surroundings;
use dialect::{Hook, Life, Request};
use executor_core::{Fault, StartFailure};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{Resource, TaskId};
use sandbox::{Handles, LaunchError, Plan, Prepared, Process, Stdio};
use tokio::task::spawn_blocking;
use tracing::{debug, info};

use super::cancellation::Cancellation;
use super::demands::{self, Demands};
use super::disk::TaskDisk;
use super::fetching::{Fetching, Wanted};
use super::hooks::{Hooks, command};
use super::limits::TaskLimits;
use super::output::Kept;
use super::site::{Site, discard, own_cgroup};
use super::workshop::{Way, Workshop};
use super::{failure, fault};

/// What is to be launched.
pub(super) struct Order {
    pub(super) task: TaskInfo,
    pub(super) request: Request,
    /// The agent's name on the network.
    pub(super) hostname: Option<String>,
    /// Those of the executor, of which its tasks can share volumes.
    pub(super) executors: Arc<[Resource]>,
    /// Make everything ready, and execute nothing.
    pub(super) held: bool,
}

/// A launch, or the release of a held one, that is through.
pub(crate) struct Launched {
    pub(crate) task_id: TaskId,
    pub(super) outcome: Result<Stage, StartFailure>,
}

/// How far a task has come.
pub(super) enum Stage {
    Held(Box<Held>),
    Started(Box<Started>),
}

/// A task of which only the executing is missing.
pub(super) struct Held {
    prepared: Prepared,
    belongings: Arc<Belongings>,
}

/// A task that runs, with everything there is to hold of it.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) belongings: Arc<Belongings>,
}

/// What there is to hold of a task beside its processes.
pub(super) struct Belongings {
    pub(super) cgroup: Option<Arc<Cgroup>>,
    /// The limits that do not hold here.
    lacking_limits: Vec<cgroup::Degraded>,
    demands: Demands,
    pub(super) directory: OwnedFd,
    /// See [`Site::name`].
    pub(super) name: Option<String>,
    pub(super) kept: Kept,
    pub(super) limits: TaskLimits,
    /// What its directory and its volumes take.
    pub(super) disk: Arc<TaskDisk>,
    /// The exit statuses that are no failure, of which nobody needs the last words.
    pub(super) success_codes: Vec<i32>,
    /// There when something else than the command may have to be started in its place, or the command again.
    pub(super) again: Option<Again>,
}

/// What it takes to start something in a task's place.
pub(super) struct Again {
    /// Of the task itself.
    pub(super) plan: Plan,
    /// The task's own.
    pub(super) stdio: Stdio,
    pub(super) life: Life,
}

impl Again {
    /// The task's output once more.
    fn stdio_again(&self) -> io::Result<Stdio> {
        let stdin = self.stdio.stdin.as_ref();
        Ok(Stdio {
            stdin: stdin.map(OwnedFd::try_clone).transpose()?,
            stdout: self.stdio.stdout.try_clone()?,
            stderr: self.stdio.stderr.try_clone()?,
        })
    }
}

/// A task of which only the last step is missing, and perhaps its hook before that.
struct Ready {
    task_id: TaskId,
    plan: Plan,
    stdio: Stdio,
    belongings: Arc<Belongings>,
    held: bool,
}

/// What the first of the steps that block came to.
enum Begun {
    Through(Stage),
    Fetching(Box<(Fetching, Order)>),
    Ready(Box<Ready>),
}

/// Starts a task, or makes it ready to be. Nothing of it is left when that fails.
pub(super) async fn launch(
    workshop: &Arc<Workshop>,
    order: Order,
    hooks: &Hooks,
    cancelled: &Cancellation,
) -> Result<Stage, StartFailure> {
    let turn = tokio::select! {
        // It is closed never.
        turn = workshop.turns.acquire() => turn.ok(),
        () = cancelled.requested() => return Err(Cancellation::failure()),
    };
    let (shared, flag) = (Arc::clone(workshop), cancelled.clone());
    let begun = blocking(move || {
        let site = Site::make(&shared, &order, &flag)?;
        let wanted = Wanted::of(&order.request);
        if wanted.is_nothing() {
            return Ready::of(&shared, order, site)?.begin(&shared, &flag);
        }
        let fetching = Fetching::begin(&shared, &order.task.task_id, wanted, site, &flag)?;
        Ok(Begun::Fetching(Box::new((fetching, order))))
    });
    let begun = begun.await;
    // What is fetched may be long in coming.
    drop(turn);
    match begun? {
        Begun::Through(stage) => Ok(stage),
        Begun::Ready(ready) => ready.end(workshop, hooks, cancelled).await,
        Begun::Fetching(begun) => {
            let (fetching, order) = *begun;
            let site = fetching.end(cancelled).await?;
            let ready = Ready::of(workshop, order, site)?;
            Box::new(ready).end(workshop, hooks, cancelled).await
        }
    }
}

/// Starts a task once more whose last run was put aside: in the same place, but in a new cgroup, so that nothing that is
/// counted there is of an earlier run. Nothing of the run is left when that fails.
pub(super) async fn relaunch(
    workshop: &Arc<Workshop>,
    task_id: TaskId,
    last: Arc<Belongings>,
    hooks: &Hooks,
    cancelled: &Cancellation,
) -> Result<Stage, StartFailure> {
    let shared = Arc::clone(workshop);
    let ready = blocking(move || Ready::again(&shared, task_id, &last)).await?;
    Box::new(ready).end(workshop, hooks, cancelled).await
}

/// Lets a held task run.
pub(super) async fn release(
    workshop: &Arc<Workshop>,
    held: Box<Held>,
) -> Result<Stage, StartFailure> {
    // It is closed never.
    let turn = workshop.turns.acquire().await.ok();
    let outcome = blocking(move || {
        let process = held.prepared.release();
        started(process, held.belongings)
    });
    let outcome = outcome.await;
    drop(turn);
    outcome
}

/// Does on a thread of its own what may block.
pub(super) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, StartFailure> + Send + 'static,
) -> Result<T, StartFailure> {
    spawn_blocking(step).await.unwrap_or_else(|error| {
        Err(StartFailure {
            fault: Fault::Host,
            message: format!("the launch broke off: {error}"),
        })
    })
}

impl Ready {
    /// Of a task whose site is made, and whose files are there.
    fn of(workshop: &Workshop, order: Order, site: Site) -> Result<Self, StartFailure> {
        let Order {
            task,
            request,
            hostname,
            held,
            executors: _,
        } = order;
        debug!(
            "the command of task '{}' comes from {}",
            task.task_id.value, request.source
        );
        for key in &request.without_effect {
            info!("task '{}': {key} has no effect here", task.task_id.value);
        }
        let around = Surroundings {
            inherited: &workshop.environment,
            hostname: hostname.as_deref(),
            directory: &site.path.to_string_lossy(),
        };
        let environment = match workshop.way {
            Way::Custom | Way::Command(_) => dialect::environment::of(&task, &request, around),
            // It is all there.
            Way::Alone { .. } => request.environment.into_iter().collect(),
        };
        let plan = Plan {
            environment,
            command: command(request.program),
            ..site.plan()
        };
        let again = match request.life == Life::default() {
            true => Ok(None),
            false => site.stdio_again().map(|stdio| {
                Some(Again {
                    plan: plan.clone(),
                    stdio,
                    life: request.life,
                })
            }),
        };
        let again = again.map_err(|error| failure(Fault::Host, &error));
        let (site, again) = site.or_abandon(again)?;
        let belongings = Belongings {
            lacking_limits: site.lacking_limits(),
            demands: site.demands,
            cgroup: site.cgroup,
            directory: site.directory,
            name: site.name,
            kept: site.output.kept,
            limits: site.limits,
            disk: site.disk,
            success_codes: request.options.success_codes,
            again,
        };
        Ok(Self {
            task_id: task.task_id.clone(),
            plan,
            stdio: site.output.stdio,
            belongings: Arc::new(belongings),
            held,
        })
    }

    /// Of a task that has run before. Blocks.
    fn again(
        workshop: &Workshop,
        task_id: TaskId,
        last: &Belongings,
    ) -> Result<Self, StartFailure> {
        let kept = last.again.as_ref().ok_or_else(|| StartFailure {
            fault: Fault::Host,
            message: "nothing is left of the task's last run".to_owned(),
        })?;
        last.limits.pressure.begin_run();
        let cgroup = own_cgroup(workshop, &task_id.value, &last.limits)?;
        let plan = Plan {
            cgroup_procs: cgroup
                .iter()
                .flat_map(|cgroup| cgroup.procs_files())
                .collect(),
            ..kept.plan.clone()
        };
        let made = || -> io::Result<(Stdio, Belongings)> {
            let again = Again {
                plan: plan.clone(),
                stdio: kept.stdio_again()?,
                life: kept.life.clone(),
            };
            let belongings = Belongings {
                lacking_limits: last.lacking_limits.clone(),
                demands: last.demands.clone(),
                cgroup: cgroup.clone(),
                directory: last.directory.try_clone()?,
                name: last.name.clone(),
                kept: last.kept.again()?,
                limits: last.limits.clone(),
                disk: Arc::clone(&last.disk),
                success_codes: last.success_codes.clone(),
                again: Some(again),
            };
            Ok((kept.stdio_again()?, belongings))
        };
        match made() {
            Ok((stdio, belongings)) => Ok(Self {
                task_id,
                plan,
                stdio,
                belongings: Arc::new(belongings),
                held: false,
            }),
            Err(error) => {
                if let Some(cgroup) = &cgroup {
                    discard(cgroup);
                }
                Err(failure(Fault::Host, &error))
            }
        }
    }

    /// The last step, or what is missing before it can be done. Blocks until the program is executed or ready to be, or is
    /// not.
    fn begin(self, workshop: &Workshop, cancelled: &Cancellation) -> Result<Begun, StartFailure> {
        match self.belongings.hook_before_start() {
            Some(_) => Ok(Begun::Ready(Box::new(self))),
            None => self.start(workshop, cancelled).map(Begun::Through),
        }
    }

    /// The hook before the start, and then the last step.
    async fn end(
        self: Box<Self>,
        workshop: &Arc<Workshop>,
        hooks: &Hooks,
        cancelled: &Cancellation,
    ) -> Result<Stage, StartFailure> {
        if self.belongings.hook_before_start().is_some() {
            let run = hooks.before_start(workshop, &self.task_id, &self.belongings, cancelled);
            if let Err(failure) = run.await {
                let belongings = Arc::clone(&self.belongings);
                let discarded = spawn_blocking(move || belongings.discard());
                drop(discarded.await);
                return Err(failure);
            }
        }
        // It is closed never.
        let turn = workshop.turns.acquire().await.ok();
        let (shared, flag) = (Arc::clone(workshop), cancelled.clone());
        let started = blocking(move || self.start(&shared, &flag)).await;
        drop(turn);
        started
    }

    /// The last step. Blocks until the program is executed or ready to be, or is not.
    fn start(self, workshop: &Workshop, cancelled: &Cancellation) -> Result<Stage, StartFailure> {
        let Self {
            plan,
            stdio,
            belongings,
            ..
        } = self;
        let handles = match belongings.handles(stdio) {
            Ok(handles) => handles,
            Err(error) => {
                belongings.discard();
                return Err(failure(Fault::Host, &error));
            }
        };
        let launcher = &workshop.launcher;
        if !self.held && !belongings.demands.concern_sandbox() {
            let process = launcher.launch(plan, handles, cancelled.flag());
            return started(process, belongings);
        }
        let prepared = match launcher.prepare(plan, handles, cancelled.flag()) {
            Ok(prepared) => prepared,
            Err(error) => return Err(belongings.without_process(&error)),
        };
        if let Err(failure) = belongings.demands.check_sandbox(prepared.degraded()) {
            drop(prepared);
            belongings.discard();
            return Err(failure);
        }
        match self.held {
            true => Ok(Stage::Held(Box::new(Held {
                prepared,
                belongings,
            }))),
            false => started(prepared.release(), belongings),
        }
    }
}

fn started(
    process: Result<Process, LaunchError>,
    belongings: Arc<Belongings>,
) -> Result<Stage, StartFailure> {
    match process {
        Ok(process) => Ok(Stage::Started(Box::new(Started {
            process,
            belongings,
        }))),
        Err(error) => Err(belongings.without_process(&error)),
    }
}

impl Stage {
    /// Ends it, and leaves nothing. Blocks.
    pub(super) fn abandon(self) {
        match self {
            Self::Held(held) => held.abandon(),
            Self::Started(started) => {
                drop(started.process);
                started.belongings.discard();
            }
        }
    }
}

impl Held {
    /// Ends it, and leaves nothing. Blocks.
    pub(super) fn abandon(self) {
        drop(self.prepared);
        self.belongings.discard();
    }
}

impl Belongings {
    fn hook_before_start(&self) -> Option<&Hook> {
        self.again.as_ref()?.life.hooks.before_start.as_ref()
    }

    /// Removes the cgroup, killing what is in it; the directory stays for people to read, with all that was said. Blocks.
    pub(super) fn discard(&self) {
        if let Some(cgroup) = &self.cgroup {
            discard(cgroup);
        }
        self.kept.drain();
    }

    /// Whether something here was killed for want of memory.
    pub(super) fn broke_memory_limit(&self) -> bool {
        let cgroup = self.cgroup.as_ref();
        // Only to decide about something that has failed in any case.
        matches!(
            cgroup.map(|cgroup| cgroup.broke_memory_limit()),
            Some(Ok(true))
        )
    }

    /// What the task runs without, for a person.
    pub(super) fn lacks(&self, process: &Process) -> Option<String> {
        demands::told(&self.lacking_limits, process.degraded())
    }

    /// For a launch in the task's directory.
    pub(super) fn handles(&self, stdio: Stdio) -> io::Result<Handles> {
        Ok(Handles {
            stdio,
            sandbox: Some(self.directory.try_clone()?),
        })
    }

    fn without_process(&self, error: &LaunchError) -> StartFailure {
        self.discard();
        StartFailure {
            fault: fault(error.fault()),
            message: format!("Failed to start the command: {error}"),
        }
    }
}
