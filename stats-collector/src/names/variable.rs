//! What a name can be made of.

use crate::model::{Kind, Origin, Subject};

/// Something of a subject that can stand in its series' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Host,
    App,
    Slot,
    Framework,
    FrameworkId,
    Role,
    ExecutorId,
    Source,
    TaskId,
    TaskName,
    ContainerId,
    ParentContainerId,
    PersistenceId,
    /// A label, by its place among the rules.
    Label(usize),
}

/// The variables that are not labels, by name. The manual has what each of them is.
pub(super) const VARIABLES: [(&str, Variable); 13] = [
    ("host", Variable::Host),
    ("app", Variable::App),
    ("slot", Variable::Slot),
    ("framework", Variable::Framework),
    ("framework_id", Variable::FrameworkId),
    ("role", Variable::Role),
    ("executor_id", Variable::ExecutorId),
    ("source", Variable::Source),
    ("task_id", Variable::TaskId),
    ("task_name", Variable::TaskName),
    ("container_id", Variable::ContainerId),
    ("parent_container_id", Variable::ParentContainerId),
    ("persistence_id", Variable::PersistenceId),
];

impl Variable {
    /// Whether subjects of this kind have it.
    pub(super) fn is_of(self, kind: Kind) -> bool {
        match self {
            Self::Host => true,
            Self::App => kind.has_instances() || kind == Kind::App,
            Self::ParentContainerId => matches!(kind, Kind::Nested | Kind::DiskNested),
            Self::PersistenceId => kind == Kind::DiskVolume,
            // Launched for nobody, so there is nothing else to be known.
            _ if kind == Kind::Standalone => matches!(self, Self::Slot | Self::ContainerId),
            _ => kind.has_instances(),
        }
    }

    /// Whether it is another with each instance, so that names made of it have no bound.
    pub(super) fn is_id(self) -> bool {
        matches!(
            self,
            Self::ExecutorId
                | Self::Source
                | Self::TaskId
                | Self::ContainerId
                | Self::ParentContainerId
                | Self::PersistenceId
        )
    }

    /// Whether no two subjects of this kind that live at the same time have the same: ids that the agent chose. A nested
    /// container's and a task's are chosen by frameworks, and unique within one alone.
    pub(super) fn is_unique_among(self, kind: Kind) -> bool {
        self == Self::ContainerId
            && matches!(
                kind,
                Kind::Container | Kind::Standalone | Kind::DiskContainer
            )
    }

    /// What it is of this subject, as it is known; None for what is not known, and for [`Variable::Host`] and
    /// [`Variable::Slot`], which are no foreign text.
    pub(super) fn of<'s>(
        self,
        subject: &'s Subject,
        origin: &'s Origin,
        labels: &[String],
    ) -> Option<&'s str> {
        let known = match self {
            Self::Host | Self::Slot => None,
            Self::App => Some(&*subject.app),
            Self::Framework => origin.framework.as_deref(),
            Self::FrameworkId => origin.framework_id.as_deref(),
            Self::Role => origin.role.as_deref(),
            Self::ExecutorId => origin.executor_id.as_deref(),
            Self::Source => origin.source.as_deref(),
            Self::TaskId => origin.task_id.as_deref(),
            Self::TaskName => origin.task_name.as_deref(),
            Self::ContainerId => origin.container_id.as_deref(),
            Self::ParentContainerId => origin.parent_container_id.as_deref(),
            Self::PersistenceId => origin.persistence_id.as_deref(),
            Self::Label(rule) => {
                let wanted = labels.get(rule)?;
                let found = origin.labels.iter().find(|(key, _)| **key == **wanted);
                found.map(|(_, value)| &**value)
            }
        };
        known.filter(|known| !known.is_empty())
    }
}
