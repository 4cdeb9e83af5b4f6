//! The directories above a sandbox and above a volume (Mesos: src/slave/paths.hpp).

use std::collections::BTreeSet;
use std::ffi::OsStr;

use mesos_proto::paths::Id;

/// What kind of directory it is, which tells what matters in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    WorkDir,
    Slaves,
    Agent,
    Frameworks,
    Framework,
    Executors,
    Executor,
    Runs,
    Volumes,
    Roles,
    Role,
    CheckpointedRun,
    CheckpointedTasks,
}

/// What an entry of a directory is.
pub(super) enum Entry {
    Inner(Kind),
    Leaf,
}

impl Kind {
    /// What the entry `name` is; `None` if it does not matter.
    pub(super) fn entry(self, name: &OsStr, agents: &BTreeSet<Id>) -> Option<Entry> {
        let literal = |wanted: &str, kind| (name == wanted).then_some(Entry::Inner(kind));
        let id = |entry| Id::new(name).is_ok().then_some(entry);
        match self {
            Self::WorkDir => literal("slaves", Self::Slaves).or(literal("volumes", Self::Volumes)),
            Self::Slaves => {
                let is_wanted = agents.iter().any(|agent| agent.as_os_str() == name);
                is_wanted.then_some(Entry::Inner(Self::Agent))
            }
            Self::Agent => literal("frameworks", Self::Frameworks),
            Self::Frameworks => id(Entry::Inner(Self::Framework)),
            Self::Framework => literal("executors", Self::Executors),
            Self::Executors => id(Entry::Inner(Self::Executor)),
            Self::Executor => literal("runs", Self::Runs),
            Self::Volumes => literal("roles", Self::Roles),
            Self::Roles => id(Entry::Inner(Self::Role)),
            Self::CheckpointedRun => literal("tasks", Self::CheckpointedTasks),
            Self::Runs | Self::Role | Self::CheckpointedTasks => id(Entry::Leaf),
        }
    }

    /// Whether nothing that matters can come once its only entry is there.
    pub(super) fn has_one_entry(self) -> bool {
        matches!(self, Self::Agent | Self::Framework | Self::Executor)
    }
}
