//! One task's directory and volumes, over all of its runs.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cgroup::Cgroup;
use disk_engine::quota::{self, ProjectQuota};
use disk_engine::{
    Completeness, FileId, Limits, Measured, Options, Processes, Source, Tree, TreeId,
};
use executor_core::{DiskUse, Event, Limitation, TaskEvent};
use mesos_proto::v1::{Resource, TaskId};
use task_figures::{DiskSource, VolumeUse};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;
use tracing::warn;

use super::{Disks, What};
use crate::driver::Wake;
use crate::host::processes;
use crate::logs::locked;

/// Something of a task's that is to be watched.
#[derive(Debug)]
pub(in crate::host) struct Subject {
    pub(in crate::host) root: OwnedFd,
    /// What is not to be counted with it.
    pub(in crate::host) exclude: Vec<FileId>,
    pub(in crate::host) limits: Limits,
    pub(in crate::host) what: Arc<What>,
}

/// The first of its subjects is its directory.
pub(in crate::host) struct TaskDisk {
    disks: Disks,
    owner: Arc<Owner>,
    subjects: Vec<Subject>,
    /// The trees of the subjects, in their order; empty while they are not watched.
    trees: Mutex<Vec<TreeId>>,
}

/// A task, as far as its trees know it.
pub(super) struct Owner {
    task_id: TaskId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// How many runs there have been.
    runs: u64,
    broken: HashMap<TreeId, Limitation>,
}

/// Whom a breach is told to, and whose deleted files count.
struct Run {
    wakes: UnboundedSender<Wake>,
    cgroup: Option<Arc<Cgroup>>,
    /// The process id of its init.
    init: Option<i32>,
}

/// While this is held a run of the task, or a hook in its place, is told of a breach.
pub(in crate::host) struct Listening {
    owner: Arc<Owner>,
    run: u64,
}

/// A measurement is good enough for who asks until it is older than this.
const FRESH: Duration = Duration::from_secs(5);

/// Who asks does not wait longer for another.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked for.
const PERIOD: Duration = Duration::from_millis(10);

/// How long a task waits for the kernel to take its quota over.
const KERNELS_PATIENCE: Duration = Duration::from_secs(10);

impl TaskDisk {
    pub(in crate::host) fn new(disks: Disks, task_id: TaskId, subjects: Vec<Subject>) -> Self {
        let state = Mutex::default();
        Self {
            disks,
            owner: Arc::new(Owner { task_id, state }),
            subjects,
            trees: Mutex::default(),
        }
    }

    /// Watches it, if it has any limit, and tells `wakes` of a breach. One that was found before, of which somebody else
    /// was told, is looked for anew.
    pub(in crate::host) fn listen(
        &self,
        wakes: &UnboundedSender<Wake>,
        cgroup: Option<&Arc<Cgroup>>,
        init: Option<i32>,
    ) -> Listening {
        let mut trees = locked(&self.trees);
        let (run, was_broken) = self.owner.begin(Run {
            wakes: wakes.clone(),
            cgroup: cgroup.cloned(),
            init,
        });
        if was_broken {
            self.unwatch(&mut trees);
        }
        if self.subjects.iter().any(Subject::is_limited) {
            self.watch(&mut trees);
        }
        Listening {
            owner: Arc::clone(&self.owner),
            run,
        }
    }

    fn watch(&self, trees: &mut Vec<TreeId>) {
        if !trees.is_empty() {
            return;
        }
        for subject in &self.subjects {
            let owner = Arc::clone(&self.owner);
            match subject.tree(Arc::new(move || owner.processes())) {
                Ok(tree) => trees.push(self.disks.add(tree, &self.owner, &subject.what)),
                Err(error) => {
                    let id = self.owner.task_id();
                    warn!("task '{id}': its disk usage is not known: {error}");
                    // Their places must not be another's.
                    self.unwatch(trees);
                    return;
                }
            }
        }
    }

    fn unwatch(&self, trees: &mut Vec<TreeId>) {
        for tree in trees.drain(..) {
            self.disks.remove(tree);
        }
    }

