//! The directories that an agent makes, down to those that are a run's sandbox or a volume: which of these there are,
//! kept up to date by watches.
//!
//! ```text
//! slaves/A/frameworks/F/executors/E/runs/C      a run's sandbox
//! meta/slaves/A/.../runs/C/tasks/T              what the agent has written down of it: listed to notice a change
//! volumes/roles/R/V                             a volume
//! ```
//!
//! A directory is watched first and listed then, so that nothing is missed between the two. Only directories that are
//! root's are watched: tasks cannot keep us busy. Executors all of whose runs have ended are not watched: an agent
//! keeps what they left for days.

mod kind;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_engine::FileId;
use mesos_proto::paths::{ExecutorPath, Id};

use kind::{Entry, Kind};

use super::Trouble;
use super::inotify::{Happened, Inotify, WatchId};
use crate::directory::Directory;

#[derive(Debug)]
struct Node {
    kind: Kind,
    id: Option<FileId>,
    watch: Option<WatchId>,
    leaves: BTreeSet<OsString>,
}

/// How much of a directory has to be looked at.
#[derive(Debug)]
enum Dirty {
    All,
    Names(BTreeSet<OsString>),
}

/// The tree. Paths are relative to the work directory.
#[derive(Debug)]
pub(super) struct Tree {
    work_dir: Arc<Directory>,
    /// `None`: everything is listed anew each time.
    inotify: Option<Inotify>,
    agents: BTreeSet<Id>,
    nodes: BTreeMap<PathBuf, Node>,
    by_watch: HashMap<WatchId, PathBuf>,
    dirty: BTreeMap<PathBuf, Dirty>,
    /// Nodes that could not be watched, for want of watches.
    unwatched: BTreeSet<PathBuf>,
    /// Whether that has been told.
    has_complained: bool,
}

impl Tree {
    /// Has to be called within a runtime of tokio.
    pub(super) fn new(work_dir: Arc<Directory>, troubles: &mut Vec<Trouble>) -> Self {
        let inotify = match Inotify::new() {
            Ok(inotify) => Some(inotify),
            Err(source) => {
                troubles.push(Trouble::NoWatches { source });
                None
            }
        };
        let mut tree = Self {
            work_dir,
            inotify,
            agents: BTreeSet::new(),
            nodes: BTreeMap::new(),
            by_watch: HashMap::new(),
            dirty: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            has_complained: false,
        };
        tree.insert(PathBuf::new(), Kind::WorkDir);
        tree
    }

    /// Looks at the sandboxes of these agents, too.
    pub(super) fn want(&mut self, agents: impl IntoIterator<Item = Id>) {
        let before = self.agents.len();
        self.agents.extend(agents);
        if self.agents.len() > before {
            self.mark(Path::new("slaves"));
        }
    }

    /// Watches what the agent writes down of a run, whose directory for that this is.
    pub(super) fn watch_checkpoints(&mut self, run: PathBuf) {
        if !self.nodes.contains_key(&run) {
            self.insert(run, Kind::CheckpointedRun);
        }
    }

    /// Takes a directory with everything in it out, as if it had never been there.
    pub(super) fn forget(&mut self, path: &Path) {
        let below: Vec<PathBuf> = self
            .nodes
            .range(path.to_owned()..)
            .map(|(path, _)| path)
            .take_while(|below| below.starts_with(path))
            .cloned()
            .collect();
        for path in below {
            if let Some(watch) = self.nodes.remove(&path).and_then(|node| node.watch) {
                self.unwatch(watch);
            }
            self.dirty.remove(&path);
            self.unwatched.remove(&path);
        }
    }

    /// Stops watching a directory of runs, all of which have ended.
    pub(super) fn rest(&mut self, runs: &Path) {
        if let Some(watch) = self.nodes.get_mut(runs).and_then(|node| node.watch.take()) {
            self.unwatch(watch);
        }
        self.unwatched.remove(runs);
    }

    /// Has a directory listed anew, if it is one of the tree.
    pub(super) fn mark(&mut self, path: &Path) {
        if self.nodes.contains_key(path) {
            self.dirty.insert(path.to_owned(), Dirty::All);
        }
    }

    /// Has every directory listed anew.
    pub(super) fn mark_all(&mut self) {
        self.dirty = self
            .nodes
            .keys()
            .map(|path| (path.clone(), Dirty::All))
            .collect();
    }

    /// Has those directories listed anew that nothing would tell of.
    pub(super) fn mark_unwatched(&mut self) {
        if self.inotify.is_none() {
            self.mark_all();
        }
        for path in self.unwatched.clone() {
            self.mark(&path);
        }
    }

    /// The names of runs in a directory of runs, or of volumes in that of a role.
    pub(super) fn leaves(&self, path: &Path) -> impl Iterator<Item = &OsString> {
        self.nodes
            .get(path)
            .into_iter()
            .flat_map(|node| &node.leaves)
    }

