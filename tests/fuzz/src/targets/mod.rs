//! One module a target: what its input means, and what must hold of it.

pub(crate) mod agent_answers;
pub(crate) mod agent_samples;
pub(crate) mod archives;
pub(crate) mod breaches;
pub(crate) mod changes;
pub(crate) mod commands;
pub(crate) mod data;
pub(crate) mod disks;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod figures;
pub(crate) mod journal;
pub(crate) mod paths;
pub(crate) mod proc_text;
pub(crate) mod profiles;
pub(crate) mod quantities;
pub(crate) mod quota_warnings;
pub(crate) mod recordio;
pub(crate) mod spool;
pub(crate) mod watcher_config;
