//! Where an agent keeps sandboxes and checkpoints below its work directory (Mesos: src/slave/paths.hpp).
//!
//! ```text
//! slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>[/containers/<nested>]...   a sandbox
//! meta/slaves/<agent>/frameworks/<framework>/executors/<executor>/executor.info
//!                                                                /runs/<container>/tasks/<task>/task.info
//!                                                                                 /executor.sentinel
//! ```
//!
//! Every path here is relative to the work directory. `runs/latest` and `slaves/latest` are links, next to the ids;
//! they hold absolute paths.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// The link beside the runs of an executor, and beside the agents, that leads to the newest one.
pub const LATEST: &str = "latest";

/// The most bytes an id has (Mesos: src/common/validation.cpp): it names directories, whose names have no more.
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

    /// The checkpoint of its framework's [`v1::FrameworkInfo`](crate::v1::FrameworkInfo).
    #[must_use]
    pub fn framework_info(&self) -> PathBuf {
        let mut path = PathBuf::from("meta/slaves");
        path.push(&self.agent_id);
        path.push("frameworks");
        path.push(&self.framework_id);
        path.push("framework.info");
        path
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

    /// The directory of what the agent has written down of the run.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
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

/// The work directory that `directory`, a sandbox's absolute path, is below. Where several could be it, the one that holds
/// the most.
#[must_use]
pub fn work_directory_of(directory: &Path) -> Option<PathBuf> {
    let mut found = None;
    for ancestor in directory.ancestors() {
        let below = directory.strip_prefix(ancestor).ok();
        if below.is_some_and(|below| SandboxPath::parse(below).is_ok()) {
            found = Some(ancestor.to_owned());
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUN: &str = "slaves/S0/frameworks/F/executors/E/runs/C";

    fn parse(path: &str) -> Result<SandboxPath, PathError> {
        SandboxPath::parse(Path::new(path))
    }

    #[test]
    fn the_work_directory_is_what_is_above_a_sandbox_at_its_full_length() {
        let of = |path: String| work_directory_of(Path::new(&path));
        let nested = "containers/N";
        for below in [RUN.to_owned(), format!("{RUN}/{nested}")] {
            assert_eq!(
                of(format!("/var/lib/mesos/{below}")),
                Some("/var/lib/mesos".into())
            );
            assert_eq!(of(format!("/{below}")), Some("/".into()));
        }
        for elsewhere in ["/", "/srv", "/var/lib/mesos/slaves/S0"] {
            assert_eq!(of(elsewhere.to_owned()), None);
        }
    }

    fn id(name: &str) -> Id {
        Id::new(name).unwrap()
    }

    #[test]
    fn a_sandboxs_path_gives_its_ids() {
        let sandbox = parse(RUN).unwrap();
        assert_eq!(sandbox.run.executor.agent_id, id("S0"));
        assert_eq!(sandbox.run.executor.framework_id, id("F"));
        assert_eq!(sandbox.run.executor.executor_id, id("E"));
        assert_eq!(sandbox.run.container_id, id("C"));
        assert_eq!(sandbox.nested, []);
        assert_eq!(sandbox.directory(), Path::new(RUN));
    }

    #[test]
    fn a_nested_sandboxs_path_gives_the_whole_chain() {
        let path = format!("{RUN}/containers/n1/containers/n2");
        let sandbox = parse(&path).unwrap();
        assert_eq!(sandbox.nested, [id("n1"), id("n2")]);
        assert_eq!(sandbox.directory(), Path::new(&path));
    }

    #[test]
    fn checkpoints_lie_below_meta() {
        let run = parse(RUN).unwrap().run;
        assert_eq!(
            run.executor.executor_info(),
            Path::new("meta/slaves/S0/frameworks/F/executors/E/executor.info")
        );
        assert_eq!(
            run.executor.checkpointed_runs(),
            Path::new("meta/slaves/S0/frameworks/F/executors/E/runs")
        );
        assert_eq!(
            run.executor.framework_info(),
            Path::new("meta/slaves/S0/frameworks/F/framework.info")
        );
        let meta = Path::new("meta").join(RUN);
        assert_eq!(run.checkpoint(), meta);
        assert_eq!(run.tasks(), meta.join("tasks"));
        assert_eq!(run.task_info(&id("t")), meta.join("tasks/t/task.info"));
        assert_eq!(run.sentinel(), meta.join("executor.sentinel"));
    }

    #[test]
    fn the_latest_run_is_a_link_and_no_id() {
        let executor = parse(RUN).unwrap().run.executor;
        assert_eq!(
            executor.latest_run(),
            Path::new("slaves/S0/frameworks/F/executors/E/runs/latest")
        );
        for through_link in [
            "slaves/S0/frameworks/F/executors/E/runs/latest",
            "slaves/latest/frameworks/F/executors/E/runs/C",
        ] {
            let bad = PathError::BadComponent {
                path: through_link.into(),
                name: LATEST.into(),
            };
            assert_eq!(parse(through_link), Err(bad));
        }
        assert!(parse("slaves/S0/frameworks/F/executors/latest/runs/C").is_ok());
    }

    #[test]
    fn a_path_to_something_else_is_refused() {
        for path in [
            "",
            "slaves",
            "slaves/S0/frameworks/F/executors/E/runs",
            "slaves/S0/frameworks/F/executors/E/run/C",
            "slaves/S0/frameworks/F/executors/E/runs/C/stdout",
            "slaves/S0/frameworks/F/executors/E/runs/C/containers",
            "slaves/S0/frameworks/F/executors/E/runs/C/containers/n/stdout",
            "/slaves/S0/frameworks/F/executors/E/runs/C",
            "./slaves/S0/frameworks/F/executors/E/runs/C",
            "../slaves/S0/frameworks/F/executors/E/runs/C",
            "meta/slaves/S0/frameworks/F/executors/E/runs/C",
        ] {
            let not_a_sandbox = PathError::NotASandbox { path: path.into() };
            assert_eq!(parse(path), Err(not_a_sandbox));
        }
    }

    #[test]
    fn a_path_that_climbs_is_refused() {
        let climbing = "slaves/S0/frameworks/../executors/E/runs/C";
        let bad = PathError::BadComponent {
            path: climbing.into(),
            name: "..".into(),
        };
        assert_eq!(parse(climbing), Err(bad));
    }

    #[test]
    fn a_name_that_mesos_refuses_is_no_id() {
        let longest = "x".repeat(MAX_ID_LENGTH);
        assert!(Id::new(&longest).is_ok());
        let too_long = format!("{longest}x");
        for name in [
            "", ".", "..", "a/b", "/", "a\\b", "a\nb", "\0", "\x7f", &too_long,
        ] {
            let not_an_id = PathError::NotAnId { name: name.into() };
            assert_eq!(Id::new(name), Err(not_an_id));
        }
    }

    #[test]
    fn an_id_need_not_be_utf8() {
        let name = OsStr::from_bytes(b"caf\xe9");
        let path = Path::new("slaves/S0/frameworks/F/executors")
            .join(name)
            .join("runs/C");
        let sandbox = SandboxPath::parse(&path).unwrap();
        assert_eq!(sandbox.run.executor.executor_id.as_os_str(), name);
        assert_eq!(sandbox.directory(), path);
        assert_eq!(sandbox.run.executor.executor_id.to_string(), "caf\u{fffd}");
    }

    proptest! {
        #[test]
        fn ids_survive_the_way_to_a_path_and_back(
            names in prop::collection::vec("[^/\\\\\\p{Cc}]{1,40}", 4..8)
        ) {
            let ids: Option<Vec<Id>> = names.into_iter().map(|name| Id::new(name).ok()).collect();
            prop_assume!(ids.is_some());
            let ids = ids.unwrap();
            prop_assume!(ids[0].as_os_str() != LATEST && ids[3].as_os_str() != LATEST);
            let sandbox = SandboxPath {
                run: RunPath {
                    executor: ExecutorPath {
                        agent_id: ids[0].clone(),
                        framework_id: ids[1].clone(),
                        executor_id: ids[2].clone(),
                    },
                    container_id: ids[3].clone(),
                },
                nested: ids[4..].to_vec(),
            };
            prop_assert_eq!(SandboxPath::parse(&sandbox.directory()), Ok(sandbox));
        }
    }
}
