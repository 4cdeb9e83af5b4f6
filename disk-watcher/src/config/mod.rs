//! What the operator chose: a file, the environment and flags, checked once and as a whole.
//!
//! A flag comes before the environment, that before the file, that before the default. Everything that is wrong is
//! told at once, each thing with its place; a key that is not known is wrong, too.

mod check;
mod keys;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches};
use graphite::MetricPath;
use mesos_agent::AgentAddress;
use mesos_proto::Bytes;
use tracing::level_filters::LevelFilter;

pub use settings::{ConfigError, ConfigErrors};

use crate::policy::Policy;
use keys::SCHEMA;

/// Everything in its final form.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The agent's work directory.
    pub(crate) work_dir: PathBuf,
    /// Between two questions to the agent.
    pub(crate) interval: Duration,
    pub(crate) log: LevelFilter,
    pub(crate) agent: Option<Agent>,
    pub(crate) policy: Policy,
    pub(crate) limits: LimitSettings,
    pub(crate) count: Count,
    pub(crate) engine: Engine,
    /// How a container may be ended, the first that works; none: nothing is ever ended.
    pub(crate) methods: Vec<Method>,
    pub(crate) output: Output,
}

/// The agent whose sandboxes these are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Agent {
    pub(crate) address: AgentAddress,
    pub(crate) credential_file: Option<PathBuf>,
    /// Who vouches for it, when it speaks https.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What limits hold for whom nobody else says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitSettings {
    /// Of a container without a disk resource.
    pub(crate) default: Option<Bytes>,
    /// Files and directories in one sandbox.
    pub(crate) inodes: Option<u64>,
    /// Over 0 and under 1; `None`: no warning.
    pub(crate) soft_share: Option<f64>,
    /// From the confirmed breach to its end.
    pub(crate) grace: Duration,
}

/// What is counted beside what `du -x` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// What is deleted and still held open.
    pub(crate) deleted: bool,
    /// What is mounted below a sandbox.
    pub(crate) mounts: bool,
}

/// How usage is found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Engine {
    /// By fanotify.
    pub(crate) tracking: bool,
    pub(crate) quota: Quota,
    /// The kernel refuses what goes beyond a limit; with [`Quota::Assign`] alone.
    pub(crate) in_kernel: bool,
    /// In cores.
    pub(crate) cpu_budget: f64,
    pub(crate) threads: usize,
}

/// What is done with project quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Quota {
    /// Nothing.
    Off,
    /// Those that somebody set are read.
    Observe,
    /// Ids out of this range are given to sandboxes that have none.
    Assign(RangeInclusive<u32>),
}

/// A way to end a container, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    /// Our own executor is told, and reports the reason.
    Executor,
    /// The agent's API.
    Agent,
    /// The container's first process is killed.
    Processes,
}

/// Where findings go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) events: Option<PathBuf>,
    pub(crate) prometheus: Option<SocketAddr>,
    pub(crate) graphite: Option<Carbon>,
    /// `None`: in the directory that systemd gives.
    pub(crate) socket: Option<PathBuf>,
}

/// Where carbon is, and what its paths begin with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Carbon {
    pub(crate) address: graphite::Address,
    pub(crate) prefix: MetricPath,
    /// This host in its paths; `None`: as the system names it.
    pub(crate) host: Option<String>,
}

/// Where the configuration is said, to be read now and again on request.
#[derive(Clone, Debug)]
pub struct Sources(settings::Sources);

impl Default for Sources {
    /// The environment alone.
    fn default() -> Self {
        Self(settings::Sources::new(&SCHEMA, None, Vec::new()))
    }
}

impl Sources {
    /// Flags for all keys, for `run`.
    pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
        settings::Sources::arguments(&SCHEMA)
    }

    /// What the flags of [`Sources::arguments`] say.
    pub(crate) fn new(file: Option<PathBuf>, matches: &ArgMatches) -> Self {
        Self(settings::Sources::from_matches(&SCHEMA, file, matches))
    }

    /// Reads and checks all of it, with the environment as it is now.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        self.0.load(check::config).map(|(config, _)| config)
    }

    /// As [`Sources::load`], with a file and variables that are given.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load_from(
        &self,
        file: (&Path, &str),
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let loaded = self.0.load_from(file, variables, check::config);
        loaded.map(|(config, _)| config)
    }
}

#[cfg(test)]
mod tests;
