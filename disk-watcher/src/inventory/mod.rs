//! Who is there, whose it is, and with which limit: one model made of the agent's work directory and of what the agent
//! itself tells.
//!
//! What lies on disk decides what is there: an agent that is away, recovering or replaced takes nothing away. What the
//! agent tells decides whose it is, which limit it has, and whether it may be ended; it stays known while the agent is
//! away, and before it was ever there the agent's checkpoints tell as much of it.
//!
//! ```text
//! work directory --watches--> Tree --runs, roles--> Run, Volumes --subjects--> changes
//!          agent --GET_STATE, each interval and after a change--^
//! ```
//!
//! A run leaves when its directory does, or when it is over: the agent has written that down, or answers and does not
//! list it, and nothing of it runs. What it left on disk cannot grow.

mod asking;
mod changes;
mod inotify;
mod known;
mod process;
mod run;
mod subject;
mod tree;
mod trouble;
mod verify;
mod volumes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mesos_proto::paths::{RunPath, SandboxPath};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use known::{Known, KnownTask};
pub(crate) use subject::{Change, Framework, Key, Listed, Process, Subject};
pub(crate) use trouble::Trouble;
pub(crate) use verify::Verifier;

use crate::agent::{Agent, Facts, State};
use crate::checkpoints;
use crate::directory::{Directory, DirectoryError};
use crate::sandboxes;
use asking::{Answer, Asking};
use changes::Changes;
use run::Run;
use tree::Tree;
use trouble::Troubles;
use volumes::Volumes;

/// Where to look, and how often to ask.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The agent's work directory.
    pub(crate) work_dir: PathBuf,
    /// The agent to ask; `None`: its checkpoints alone tell limits, and nothing is ever listed.
    pub(crate) agent: Option<Agent>,
    /// Between two looks where nothing tells of a change.
    pub(crate) interval: Duration,
}

/// Everything that is watched.
#[derive(Debug)]
pub(crate) struct Inventory {
    work_dir: Arc<Directory>,
    interval: Duration,
    tree: Tree,
    runs: BTreeMap<RunPath, Run>,
    /// The same by the directories that they are in, one an executor.
    runs_in: HashMap<PathBuf, BTreeSet<RunPath>>,
    volumes: Volumes,
    are_volumes_changed: bool,
    subjects: BTreeMap<Key, Arc<Subject>>,
    /// Of runs that were taken out.
    gone: Vec<Key>,
    /// `None`: there is no agent to ask.
    asking: Option<Asking>,
    next_look: Instant,
    facts: Option<Arc<Facts>>,
    verifier: Verifier,
    troubles: Troubles,
    has_news: bool,
}

impl Inventory {
    /// Opens the work directory; the first [`Inventory::changes`] tells of everything in it. Has to be called within a
    /// runtime of tokio.
    ///
    /// # Errors
    /// When the work directory cannot be opened.
    pub(crate) fn open(settings: Settings) -> Result<Self, DirectoryError> {
        let work_dir = Arc::new(Directory::open(&settings.work_dir)?);
        let mut troubles = Vec::new();
        let now = Instant::now();
        Ok(Self {
            tree: Tree::new(Arc::clone(&work_dir), &mut troubles),
            runs: BTreeMap::new(),
            runs_in: HashMap::new(),
            volumes: Volumes::default(),
            are_volumes_changed: false,
            subjects: BTreeMap::new(),
            gone: Vec::new(),
            next_look: now,
            facts: None,
            verifier: Verifier {
                work_dir: Arc::clone(&work_dir),
                agent: settings.agent.clone(),
                is_stale: Arc::new(Notify::new()),
            },
            asking: settings.agent.map(Asking::new),
            work_dir,
            interval: settings.interval,
            troubles: Troubles::of(troubles),
            has_news: false,
        })
    }

    /// Waits until something is other than it was and tells what: what is gone first, inner directories before those
    /// around them; then what is new, the other way round. Empty if only [`Inventory::troubles`] or
    /// [`Inventory::facts`] are. Can be dropped at any time without losing anything.
    pub(crate) async fn changes(&mut self) -> Vec<Change> {
        loop {
            let now = Instant::now();
            if self.next_look <= now {
                self.look_at_all();
                self.next_look = now + self.interval;
            }
            let changes = self.take_changes();
            if !changes.is_empty() || std::mem::take(&mut self.has_news) {
                return changes;
            }
            tokio::select! {
                happened = self.tree.wait() => {
                    if let Err(trouble) = happened {
                        self.complain(trouble);
                    }
                    self.look();
                }
                answer = Asking::answer(self.asking.as_mut()) => self.hear(answer),
                () = self.verifier.is_stale.notified() => self.ask_soon(),
                () = tokio::time::sleep_until(self.next_look) => {}
            }
        }
    }

    /// What went wrong since this was asked last; what lasts is told again after a while.
    pub(crate) fn troubles(&mut self) -> Vec<Trouble> {
        self.troubles.take()
    }

    /// How the agent itself treats disks, once it has told.
    pub(crate) fn facts(&self) -> Option<&Arc<Facts>> {
        self.facts.as_ref()
    }

