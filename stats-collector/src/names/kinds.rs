//! What each kind of subject is called.

use crate::model::Kind;

/// All kinds.
pub(crate) const KINDS: [Kind; 13] = [
    Kind::Container,
    Kind::Nested,
    Kind::Standalone,
    Kind::Task,
    Kind::DiskContainer,
    Kind::DiskNested,
    Kind::DiskTask,
    Kind::DiskVolume,
    Kind::App,
    Kind::Agent,
    Kind::Host,
    Kind::Watcher,
    Kind::Collector,
];

impl Kind {
    /// Its place among all kinds.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// What it is called in paths and, with prefix and field, in the name of a tagged series.
    pub(crate) fn dotted(self) -> &'static str {
        match self {
            Kind::Container => "containers",
            Kind::Nested => "nested",
            Kind::Standalone => "standalone",
            Kind::Task => "tasks",
            Kind::DiskContainer => "disk.containers",
            Kind::DiskNested => "disk.nested",
            Kind::DiskTask => "disk.tasks",
            Kind::DiskVolume => "disk.volumes",
            Kind::App => "apps",
            Kind::Agent => "agent",
            Kind::Host => "host",
            Kind::Watcher => "disk.watcher",
            Kind::Collector => "collector",
        }
    }

    /// Whether an agent has several of it, each with a slot.
    pub(crate) fn has_instances(self) -> bool {
        self.index() < Kind::App.index()
    }
}
