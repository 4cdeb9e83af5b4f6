//! One run of an executor: its sandbox, what lies in it, and what is known of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use disk_engine::FileId;
use mesos_proto::paths::{Id, RunPath};
use rustix::fs::AtFlags;

use super::known::Known;
use super::{Framework, Key, Listed, Process, Subject, Trouble};
use crate::checkpoints;
use crate::directory::Directory;
use crate::limits::Volume;
use crate::sandboxes::{self, Place};
use crate::tasks::RunTasks;

/// So many directories in a sandbox are watched though nobody tells of them: whoever writes there can make any number.
/// The others are part of the container's, as all of them are.
const MOST_UNKNOWN: usize = 32;
/// A directory that was changed less than this before it was listed may have changed again without a trace: the
/// kernel's stamps are that coarse, on some file systems.
const COARSE: Duration = Duration::from_secs(2);

/// A run whose directory is there.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) path: RunPath,
    directory: Arc<Directory>,
    id: FileId,
    inner: Vec<Inner>,
    /// The directories that were listed for `inner`, as they were before that.
    stamps: Vec<Stamp>,
    /// Whether nothing more can come to be known as long as the stamps are the same.
    is_complete: bool,
    tasks: RunTasks,
    /// What was told last; it stays when nobody tells any more.
    known: Option<Known>,
    listed: Option<Listed>,
    /// The first process that it had when it was listed last.
    process: Option<Process>,
    /// The first processes of nested containers, as `known` has them.
    nested_listed: Vec<(Vec<String>, Listed)>,
    /// How often in a row the agent has answered and not listed it.
    pub(super) unlisted: u32,
    /// Whether its subjects may be other than they were.
    pub(super) is_changed: bool,
    /// The keys of its subjects as they were made last.
    pub(super) keys: Vec<Key>,
}

/// A directory in the sandbox.
#[derive(Debug)]
struct Inner {
    place: Place,
    directory: Arc<Directory>,
    id: FileId,
}

/// When a directory in the sandbox was last changed.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    /// Relative to the sandbox.
    path: PathBuf,
    /// Absent when there was no such directory.
    state: Option<(FileId, i64, i64)>,
}

