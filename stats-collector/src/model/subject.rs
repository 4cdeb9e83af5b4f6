//! Who numbers are about.

use std::sync::Arc;

/// The kinds of subjects. Slots are given within a kind, and paths of one kind never meet those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An executor's container.
    Container,
    /// A container within another's: a task of a pod, a debug session.
    Nested,
    /// A container that was launched for no framework.
    Standalone,
    /// A task of mesos-sandbox-executor.
    Task,
    /// A directory that mesos-disk-watcher measures, of each of its kinds.
    DiskContainer,
    /// As above, of a nested container.
    DiskNested,
    /// As above, of a task.
    DiskTask,
    /// As above, a persistent volume.
    DiskVolume,
    /// All instances of an app on this agent together.
    App,
    /// The agent itself: its own metrics.
    Agent,
    /// The machine that it runs on.
    Host,
    /// mesos-disk-watcher itself.
    Watcher,
    /// This program.
    Collector,
}

/// Whom numbers are about, by the names that series are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// What it is.
    pub(crate) kind: Kind,
    /// The readable name of its app; empty for those kinds of which an agent has one.
    pub(crate) app: Arc<str>,
    /// Which of the app's instances it is; none for kinds without instances.
    pub(crate) slot: Option<u32>,
}

/// What is known of where a subject comes from; anything may be unknown (None, or no label). It is large, and nobody keeps
/// it: names are made of it once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// The framework's name.
    pub(crate) framework: Option<Arc<str>>,
    /// The framework's id.
    pub(crate) framework_id: Option<Arc<str>>,
    /// The role whose resources it uses.
    pub(crate) role: Option<Arc<str>>,
    /// The executor's id.
    pub(crate) executor_id: Option<Arc<str>>,
    /// The executor's `source`, a free text of the framework's.
    pub(crate) source: Option<Arc<str>>,
    /// The task's id, where there is exactly one task.
    pub(crate) task_id: Option<Arc<str>>,
    /// The task's name.
    pub(crate) task_name: Option<Arc<str>>,
    /// The container's id, without its parents'.
    pub(crate) container_id: Option<Arc<str>>,
    /// The id of the container that it lies in.
    pub(crate) parent_container_id: Option<Arc<str>>,
    /// The persistent volume's id.
    pub(crate) persistence_id: Option<Arc<str>>,
    /// The labels of task and executor, all of them; which may become tags is for a setting to say.
    pub(crate) labels: Vec<(Arc<str>, Arc<str>)>,
}
