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
    let newest = match work_dir.enter_all(&["meta".as_ref(), "slaves".as_ref()])? {
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
    ids(&slaves)
}

/// Why the sandboxes cannot be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxesError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{path:?} is no work directory of a Mesos agent: it has no directory 'slaves'")]
    NotAWorkDir { path: PathBuf },
}

/// Calls `visit` for each sandbox of `agent`, one at a time, so that only one is open. Errors go to `visit`, too: one
/// sandbox out of reach must not hide the others.
pub(crate) fn for_each(
    work_dir: &Directory,
    agent: &Id,
    visit: &mut dyn FnMut(Result<Sandbox, SandboxesError>),
) -> Result<(), SandboxesError> {
    let way: [&Path; 3] = ["slaves".as_ref(), agent.as_ref(), "frameworks".as_ref()];
    let Some(frameworks) = work_dir.enter_all(&way)? else {
        return Ok(());
    };
    for framework_id in ids(&frameworks)? {
        let Some(executors) =
            frameworks.enter_all(&[framework_id.as_ref(), "executors".as_ref()])?
        else {
            continue;
        };
        for executor_id in ids(&executors)? {
            let Some(runs) = executors.enter_all(&[executor_id.as_ref(), "runs".as_ref()])? else {
                continue;
            };
            let executor = ExecutorPath {
                agent_id: agent.clone(),
                framework_id: framework_id.clone(),
                executor_id,
            };
            for container_id in ids(&runs)? {
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
    Ok(())
}

fn for_each_of_run(
    run: &RunPath,
    sandbox: Directory,
    visit: &mut dyn FnMut(Result<Sandbox, SandboxesError>),
) {
    let mut inner = Vec::new();
    let found =
        tasks(&sandbox, &mut inner).and_then(|()| nested(&sandbox, &mut Vec::new(), &mut inner));
    for place in inner {
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
    if let Err(error) = found {
        visit(Err(error.into()));
    }
    visit(Ok(Sandbox {
        run: run.clone(),
        place: Place::Container,
        directory: sandbox,
    }));
}

fn tasks(sandbox: &Directory, found: &mut Vec<Place>) -> Result<(), DirectoryError> {
    if let Some(directory) = sandbox.enter("tasks")? {
        found.extend(
            directory
                .subdirectories(MOST_WITHIN_A_RUN)?
                .into_iter()
                .map(Place::Task),
        );
    }
    Ok(())
}

/// Collects the nested containers below `above`. Recursion is bounded by [`DEEPEST`].
fn nested(
    here: &Directory,
    above: &mut Vec<OsString>,
    found: &mut Vec<Place>,
) -> Result<(), DirectoryError> {
    if above.len() == DEEPEST {
        return Ok(());
    }
    let Some(containers) = here.enter("containers")? else {
        return Ok(());
    };
    for id in containers.subdirectories(MOST_WITHIN_A_RUN.saturating_sub(found.len()).max(1))? {
        if found.len() >= MOST_WITHIN_A_RUN {
            break;
        }
        let Some(directory) = containers.enter(Path::new(&id))? else {
            continue;
        };
        above.push(id);
        found.push(Place::Nested(above.clone()));
        nested(&directory, above, found)?;
        above.pop();
    }
    Ok(())
}

fn enter_place(sandbox: &Directory, place: &Place) -> Result<Option<Directory>, DirectoryError> {
    let path = place.below(PathBuf::new());
    let names: Vec<&Path> = path.iter().map(OsStr::as_ref).collect();
    sandbox.enter_all(&names)
}

/// The directories whose names are ids: not the `latest` link, nor anything that Mesos did not make.
fn ids(directory: &Directory) -> Result<Vec<Id>, SandboxesError> {
    let names = directory.subdirectories(usize::MAX)?;
    Ok(names
        .into_iter()
        .filter_map(|name| Id::new(name).ok())
        .collect())
}
