//! What a task asks of its sandbox: files, namespaces, rights.

use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::r_limit_info::r_limit::Type as RlimitType;

use crate::Uri;

/// What a task asks of its sandbox. Where it is silent, the executor's own defaults count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxWishes {
    /// Another root directory than the host's.
    pub root: Option<RootWish>,
    /// What it sees beside its sandbox, in the order in which it was named.
    pub volumes: Vec<VolumeWish>,
    /// Absolute paths that it is not to see, beside those that no task sees.
    pub hidden: Vec<String>,
    /// The network it is in; none means the executor's.
    pub network: Option<NetworkWish>,
    /// It is root in a user namespace of its own and nobody outside of it.
    pub users_mapped: bool,
    /// The host name it sees.
    pub hostname: Option<String>,
    /// The size of a `/dev/shm` in memory, in bytes; none means one in the task's sandbox, held to its disk quota.
    pub shm_size: Option<u64>,
    /// Its capabilities; none means the executor's short list.
    pub capabilities: Option<CapabilityWishes>,
    /// Which system calls it may make; none means the executor's default list.
    pub seccomp: Option<SeccompWish>,
    /// The mode bits that files it makes do not get.
    pub umask: Option<u32>,
    /// Limits of each of its processes; a kind is there once.
    pub rlimits: Vec<RlimitWish>,
    /// How soon the kernel ends it when the host is out of memory: 0 as any other, 1000 first. Nobody asks to be
    /// spared, which would be at the cost of others.
    pub oom_score: Option<u16>,
}

/// Another root directory than the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootWish {
    /// A directory on the host, by its absolute path.
    Directory(String),
    /// A tar archive, fetched and unpacked for this task.
    Archive(Uri),
}

/// A file or directory that a task sees beside its sandbox (Mesos: `Volume`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeWish {
    /// What is seen.
    pub source: VolumeSource,
    /// Where: an absolute path, or one below the task's sandbox. Without `..`.
    pub target: String,
    /// Not to be written to.
    pub read_only: bool,
}

/// Where the content of a volume lives. No path has a `..` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// An absolute path on the host; `receives_mounts` is whether what is mounted there later is seen as well (Mesos:
    /// `MountPropagation::HOST_TO_CONTAINER`).
    Host {
        /// The path.
        path: String,
        /// What is mounted there later is seen as well.
        receives_mounts: bool,
    },
    /// A relative path below the executor's sandbox, which all its tasks can name. A directory is made where there is
    /// nothing (Mesos: `SandboxPath::PARENT`).
    ExecutorSandbox(String),
    /// A relative path below the task's own sandbox. A directory is made where there is nothing (Mesos:
    /// `SandboxPath::SELF`).
    TaskSandbox(String),
    /// A persistent volume.
    Persistent(PersistentVolume),
    /// What the agent itself has mounted into the container of a task in the command executor's place: a path as the
    /// executor sees it, absolute or below its sandbox.
    Agents(String),
}

/// A disk resource that outlives the task. The agent links or mounts it into the executor's sandbox (Mesos:
/// src/slave/containerizer/mesos/isolators/filesystem/posix.cpp and linux.cpp); whether that is still what is found there
/// can be told by where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentVolume {
    /// Where the agent puts it: a relative path below the executor's sandbox.
    pub container_path: String,
    /// Its id: one name.
    pub id: String,
    /// Whom the disk is reserved for.
    pub role: String,
    /// What it is a part of.
    pub root: VolumeRoot,
}

/// The disk that a persistent volume is on (Mesos: `Resource.DiskInfo.Source`). A path that is relative counts from the
/// agent's work directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeRoot {
    /// The agent's own.
    WorkDirectory,
    /// A directory, for many volumes.
    Path(String),
    /// A whole file system, for this volume alone.
    Mount(String),
}

/// The network that a task is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkWish {
    /// The executor's, which is asked for by name so that another source cannot take it away.
    Host,
    /// Its own, with nothing in it but a loopback.
    Own,
    /// One that somebody has made, by the absolute path of its namespace: `/run/netns/blue`.
    Join(String),
}

/// The capabilities of a task (capabilities(7)). Each but the first is within the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityWishes {
    /// The most that any of its programs can ever have.
    pub bounding: Vec<Capability>,
    /// What its first program has.
    pub effective: Vec<Capability>,
    /// What a program that is not root keeps over an exec.
    pub ambient: Vec<Capability>,
}

/// Which system calls a task may make (Mesos: `SeccompInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeccompWish {
    /// All of them.
    Unconfined,
    /// Those of a list that has a name.
    Profile(String),
}

/// A limit of a process (Mesos: `RLimitInfo`); without a number there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RlimitWish {
    /// What is limited.
    pub kind: RlimitType,
    /// What the process may raise it to.
    pub hard: Option<u64>,
    /// What counts; never above `hard`.
    pub soft: Option<u64>,
}
