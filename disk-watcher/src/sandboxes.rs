//! The sandboxes of a work directory.
//!
//! The agent makes the directories down to a run's sandbox. Everything from there on belongs to the tasks: what
//! looks like a nested container's directory may be anything, and there may be any number of them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use mesos_proto::paths::{ExecutorPath, Id, LATEST, RunPath};

use crate::directory::{Directory, DirectoryError};

/// At most so many nested containers and tasks are shown for one run.
const MOST_WITHIN_A_RUN: usize = 1_000;
/// Nested containers are followed so deep. (Mesos itself needs two levels: a task group, and a debug session in it.)
const DEEPEST: usize = 8;

/// A directory whose usage is shown.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) run: RunPath,
    pub(crate) place: Place,
    pub(crate) directory: Directory,
}

/// Which directory of a run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The sandbox of the run's container: everything.
    Container,
    /// The sandbox of a nested container; the ids from the outermost on.
    Nested(Vec<OsString>),
    /// What one task of our own executor has to itself.
    Task(OsString),
}

impl Sandbox {
    /// The path below the work directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.place
            .below(self.run.executor.runs().join(&self.run.container_id))
    }
}

impl Place {
    /// The path, given that of the run's sandbox.
    pub(crate) fn below(&self, mut path: PathBuf) -> PathBuf {
        match self {
            Self::Container => {}
            Self::Nested(ids) => ids
                .iter()
                .for_each(|id| path.extend([OsStr::new("containers"), id])),
            Self::Task(name) => path.extend([OsStr::new("tasks"), name]),
        }
        path
    }
}

/// The agents to look at: the newest, as `meta/slaves/latest` names it, or all that have left something. All, too, if
/// nothing names the newest.
///
/// # Errors
/// When the work directory has no list of agents or it cannot be read.
pub(crate) fn agents(work_dir: &Directory, all: bool) -> Result<Vec<Id>, SandboxesError> {
    let Some(slaves) = work_dir.enter("slaves")? else {
        return Err(SandboxesError::NotAWorkDir {
            path: work_dir.path().to_owned(),
        });
    };
    let newest = match work_dir.enter_all("meta/slaves")? {
        Some(meta) if !all => meta.link(LATEST)?,
        _ => None,
    };
    // The link is absolute; its last component is the id.
    if let Some(id) = newest
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|id| Id::new(id).ok())
    {
        return Ok(vec![id]);
    }
    Ok(ids(&slaves)?)
}

/// Why the sandboxes cannot be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxesError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{path:?} is no work directory of a Mesos agent: it has no directory 'slaves'")]
    NotAWorkDir { path: PathBuf },
    #[error(
        "{run:?} has more tasks and nested containers than are shown: {MOST_WITHIN_A_RUN}, nested {DEEPEST} deep"
    )]
    MoreThanShown { run: PathBuf },
}

/// Calls `visit` for each sandbox of `agent`, one at a time, so that only one is open. Errors go to `visit`, too: one
/// directory out of reach must not hide the others.
pub(crate) fn for_each(
    work_dir: &Directory,
    agent: &Id,
    visit: &mut dyn FnMut(Result<Sandbox, SandboxesError>),
) {
    let way = Path::new("slaves").join(agent).join("frameworks");
    let Some((frameworks, framework_ids)) = list(work_dir, &way, visit) else {
        return;
    };
    for framework_id in framework_ids {
        let way = Path::new(framework_id.as_os_str()).join("executors");
        let Some((executors, executor_ids)) = list(&frameworks, &way, visit) else {
            continue;
        };
        for executor_id in executor_ids {
            let way = Path::new(executor_id.as_os_str()).join("runs");
            let Some((runs, container_ids)) = list(&executors, &way, visit) else {
                continue;
            };
            let executor = ExecutorPath {
                agent_id: agent.clone(),
                framework_id: framework_id.clone(),
                executor_id,
            };
            for container_id in container_ids {
                let run = RunPath {
                    executor: executor.clone(),
                    container_id,
                };
                match runs.enter(&run.container_id) {
                    Ok(Some(directory)) => for_each_of_run(&run, directory, visit),
                    Ok(None) => {}
                    Err(error) => visit(Err(error.into())),
                }
            }
        }
    }
}

