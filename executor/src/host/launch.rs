//! Starting one task, in steps that each can be taken back: its site, its files, its sandbox.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use cgroup::Cgroup;
use dialect::{Program, Request};
use executor_core::{Fault, StartFailure};
use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskId;
use sandbox::{Command, LaunchError, Namespaces, Plan, Prepared, Process};
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use super::cancellation::Cancellation;
use super::fault;
use super::limits::TaskLimits;
use super::site::{Site, discard};
use super::tail::Tail;
use super::workshop::Workshop;

/// A program without a slash is looked for here when neither the executor nor the task has a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    pub(super) tail: Option<Tail>,
    pub(super) limits: TaskLimits,
    /// The exit statuses that are no failure, of which nobody needs the last words.
    pub(super) success_codes: Vec<i32>,
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
    let outcome = blocking({
        let (workshop, cancelled) = (Arc::clone(workshop), cancelled.clone());
        move || {
            let site = Site::make(&workshop, &order.task, &order.request, &cancelled)?;
            start(&workshop, order, site, &cancelled)
        }
    });
    let outcome = outcome.await;
    drop(turn);
    outcome
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

async fn blocking(
    step: impl FnOnce() -> Result<Stage, StartFailure> + Send + 'static,
) -> Result<Stage, StartFailure> {
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
    let plan = Plan {
        environment: environment(workshop, &task, hostname, &site.path, request.environment),
        command: match request.program {
            Program::Shell(line) => Command::Shell(line),
            Program::Exec { file, argv } => Command::Exec { file, argv },
        },
        working_directory: site.path,
        hostname: None,
        identity: site.identity,
        namespaces: Namespaces::ALL,
        descriptor_limit: request
            .options
            .descriptor_limit
            .or(workshop.descriptor_limit),
        cgroup_procs: site
            .cgroup
            .iter()
            .flat_map(|cgroup| cgroup.procs_files())
            .collect(),
    };
    let belongings = Belongings {
        cgroup: site.cgroup,
        directory: site.directory,
        tail: site.tail,
        limits: site.limits,
        success_codes: request.options.success_codes,
    };
    let launcher = &workshop.launcher;
    if !held {
        let process = launcher.launch(plan, site.stdio, cancelled.flag());
        return started(process, belongings);
    }
    match launcher.prepare(plan, site.stdio, cancelled.flag()) {
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
    /// Removes the cgroup, killing what is in it; the directory stays for people to read. Blocks.
    pub(super) fn discard(&self) {
        if let Some(cgroup) = &self.cgroup {
            discard(cgroup);
        }
    }

    /// The last lines that the task wrote to its standard error. Blocks.
    pub(super) fn last_words(&self) -> Option<String> {
        let tail = self.tail.as_ref()?;
        tail.read().unwrap_or_else(|error| {
            warn!("what a task wrote last to its standard error is not shown: {error}");
            None
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

/// What a task sees: the executor's environment without its credentials, then what is the task's own, then what its
/// command sets.
fn environment(
    workshop: &Workshop,
    task: &TaskInfo,
    hostname: Option<String>,
    directory: &Path,
    own: Vec<(String, String)>,
) -> BTreeMap<String, String> {
    let directory = directory.to_string_lossy().into_owned();
    let ours = [
        ("MESOS_TASK_ID", task.task_id.value.clone()),
        ("MESOS_SANDBOX", directory.clone()),
        ("MESOS_DIRECTORY", directory.clone()),
        ("PWD", directory),
    ];
    let mut all = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    all.extend(workshop.environment.iter().cloned());
    all.extend(hostname.map(|host| ("HOST".to_owned(), host)));
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    all.extend(own);
    all
}
