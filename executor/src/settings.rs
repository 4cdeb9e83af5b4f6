//! From the environment to the core's configuration.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use disk_engine::QuotaUse;
use disk_engine::quota::PROJECT_RANGE_BESIDE_MESOS;
use executor_core::{CommandTask, Config};
use mesos_proto::MesosDuration;
use mesos_proto::environment::{EnvironmentErrors, ExecutorEnvironment, passes_to_task};
use mesos_proto::v1::{ExecutorId, FrameworkId};
use tracing::level_filters::LevelFilter;

use crate::command_executor::CommandExecutor;

const IDLE_TIMEOUT: &str = "MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT";
/// How long all files of a task together may take to come; without it only a server that stalls is given up.
const FETCH_TIMEOUT: &str = "MESOS_SANDBOX_EXECUTOR_FETCH_TIMEOUT";
/// What the agent's certificate must be valid for, when that is neither its address nor a name of its host.
pub(crate) const AGENT_NAME: &str = "MESOS_SANDBOX_EXECUTOR_AGENT_NAME";
const LOG: &str = "MESOS_SANDBOX_EXECUTOR_LOG";
/// `host` leaves tasks the host's files as they are, for an agent or a framework whose tasks write elsewhere.
pub(crate) const FILESYSTEM: &str = "MESOS_SANDBOX_EXECUTOR_FILESYSTEM";
/// Where the lists of system calls are that tasks name: files, in the form of Docker's and Mesos's.
const SECCOMP_PROFILES: &str = "MESOS_SANDBOX_EXECUTOR_SECCOMP_PROFILES";
/// Where an agent has them as a rule (Mesos: docs/isolators/linux-seccomp.md).
const DEFAULT_SECCOMP_PROFILES: &str = "/etc/mesos/seccomp";
pub(crate) const CGROUP2: &str = "MESOS_SANDBOX_EXECUTOR_CGROUP2";

/// `1` has changes of files followed by fanotify, which every program that writes to the file system pays for.
const DISK_TRACKING: &str = "MESOS_SANDBOX_EXECUTOR_DISK_TRACKING";
/// What to do with the project quotas of file systems that have them.
const DISK_QUOTA: &str = "MESOS_SANDBOX_EXECUTOR_DISK_QUOTA";

/// A setting of our own that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSetting {
    #[error("{variable} is '{value}', which is no duration such as 5secs: {source}")]
    Duration {
        variable: &'static str,
        value: String,
        source: mesos_proto::DurationError,
    },
    #[error("{variable} is '{value}', and must be {wanted}")]
    Word {
        variable: &'static str,
        value: String,
        wanted: &'static str,
    },
}

/// All that is wrong with the environment: with what the agent sets, with settings of our own, or with both.
#[derive(Debug)]
pub(crate) struct BadEnvironment {
    agents: Option<EnvironmentErrors>,
    own: Vec<BadSetting>,
}

/// What the environment says.
pub(crate) struct Settings {
    /// As the agent set it.
    pub(crate) environment: ExecutorEnvironment,
    /// What the core makes of it.
    pub(crate) config: Config,
    /// How long fetching all files of a task may take; none is without limit.
    pub(crate) fetch_timeout: Option<Duration>,
    /// How tasks' directories are watched.
    pub(crate) disks: disk_engine::Settings,
}

impl std::error::Error for BadEnvironment {}

impl fmt::Display for BadEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agents = self.agents.as_ref().map(ToString::to_string);
        let own = self.own.iter().map(ToString::to_string);
        let all: Vec<String> = agents.into_iter().chain(own).collect();
        f.write_str(&all.join("; "))
    }
}

/// The environment, and the core's configuration that it makes together with the executor's `arguments` and, in the place
/// of Mesos's command executor, its flags.
///
/// # Errors
///
/// Everything that is missing or wrong, at once.
pub(crate) fn read(
    arguments: &[OsString],
    command_executor: Option<&CommandExecutor>,
) -> Result<Settings, BadEnvironment> {
    let environment = ExecutorEnvironment::from_vars(std::env::vars_os());
    let durations = (duration(IDLE_TIMEOUT), duration(FETCH_TIMEOUT));
    match (environment, durations, disks()) {
        (Ok(environment), (Ok(idle_timeout), Ok(fetch_timeout)), Ok(disks)) => {
            let mut config = config(&environment, idle_timeout);
            match command_executor {
                None => {
                    let arguments = arguments.iter();
                    let arguments = arguments.map(|one| one.to_string_lossy().into_owned());
                    config.arguments = arguments.collect();
                }
                Some(flags) => {
                    config.command_task = Some(CommandTask {
                        command: flags.command.clone(),
                    });
                    // There is no other task to wait for.
                    config.idle_timeout = Duration::ZERO;
                }
            }
            Ok(Settings {
                environment,
                config,
                fetch_timeout,
                disks,
            })
        }
        (environment, (idle_timeout, fetch_timeout), disks) => Err(BadEnvironment {
            agents: environment.err(),
            own: [idle_timeout.err(), fetch_timeout.err(), disks.err()]
                .into_iter()
                .flatten()
                .collect(),
        }),
    }
}

