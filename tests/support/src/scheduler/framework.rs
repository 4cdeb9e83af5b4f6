//! What a framework says of itself.

use std::time::Duration;

use mesos_proto::v1::FrameworkInfo;
use mesos_proto::v1::framework_info::{Capability, capability};

/// What the framework tells the master about itself.
#[derive(Clone, Debug)]
pub struct FrameworkOptions {
    /// Its name.
    pub name: String,
    /// The user its executors run as.
    pub user: String,
    /// Whether the agent keeps what it needs to recover the executors when it is restarted.
    pub checkpoint: bool,
    /// How long the master keeps the tasks when the scheduler is away.
    pub failover_timeout: Duration,
    /// The role whose resources it is offered; none means `*`.
    pub role: Option<String>,
    /// Its capabilities.
    pub capabilities: Vec<capability::Type>,
}

impl Default for FrameworkOptions {
    /// Tasks of root that survive restarts of agent and master, TASK_KILLING_STATE, PARTITION_AWARE.
    fn default() -> Self {
        Self {
            name: "test".to_owned(),
            user: "root".to_owned(),
            checkpoint: true,
            failover_timeout: Duration::from_secs(3600),
            role: None,
            capabilities: vec![
                capability::Type::TaskKillingState,
                capability::Type::PartitionAware,
            ],
        }
    }
}

impl From<FrameworkOptions> for FrameworkInfo {
    fn from(options: FrameworkOptions) -> Self {
        let capability = |kind: capability::Type| Capability {
            r#type: Some(kind.into()),
        };
        Self {
            user: options.user,
            name: options.name,
            role: options.role,
            checkpoint: Some(options.checkpoint),
            failover_timeout: Some(options.failover_timeout.as_secs_f64()),
            capabilities: options.capabilities.into_iter().map(capability).collect(),
            ..Self::default()
        }
    }
}