    /// The volumes of the work directory, by the names of their roles' directories and their own.
    pub(super) fn volumes(&self) -> Vec<(OsString, OsString)> {
        let roles = self
            .nodes
            .iter()
            .filter(|(_, node)| node.kind == Kind::Role);
        roles
            .filter_map(|(path, node)| Some((path.file_name()?, node)))
            .flat_map(|(role, node)| {
                let volumes = node.leaves.iter();
                volumes.map(|volume| (role.to_owned(), volume.clone()))
            })
            .collect()
    }

    /// Has the runs of an executor listed anew, which the agent has started although nothing told of that.
    pub(super) fn mark_executor(&mut self, framework_id: &str, executor_id: &str) {
        let (Ok(framework_id), Ok(executor_id)) = (Id::new(framework_id), Id::new(executor_id))
        else {
            return;
        };
        for agent_id in self.agents.clone() {
            let executor = ExecutorPath {
                agent_id,
                framework_id: framework_id.clone(),
                executor_id: executor_id.clone(),
            };
            self.mark(&executor.runs());
        }
    }

    /// How many watches there are.
    #[cfg(test)]
    pub(super) fn watches(&self) -> usize {
        self.by_watch.len()
    }

    /// Waits until something happens. Can be dropped at any time.
    pub(super) async fn wait(&mut self) -> Result<(), Trouble> {
        let Some(inotify) = &self.inotify else {
            return std::future::pending().await;
        };
        let happened = inotify.happened().await;
        self.note(happened)
    }

    /// Takes notice of what has happened so far.
    pub(super) fn catch_up(&mut self) -> Result<(), Trouble> {
        match self.inotify.as_ref().map(Inotify::take) {
            None => Ok(()),
            Some(happened) => self.note(happened),
        }
    }

    fn note(&mut self, happened: std::io::Result<Happened>) -> Result<(), Trouble> {
        let happened = happened.map_err(|source| {
            // From here on everything is listed anew each time.
            self.inotify = None;
            Trouble::NoWatches { source }
        })?;
        for watch in happened.lost {
            let Some(path) = self.by_watch.remove(&watch) else {
                continue;
            };
            if let Some(node) = self
                .nodes
                .get_mut(&path)
                .filter(|node| node.watch == Some(watch))
            {
                node.watch = None;
                // A directory that was renamed still has its watch.
                self.unwatch(watch);
                self.mark(&path);
            }
        }
        for (watch, name) in happened.within {
            let Some(path) = self.by_watch.get(&watch) else {
                continue;
            };
            let child = path.join(&name);
            let dirty = self.dirty.entry(path.clone());
            if let Dirty::Names(names) = dirty.or_insert_with(|| Dirty::Names(BTreeSet::new())) {
                names.insert(name);
            }
            // It may be another of the same name.
            self.mark(&child);
        }
        if happened.overflowed {
            self.mark_all();
        }
        Ok(())
    }

    /// Looks at what has changed. Gives the directories of runs, of a role's volumes and of checkpoints in which something
    /// may be other than before. `is_over` tells whether a run, by its path, has ended.
    pub(super) fn look(
        &mut self,
        is_over: &dyn Fn(&Path) -> bool,
        troubles: &mut Vec<Trouble>,
    ) -> BTreeSet<PathBuf> {
        let mut touched = BTreeSet::new();
        // A directory comes before what is in it, and may bring more.
        while let Some((path, dirty)) = self.dirty.pop_first() {
            if let Err(trouble) = self.list(&path, &dirty, is_over, &mut touched, troubles) {
                // Tried again next time.
                self.unwatched.insert(path);
                troubles.push(trouble);
            }
        }
        touched
    }

