//! Many trees, each looked at when it could have reached its limit.
//!
//! ```text
//! Watch::add ─► State: trees, schedule ◄───────────────────┐
//!                 │ due, paid for                           │ sample
//!                 ▼                                         │
//!            scheduler thread ── tasks ──► crew: threads that look ──► sink(Event)
//!            (fstatfs, the kernel's          in the tree's layer: project, tracked or walk;
//!             warnings, changes to read)     before a breach is told, an exact walk
//! ```
//!
//! The [schedule] is pure and decides when; the [state] knows what was found and, by the [verdict], what of it is news;
//! a [layer] is chosen for each tree by its first look, and again when its [volume], the file system, was probed anew.
//! The scheduler never touches a disk that could hang; the [crew] does, at most [`Settings::threads`] (and two at
//! least) for each file system, so that one that hangs stalls no other. A tree has one look under way at most, and so
//! what is told of it is told in order.

mod crew;
mod event;
mod figures;
mod layer;
mod lift;
mod look;
mod sample;
mod schedule;
mod scheduler;
mod settings;
mod state;
mod subject;
mod tracking;
mod tree;
mod verdict;
mod volume;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use event::{Amount, Breach, Event, FileSystem, Largest};
pub use figures::{Figures, FileSystemFigures};
pub use sample::{Deleted, Measured, Sample, Source};
pub use settings::{QuotaUse, Settings, StartError};
pub use tree::{Limits, Processes, Tree, TreeId};

use crew::Job;
use scheduler::Shared;

/// What watches trees. Starts its threads, and ends them when it is dropped.
///
/// Every method returns at once: none waits for a disk.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    scheduler: Option<thread::JoinHandle<()>>,
}

/// How long a drop waits for looks that are under way. One that hangs ends whenever its disk lets it.
const PATIENCE: Duration = Duration::from_secs(1);

impl Watch {
    /// Starts to watch; there are no trees yet.
    ///
    /// `sink` is called for each [`Event`], from threads of the engine's, and never with a lock held: it may call any
    /// method. It should not block, since a look at a tree waits for it, and must not drop the watch.
    ///
    /// # Errors
    /// When the settings make no sense, or the system has no thread or descriptor left.
    pub fn start(
        settings: Settings,
        sink: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        if !(settings.budget > 0.0 && settings.budget.is_finite()) {
            return Err(StartError::Budget {
                budget: settings.budget,
            });
        }
        let shared = Arc::new(Shared::new(settings, Box::new(sink))?);
        let scheduler = thread::Builder::new()
            .name("disk-watch".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || scheduler::run(&shared)
            })
            .map_err(|source| StartError::Thread { source })?;
        Ok(Self {
            shared,
            scheduler: Some(scheduler),
        })
    }

    /// Watches a tree from now on; the first look at it is soon.
    pub fn add(&self, tree: Tree) -> TreeId {
        let id = TreeId::unused();
        self.shared.change(|state| state.add(id, tree));
        id
    }

    /// Watches a tree no longer. Nothing is told of it afterwards but what is being told this very moment. Limits that
    /// the kernel holds it to ([`Limits::in_kernel`]) are lifted soon; a watch that is dropped leaves those of the trees
    /// that it has.
    pub fn remove(&self, id: TreeId) {
        let lift = self.shared.change(|state| state.remove(id));
        if let Some(lift) = lift {
            self.shared.crew.hand_over(&self.shared, Job::Lift(lift));
        }
        self.shared.tracking.forget(id);
    }

    /// Changes the limits of a tree; it is looked at again soon.
    pub fn set_limits(&self, id: TreeId, limits: Limits) {
        self.shared.change(|state| state.set_limits(id, limits));
    }

    /// The latest that is known of a tree; `None` until it was looked at, and once it is removed.
    pub fn latest(&self, id: TreeId) -> Option<Measured> {
        self.shared.read(|state| state.latest(id))
    }

    /// Has a tree looked at as soon as can be.
    pub fn look_now(&self, id: TreeId) {
        self.shared
            .change(|state| state.schedule.urge(Instant::now(), id));
    }

    /// What was done so far, and what is in hand.
    pub fn figures(&self) -> Figures {
        let tracked = self.shared.tracking.done();
        Figures {
            tracked_directories: tracked.directories,
            tracking_events: tracked.events,
            overflows: tracked.overflows,
            ..self.shared.read(|state| state.figures())
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop(PATIENCE);
        if let Some(scheduler) = self.scheduler.take() {
            // It panics never; were it to, its message has been printed.
            let _ = scheduler.join();
        }
    }
}
