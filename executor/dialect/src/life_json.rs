//! Hooks, stop sequence and restart policy as JSON, in data under their keys and in labels as a whole.
//!
//! ```json
//! { "hooks": {
//!     "before_start": { "command": "./migrate", "timeout_seconds": 60, "on_failure": "fail" },
//!     "after_start": { "command": "./register" },
//!     "before_stop": { "command": { "value": "./snapshot", "shell": false, "arguments": [ "snapshot", "--fast" ] } },
//!     "after_stop": { "command": "rm -f lock", "on_failure": "ignore" } },
//!   "stop": {
//!     "deregister": { "command": "./leave-balancer", "timeout_seconds": 5 },
//!     "drain_seconds": 10, "signal": "QUIT", "signal_seconds": 5 },
//!   "restart": {
//!     "policy": "on_failure", "max_restarts": 5, "backoff_seconds": 1, "backoff_max_seconds": 60,
//!     "reset_after_seconds": 600, "on_limit": false } }
//! ```

use std::time::Duration;

use serde_json::Value;

use crate::data;
use crate::json::{JsonError, Keys};
use crate::life::{Hook, Hooks, Life, Restart, RestartPolicy, Stop, StopSignal};
use crate::{ProgramError, command_info};

/// What a hook has that names no timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a task is started again in a row after failures, when it does not say.
const DEFAULT_RESTARTS: u32 = 10;

/// What is wrong with hooks, a stop sequence or a restart policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// JSON that says something else than it should.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A hook that cannot be run.
    #[error("{hook}: {source}")]
    Program {
        /// The path to the hook.
        hook: String,
        /// What is wrong.
        source: ProgramError,
    },
}

/// What one source asks for; none where it is silent.
#[derive(Debug, Default)]
pub(crate) struct LifeWishes {
    pub(crate) hooks: Option<Hooks>,
    pub(crate) stop: Option<Stop>,
    pub(crate) restart: Option<Restart>,
}

impl LifeWishes {
    /// The keys of an object that has others as well.
    pub(crate) fn take(keys: &mut Keys) -> Result<Self, LifeError> {
        Ok(Self {
            hooks: keys.object("hooks")?.map(hooks).transpose()?,
            stop: keys.object("stop")?.map(stop).transpose()?,
            restart: keys.object("restart")?.map(restart).transpose()?,
        })
    }

    /// These, and those of a weaker source where these are silent.
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            hooks: self.hooks.or(weaker.hooks),
            stop: self.stop.or(weaker.stop),
            restart: self.restart.or(weaker.restart),
        }
    }

    pub(crate) fn granted(self) -> Life {
        Life {
            hooks: self.hooks.unwrap_or_default(),
            stop: self.stop.unwrap_or_default(),
            restart: self.restart.unwrap_or_default(),
        }
    }
}

/// One of the objects as a whole text.
pub(crate) fn whole<T>(
    value: Value,
    read: impl FnOnce(Keys) -> Result<T, LifeError>,
) -> Result<T, LifeError> {
    read(Keys::of(String::new(), value)?)
}

pub(crate) fn hooks(mut keys: Keys) -> Result<Hooks, LifeError> {
    let hooks = Hooks {
        before_start: hook(&mut keys, "before_start", true)?,
        after_start: hook(&mut keys, "after_start", true)?,
        before_stop: hook(&mut keys, "before_stop", false)?,
        after_stop: hook(&mut keys, "after_stop", false)?,
    };
    keys.end()?;
    Ok(hooks)
}

pub(crate) fn stop(mut keys: Keys) -> Result<Stop, LifeError> {
    let default = Stop::default();
    let signal = match keys.text("signal")? {
        Some(name) => signal(&name).ok_or_else(|| JsonError::Type {
            key: keys.path("signal"),
            wanted: "TERM, HUP, INT, QUIT, USR1 or USR2",
        })?,
        None => None,
    };
    let stop = Stop {
        deregister: hook(&mut keys, "deregister", false)?,
        drain: seconds(&mut keys, "drain_seconds", &WAIT)?.unwrap_or(default.drain),
        signal,
        signal_wait: seconds(&mut keys, "signal_seconds", &WAIT)?.unwrap_or(default.signal_wait),
    };
    keys.end()?;
    Ok(stop)
}

