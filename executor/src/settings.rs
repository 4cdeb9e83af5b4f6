//! From the environment to the core's configuration.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use executor_core::Config;
use mesos_proto::MesosDuration;
use mesos_proto::environment::ExecutorEnvironment;
use mesos_proto::v1::{ExecutorId, FrameworkId};
use tracing::level_filters::LevelFilter;

const IDLE_TIMEOUT: &str = "MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT";
const LOG: &str = "MESOS_SANDBOX_EXECUTOR_LOG";

/// A setting of our own that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is '{value}', which is no duration such as 5secs: {source}")]
pub(crate) struct BadSetting {
    variable: &'static str,
    value: String,
    source: mesos_proto::DurationError,
}

/// The core's configuration.
pub(crate) fn config(environment: &ExecutorEnvironment) -> Result<Config, BadSetting> {
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
    if let Ok(value) = std::env::var(IDLE_TIMEOUT) {
        config.idle_timeout = match value.parse() {
            Ok(timeout) => not_negative(timeout),
            Err(source) => {
                let variable = IDLE_TIMEOUT;
                return Err(BadSetting {
                    variable,
                    value,
                    source,
                });
            }
        };
    }
    Ok(config)
}

/// A time limit below zero is over already.
fn not_negative(duration: MesosDuration) -> Duration {
    duration.to_std().unwrap_or_default()
}

/// How much is logged. An unknown word is as good as none: the log is where it would be complained about.
pub(crate) fn log_level() -> LevelFilter {
    std::env::var(LOG)
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO)
}

/// Randomness for uuids and waits.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}
