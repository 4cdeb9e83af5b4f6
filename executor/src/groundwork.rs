//! What is made once for all tasks of a process, with an agent or without one.

use std::io;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use crate::janitor::Janitor;
use crate::{settings, sys};

/// Begins to log to standard error; to less of it, and by the names of its parts, where it is `shared_with_task`: what the
/// task itself writes to the same place is to be told apart.
///
/// A log that cannot be written, as on a full disk, costs lines and nothing else.
pub(crate) fn log(shared_with_task: bool) {
    sys::outlive_file_size_limit();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // It would be told on the same stderr, and failing there is a panic.
        .log_internal_errors(false)
        .with_ansi(false)
        .with_target(shared_with_task)
        .with_max_level(settings::log_level(shared_with_task))
        .init();
}

/// Where everything runs that waits. What blocks has threads of its own.
///
/// # Errors
///
/// When the kernel gives no descriptors for it.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        // They launch, walk directories (a few at a time), reap, and remove cgroups.
        .max_blocking_threads(64)
        .build()
}

/// To be held until the end of this process, whatever that is.
pub(crate) fn janitor(cgroups: Option<&cgroup::Parent>) -> Option<Janitor> {
    let started = cgroups.map(|_| Janitor::start())?;
    if let Err(error) = &started {
        warn!("no janitor, so cgroups may outlive a killed executor: {error}");
    }
    started.ok()
}

/// Raises the soft limit of open descriptors to the hard one, since every task takes some. Returns what it was, for the
/// tasks: programs that use select(2) are only right below 1024.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| soft));
    match raised {
        Ok(soft) => Some(soft),
        Err(errno) => {
            warn!("the limit of open descriptors stays as it is: {errno}");
            None
        }
    }
}

/// Whether there is one hierarchy of cgroups, in which a task's own can be all that it sees: on v1 the names that it sees
/// are the agent's, and programs look for them.
pub(crate) fn has_cgroup2_alone() -> bool {
    let host = cgroup::Host::detect(Path::new("/"));
    // What keeps it from being told is told where cgroups are made.
    host.is_ok_and(|host| matches!(host.mode(), cgroup::Mode::Unified))
}

/// Where the tasks' cgroups go, below one called `name`, and below that of the `container` this runs in. A host that
/// gives none is told of once, in the log: its tasks run without limits of their own.
pub(crate) fn cgroups(container: &str, name: &str) -> Option<cgroup::Parent> {
    let host = match cgroup::Host::detect(Path::new("/")) {
        Ok(host) => host,
        Err(error) => {
            warn!("no cgroups, so no memory, cpu or process limits for tasks: {error}");
            return None;
        }
    };
    match cgroup::sweep(&host) {
        Ok(swept) => {
            for path in swept {
                info!(
                    "removed {}, which an executor that was killed had left",
                    path.display()
                );
            }
        }
        Err(errors) => warn!("what killed executors left could not all be removed: {errors}"),
    }
    let mut host = host.within(container);
    if host.agent_manages_v2(container) && !settings::takes_tasks_out_of_agents_cgroup2() {
        warn!(
            "the agent manages cgroup v2 itself, and tasks stay in the container's cgroup: {} changes that",
            settings::CGROUP2
        );
        host = host.without_v2();
    }
    for missing in host.missing() {
        warn!("this host has no cgroup controller {missing}: nothing limits it");
    }
    match cgroup::Parent::create(&host, name) {
        Ok(parent) => {
            for refused in parent.refused() {
                let (controller, why) = (refused.controller, &refused.why);
                warn!("tasks get nothing of the cgroup controller {controller}: {why}");
            }
            Some(parent)
        }
        Err(error) => {
            warn!("no cgroups, so no memory, cpu or process limits for tasks: {error}");
            None
        }
    }
}
