//! What the daemon knows of each directory, and the engine's tree for it.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use disk_engine::{Breach, Limits, Processes, Tree, TreeId, Watch};

use crate::config::Config;
use crate::enforce::Census;
use crate::enforce::decide::Case;
use crate::inventory::{Key, Process, Subject};
use crate::policy::Mode;

/// One directory.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) subject: Arc<Subject>,
    pub(super) tree: TreeId,
    pub(super) limits: Limits,
    pub(super) mode: Mode,
    /// The breach that lasts.
    pub(super) breach: Option<Breach>,
    /// What is done about it.
    pub(super) case: Option<Case>,
    /// The reason is in the sandbox.
    pub(super) is_noted: bool,
    /// What it may go on having.
    pub(super) settled: Settled,
    /// When its last breach was over.
    pub(super) recovered: Option<Instant>,
    /// The container's first process, as the engine's threads are told it.
    first: Arc<Mutex<Option<Process>>>,
}

/// Whether a directory that has more than it may is left alone as long as it does not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    No,
    /// Its executor has ended whom it blames: from the next look on.
    Soon,
    /// While it holds no more than so much, as it counts toward its limit.
    At(u64),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Directories {
    by_key: BTreeMap<Key, Watched>,
    by_tree: HashMap<TreeId, Key>,
    census: Census,
}

impl Directories {
    /// Watches a directory from now on. One of the same key is forgotten.
    pub(super) fn add(
        &mut self,
        watch: &Watch,
        config: &Config,
        subject: Arc<Subject>,
    ) -> std::io::Result<()> {
        self.remove(watch, &subject.key);
        let first = Arc::new(Mutex::new(process(&subject)));
        let mode = config.policy.mode_for(&subject);
        let limits = limits(config, &subject, mode);
        let mut tree = Tree::new(subject.directory.as_fd().try_clone_to_owned()?);
        tree.inside = subject.inside.as_ref().and_then(|key| self.tree(key));
        tree.exclude.clone_from(&subject.exclude);
        tree.limits = limits;
        tree.cross_mounts = config.count.mounts;
        if config.count.deleted {
            let (census, first) = (self.census.clone(), Arc::clone(&first));
            tree.processes = Processes::List(Arc::new(move || {
                let first = *first.lock().unwrap_or_else(PoisonError::into_inner);
                first.map_or_else(Vec::new, |first| census.of(first))
            }));
        }
        let tree = watch.add(tree);
        self.by_tree.insert(tree, subject.key.clone());
        let key = subject.key.clone();
        let watched = Watched {
            subject,
            tree,
            limits,
            mode,
            breach: None,
            case: None,
            is_noted: false,
            settled: Settled::No,
            recovered: None,
            first,
        };
        self.by_key.insert(key, watched);
        Ok(())
    }

    /// Takes what is known anew of a directory that is watched; whether limits or owner are others than before.
    pub(super) fn change(
        &mut self,
        watch: &Watch,
        config: &Config,
        subject: Arc<Subject>,
    ) -> std::io::Result<()> {
        let Some(watched) = self.by_key.get_mut(&subject.key) else {
            return self.add(watch, config, subject);
        };
        let before = &watched.subject;
        let is_another_tree = before.id != subject.id
            || before.exclude != subject.exclude
            || before.inside != subject.inside;
        if is_another_tree {
            // Those inside it belong to another tree, too.
            let inner = self.inside(&subject.key);
            self.add(watch, config, subject)?;
            for subject in inner {
                self.add(watch, config, subject)?;
            }
            return Ok(());
        }
        let first = process(&subject);
        *watched.first.lock().unwrap_or_else(PoisonError::into_inner) = first;
        if subject.listed.is_none() {
            watched.case = None;
        }
        watched.mode = config.policy.mode_for(&subject);
        if watched.mode != Mode::Enforce {
            watched.case = None;
        }
        let limits = limits(config, &subject, watched.mode);
        if limits != watched.limits {
            watched.limits = limits;
            // Another task is to blame, or none: from the beginning.
            watched.case = None;
            watched.settled = Settled::No;
            watch.set_limits(watched.tree, limits);
        }
        watched.subject = subject;
        Ok(())
    }

    /// The directories that lie in this one, outer ones first.
    fn inside(&self, key: &Key) -> Vec<Arc<Subject>> {
        let mut outer = vec![key.clone()];
        let mut found = Vec::new();
        for watched in self.by_key.values() {
            let subject = &watched.subject;
            if subject
                .inside
                .as_ref()
                .is_some_and(|key| outer.contains(key))
            {
                outer.push(subject.key.clone());
                found.push(Arc::clone(subject));
            }
        }
        found
    }

    /// What tasks have left in a container's sandbox that have ended. It counts on: the agent takes a task's share away
    /// with the task, and nobody takes away its files.
    pub(super) fn left_behind(&self, watch: &Watch, container: &Key) -> u64 {
        let is_left = |subject: &Subject| {
            matches!(subject.key, Key::Task(..))
                && subject.task_id.is_none()
                && subject.inside.as_ref() == Some(container)
        };
        let left = self
            .by_key
            .values()
            .filter(|watched| is_left(&watched.subject));
        left.filter_map(|watched| watch.latest(watched.tree))
            .map(|latest| latest.sample.usage.bytes)
            .sum()
    }

    /// Watches a directory no longer.
    pub(super) fn remove(&mut self, watch: &Watch, key: &Key) -> Option<Watched> {
        let watched = self.by_key.remove(key)?;
        self.by_tree.remove(&watched.tree);
        watch.remove(watched.tree);
        Some(watched)
    }

    /// Has all of them watched by another watch; nothing that is known of a breach is forgotten.
    pub(super) fn move_to(&mut self, watch: &Watch, config: &Config) -> std::io::Result<()> {
        let before = std::mem::take(&mut self.by_key);
        self.by_tree.clear();
        for (key, old) in before {
            self.add(watch, config, Arc::clone(&old.subject))?;
            if let Some(new) = self.by_key.get_mut(&key) {
                new.is_noted = old.is_noted;
            }
        }
        Ok(())
    }

    pub(super) fn tree(&self, key: &Key) -> Option<TreeId> {
        self.by_key.get(key).map(|watched| watched.tree)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Watched> {
        self.by_key.get(key)
    }

    /// The directory of a tree; `None` if it is not watched any more.
    pub(super) fn of_tree(&mut self, tree: TreeId) -> Option<&mut Watched> {
        self.by_key.get_mut(self.by_tree.get(&tree)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.by_key.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Watched> {
        self.by_key.values_mut()
    }
}

fn process(subject: &Subject) -> Option<Process> {
    subject.listed.and_then(|listed| listed.process)
}

/// What a directory may hold. Without a disk resource the operator's limit counts, for the containers that run.
fn limits(config: &Config, subject: &Subject, mode: Mode) -> Limits {
    let is_container = matches!(subject.key, Key::Container(_));
    let default = config.limits.default;
    let default = default.filter(|_| is_container && subject.listed.is_some());
    let hard = subject.limit.or(default).map(mesos_proto::Bytes::as_u64);
    let soft_share = config.limits.soft_share;
    Limits {
        hard,
        soft: hard
            .zip(soft_share)
            .map(|(hard, share)| (hard as f64 * share) as u64),
        inodes: config.limits.inodes.filter(|_| is_container),
        count_deleted: config.count.deleted,
        in_kernel: config.engine.in_kernel && mode == Mode::Enforce,
    }
}
