//! What is watched: a directory, whose it is, and how much may be in it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use disk_engine::FileId;
use mesos_proto::Bytes;
use mesos_proto::paths::{Id, RunPath};

use crate::directory::Directory;

/// Which directory it is. Names alone: two directories that followed each other at one place have the same key, and
/// another [`Subject::id`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// The sandbox of a run's container.
    Container(RunPath),
    /// The sandbox of a container nested in it; the ids from the outermost on.
    Nested(RunPath, Vec<Id>),
    /// What one task of our own executor has to itself: the name of its directory.
    Task(RunPath, OsString),
    /// A persistent volume.
    Volume {
        /// The role that it is reserved for.
        role: String,
        /// Unique within its role and source.
        persistence_id: String,
        /// The root of the disk that it is on; `None`: it is below the work directory.
        source: Option<PathBuf>,
    },
}

impl Key {
    /// The run whose directory this is; a volume belongs to none.
    pub(crate) fn run(&self) -> Option<&RunPath> {
        match self {
            Self::Container(run) | Self::Nested(run, _) | Self::Task(run, _) => Some(run),
            Self::Volume { .. } => None,
        }
    }
}

/// A framework, as far as an operator may choose by it. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framework {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) principal: Option<String>,
}

impl Framework {
    /// A framework of which nothing else is known.
    pub(crate) fn of_id(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::default()
        }
    }
}

/// A container that the agent itself lists now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The container's first process in the agent's pid namespace, and when that process started; together they are
    /// never used twice (Mesos: `ContainerStatus.executor_pid`). `None` where the agent does not tell.
    pub(crate) process: Option<Process>,
}

/// A process that cannot be taken for another of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// In clock ticks since boot (`/proc/PID/stat`, field 22).
    pub(crate) started: u64,
}

/// A directory that is watched. Never changed: what is known anew is another `Subject` of the same key.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) key: Key,
    /// For messages, and for those who use the program to find the directory again.
    pub(crate) path: PathBuf,
    pub(crate) directory: Arc<Directory>,
    /// The directory's identity: one of the same name that took its place has another.
    pub(crate) id: FileId,
    /// The task, where the directory is one task's alone.
    pub(crate) task_id: Option<String>,
    /// Of a volume: the executor that has it mounted, if exactly one has.
    pub(crate) executor_id: Option<String>,
    /// Of a volume: as `executor_id`.
    pub(crate) framework: Option<Arc<Framework>>,
    /// Of the task, or of the executor where it is not one task's; a task's of a container that runs one task.
    pub(crate) labels: Vec<(String, String)>,
    /// `None`: there is none, or nobody tells.
    pub(crate) limit: Option<Bytes>,
    /// `None`: the agent does not list it, or has not been asked yet, or is away.
    pub(crate) listed: Option<Listed>,
    /// The subject whose directory this one lies in.
    pub(crate) inside: Option<Key>,
    /// Volumes that may be mounted in it: they have a price of their own.
    pub(crate) exclude: Vec<FileId>,
    /// The containers that have it: the run of [`Key::run`], or those that have the volume mounted.
    pub(crate) holders: Vec<RunPath>,
}

impl Subject {
    /// Whether nothing else is known of this one than of `other`, which has the same key.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        // Taken apart so that no field is forgotten.
        let Self {
            key,
            path,
            directory: _,
            id,
            task_id,
            executor_id,
            framework,
            labels,
            limit,
            listed,
            inside,
            exclude,
            holders,
        } = self;
        *key == other.key
            && *path == other.path
            && *id == other.id
            && *task_id == other.task_id
            && *executor_id == other.executor_id
            && *framework == other.framework
            && *labels == other.labels
            && *limit == other.limit
            && *listed == other.listed
            && *inside == other.inside
            && *exclude == other.exclude
            && *holders == other.holders
    }
}

/// What became of a subject.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Came(Arc<Subject>),
    /// The same directory, of which something else is known now.
    Changed(Arc<Subject>),
    /// It is not there any more; where another took its place, that one comes next.
    Gone(Key),
}
