//! Where an agent keeps sandboxes and checkpoints below its work directory (Mesos: src/slave/paths.hpp).
//!
//! ```text
//! slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>[/containers/<nested>]...   a sandbox
//! meta/slaves/<agent>/frameworks/<framework>/executors/<executor>/executor.info
//!                                                                /runs/<container>/tasks/<task>/task.info
//!                                                                                 /executor.sentinel
//! ```
//!
//! Every path here is relative to the work directory. `runs/latest` and `slaves/latest` are links, next to the ids.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// The link beside the runs of an executor, and beside the agents, that leads to the newest one.
pub const LATEST: &str = "latest";

/// The most bytes an id has (Mesos: src/master/validation.cpp); a directory's name has no more either.
const MAX_ID_LENGTH: usize = 255;

/// Why a name is no id or a path no sandbox.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// Empty, `.`, `..`, longer than 255 bytes, or with a slash, a backslash or a control character in it
    /// (Mesos: src/common/validation.cpp).
    #[error("{name:?} cannot be an id")]
    NotAnId {
        /// The name.
        name: OsString,
    },
    /// The path does not have the shape of a sandbox's path.
    #[error("path {} is not that of a sandbox below a work directory", path.display())]
    NotASandbox {
        /// The whole path.
        path: PathBuf,
    },
    /// An id in the path is none, or stands where the `latest` link does.
    #[error("path {} has {name:?} where an id should be", path.display())]
    BadComponent {
        /// The whole path.
        path: PathBuf,
        /// The component.
        name: OsString,
    },
}

/// An agent's, framework's, executor's, container's or task's id as the name of a directory: one component of a path,
/// safe to join to another. Not necessarily UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(OsString);

impl Id {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`PathError::NotAnId`] if Mesos would not have it as an id.
    pub fn new(name: impl Into<OsString>) -> Result<Self, PathError> {
        let name = name.into();
        let bytes = name.as_bytes();
        let forbidden = |byte: &u8| matches!(byte, b'/' | b'\\') || byte.is_ascii_control();
        if bytes.is_empty()
            || bytes == b"."
            || bytes == b".."
            || bytes.len() > MAX_ID_LENGTH
            || bytes.iter().any(forbidden)
        {
            return Err(PathError::NotAnId { name });
        }
        Ok(Self(name))
    }

    /// The id as it is.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

impl AsRef<Path> for Id {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl fmt::Display for Id {
    /// For people: what is not UTF-8 is replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// An executor of a framework on an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorPath {
    /// The agent, `slaves/<this>`.
    pub agent_id: Id,
    /// The framework, `frameworks/<this>`.
    pub framework_id: Id,
    /// The executor, `executors/<this>`; unique within its framework and agent.
    pub executor_id: Id,
}

impl ExecutorPath {
    fn directory(&self) -> PathBuf {
        let mut path = PathBuf::from("slaves");
        path.push(&self.agent_id);
        path.push("frameworks");
        path.push(&self.framework_id);
        path.push("executors");
        path.push(&self.executor_id);
        path
    }

    /// The directory whose entries are the executor's sandboxes, and the `latest` link.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.directory().join("runs")
    }

    /// The link to the sandbox of the newest run.
    #[must_use]
    pub fn latest_run(&self) -> PathBuf {
        self.runs().join(LATEST)
    }

    /// The checkpoint of the executor's [`v1::ExecutorInfo`](crate::v1::ExecutorInfo).
    #[must_use]
    pub fn executor_info(&self) -> PathBuf {
        Path::new("meta")
            .join(self.directory())
            .join("executor.info")
    }

    /// The directory whose entries are the checkpoints of the executor's runs, and the `latest` link.
    #[must_use]
    pub fn checkpointed_runs(&self) -> PathBuf {
        Path::new("meta").join(self.runs())
    }
}

/// One run of an executor: its container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunPath {
    /// What runs.
    pub executor: ExecutorPath,
    /// The container it runs in, `runs/<this>`.
    pub container_id: Id,
}

impl RunPath {
    /// The directory whose entries are the checkpoints of the run's tasks, named by their ids.
    #[must_use]
    pub fn tasks(&self) -> PathBuf {
        self.checkpoint().join("tasks")
    }

    /// The checkpoint of a task's [`v1::Task`](crate::v1::Task).
    #[must_use]
    pub fn task_info(&self, task_id: &Id) -> PathBuf {
        self.tasks().join(task_id).join("task.info")
    }

    /// The file that is there once the run has ended.
    #[must_use]
    pub fn sentinel(&self) -> PathBuf {
        self.checkpoint().join("executor.sentinel")
    }

    fn checkpoint(&self) -> PathBuf {
        self.executor.checkpointed_runs().join(&self.container_id)
    }
}

/// The sandbox of a run's container, or of one nested in it
/// (Mesos: `getSandboxPath`, src/slave/containerizer/mesos/paths.cpp).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxPath {
    /// The run that it belongs to.
    pub run: RunPath,
    /// The nested containers on the way to it, outermost first; empty for the run's own sandbox.
    pub nested: Vec<Id>,
}

impl SandboxPath {
    /// Reads the ids from a sandbox's path, given relative to the work directory.
    ///
    /// Only the shape is looked at: whoever may write into a sandbox can make `containers/<name>` directories in it.
    ///
    /// # Errors
    ///
    /// If the path leads elsewhere, also if it leads to something within a sandbox or through a `latest` link.
    pub fn parse(path: &Path) -> Result<Self, PathError> {
        let mut components = Components {
            path,
            rest: path.components(),
        };
        components.literal("slaves")?;
        let agent_id = components.id_beside_latest()?;
        components.literal("frameworks")?;
        let framework_id = components.id()?;
        components.literal("executors")?;
        let executor_id = components.id()?;
        components.literal("runs")?;
        let container_id = components.id_beside_latest()?;
        let mut nested = Vec::new();
        while !components.at_end() {
            components.literal("containers")?;
            nested.push(components.id()?);
        }
        Ok(Self {
            run: RunPath {
                executor: ExecutorPath {
                    agent_id,
                    framework_id,
                    executor_id,
                },
                container_id,
            },
            nested,
        })
    }

    /// The sandbox's directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let mut path = self.run.executor.runs();
        path.push(&self.run.container_id);
        for container_id in &self.nested {
            path.push("containers");
            path.push(container_id);
        }
        path
    }
}

/// A path being taken apart.
struct Components<'a> {
    path: &'a Path,
    rest: std::path::Components<'a>,
}

impl Components<'_> {
    fn at_end(&self) -> bool {
        self.rest.clone().next().is_none()
    }

    fn literal(&mut self, name: &str) -> Result<(), PathError> {
        match self.rest.next() {
            Some(Component::Normal(found)) if found == name => Ok(()),
            _ => Err(PathError::NotASandbox {
                path: self.path.to_owned(),
            }),
        }
    }

    fn id(&mut self) -> Result<Id, PathError> {
        let Some(component) = self.rest.next() else {
            return Err(PathError::NotASandbox {
                path: self.path.to_owned(),
            });
        };
        Id::new(component.as_os_str()).map_err(|_| self.bad(component.as_os_str()))
    }

    fn id_beside_latest(&mut self) -> Result<Id, PathError> {
        let id = self.id()?;
        if id.as_os_str() == LATEST {
            return Err(self.bad(id.as_os_str()));
        }
        Ok(id)
    }

    fn bad(&self, name: &OsStr) -> PathError {
        PathError::BadComponent {
            path: self.path.to_owned(),
            name: name.to_owned(),
        }
    }
}