impl Run {
    /// Opens the run's sandbox; `None` if it is not there.
    pub(super) fn open(work_dir: &Directory, path: RunPath) -> Result<Option<Self>, Trouble> {
        let Some((directory, id)) = open(work_dir, &path)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            path,
            directory: Arc::new(directory),
            id,
            inner: Vec::new(),
            stamps: Vec::new(),
            is_complete: false,
            tasks: RunTasks::default(),
            known: None,
            listed: None,
            process: None,
            nested_listed: Vec::new(),
            unlisted: 0,
            is_changed: true,
            keys: Vec::new(),
        }))
    }

    /// Whether the sandbox that is there now is the one that was opened.
    pub(super) fn is_there(&self, work_dir: &Directory) -> bool {
        // What is above a sandbox is the agent's: no task can put a link there.
        let path = self.path.executor.runs().join(&self.path.container_id);
        let found = rustix::fs::statat(work_dir, path, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| (found.st_dev, found.st_ino) == (self.id.dev, self.id.ino))
    }

    /// The volumes that it has mounted, as far as known.
    pub(super) fn volumes(&self) -> &[Volume] {
        self.known.as_ref().map_or(&[], |known| &known.volumes)
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// Whether the agent lists it, as far as known.
    pub(super) fn is_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// Takes what the agent tells of it.
    pub(super) fn tell(&mut self, told: &Known) {
        self.unlisted = 0;
        let listed = Listed {
            process: same_process(self.process, told.pid),
        };
        self.process = listed.process;
        let nested: Vec<_> = told
            .tasks
            .values()
            .filter(|task| !task.nested.is_empty())
            .map(|task| {
                let before = self
                    .nested_listed
                    .iter()
                    .find(|(ids, _)| *ids == task.nested);
                let before = before.and_then(|(_, listed)| listed.process);
                let process = same_process(before, task.pid);
                (task.nested.clone(), Listed { process })
            })
            .collect();
        if self.known.as_ref() != Some(told)
            || self.listed != Some(listed)
            || self.nested_listed != nested
        {
            self.known = Some(told.clone());
            self.listed = Some(listed);
            self.nested_listed = nested;
            // Which directories matter depends on it.
            self.is_complete = false;
            self.is_changed = true;
        }
    }

    /// Nobody lists it now. What was known stays.
    pub(super) fn unlist(&mut self) {
        self.is_changed |= self.listed.is_some() || !self.nested_listed.is_empty();
        self.listed = None;
        self.nested_listed.clear();
    }

    /// Takes what the agent has written down, where the agent itself has told nothing.
    pub(super) fn read_checkpoints(&mut self, work_dir: &Directory) -> Result<(), Trouble> {
        if let Some(known) = checkpoints::known(work_dir, &self.path)?
            && self.known.as_ref() != Some(&known)
        {
            self.known = Some(known);
            self.is_complete = false;
            self.is_changed = true;
        }
        Ok(())
    }

    /// Whether it is over although nothing is written down of that: the agent has answered twice and does not list it,
    /// and its first process is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.unlisted >= 2 && !self.process.is_some_and(Process::is_there)
    }

    /// Lists what is in the sandbox, unless it is as it was.
    pub(super) fn look(&mut self, troubles: &mut Vec<Trouble>) {
        let stamps = self.stamps_now();
        if self.stamps == stamps && self.is_complete {
            return;
        }
        let report = task_figures::report_in(&*self.directory);
        // A clock before 1970 gives 0, when no report is fresh.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let limits = self.known.as_ref().map(|known| known.limits.clone());
        let tasks = RunTasks::new(limits.unwrap_or_default(), report, now.as_secs_f64());
        let found = sandboxes::within(&self.directory);
        troubles.extend(found.errors.into_iter().map(Trouble::from));
        let mut unknown = 0;
        let mut inner = Vec::new();
        for place in found.places {
            let is_known = match &place {
                Place::Container => false,
                Place::Task(name) => name
                    .to_str()
                    .is_some_and(|name| self.has_task(&tasks, name)),
                Place::Nested(ids) => self.has_nested(ids),
            };
            if !is_known && unknown == MOST_UNKNOWN {
                continue;
            }
            match self.enter(&place) {
                Ok(Some((directory, id))) => {
                    unknown += usize::from(!is_known);
                    let before = self
                        .inner
                        .iter()
                        .find(|old| old.place == place && old.id == id);
                    let directory = before.map_or_else(
                        || Arc::new(directory),
                        |before| Arc::clone(&before.directory),
                    );
                    inner.push(Inner {
                        place,
                        directory,
                        id,
                    });
                }
                Ok(None) => {}
                Err(trouble) => troubles.push(trouble),
            }
        }
        self.is_changed = true;
        // Whose directory it is may come to be known later.
        let is_anonymous = |inner: &Inner| match &inner.place {
            Place::Task(name) => !name
                .to_str()
                .is_some_and(|name| self.has_task(&tasks, name)),
            Place::Container | Place::Nested(_) => false,
        };
        self.is_complete = stamps.iter().all(Stamp::is_certain) && !inner.iter().any(is_anonymous);
        self.tasks = tasks;
        self.inner = inner;
        // Those of nested containers that were found just now are not among the ones from before.
        let stamped = stamps.len();
        self.stamps = stamps;
        self.is_complete &= self.stamps_now().len() == stamped;
    }

    fn has_task(&self, tasks: &RunTasks, directory: &str) -> bool {
        let known = self.known.as_ref();
        tasks.published_id(directory).is_some()
            || known.is_some_and(|known| known.tasks.contains_key(directory))
    }

    fn has_nested(&self, ids: &[OsString]) -> bool {
        let Some(known) = &self.known else {
            return false;
        };
        let mut nested = known.tasks.values().map(|task| &task.nested);
        nested.any(|nested| is_chain(ids, nested))
    }

    fn enter(&self, place: &Place) -> Result<Option<(Directory, FileId)>, Trouble> {
        match self.directory.enter_all(place.below(PathBuf::new()))? {
            None => Ok(None),
            Some(directory) => identified(directory).map(Some),
        }
    }

    fn stamps_now(&self) -> Vec<Stamp> {
        let nested = self.inner.iter().filter_map(|inner| match &inner.place {
            Place::Nested(_) => Some((inner.place.below(PathBuf::new()), &inner.directory)),
            Place::Container | Place::Task(_) => None,
        });
        let mut stamps = vec![
            Stamp::of(&self.directory, "tasks", Path::new("")),
            Stamp::of(&self.directory, "containers", Path::new("")),
        ];
        stamps.extend(nested.map(|(path, directory)| Stamp::of(directory, "containers", &path)));
        stamps
    }

    /// Everything of it that is watched, outer ones first. `exclude` are the directories of its volumes.
    pub(super) fn subjects(&self, exclude: &[FileId]) -> Vec<Subject> {
        let executor_id = self.path.executor.executor_id.to_string();
        let framework = self
            .known
            .as_ref()
            .map(|known| Arc::clone(&known.framework));
        let framework = framework.unwrap_or_else(|| {
            Arc::new(Framework::of_id(
                &self.path.executor.framework_id.to_string(),
            ))
        });
        let container = Key::Container(self.path.clone());
        let subject = |key: Key, directory: &Arc<Directory>, id| Subject {
            key,
            path: directory.path().to_owned(),
            directory: Arc::clone(directory),
            id,
            task_id: None,
            executor_id: Some(executor_id.clone()),
            framework: Some(Arc::clone(&framework)),
            labels: self.labels(None),
            limit: None,
            listed: self.listed,
            inside: Some(container.clone()),
            exclude: exclude.to_vec(),
            holders: vec![self.path.clone()],
        };
        let only_task = self
            .known
            .as_ref()
            .and_then(|known| known.only_task(&executor_id));
        let mut subjects = vec![Subject {
            task_id: only_task.map(str::to_owned),
            labels: self.labels(only_task),
            limit: self.known.as_ref().and_then(|known| known.limits.container),
            inside: None,
            ..subject(container.clone(), &self.directory, self.id)
        }];
        for inner in &self.inner {
            let (directory, id) = (&inner.directory, inner.id);
            match &inner.place {
                Place::Container => {}
                Place::Task(name) => {
                    let task_id = name.to_str().and_then(|name| self.tasks.id(name));
                    let is_known = |id: &&str| self.has_task(&self.tasks, id);
                    subjects.push(Subject {
                        task_id: task_id.filter(is_known).map(str::to_owned),
                        labels: self.labels(task_id),
                        limit: name.to_str().and_then(|name| self.tasks.limit(name)),
                        ..subject(Key::Task(self.path.clone(), name.clone()), directory, id)
                    });
                }
                Place::Nested(names) => {
                    let ids: Vec<Id> = names.iter().filter_map(|name| Id::new(name).ok()).collect();
                    // Mesos gives no container such an id: somebody else made the directory.
                    if ids.len() < names.len() {
                        continue;
                    }
                    let task_id = self.task_of_nested(names);
                    let listed = self
                        .nested_listed
                        .iter()
                        .find(|(ids, _)| is_chain(names, ids));
                    let outer = ids.split_last().map(|(_, outer)| outer.to_vec());
                    let outer = outer.filter(|outer| !outer.is_empty());
                    let outer = outer.map(|outer| Key::Nested(self.path.clone(), outer));
                    subjects.push(Subject {
                        task_id: task_id.map(str::to_owned),
                        labels: self.labels(task_id),
                        listed: listed.map(|(_, listed)| *listed),
                        inside: Some(outer.unwrap_or_else(|| container.clone())),
                        ..subject(Key::Nested(self.path.clone(), ids), directory, id)
                    });
                }
            }
        }
        subjects
    }

    fn task_of_nested(&self, names: &[OsString]) -> Option<&str> {
        let mut tasks = self.known.as_ref()?.tasks.iter();
        let (task_id, _) = tasks.find(|(_, task)| is_chain(names, &task.nested))?;
        Some(task_id)
    }

    /// The executor's, and those of the one task that it is about.
    fn labels(&self, task_id: Option<&str>) -> Vec<(String, String)> {
        let Some(known) = &self.known else {
            return Vec::new();
        };
        let mut labels = known.labels.clone();
        let task = task_id.and_then(|task_id| known.tasks.get(task_id));
        for label in task.map_or(&[][..], |task| &task.labels) {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        labels
    }
}

