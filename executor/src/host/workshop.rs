//! What every launch needs.

use std::path::PathBuf;

use cgroup::Parent;
use sandbox::Launcher;
use sandbox::seccomp::Profiles;
use tokio::sync::Semaphore;

use super::disk::Disks;
use super::fetching::FetchSettings;
use super::host_files::HostFiles;
use crate::command_executor::CommandExecutor;
use crate::logs::Turns;

/// One for the executor's life.
pub(crate) struct Workshop {
    pub(crate) launcher: Launcher,
    /// Where the cgroups of tasks go; none when this host or the executor's rights give none.
    pub(crate) cgroups: Option<Parent>,
    /// Whether a task sees no cgroup but its own.
    pub(crate) cgroup_namespaces: bool,
    /// The executor's own sandbox.
    pub(crate) sandbox: PathBuf,
    /// What every task's environment begins with.
    pub(crate) environment: Vec<(String, String)>,
    /// The soft limit of open descriptors that tasks get: the executor's own before it raised it.
    pub(crate) descriptor_limit: Option<u64>,
    /// What tasks see of the host's files.
    pub(crate) files: HostFiles,
    /// Lists of system calls that tasks can name.
    pub(crate) profiles: Profiles,
    pub(crate) way: Way,
    /// What tasks' directories take.
    pub(crate) disks: Disks,
    pub(crate) fetching: FetchSettings,
    /// Held while a task's output is copied.
    pub(crate) copying: Turns,
    /// Held while a launch does what can block, so that some that hang leave threads for everything else.
    pub(crate) turns: Semaphore,
}

/// How this executor comes to its tasks.
pub(crate) enum Way {
    /// A framework names it as the executor of tasks, which get directories of their own.
    Custom,
    /// In the place of Mesos's command executor: it has one task, and its sandbox is that task's.
    Command(Box<CommandExecutor>),
    /// With no agent: its one task runs where, and with what, this process was started.
    Alone {
        /// Who it runs as, when that is not who this process is.
        user: Option<String>,
    },
}

/// How many launches block at the same time.
pub(crate) const MOST_TURNS: usize = 24;