/// A directory and the ids in it; `None` if there is no such directory, or after `visit` was told why it is out of
/// reach.
fn list(
    above: &Directory,
    way: &Path,
    visit: &mut dyn FnMut(Result<Sandbox, SandboxesError>),
) -> Option<(Directory, Vec<Id>)> {
    let listed = above.enter_all(way).and_then(|directory| {
        directory
            .map(|directory| ids(&directory).map(|ids| (directory, ids)))
            .transpose()
    });
    listed.unwrap_or_else(|error| {
        visit(Err(error.into()));
        None
    })
}

fn for_each_of_run(
    run: &RunPath,
    sandbox: Directory,
    visit: &mut dyn FnMut(Result<Sandbox, SandboxesError>),
) {
    let inner = within(&sandbox);
    for place in inner.places {
        match enter_place(&sandbox, &place) {
            Ok(Some(directory)) => visit(Ok(Sandbox {
                run: run.clone(),
                place,
                directory,
            })),
            Ok(None) => {}
            Err(error) => visit(Err(error.into())),
        }
    }
    for error in inner.errors {
        visit(Err(error.into()));
    }
    if inner.has_more {
        visit(Err(SandboxesError::MoreThanShown {
            run: sandbox.path().to_owned(),
        }));
    }
    visit(Ok(Sandbox {
        run: run.clone(),
        place: Place::Container,
        directory: sandbox,
    }));
}

/// What there is in the sandbox of a run, whoever made it.
pub(crate) fn within(sandbox: &Directory) -> Inner {
    let mut inner = Inner::default();
    inner.add_tasks(sandbox);
    inner.add_nested(sandbox, &mut Vec::new());
    inner
}

/// What is to be shown of a run besides the sandbox of its container.
#[derive(Default)]
pub(crate) struct Inner {
    /// Outer ones before those in them.
    pub(crate) places: Vec<Place>,
    /// Whether the bounds left something out.
    pub(crate) has_more: bool,
    /// Why something else was left out; not many more than places.
    pub(crate) errors: Vec<DirectoryError>,
}

impl Inner {
    fn add_tasks(&mut self, sandbox: &Directory) {
        if let Some((_, names)) = self.subdirectories(sandbox, "tasks") {
            self.places.extend(names.into_iter().map(Place::Task));
        }
    }

    /// Adds the containers nested in the one whose directory is `here`, which is itself nested in those of `above`.
    /// Recursion is bounded by [`DEEPEST`].
    fn add_nested(&mut self, here: &Directory, above: &mut Vec<OsString>) {
        let Some((containers, ids)) = self.subdirectories(here, "containers") else {
            return;
        };
        if above.len() == DEEPEST {
            self.has_more |= !ids.is_empty();
            return;
        }
        for id in ids {
            if self.places.len() == MOST_WITHIN_A_RUN {
                self.has_more = true;
                return;
            }
            match containers.enter(&id) {
                Ok(Some(directory)) => {
                    above.push(id);
                    self.places.push(Place::Nested(above.clone()));
                    self.add_nested(&directory, above);
                    above.pop();
                }
                Ok(None) => {}
                Err(error) => self.errors.push(error),
            }
        }
    }

    /// The directory `name` in `here`, and the names of as many directories in it as may still be shown.
    fn subdirectories(
        &mut self,
        here: &Directory,
        name: &str,
    ) -> Option<(Directory, Vec<OsString>)> {
        let most = MOST_WITHIN_A_RUN - self.places.len();
        let listed = here.enter(name).and_then(|directory| {
            directory
                .map(|directory| {
                    // One more, to know whether there are more.
                    directory
                        .subdirectories(most + 1)
                        .map(|names| (directory, names))
                })
                .transpose()
        });
        match listed {
            Ok(Some((directory, mut names))) => {
                self.has_more |= names.len() > most;
                names.truncate(most);
                Some((directory, names))
            }
            Ok(None) => None,
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }
}

fn enter_place(sandbox: &Directory, place: &Place) -> Result<Option<Directory>, DirectoryError> {
    sandbox.enter_all(place.below(PathBuf::new()))
}

/// The directories whose names are ids: not the `latest` link, nor anything that Mesos did not make.
fn ids(directory: &Directory) -> Result<Vec<Id>, DirectoryError> {
    let names = directory.subdirectories(usize::MAX)?;
    Ok(names
        .into_iter()
        .filter_map(|name| Id::new(name).ok())
        .collect())
}