/// Whether directories of these names are those of the nested containers with these ids.
fn is_chain(names: &[OsString], ids: &[String]) -> bool {
    names.len() == ids.len() && names.iter().zip(ids).all(|(name, id)| name == id.as_str())
}

/// The process of this number that was there before, or else that is there now: one that follows another under the same
/// number is never taken for the container's.
fn same_process(before: Option<Process>, pid: Option<u32>) -> Option<Process> {
    before
        .filter(|process| Some(process.pid) == pid)
        .or_else(|| Process::of(pid?))
}

fn open(work_dir: &Directory, run: &RunPath) -> Result<Option<(Directory, FileId)>, Trouble> {
    match work_dir.enter_all(run.executor.runs().join(&run.container_id))? {
        None => Ok(None),
        Some(directory) => identified(directory).map(Some),
    }
}

/// A directory with its identity.
pub(super) fn identified(directory: Directory) -> Result<(Directory, FileId), Trouble> {
    match FileId::of(&directory) {
        Ok(id) => Ok((directory, id)),
        Err(source) => Err(Trouble::Identity {
            path: directory.path().to_owned(),
            source,
        }),
    }
}

impl Stamp {
    fn of(directory: &Directory, name: &str, path: &Path) -> Self {
        let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let state = found.map(|found| {
            let id = FileId {
                dev: found.st_dev,
                ino: found.st_ino,
            };
            (id, found.st_ctime, found.st_ctime_nsec as i64)
        });
        Self {
            path: path.join(name),
            state,
        }
    }

    /// Whether a change from now on cannot but make for another stamp.
    fn is_certain(&self) -> bool {
        let Some((_, seconds, _)) = self.state else {
            return true;
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        now.saturating_sub(changed) > COARSE
    }
}