pub(crate) fn restart(mut keys: Keys) -> Result<Restart, LifeError> {
    let policy = keys.text("policy")?;
    let policy = match keys.must("policy", policy)?.as_str() {
        "never" => RestartPolicy::Never,
        "on_failure" => RestartPolicy::OnFailure,
        "always" => RestartPolicy::Always,
        _ => return Err(wrong(&keys, "policy", "never, on_failure or always")),
    };
    let most = keys.count("max_restarts")?;
    let most = most.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    let default = Restart::default();
    let backoff = seconds(&mut keys, "backoff_seconds", &BACKOFF)?.unwrap_or(default.backoff);
    let longest = seconds(&mut keys, "backoff_max_seconds", &BACKOFF)?;
    if longest.is_some_and(|longest| longest < backoff) {
        let wanted = "no less than backoff_seconds";
        return Err(wrong(&keys, "backoff_max_seconds", wanted));
    }
    let restart = Restart {
        policy,
        most: most.or((policy == RestartPolicy::OnFailure).then_some(DEFAULT_RESTARTS)),
        backoff,
        longest_backoff: longest.unwrap_or(default.longest_backoff.max(backoff)),
        reset_after: seconds(&mut keys, "reset_after_seconds", &RESET)?
            .unwrap_or(default.reset_after),
        on_limit: keys.flag("on_limit")?.unwrap_or(default.on_limit),
    };
    keys.end()?;
    Ok(restart)
}

/// SIGTERM comes in any case: it alone is no signal of one's own choice.
#[expect(clippy::option_option, reason = "no such signal; none before SIGTERM")]
fn signal(name: &str) -> Option<Option<StopSignal>> {
    match name.strip_prefix("SIG").unwrap_or(name) {
        "TERM" => Some(None),
        "HUP" => Some(Some(StopSignal::Hangup)),
        "INT" => Some(Some(StopSignal::Interrupt)),
        "QUIT" => Some(Some(StopSignal::Quit)),
        "USR1" => Some(Some(StopSignal::User1)),
        "USR2" => Some(Some(StopSignal::User2)),
        _ => None,
    }
}

fn hook(keys: &mut Keys, key: &str, must_succeed: bool) -> Result<Option<Hook>, LifeError> {
    let path = keys.path(key);
    let Some(mut inner) = keys.object(key)? else {
        return Ok(None);
    };
    let program = match inner.take_text("command") {
        Some(line) => command_info::program(&command_info::line(line)),
        None => {
            let command = inner.object("command")?;
            let mut command = inner.must("command", command)?;
            let info = data::program(&mut command)?;
            command.end()?;
            command_info::program(&info)
        }
    };
    let (program, environment) =
        program.map_err(|source| LifeError::Program { hook: path, source })?;
    let hook = Hook {
        program,
        environment,
        timeout: seconds(&mut inner, "timeout_seconds", &TIMEOUT)?.unwrap_or(DEFAULT_TIMEOUT),
        must_succeed: match inner.text("on_failure")?.as_deref() {
            None => must_succeed,
            Some("fail") => true,
            Some("ignore") => false,
            Some(_) => return Err(wrong(&inner, "on_failure", "fail or ignore")),
        },
    };
    inner.end()?;
    Ok(Some(hook))
}

/// What a length of time may be.
struct Bounds {
    least: f64,
    most: f64,
    said: &'static str,
}

const TIMEOUT: Bounds = Bounds {
    least: 0.1,
    most: 300.0,
    said: "a number of seconds from 0.1 to 300",
};

const WAIT: Bounds = Bounds {
    least: 0.0,
    most: 3600.0,
    said: "a number of seconds from 0 to 3600",
};

/// A shorter one would make more status updates than an agent that is away can be told of.
const BACKOFF: Bounds = Bounds {
    least: 0.1,
    most: 86_400.0,
    said: "a number of seconds from 0.1 to 86400",
};

const RESET: Bounds = Bounds {
    least: 1.0,
    most: 86_400.0,
    said: "a number of seconds from 1 to 86400",
};

fn seconds(
    keys: &mut Keys,
    key: &'static str,
    bounds: &Bounds,
) -> Result<Option<Duration>, JsonError> {
    let Some(seconds) = keys.number(key)? else {
        return Ok(None);
    };
    match (bounds.least..=bounds.most).contains(&seconds) {
        true => Ok(Some(Duration::from_secs_f64(seconds))),
        false => Err(JsonError::Type {
            key: keys.path(key),
            wanted: bounds.said,
        }),
    }
}

fn wrong(keys: &Keys, key: &str, wanted: &'static str) -> LifeError {
    let key = keys.path(key);
    JsonError::Type { key, wanted }.into()
}
