//! What the operator chose: a file, the environment and flags, checked once and as a whole.
//!
//! A flag comes before the environment, that before the file, that before the default. Everything that is wrong is
//! told at once, each thing with its place; a key that is not known is wrong, too.

mod check;
mod error;
mod keys;
mod raw;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use graphite::MetricPath;
use mesos_proto::Bytes;
use tracing::level_filters::LevelFilter;

pub use error::{ConfigError, ConfigErrors};

use crate::policy::Policy;
use error::{Origin, Problem};
use mesos_agent::AgentAddress;
use raw::Raw;

pub(crate) use keys::FILE_VARIABLE;

/// Far more than rules for every framework take.
const LARGEST_FILE: u64 = 4 << 20;

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
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Keys as the file has them, with texts.
    flags: Vec<(String, String)>,
}

impl Sources {
    /// Flags for all keys, for `run`.
    pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
        keys::ALL.iter().map(|key| {
            Arg::new(key.path)
                .long(key.flag())
                .value_name(key.value)
                .help(key.help)
        })
    }

    /// What the flags of [`Sources::arguments`] say.
    pub(crate) fn new(file: Option<PathBuf>, matches: &ArgMatches) -> Self {
        let flags = keys::ALL.iter().filter_map(|key| {
            let text = matches.get_one::<String>(key.path)?;
            Some((key.path.to_owned(), text.clone()))
        });
        Self {
            file,
            flags: flags.collect(),
        }
    }

    /// Reads and checks all of it, with the environment as it is now.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        // A variable of ours that is no text is refused by the check of its value.
        let variables = std::env::vars_os().map(|(name, value)| {
            let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
            (text(name), text(value))
        });
        let mut errors = Vec::new();
        let content = self.file.as_deref().and_then(|path| {
            read(path)
                .map(|text| (path, text))
                .map_err(|problem| errors.push(of_file(path, problem)))
                .ok()
        });
        let content = content.as_ref().map(|(path, text)| (*path, text.as_str()));
        self.check(content, variables, errors)
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
        self.check(Some(file), variables, Vec::new())
    }

    fn check(
        &self,
        file: Option<(&Path, &str)>,
        variables: impl Iterator<Item = (String, String)>,
        mut errors: Vec<ConfigError>,
    ) -> Result<Config, ConfigErrors> {
        let mut raw = Raw::default();
        if let Some((path, text)) = file {
            raw.add_file(path, text, &mut errors);
        }
        raw.add_environment(variables, &mut errors);
        let flags = self.flags.iter();
        raw.add_flags(flags.map(|(key, text)| (key.as_str(), text.as_str())));
        // With a file that is no TOML, all else would be missing.
        let is_readable = errors.iter().all(|error| {
            !matches!(
                error.problem,
                Problem::Unreadable(_)
                    | Problem::TooLong(_)
                    | Problem::NotText
                    | Problem::Syntax(_)
            )
        });
        let checked = is_readable.then(|| check::config(&raw, &mut errors));
        match checked.flatten() {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let mut content = Vec::new();
    let read = file.take(LARGEST_FILE + 1).read_to_end(&mut content);
    read.map_err(Problem::Unreadable)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(Problem::TooLong(LARGEST_FILE));
    }
    String::from_utf8(content).map_err(|_| Problem::NotText)
}

fn of_file(path: &Path, problem: Problem) -> ConfigError {
    let path = Arc::new(path.to_owned());
    ConfigError {
        origin: Origin::File { path, line: 1 },
        problem,
    }
}

#[cfg(test)]
mod tests;
