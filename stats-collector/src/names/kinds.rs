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

    /// What it is called: in paths, in the names of tagged series between prefix and field, and in settings.
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

    /// The kind that is called so.
    pub(crate) fn of_dotted(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.dotted() == name)
    }

    /// Whether an agent has several of it, each with a slot.
    pub(crate) fn has_instances(self) -> bool {
        self.index() < Kind::App.index()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_place_and_a_name_of_its_own() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            assert_eq!(Kind::of_dotted(kind.dotted()), Some(kind));
        }
        assert_eq!(Kind::of_dotted("container"), None);
    }
}