    /// Whether the last question to the agent was in vain.
    pub(crate) fn is_agent_away(&self) -> bool {
        self.asking.as_ref().is_some_and(Asking::is_vain)
    }

    /// Who asks the agent right before something is ended.
    pub(crate) fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Looks at everything that no watch tells of.
    fn look_at_all(&mut self) {
        match sandboxes::agents(&self.work_dir, false) {
            Ok(agents) => self.tree.want(agents),
            Err(error) => self.complain(error.into()),
        }
        if let Err(trouble) = self.tree.catch_up() {
            self.complain(trouble);
        }
        self.tree.mark_unwatched();
        let mut gone = Vec::new();
        for (path, run) in &self.runs {
            if !run.is_there(&self.work_dir) {
                gone.push(path.executor.runs());
            }
            // It may have been written down only after the sandbox was made.
            self.tree.watch_checkpoints(path.checkpoint());
        }
        for runs in gone {
            self.tree.mark(&runs);
        }
        self.look();
        let mut troubles = Vec::new();
        for run in self.runs.values_mut() {
            run.look(&mut troubles);
        }
        self.complain_of(troubles);
        let over: Vec<RunPath> = self
            .runs
            .values()
            .filter(|run| run.is_abandoned())
            .map(|run| run.path.clone())
            .collect();
        for run in over {
            self.end(&run);
        }
        self.ask_soon();
    }

    /// Looks at what the tree says has changed.
    fn look(&mut self) {
        let work_dir = Arc::clone(&self.work_dir);
        let is_over = |path: &Path| {
            let path = SandboxPath::parse(path);
            // What cannot be read is not over.
            path.is_ok_and(|path| checkpoints::has_ended_run(&work_dir, &path.run).unwrap_or(false))
        };
        loop {
            let mut troubles = Vec::new();
            let touched = self.tree.look(&is_over, &mut troubles);
            self.complain_of(troubles);
            if touched.is_empty() {
                return;
            }
            // A run that is new brings its checkpoints with it, which are watched from then on, and read after that.
            for path in touched {
                if path.starts_with("meta") {
                    self.reread(&path);
                } else if path.starts_with("volumes") {
                    self.are_volumes_changed = true;
                } else {
                    self.sync(&path);
                }
            }
        }
    }

    /// Compares the runs of an executor, whose directory of runs this is, with those that are known.
    fn sync(&mut self, runs: &Path) {
        let there: BTreeSet<RunPath> = self
            .tree
            .leaves(runs)
            .filter_map(|name| Some(SandboxPath::parse(&runs.join(name)).ok()?.run))
            .collect();
        let known = self.runs_in.get(runs).into_iter().flatten();
        let gone: Vec<RunPath> = known
            .filter(|path| {
                let run = self.runs.get(*path);
                !there.contains(*path) || run.is_none_or(|run| !run.is_there(&self.work_dir))
            })
            .cloned()
            .collect();
        for run in gone {
            self.remove(&run);
        }
        for path in there {
            if !self.runs.contains_key(&path)
                && let Err(trouble) = self.add(path)
            {
                self.complain(trouble);
            }
        }
    }

    fn add(&mut self, path: RunPath) -> Result<(), Trouble> {
        if checkpoints::has_ended_run(&self.work_dir, &path)? {
            return Ok(());
        }
        let Some(mut run) = Run::open(&self.work_dir, path.clone())? else {
            return Ok(());
        };
        self.tree.watch_checkpoints(path.checkpoint());
        let read = run.read_checkpoints(&self.work_dir);
        let mut troubles = Vec::new();
        run.look(&mut troubles);
        troubles.extend(read.err());
        self.complain_of(troubles);
        self.are_volumes_changed |= !run.volumes().is_empty();
        let runs = self.runs_in.entry(path.executor.runs()).or_default();
        runs.insert(path.clone());
        self.runs.insert(path, run);
        self.ask_soon();
        Ok(())
    }

    /// Takes a run out whose directory is gone.
    fn remove(&mut self, path: &RunPath) {
        let Some(run) = self.runs.remove(path) else {
            return;
        };
        self.gone.extend(run.keys.iter().cloned());
        let directory = path.executor.runs();
        if let Some(runs) = self.runs_in.get_mut(&directory) {
            runs.remove(path);
            if runs.is_empty() {
                self.runs_in.remove(&directory);
            }
        }
        self.are_volumes_changed |= !run.volumes().is_empty();
        self.tree.forget(&path.checkpoint());
    }

    /// Takes a run out that is over, though its directory is there.
    fn end(&mut self, path: &RunPath) {
        self.remove(path);
        let directory = path.executor.runs();
        if !self.runs_in.contains_key(&directory) {
            self.tree.rest(&directory);
        }
    }