    /// Waits until the kernel itself holds the task to its quota. Blocks.
    ///
    /// # Errors
    /// It does not, and why.
    pub(in crate::host) fn await_kernel(&self) -> Result<(), String> {
        let mut trees = locked(&self.trees);
        self.watch(&mut trees);
        let Some(tree) = trees.first().copied() else {
            return Err("its directory cannot be watched".to_owned());
        };
        drop(trees);
        let until = Instant::now() + KERNELS_PATIENCE;
        loop {
            let latest = self.disks.0.watch.latest(tree);
            match latest {
                // In which way it was looked at says nothing: of one that is beyond a limit already the last look is a
                // walk.
                Some(_) => return self.held_by_kernel(),
                None if Instant::now() >= until => {
                    return Err("the file system does not answer".to_owned());
                }
                None => std::thread::sleep(PERIOD),
            }
        }
    }

    /// Whatever was done about it, the kernel says what it holds the task to.
    fn held_by_kernel(&self) -> Result<(), String> {
        let Some(Subject { root, limits, .. }) = self.subjects.first() else {
            return Err("it has no directory".to_owned());
        };
        let quota = ProjectQuota::probe(root.as_fd()).map_err(|error| error.to_string())?;
        let found = quota::project_of(root.as_fd()).map_err(|error| error.to_string())?;
        let Some(project) = found.project else {
            return Err("its directory has no project quota of its own".to_owned());
        };
        let usage = quota.usage(project).map_err(|error| error.to_string())?;
        let held = usage.limits.hard;
        match quota.is_enforced() && held.is_some_and(|held| Some(held) <= limits.hard) {
            true => Ok(()),
            false => Err("its project has another limit, or none".to_owned()),
        }
    }

    /// What it takes, when it was looked at last; none before the first look, and of what is not watched.
    pub(in crate::host) fn last(&self) -> Option<DiskUse> {
        let tree = locked(&self.trees).first().copied()?;
        let measured = self.disks.0.watch.latest(tree)?;
        Some(disk_use(&measured, &self.subjects.first()?.limits))
    }

    /// The same of those of its volumes that are watched.
    pub(in crate::host) fn volumes(&self) -> Vec<VolumeUse> {
        let trees = locked(&self.trees).clone();
        let volumes = trees.into_iter().zip(&self.subjects);
        let volumes = volumes.filter_map(|(tree, subject)| {
            let What::Volume { id, .. } = &*subject.what else {
                return None;
            };
            let measured = self.disks.0.watch.latest(tree)?;
            Some(VolumeUse {
                id: id.clone(),
                disk: disk_use(&measured, &subject.limits),
            })
        });
        volumes.collect()
    }

    /// What it takes now, or took a moment ago. It is watched from here on, whether it has a limit or not. None when that
    /// takes too long.
    pub(in crate::host) async fn fresh(&self) -> Option<DiskUse> {
        self.watch(&mut locked(&self.trees));
        let is_fresh = |found: &DiskUse| found.age_seconds <= FRESH.as_secs_f64();
        if let Some(found) = self.last().filter(is_fresh) {
            return Some(found);
        }
        self.look_now();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            sleep(PERIOD).await;
            if let Some(found) = self.last().filter(is_fresh) {
                return Some(found);
            }
        }
        None
    }

    fn look_now(&self) {
        for tree in &*locked(&self.trees) {
            self.disks.0.watch.look_now(*tree);
        }
    }

    /// What counts toward the limit of one of its volumes, or else of its directory, by a walk of its own. Blocks.
    ///
    /// # Errors
    /// There is no such volume, or it cannot be looked at.
    pub(in crate::host) fn measure(&self, volume: Option<&str>) -> Result<u64, MeasureError> {
        let subject = self.subject(volume).ok_or(MeasureError::NoVolume)?;
        let options = Options {
            exclude: subject.exclude.clone(),
            ..Options::default()
        };
        let root = subject.root.as_fd();
        let usage = disk_engine::measure(root, &options)?;
        let deleted = disk_engine::deleted(self.owner.processes(), &[root]);
        let deleted: u64 = deleted.iter().map(|found| found.bytes).sum();
        Ok(usage.bytes.saturating_add(deleted).div_ceil(1024) * 1024)
    }

    fn subject(&self, volume: Option<&str>) -> Option<&Subject> {
        self.subjects
            .iter()
            .find(|subject| match (&*subject.what, volume) {
                (What::Sandbox { .. }, None) => true,
                (What::Volume { id, .. }, Some(wanted)) => id == wanted,
                (What::Sandbox { .. }, Some(_)) | (What::Volume { .. }, None) => false,
            })
    }

    /// Whether it has this volume, or else a directory, which every task has.
    pub(in crate::host) fn has(&self, volume: Option<&str>) -> bool {
        self.subject(volume).is_some()
    }

    /// In bytes.
    pub(in crate::host) fn limit(&self, volume: Option<&str>) -> Option<u64> {
        self.subject(volume)?.limits.hard
    }

    /// What that limit comes from.
    pub(in crate::host) fn resources(&self, volume: Option<&str>) -> Vec<Resource> {
        match self.subject(volume).map(|subject| &*subject.what) {
            Some(What::Sandbox { resources } | What::Volume { resources, .. }) => resources.clone(),
            None => Vec::new(),
        }
    }

    /// Tells whoever listens that the task is to be ended for its disk usage, as somebody else has found; whether anybody
    /// does.
    pub(in crate::host) fn tell(&self, limitation: Limitation) -> bool {
        self.owner.tell(limitation)
    }
}

