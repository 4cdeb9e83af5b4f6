//! What the operator chose: a file, the environment and flags, checked once and as a whole.
//!
//! A flag comes before the environment, that before the file, that before the default. Everything that is wrong is
//! told at once, each thing with its place; a key that is not known is wrong, too. Each part of the program says what
//! may be chosen of it, in a struct of its own; here it is filled in.

mod carbons;
mod check;
mod keys;
mod naming;

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::names::NamesSettings;
use crate::output::OutputSettings;
use crate::scrape::AgentSettings;

pub(crate) use check::config;
pub(crate) use keys::SCHEMA;

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Numbers are shipped: without an output it is wrong.
    Ship,
    /// What would be sent is printed.
    Show,
    /// The agent is looked at.
    Look,
}

/// Everything in its final form.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// From scrape to scrape, in whole seconds.
    pub(crate) interval: Duration,
    /// What to log.
    pub(crate) log: LevelFilter,
    /// Whom to ask.
    pub(crate) agent: AgentSettings,
    /// The agent's work directory, when tasks are to be shipped as well.
    pub(crate) work_dir: Option<PathBuf>,
    /// The socket of mesos-disk-watcher, when disks are to be shipped as well.
    pub(crate) disk_watcher: Option<PathBuf>,
    /// Whether the machine itself is shipped as well.
    pub(crate) host: bool,
    /// What series are called, and which there are.
    pub(crate) names: NamesSettings,
    /// Where numbers go.
    pub(crate) output: OutputSettings,
}

#[cfg(test)]
mod tests;