fn config(environment: &ExecutorEnvironment, idle_timeout: Option<Duration>) -> Config {
    let mut config = Config::new(
        FrameworkId {
            value: environment.framework_id.clone(),
        },
        ExecutorId {
            value: environment.executor_id.clone(),
        },
    );
    config.checkpoint = environment.checkpoint;
    if let Some(timeout) = environment.recovery_timeout {
        config.recovery_timeout = not_negative(timeout);
    }
    config.subscription_backoff_max = not_negative(environment.subscription_backoff_max);
    config.shutdown_grace_period = not_negative(environment.shutdown_grace_period);
    if let Some(timeout) = idle_timeout {
        config.idle_timeout = timeout;
    }
    config
}

fn duration(variable: &'static str) -> Result<Option<Duration>, BadSetting> {
    let Some(value) = std::env::var_os(variable) else {
        return Ok(None);
    };
    // What is no UTF-8 is no duration either, with the replacement character in it.
    let value = value.to_string_lossy().into_owned();
    match value.parse() {
        Ok(timeout) => Ok(Some(not_negative(timeout))),
        Err(source) => Err(BadSetting::Duration {
            variable,
            value,
            source,
        }),
    }
}

/// The name that the operator gives for the agent's certificate.
pub(crate) fn agent_name() -> Option<String> {
    // What is no UTF-8 is no name either, with the replacement character in it.
    std::env::var_os(AGENT_NAME).map(|name| name.to_string_lossy().into_owned())
}

/// A time limit below zero is over already.
fn not_negative(duration: MesosDuration) -> Duration {
    duration.to_std().unwrap_or_default()
}

/// How much is logged; less where the log is the task's own output as well. An unknown word is as good as none: the log is
/// where it would be complained about.
pub(crate) fn log_level(shared_with_task: bool) -> LevelFilter {
    let default = match shared_with_task {
        true => LevelFilter::WARN,
        false => LevelFilter::INFO,
    };
    std::env::var(LOG)
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(default)
}

/// What every task's environment begins with: what of the executor's own its tasks may have, and, in the place of Mesos's
/// command executor, what the agent sets for the task. A name or value that is no UTF-8 cannot come from Mesos, whose
/// strings all are.
pub(crate) fn for_tasks(command_executor: Option<&CommandExecutor>) -> Vec<(String, String)> {
    let inherited = std::env::vars_os()
        .filter(|(name, _)| passes_to_task(name))
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let agents = command_executor
        .iter()
        .flat_map(|flags| flags.environment.iter().cloned());
    inherited.chain(agents).collect()
}

/// Whether tasks get cgroups of their own although the agent manages cgroup v2.
pub(crate) fn takes_tasks_out_of_agents_cgroup2() -> bool {
    std::env::var_os(CGROUP2).is_some_and(|value| value == "own")
}

/// How tasks' directories are watched.
///
/// # Errors
/// A word that is not known: a quota that is not held is worse than an executor that does not start.
pub(crate) fn disks() -> Result<disk_engine::Settings, BadSetting> {
    let word = |variable| {
        let value = std::env::var_os(variable);
        value.map(|value| value.to_string_lossy().into_owned())
    };
    let refused = |variable, value, wanted| BadSetting::Word {
        variable,
        value,
        wanted,
    };
    let mut settings = disk_engine::Settings::default();
    if let Some(value) = word(DISK_TRACKING) {
        settings.tracking = match value.as_str() {
            "1" => true,
            "0" => false,
            _ => return Err(refused(DISK_TRACKING, value, "0 or 1")),
        };
    }
    if let Some(value) = word(DISK_QUOTA) {
        let wanted = "off, observe, assign, or assign:FROM-TO with numbers above 0";
        settings.quota = quota_use(&value).ok_or_else(|| refused(DISK_QUOTA, value, wanted))?;
    }
    Ok(settings)
}

fn quota_use(word: &str) -> Option<QuotaUse> {
    match word {
        "off" => Some(QuotaUse::Off),
        "observe" => Some(QuotaUse::Observe),
        "assign" => Some(QuotaUse::Assign(PROJECT_RANGE_BESIDE_MESOS)),
        _ => {
            let (from, to) = word.strip_prefix("assign:")?.split_once('-')?;
            let range = from.parse().ok()?..=to.parse().ok()?;
            // 0 is no project.
            (*range.start() > 0 && !range.is_empty()).then_some(QuotaUse::Assign(range))
        }
    }
}

/// The directory of the seccomp profiles that tasks can name.
pub(crate) fn seccomp_profiles() -> PathBuf {
    std::env::var_os(SECCOMP_PROFILES)
        .unwrap_or_else(|| DEFAULT_SECCOMP_PROFILES.into())
        .into()
}

/// Whether tasks see the executor's files as they are, and may write to all that their user may.
pub(crate) fn leaves_tasks_the_hosts_files() -> bool {
    std::env::var_os(FILESYSTEM).is_some_and(|value| value == "host")
}

/// Randomness for uuids and waits.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_of_quotas_is_a_known_word_or_a_range_of_projects() {
        assert_eq!(quota_use("observe"), Some(QuotaUse::Observe));
        let beside = QuotaUse::Assign(PROJECT_RANGE_BESIDE_MESOS);
        assert_eq!(quota_use("assign"), Some(beside));
        assert_eq!(quota_use("assign:7-9"), Some(QuotaUse::Assign(7..=9)));
        for word in [
            "",
            "on",
            "assign:",
            "assign:0-9",
            "assign:9-7",
            "assign:1-x",
        ] {
            assert_eq!(quota_use(word), None, "{word}");
        }
    }
}
