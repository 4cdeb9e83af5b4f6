//! What is shown: a container or a task with what is known of it.

/// What a row is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// An executor's container.
    #[default]
    Container,
    /// A container within another.
    Nested,
    /// A container that no framework launched.
    Standalone,
    /// A task of mesos-sandbox-executor.
    Task,
}

impl Shape {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Nested => "nested",
            Self::Standalone => "standalone",
            Self::Task => "task",
        }
    }
}

/// How much is used, and of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Use {
    /// Of it.
    pub(super) used: Option<f64>,
    /// Of which.
    pub(super) limit: Option<f64>,
}

impl Use {
    /// The part of the limit.
    pub(super) fn share(self) -> Option<f64> {
        let limit = self.limit.filter(|limit| *limit > 0.0)?;
        Some(self.used? / limit)
    }
}

/// A row; what is not known is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) shape: Shape,
    /// The task's id, or else the executor's, or else the container's.
    pub(super) name: String,
    /// The framework's name, or its id.
    pub(super) framework: String,
    pub(super) container_id: String,
    /// In cores; the limit is the hard one, or else what was asked for.
    pub(super) cpus: Use,
    /// The share of periods in which something had to wait.
    pub(super) throttled: Option<f64>,
    /// In bytes, without page cache.
    pub(super) memory: Use,
    /// In bytes.
    pub(super) disk: Use,
    /// In bytes a second.
    pub(super) growth: Option<f64>,
    /// Received, in bytes a second.
    pub(super) received: Option<f64>,
    /// Sent, in bytes a second.
    pub(super) sent: Option<f64>,
    /// From block devices, in bytes a second.
    pub(super) read: Option<f64>,
    /// To block devices, in bytes a second.
    pub(super) written: Option<f64>,
    pub(super) processes: Option<f64>,
}

/// All rows of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Picture {
    /// The agent, as it is reached.
    pub(super) agent: String,
    pub(super) rows: Vec<Row>,
    /// What is missing, and why.
    pub(super) troubles: Vec<String>,
}