/// Why something of a task's could not be measured.
#[derive(Debug, thiserror::Error)]
pub(in crate::host) enum MeasureError {
    #[error("the task has no such volume")]
    NoVolume,
    #[error(transparent)]
    Walk(#[from] disk_engine::Error),
}

impl Drop for TaskDisk {
    fn drop(&mut self) {
        self.unwatch(&mut locked(&self.trees));
    }
}

impl Subject {
    fn is_limited(&self) -> bool {
        let limits = &self.limits;
        limits.hard.is_some() || limits.soft.is_some() || limits.inodes.is_some()
    }

    fn tree(&self, processes: Arc<dyn Fn() -> Vec<u32> + Send + Sync>) -> io::Result<Tree> {
        Ok(Tree {
            exclude: self.exclude.clone(),
            limits: self.limits,
            processes: Processes::List(processes),
            ..Tree::new(self.root.try_clone()?)
        })
    }
}

impl Owner {
    pub(super) fn task_id(&self) -> &str {
        &self.task_id.value
    }

    /// Which run it is, and whether something was found to be broken before it.
    fn begin(&self, run: Run) -> (u64, bool) {
        let mut state = locked(&self.state);
        state.runs += 1;
        state.run = Some(run);
        let was_broken = !std::mem::take(&mut state.broken).is_empty();
        (state.runs, was_broken)
    }

    pub(super) fn broke(&self, tree: TreeId, limitation: Limitation) {
        locked(&self.state).broken.insert(tree, limitation.clone());
        self.tell(limitation);
    }

    pub(super) fn recovered(&self, tree: TreeId) {
        locked(&self.state).broken.remove(&tree);
    }

    fn tell(&self, limitation: Limitation) -> bool {
        let task_id = self.task_id.clone();
        let event = TaskEvent::Limited(limitation);
        let state = locked(&self.state);
        let run = state.run.as_ref();
        run.is_some_and(|run| {
            let wake = Wake::Event(Event::Task { task_id, event });
            run.wakes.send(wake).is_ok()
        })
    }

    /// Those of the present run. Those of one that ends meanwhile are gone.
    fn processes(&self) -> Vec<u32> {
        let (cgroup, init) = match &locked(&self.state).run {
            Some(run) => (run.cgroup.clone(), run.init),
            None => return Vec::new(),
        };
        let found = processes::ids(cgroup.as_deref(), init);
        found.unwrap_or_default().into_iter().collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = locked(&self.owner.state);
        if state.runs == self.run {
            state.run = None;
        }
    }
}

fn disk_use(measured: &Measured, limits: &Limits) -> DiskUse {
    let sample = &measured.sample;
    DiskUse {
        used_bytes: sample.usage.bytes,
        limit_bytes: limits.hard,
        age_seconds: sample.taken.elapsed().as_secs_f64(),
        at_least: sample.usage.completeness != Completeness::Complete,
        soft_limit_bytes: limits.soft,
        deleted_bytes: sample.deleted.map(|deleted| deleted.bytes),
        inodes: Some(sample.usage.inodes),
        inode_limit: limits.inodes,
        growth_bytes_per_second: measured.growth,
        source: Some(match sample.source {
            Source::ProjectQuota => DiskSource::Quota,
            Source::ChangeTracking => DiskSource::Tracking,
            Source::Walk => DiskSource::Walk,
        }),
    }
}
