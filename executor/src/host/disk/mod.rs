//! The quotas of tasks' directories and volumes: one watch for all of them, and whose breach is whose.
//!
//! ```text
//!   Disks ──── one Watch ──► trees: a task's directory, each of its volumes
//!     ▲                          │ Event, from the engine's threads
//!     │ trees, as long as        ▼
//!   TaskDisk                  routes: which task a tree is of ──► who listens to it: its run, or a hook
//!     (a task, over all its runs)
//! ```

mod quotas;
mod subjects;
mod task;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use disk_engine::{Amount, Breach, Event, Settings, StartError, Tree, TreeId, Watch};
use executor_core::{LimitKind, Limitation};
use mesos_proto::Bytes;
use mesos_proto::v1::Resource;
use tracing::{debug, info, warn};

use crate::logs::locked;
pub(super) use quotas::{VolumeQuota, of_volumes};
pub(super) use subjects::subjects;
use task::Owner;
pub(super) use task::{Listening, Subject, TaskDisk};

/// The watch over the directories of all tasks of this executor.
#[derive(Clone)]
pub(crate) struct Disks(Arc<Shared>);

struct Shared {
    watch: Watch,
    routes: Arc<Routes>,
}

/// Whose each tree is.
type Routes = Mutex<HashMap<TreeId, Route>>;

#[derive(Clone)]
struct Route {
    owner: Arc<Owner>,
    what: Arc<What>,
}

/// What of a task's.
#[derive(Debug)]
pub(super) enum What {
    Sandbox {
        /// What its quota comes from, for the status that reports its breach.
        resources: Vec<Resource>,
    },
    Volume {
        /// Its persistence id.
        id: String,
        /// Likewise.
        resources: Vec<Resource>,
    },
}

impl Disks {
    /// Nothing is watched yet.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(settings: Settings) -> Result<Self, StartError> {
        let routes = Arc::<Routes>::default();
        let sink = Arc::clone(&routes);
        let watch = Watch::start(settings, move |event| take(&sink, event))?;
        Ok(Self(Arc::new(Shared { watch, routes })))
    }

    fn add(&self, tree: Tree, owner: &Arc<Owner>, what: &Arc<What>) -> TreeId {
        // Held over both, so that whose a tree is is known before anything is told of it.
        let mut routes = locked(&self.0.routes);
        let id = self.0.watch.add(tree);
        let route = Route {
            owner: Arc::clone(owner),
            what: Arc::clone(what),
        };
        routes.insert(id, route);
        id
    }

    fn remove(&self, id: TreeId) {
        self.0.watch.remove(id);
        locked(&self.0.routes).remove(&id);
    }
}

/// Runs on the engine's threads.
fn take(routes: &Routes, event: Event) {
    let route = |tree: TreeId| locked(routes).get(&tree).cloned();
    match event {
        Event::Breach(breach) => {
            if let Some(Route { owner, what }) = route(breach.tree) {
                owner.broke(breach.tree, limitation(&what, &breach));
            }
        }
        Event::Recovered { tree } => {
            if let Some(Route { owner, .. }) = route(tree) {
                owner.recovered(tree);
            }
        }
        Event::Refused { tree, of, limit } => {
            if let Some(Route { owner, what }) = route(tree) {
                let id = owner.task_id();
                warn!(
                    "task '{id}' is refused to write more: {}",
                    refused(&what, of, limit)
                );
            }
        }
        Event::SoftLimit(breach) => {
            if let Some(Route { owner, what }) = route(breach.tree) {
                let id = owner.task_id();
                warn!("task '{id}' is near its quota: {}", soft(&what, &breach));
            }
        }
        Event::Trouble { tree, text } => match tree.and_then(route) {
            Some(Route { owner, .. }) => {
                let id = owner.task_id();
                warn!("task '{id}': its disk usage is known in part only: {text}");
            }
            // Its task is over.
            None if tree.is_some() => {}
            None => warn!("the disk usage of tasks: {text}"),
        },
        Event::Strayed {
            tree,
            files,
            example,
        } => {
            if let Some(Route { owner, .. }) = route(tree) {
                let id = owner.task_id();
                warn!("task '{id}' has taken {files} files out of its project: {example:?} is one");
            }
        }
        Event::Drift { tree, bytes } => debug!("a walk of {tree} found {bytes} more bytes"),
        Event::Layer {
            file_system,
            source,
            why,
        } => {
            let why = if why.is_empty() {
                why
            } else {
                format!(": {why}")
            };
            info!("the disk usage on {file_system} is measured by {source}{why}");
        }
    }
}

fn limitation(what: &What, breach: &Breach) -> Limitation {
    let (message, resources) = match what {
        What::Sandbox { resources } => (breach.message(), resources),
        What::Volume { id, resources } => (breach.message_for_volume(id), resources),
    };
    Limitation {
        kind: LimitKind::Disk,
        message,
        resources: resources.clone(),
    }
}

fn refused(what: &What, of: Amount, limit: u64) -> String {
    let whose = match what {
        What::Sandbox { .. } => "its directory".to_owned(),
        What::Volume { id, .. } => format!("its volume '{id}'"),
    };
    let limit = match of {
        Amount::Bytes => Bytes::new(limit).to_string(),
        Amount::Inodes => format!("{limit} inodes"),
    };
    format!("{whose} may hold {limit}, and the file system sees to that")
}

/// On one line.
fn soft(what: &What, breach: &Breach) -> String {
    let of = match what {
        What::Sandbox { .. } => String::new(),
        What::Volume { id, .. } => format!(" of volume '{id}'"),
    };
    let message = breach.message();
    let details = message.lines().skip(1).collect::<Vec<&str>>().join("; ");
    let details = match details.is_empty() {
        true => details,
        false => format!(" ({details})"),
    };
    let (used, limit) = (Bytes::new(breach.charged()), Bytes::new(breach.limit));
    format!("disk usage{of} ({used}) exceeds its soft limit ({limit}){details}")
}