    /// Something is written down anew of the run whose checkpoints this directory is of.
    fn reread(&mut self, path: &Path) {
        let run = path.strip_prefix("meta").ok().and_then(|path| {
            let path = if path.ends_with("tasks") {
                path.parent()?
            } else {
                path
            };
            Some(SandboxPath::parse(path).ok()?.run)
        });
        let Some(path) = run else { return };
        match checkpoints::has_ended_run(&self.work_dir, &path) {
            Ok(true) => return self.end(&path),
            Ok(false) => {}
            Err(error) => self.complain(error.into()),
        }
        // The agent knows better, and more, as long as it is there.
        if self.asking.as_ref().is_some_and(|asking| !asking.is_vain()) {
            return self.ask_soon();
        }
        let Some(run) = self.runs.get_mut(&path) else {
            return;
        };
        if let Err(trouble) = run.read_checkpoints(&self.work_dir) {
            self.complain(trouble);
        }
        self.are_volumes_changed = true;
    }

    fn ask_soon(&mut self) {
        if let Some(asking) = &mut self.asking {
            asking.soon();
        }
    }

    fn hear(&mut self, answer: Answer) {
        self.has_news |= answer.is_turn;
        match answer.facts {
            None => {}
            Some(Ok(facts)) => {
                self.has_news |= self.facts.as_deref() != Some(&facts);
                self.facts = Some(Arc::new(facts));
            }
            Some(Err(error)) => self.complain(error.into()),
        }
        match answer.state {
            Ok(state) => self.apply(&state),
            Err(error) => {
                self.complain(error.into());
                self.runs.values_mut().for_each(Run::unlist);
                self.are_volumes_changed = true;
            }
        }
    }

    /// Takes what the agent tells.
    fn apply(&mut self, state: &State) {
        let mut troubles = Vec::new();
        let mut found = BTreeSet::new();
        for run in self.runs.values_mut() {
            let framework_id = run.path.executor.framework_id.to_string();
            let executor_id = run.path.executor.executor_id.to_string();
            let told = state.executor(&framework_id, &executor_id);
            let told = told.filter(|told| is_run_of(&self.work_dir, &run.path, told));
            let volumes = run.volumes().to_vec();
            match told {
                Some(told) => {
                    run.tell(told);
                    found.insert((framework_id, executor_id));
                }
                None => {
                    run.unlist();
                    run.unlisted = run.unlisted.saturating_add(1);
                }
            }
            run.look(&mut troubles);
            self.are_volumes_changed |=
                run.is_changed && (run.volumes() != volumes || !volumes.is_empty());
        }
        self.complain_of(troubles);
        // An executor that nothing is known of runs where nothing was watched any more.
        let missing = state.executors().filter(|(ids, _)| !found.contains(ids));
        for ((framework_id, executor_id), _) in missing {
            self.tree.mark_executor(framework_id, executor_id);
        }
        self.look();
    }

    /// What is other than it was when this was asked last.
    fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Changes::default();
        for key in std::mem::take(&mut self.gone) {
            changes.remove(&mut self.subjects, key);
        }
        if std::mem::take(&mut self.are_volumes_changed) {
            let mut troubles = Vec::new();
            let on_disk = self.tree.volumes();
            let gone =
                self.volumes
                    .gather(&self.work_dir, on_disk, self.runs.values(), &mut troubles);
            self.complain_of(troubles);
            for key in gone {
                changes.remove(&mut self.subjects, key);
            }
            for subject in self.volumes.subjects() {
                changes.put(&mut self.subjects, Arc::clone(subject));
            }
            // What is left out of a run's sandbox may be another directory now.
            let with_volumes = self
                .runs
                .values_mut()
                .filter(|run| !run.volumes().is_empty());
            with_volumes.for_each(|run| run.is_changed = true);
        }
        for run in self.runs.values_mut() {
            if !std::mem::take(&mut run.is_changed) {
                continue;
            }
            let subjects = run.subjects(&self.volumes.ids(run.volumes()));
            let keys: Vec<Key> = subjects.iter().map(|subject| subject.key.clone()).collect();
            let before = std::mem::take(&mut run.keys).into_iter();
            for gone in before.filter(|key| !keys.contains(key)) {
                changes.remove(&mut self.subjects, gone);
            }
            run.keys = keys;
            for subject in subjects {
                changes.put(&mut self.subjects, Arc::new(subject));
            }
        }
        changes.in_order()
    }

    fn complain_of(&mut self, troubles: Vec<Trouble>) {
        for trouble in troubles {
            self.complain(trouble);
        }
    }

    fn complain(&mut self, trouble: Trouble) {
        self.has_news |= self.troubles.add(trouble);
    }
}

/// Whether the executor that the agent tells of has its container in this run.
fn is_run_of(work_dir: &Directory, run: &RunPath, told: &Known) -> bool {
    match &told.container_id {
        Some(container_id) => run.container_id.as_os_str() == container_id.as_str(),
        None => {
            // No task has told yet; the agent has made the link with the sandbox.
            let runs = work_dir.enter_all(run.executor.runs()).ok().flatten();
            let latest = runs.and_then(|runs| runs.link(mesos_proto::paths::LATEST).ok()?);
            let latest = latest.as_deref().and_then(Path::file_name);
            latest == Some(run.container_id.as_os_str())
        }
    }
}

#[cfg(test)]
mod tests;
