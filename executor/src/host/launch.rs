//! Starting one task, in steps that each can be taken back: its site, its files, its sandbox.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use cgroup::Cgroup;
use dialect::environment::Surroundings;
use dialect::{Program, Request};
use executor_core::{Fault, StartFailure};
use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskId;
use sandbox::{Command, LaunchError, Plan, Prepared, Process};
use tokio::task::spawn_blocking;
use tracing::{debug, info};

use super::cancellation::Cancellation;
use super::fault;
use super::fetching::Fetching;
use super::limits::TaskLimits;
use super::output::Kept;
use super::site::{Site, descriptor_limit, discard};
use super::workshop::{Way, Workshop};

/// What is to be launched.
pub(super) struct Order {
    pub(super) task: TaskInfo,
    pub(super) request: Request,
    /// The agent's name on the network.
    pub(super) hostname: Option<String>,
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
    belongings: Belongings,
}

/// A task that runs, with everything there is to hold of it.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) belongings: Belongings,
}

/// What there is to hold of a task beside its processes.
pub(super) struct Belongings {
    pub(super) cgroup: Option<Arc<Cgroup>>,
    pub(super) directory: OwnedFd,
    pub(super) kept: Kept,
    pub(super) limits: TaskLimits,
    /// The exit statuses that are no failure, of which nobody needs the last words.
    pub(super) success_codes: Vec<i32>,
}

/// What the first of the steps that block came to.
enum Begun {
    Through(Stage),
    Fetching(Box<(Fetching, Order)>),
}

/// Starts a task, or makes it ready to be. Nothing of it is left when that fails.
pub(super) async fn launch(
    workshop: &Arc<Workshop>,
    order: Order,
    cancelled: &Cancellation,
) -> Result<Stage, StartFailure> {
    let turn = tokio::select! {
        // It is closed never.
        turn = workshop.turns.acquire() => turn.ok(),
        () = cancelled.requested() => return Err(Cancellation::failure()),
    };
    let (shared, flag) = (Arc::clone(workshop), cancelled.clone());
    let begun = blocking(move || {
        let site = Site::make(&shared, &order.task, &order.request, &flag)?;
        if order.request.uris.is_empty() {
            return start(&shared, order, site, &flag).map(Begun::Through);
        }
        let uris = order.request.uris.clone();
        let fetching = Fetching::begin(&shared, &order.task.task_id, uris, site, &flag)?;
        Ok(Begun::Fetching(Box::new((fetching, order))))
    });
    let begun = begun.await;
    // What is fetched may be long in coming.
    drop(turn);
    match begun? {
        Begun::Through(stage) => Ok(stage),
        Begun::Fetching(begun) => {
            let (fetching, order) = *begun;
            let site = fetching.end(cancelled).await?;
            // It is closed never.
            let turn = workshop.turns.acquire().await.ok();
            let (shared, flag) = (Arc::clone(workshop), cancelled.clone());
            let started = blocking(move || start(&shared, order, site, &flag)).await;
            drop(turn);
            started
        }
    }
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

/// The last step. Blocks until the program is executed or ready to be, or is not.
fn start(
    workshop: &Workshop,
    order: Order,
    site: Site,
    cancelled: &Cancellation,
) -> Result<Stage, StartFailure> {
    let Order {
        task,
        request,
        hostname,
        held,
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
    let mut plan = Plan {
        environment,
        command: match request.program {
            Program::Shell(line) => Command::Shell(line),
            Program::Exec { file, argv } => Command::Exec { file, argv },
        },
        ..site.plan(workshop)
    };
    if let Some(limit) = request.options.descriptor_limit {
        plan.rlimits = vec![descriptor_limit(limit)];
    }
    let stdio = site.output.stdio;
    let belongings = Belongings {
        cgroup: site.cgroup,
        directory: site.directory,
        kept: site.output.kept,
        limits: site.limits,
        success_codes: request.options.success_codes,
    };
    let launcher = &workshop.launcher;
    if !held {
        let process = launcher.launch(plan, stdio, cancelled.flag());
        return started(process, belongings);
    }
    match launcher.prepare(plan, stdio, cancelled.flag()) {
        Ok(prepared) => Ok(Stage::Held(Box::new(Held {
            prepared,
            belongings,
        }))),
        Err(error) => Err(belongings.without_process(&error)),
    }
}

fn started(
    process: Result<Process, LaunchError>,
    belongings: Belongings,
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
    /// Removes the cgroup, killing what is in it; the directory stays for people to read, with all that was said. Blocks.
    pub(super) fn discard(&self) {
        if let Some(cgroup) = &self.cgroup {
            discard(cgroup);
        }
        self.kept.drain();
    }

    fn without_process(&self, error: &LaunchError) -> StartFailure {
        self.discard();
        StartFailure {
            fault: fault(error.fault()),
            message: format!("Failed to start the command: {error}"),
        }
    }
}