    fn list(
        &mut self,
        path: &Path,
        dirty: &Dirty,
        is_over: &dyn Fn(&Path) -> bool,
        touched: &mut BTreeSet<PathBuf>,
        troubles: &mut Vec<Trouble>,
    ) -> Result<(), Trouble> {
        let Some(directory) = self.open(path)? else {
            self.remove(path, touched);
            return Ok(());
        };
        let Some(kind) = self.nodes.get(path).map(|node| node.kind) else {
            return Ok(());
        };
        let id = FileId::of(&*directory).map_err(|source| Trouble::Identity {
            path: directory.path().to_owned(),
            source,
        })?;
        let is_new = self.nodes.get(path).is_none_or(|node| node.id != Some(id));
        if is_new {
            // Whatever was known was of another directory.
            self.remove(path, touched);
            self.nodes.insert(
                path.to_owned(),
                Node {
                    kind,
                    id: Some(id),
                    watch: None,
                    leaves: BTreeSet::new(),
                },
            );
        }
        let names = match dirty {
            Dirty::Names(names) if !is_new => names.clone(),
            Dirty::Names(_) | Dirty::All => BTreeSet::new(),
        };
        if names.is_empty() {
            // Before it is listed, but for those that may not be worth a watch.
            if kind != Kind::Runs {
                self.watch(path, &directory, troubles);
            }
            let mut there = self.entries(kind, &directory)?;
            let is_alive = there.is_empty() || there.iter().any(|name| !is_over(&path.join(name)));
            if kind == Kind::Runs && is_alive {
                self.watch(path, &directory, troubles);
                there = self.entries(kind, &directory)?;
            }
            if kind.has_one_entry() && !there.is_empty() {
                self.rest(path);
            }
            self.update(path, kind, there, touched);
        } else {
            for name in names {
                let is_there = directory.enter(&name)?.is_some();
                self.update_one(path, kind, name, is_there, touched);
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<Option<Arc<Directory>>, Trouble> {
        if path.as_os_str().is_empty() {
            return Ok(Some(Arc::clone(&self.work_dir)));
        }
        Ok(self.work_dir.enter_all(path)?.map(Arc::new))
    }

    /// The entries that matter.
    fn entries(&self, kind: Kind, directory: &Directory) -> Result<BTreeSet<OsString>, Trouble> {
        let names = directory.subdirectories(usize::MAX)?.into_iter();
        Ok(names
            .filter(|name| kind.entry(name, &self.agents).is_some())
            .collect())
    }

    fn update(
        &mut self,
        path: &Path,
        kind: Kind,
        there: BTreeSet<OsString>,
        touched: &mut BTreeSet<PathBuf>,
    ) {
        let within = self.nodes.range(path.to_owned()..);
        let known: Vec<OsString> = within
            .take_while(|(below, _)| below.starts_with(path))
            .filter(|(below, _)| below.parent() == Some(path) && !below.as_os_str().is_empty())
            .filter_map(|(below, _)| below.file_name().map(OsStr::to_owned))
            .collect();
        let leaves = self.nodes.get(path).map(|node| node.leaves.clone());
        for name in known.into_iter().chain(leaves.unwrap_or_default()) {
            if !there.contains(&name) {
                self.update_one(path, kind, name, false, touched);
            }
        }
        for name in there {
            self.update_one(path, kind, name, true, touched);
        }
        if self.is_told_of(path) {
            touched.insert(path.to_owned());
        }
    }

    fn update_one(
        &mut self,
        path: &Path,
        kind: Kind,
        name: OsString,
        is_there: bool,
        touched: &mut BTreeSet<PathBuf>,
    ) {
        let child = path.join(&name);
        match kind.entry(&name, &self.agents) {
            // A file of a run's checkpoints: it may be what tells of its end.
            None if kind == Kind::CheckpointedRun => {
                touched.insert(path.to_owned());
            }
            None => {}
            Some(Entry::Leaf) => {
                if let Some(node) = self.nodes.get_mut(path) {
                    if is_there {
                        node.leaves.insert(name);
                    } else {
                        node.leaves.remove(&name);
                    }
                }
                touched.insert(path.to_owned());
            }
            Some(Entry::Inner(kind)) => {
                if !is_there {
                    self.remove(&child, touched);
                } else if !self.nodes.contains_key(&child) {
                    self.insert(child, kind);
                }
            }
        }
    }

    /// Whether somebody wants to know of every look at it.
    fn is_told_of(&self, path: &Path) -> bool {
        let kind = self.nodes.get(path).map(|node| node.kind);
        matches!(
            kind,
            Some(Kind::Runs | Kind::Role | Kind::CheckpointedRun | Kind::CheckpointedTasks)
        )
    }

    fn insert(&mut self, path: PathBuf, kind: Kind) {
        self.dirty.insert(path.clone(), Dirty::All);
        let node = Node {
            kind,
            id: None,
            watch: None,
            leaves: BTreeSet::new(),
        };
        self.nodes.insert(path, node);
    }

    /// Removes a directory that is gone, with all that was in it.
    fn remove(&mut self, path: &Path, touched: &mut BTreeSet<PathBuf>) {
        let gone = self.nodes.range(path.to_owned()..);
        let gone = gone
            .map(|(path, _)| path)
            .take_while(|below| below.starts_with(path));
        touched.extend(gone.filter(|path| self.is_told_of(path)).cloned());
        self.forget(path);
    }

    fn watch(&mut self, path: &Path, directory: &Directory, troubles: &mut Vec<Trouble>) {
        let Some(inotify) = &self.inotify else { return };
        let Some(node) = self.nodes.get_mut(path) else {
            return;
        };
        if node.watch.is_some() {
            return;
        }
        match inotify.watch(directory) {
            Ok(watch) => {
                node.watch = Some(watch);
                self.by_watch.insert(watch, path.to_owned());
                self.unwatched.remove(path);
            }
            Err(source) => {
                self.unwatched.insert(path.to_owned());
                if !std::mem::replace(&mut self.has_complained, true) {
                    troubles.push(Trouble::NoWatch {
                        path: directory.path().to_owned(),
                        source,
                    });
                }
            }
        }
    }

    fn unwatch(&mut self, watch: WatchId) {
        self.by_watch.remove(&watch);
        if let Some(inotify) = &self.inotify {
            inotify.unwatch(watch);
        }
    }
}

#[cfg(test)]
mod tests;
