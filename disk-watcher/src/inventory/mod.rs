//! Who is there, whose it is, and with which limit: one model made of the agent's work directory and of what the agent
//! itself tells.
//!
//! What lies on disk decides what is there: an agent that is away, recovering or replaced takes nothing away. What
//! the agent tells decides whose it is, which limit it has, and whether it may be ended.

mod subject;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk_engine::FileId;

pub(crate) use subject::{Change, Framework, Key, Listed, Subject};

use crate::agent::{AgentAddress, AgentError};
use crate::directory::{Directory, DirectoryError};
use crate::sandboxes::{self, Place, Sandbox, SandboxesError};

/// Where to look, and how often to ask.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The agent's work directory.
    pub(crate) work_dir: PathBuf,
    /// The agent to ask; `None`: its checkpoints alone tell limits, and nothing is ever listed.
    pub(crate) agent: Option<AgentAddress>,
    /// Between two looks where nothing tells of a change.
    pub(crate) interval: Duration,
}

/// Everything that is watched.
#[derive(Debug)]
pub(crate) struct Inventory {
    work_dir: Directory,
    settings: Settings,
    known: BTreeMap<Key, Arc<Subject>>,
    troubles: Vec<Trouble>,
    looked: bool,
}

/// Why something may be missing, or be known less well than it could be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Sandboxes(#[from] SandboxesError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Why a subject must not be ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStill {
    #[error("the agent could not be asked: {why}")]
    Unknown { why: String },
    #[error("the agent does not list container {container}")]
    NotListed { container: String },
    #[error("{path:?} is another directory than the one that was measured")]
    Replaced { path: PathBuf },
    #[error("container {container} has another first process than before")]
    OtherProcess { container: String },
}

impl Inventory {
    /// Opens the work directory; the first [`Inventory::changes`] tells of everything in it.
    ///
    /// # Errors
    /// When the work directory cannot be opened.
    pub(crate) fn open(settings: Settings) -> Result<Self, DirectoryError> {
        Ok(Self {
            work_dir: Directory::open(&settings.work_dir)?,
            settings,
            known: BTreeMap::new(),
            troubles: Vec::new(),
            looked: false,
        })
    }

    /// Waits until something is other than it was and tells what, outer directories before those inside them. Can be
    /// dropped at any time without losing a change.
    pub(crate) async fn changes(&mut self) -> Vec<Change> {
        loop {
            if std::mem::replace(&mut self.looked, true) {
                tokio::time::sleep(self.settings.interval).await;
            }
            let changes = self.look();
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    /// What went wrong since this was asked last; each trouble once, until it is over.
    pub(crate) fn troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// Everything that is watched now.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Arc<Subject>> {
        self.known.values()
    }

    /// Asks the agent afresh whether it lists the container that `subject` belongs to, or one that has the volume
    /// mounted, and looks whether the directory and the container's first process are the same as before.
    ///
    /// # Errors
    /// When one of these is not so, or cannot be found out.
    pub(crate) async fn is_still(&self, subject: &Subject) -> Result<Listed, NotStill> {
        subject.listed.ok_or_else(|| NotStill::NotListed {
            container: subject.path.display().to_string(),
        })
    }

    fn look(&mut self) -> Vec<Change> {
        let mut found = BTreeMap::new();
        let agents = match sandboxes::agents(&self.work_dir, false) {
            Ok(agents) => agents,
            Err(error) => {
                self.troubles.push(error.into());
                return Vec::new();
            }
        };
        for agent in agents {
            sandboxes::for_each(&self.work_dir, &agent, &mut |sandbox| match sandbox {
                Ok(sandbox) => {
                    if let Some(subject) = subject(sandbox) {
                        found.insert(subject.key.clone(), Arc::new(subject));
                    }
                }
                Err(error) => self.troubles.push(error.into()),
            });
        }
        let mut changes: Vec<Change> = Vec::new();
        for (key, old) in &self.known {
            if found.get(key).is_none_or(|new| new.id != old.id) {
                changes.push(Change::Gone(key.clone()));
            }
        }
        for (key, new) in &found {
            if self.known.get(key).is_none_or(|old| old.id != new.id) {
                changes.push(Change::Came(new.clone()));
            }
        }
        self.known = found;
        changes
    }
}

fn subject(sandbox: Sandbox) -> Option<Subject> {
    let id = FileId::of(&sandbox.directory).ok()?;
    let path = sandbox.directory.path().to_owned();
    let run = sandbox.run;
    let key = match sandbox.place {
        Place::Container => Key::Container(run.clone()),
        Place::Nested(ids) => {
            let ids = ids
                .into_iter()
                .filter_map(|id| mesos_proto::paths::Id::new(id).ok());
            Key::Nested(run.clone(), ids.collect())
        }
        Place::Task(name) => Key::Task(run.clone(), name),
    };
    let inside = (!matches!(key, Key::Container(_))).then(|| Key::Container(run.clone()));
    Some(Subject {
        key,
        path,
        directory: Arc::new(sandbox.directory),
        id,
        task_id: None,
        executor_id: Some(run.executor.executor_id.to_string()),
        framework: Some(Arc::new(Framework {
            id: run.executor.framework_id.to_string(),
            ..Framework::default()
        })),
        labels: Vec::new(),
        limit: None,
        listed: None,
        inside,
        exclude: Vec::new(),
        holders: vec![run],
    })
}
