//! What the agent tells an executor through its environment, read once into one checked value.
//!
//! Mesos: `executorEnvironment` in src/slave/slave.cpp sets the variables, src/executor/executor.cpp reads them,
//! docs/executor-http-api.md lists them. A framework can override any of them, so none is believed unchecked.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::MesosDuration;

/// The agent's `--recovery_timeout`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_RECOVERY_TIMEOUT: MesosDuration = MesosDuration::from_nanos(15 * 60 * 1_000_000_000);

/// The agent's `--executor_reregistration_timeout`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_SUBSCRIPTION_BACKOFF_MAX: MesosDuration = MesosDuration::from_nanos(2_000_000_000);

/// The agent's `--executor_shutdown_grace_period`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_SHUTDOWN_GRACE_PERIOD: MesosDuration = MesosDuration::from_nanos(5_000_000_000);

const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// The environment of an executor, checked.
#[derive(Clone, Debug)]
pub struct ExecutorEnvironment {
    /// `MESOS_FRAMEWORK_ID`.
    pub framework_id: String,
    /// `MESOS_EXECUTOR_ID`.
    pub executor_id: String,
    /// `MESOS_SLAVE_ID`.
    pub agent_id: Option<String>,
    /// `MESOS_AGENT_ENDPOINT`, else the address in `MESOS_SLAVE_PID`.
    pub agent_endpoint: AgentEndpoint,
    /// Where calls are posted to: `/slave(1)/api/v1/executor`, with the id from `MESOS_SLAVE_PID`, the only path that
    /// the agent's domain socket serves (Mesos: src/slave/slave.cpp); `/api/v1/executor` without that variable.
    pub api_path: String,
    /// `MESOS_DIRECTORY`: the sandbox as the host sees it.
    pub directory: PathBuf,
    /// `MESOS_SANDBOX`, else `MESOS_DIRECTORY`: the sandbox as the executor sees it.
    pub sandbox: PathBuf,
    /// `MESOS_CHECKPOINT`: whether the agent recovers this executor after a restart. Only `1` is true.
    pub checkpoint: bool,
    /// `MESOS_RECOVERY_TIMEOUT`, 15 minutes if unset: how long to wait for the agent to come back. `None` without
    /// [`checkpoint`](Self::checkpoint), when there is nothing to wait for.
    pub recovery_timeout: Option<MesosDuration>,
    /// `MESOS_SUBSCRIPTION_BACKOFF_MAX`, 2 seconds if unset or without [`checkpoint`](Self::checkpoint): the longest
    /// pause between two attempts to subscribe.
    pub subscription_backoff_max: MesosDuration,
    /// `MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD`, 5 seconds if unset: how long after a shutdown the agent kills.
    pub shutdown_grace_period: MesosDuration,
    /// `MESOS_DOMAIN_SOCKET`: the agent's socket on the host. Set for executors that cannot see it, too.
    pub domain_socket: Option<PathBuf>,
    /// `MESOS_EXECUTOR_AUTHENTICATION_TOKEN`: what to send as `Authorization: Bearer`.
    pub authentication_token: Option<Secret>,
    /// `MESOS_CONTAINER_NAME`: set by the docker containerizer.
    pub container_name: Option<String>,
}

impl ExecutorEnvironment {
    /// Reads the variables, usually [`std::env::vars_os`]. Of a name that comes twice the first counts, as with
    /// `getenv`.
    ///
    /// # Errors
    ///
    /// Everything that is missing or wrong, at once.
    pub fn from_vars(
        vars: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, EnvironmentErrors> {
        let mut reader = Reader::new(vars);
        let framework_id = reader.required("MESOS_FRAMEWORK_ID", ID, parse_id);
        let executor_id = reader.required("MESOS_EXECUTOR_ID", ID, parse_id);
        let agent_id = reader.optional("MESOS_SLAVE_ID", ID, parse_id);
        let agent_pid = reader.optional("MESOS_SLAVE_PID", "an id@host:port", parse_pid);
        let agent_endpoint = match reader.optional("MESOS_AGENT_ENDPOINT", ENDPOINT, parse_endpoint)
        {
            Some(endpoint) => Some(endpoint),
            None => match &agent_pid {
                Some((_, endpoint)) => Some(endpoint.clone()),
                None => reader
                    .missing_unless_wrong(&["MESOS_AGENT_ENDPOINT", "MESOS_SLAVE_PID"], ENDPOINT),
            },
        };
        let directory = reader.required("MESOS_DIRECTORY", DIRECTORY, parse_directory);
        let sandbox = reader
            .optional("MESOS_SANDBOX", DIRECTORY, parse_directory)
            .or_else(|| directory.clone());
        let checkpoint = reader
            .get("MESOS_CHECKPOINT")
            .is_some_and(|value| value == "1");
        // What would not be used is not looked at, as in Mesos's own library.
        let mut when_checkpoint = |name, default| {
            checkpoint
                .then(|| reader.optional(name, DURATION, parse_duration))
                .flatten()
                .unwrap_or(default)
        };
        let recovery_timeout = when_checkpoint("MESOS_RECOVERY_TIMEOUT", DEFAULT_RECOVERY_TIMEOUT);
        let subscription_backoff_max = when_checkpoint(
            "MESOS_SUBSCRIPTION_BACKOFF_MAX",
            DEFAULT_SUBSCRIPTION_BACKOFF_MAX,
        );
        let shutdown_grace_period = reader
            .optional(
                "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
                DURATION,
                parse_duration,
            )
            .unwrap_or(DEFAULT_SHUTDOWN_GRACE_PERIOD);
        let domain_socket = reader.optional("MESOS_DOMAIN_SOCKET", "a path", parse_path);
        let authentication_token = reader.optional(TOKEN, "visible ASCII characters", parse_token);
        let container_name = reader.optional("MESOS_CONTAINER_NAME", "text", parse_text);

        match (
            framework_id,
            executor_id,
            agent_endpoint,
            directory,
            sandbox,
        ) {
            (
                Some(framework_id),
                Some(executor_id),
                Some(agent_endpoint),
                Some(directory),
                Some(sandbox),
            ) if reader.errors.is_empty() => Ok(Self {
                framework_id,
                executor_id,
                agent_id,
                agent_endpoint,
                api_path: match agent_pid {
                    Some((id, _)) => format!("/{id}/api/v1/executor"),
                    None => "/api/v1/executor".to_owned(),
                },
                directory,
                sandbox,
                checkpoint,
                recovery_timeout: checkpoint.then_some(recovery_timeout),
                subscription_backoff_max,
                shutdown_grace_period,
                domain_socket,
                authentication_token,
                container_name,
            }),
            _ => Err(EnvironmentErrors(reader.errors)),
        }
    }
}

/// The host and the port of an agent. Prints as `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEndpoint {
    /// An address or a name, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl fmt::Display for AgentEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that no log and no message shows.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is wrong with one variable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// Not set, and needed.
    #[error("{variable} is not set, want {wanted}")]
    Missing {
        /// The variable, or the one that is looked for first.
        variable: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Set to something else.
    #[error("{variable} is {value:?}, want {wanted}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
        /// What it should be.
        wanted: &'static str,
    },
    /// A secret that is set to something else: its value stays out of the message.
    #[error("{variable} has a value not to be shown, want {wanted}")]
    InvalidSecret {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// All that is wrong with an executor's environment; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentErrors(Vec<EnvironmentError>);

impl EnvironmentErrors {
    /// One error a variable.
    #[must_use]
    pub fn errors(&self) -> &[EnvironmentError] {
        &self.0
    }
}

impl fmt::Display for EnvironmentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for EnvironmentErrors {}

/// Whether a variable of the executor's environment may be handed on to a task. Withheld are
/// - what configures the executor's own libprocess: `LIBPROCESS_*`, and its older `SSL_*` (Mesos: docs/ssl.md);
///   `SSL_CERT_FILE` and `SSL_CERT_DIR` pass, since OpenSSL looks there for the authorities that a task may trust;
/// - credentials: the authentication token, and every other `MESOS_*` that is called token, credential or secret.
#[must_use]
pub fn passes_to_task(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let contains = |word: &[u8]| name.windows(word.len()).any(|window| window == word);
    let libprocess = name.starts_with(b"LIBPROCESS_")
        || (name.starts_with(b"SSL_") && name != b"SSL_CERT_FILE" && name != b"SSL_CERT_DIR");
    let credential = name.starts_with(b"MESOS_")
        && (contains(b"TOKEN") || contains(b"CREDENTIAL") || contains(b"SECRET"));
    !libprocess && !credential
}

const ID: &str = "an id: not empty, no slash, no control character";
const ENDPOINT: &str = "a host:port";
const DIRECTORY: &str = "an absolute path";
const DURATION: &str = "a duration like 5secs";

/// The variables and what has been found wrong with them so far.
struct Reader {
    vars: BTreeMap<OsString, OsString>,
    errors: Vec<EnvironmentError>,
}

impl Reader {
    fn new(vars: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut first = BTreeMap::new();
        for (name, value) in vars {
            first.entry(name).or_insert(value);
        }
        Self {
            vars: first,
            errors: Vec::new(),
        }
    }

    fn get(&self, variable: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(variable)).map(OsString::as_os_str)
    }

    fn optional<T>(
        &mut self,
        variable: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&OsStr) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(variable)?;
        let parsed = parse(value);
        if parsed.is_none() {
            let error = if variable == TOKEN {
                EnvironmentError::InvalidSecret { variable, wanted }
            } else {
                EnvironmentError::Invalid {
                    variable,
                    value: value.to_owned(),
                    wanted,
                }
            };
            self.errors.push(error);
        }
        parsed
    }

    fn required<T>(
        &mut self,
        variable: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&OsStr) -> Option<T>,
    ) -> Option<T> {
        self.optional(variable, wanted, parse)
            .or_else(|| self.missing_unless_wrong(&[variable], wanted))
    }

    /// Notes that the first of `variables` is missing, unless one of them is there, and so has been found wrong.
    fn missing_unless_wrong<T>(
        &mut self,
        variables: &[&'static str],
        wanted: &'static str,
    ) -> Option<T> {
        if variables.iter().all(|name| self.get(name).is_none())
            && let Some(variable) = variables.first()
        {
            self.errors
                .push(EnvironmentError::Missing { variable, wanted });
        }
        None
    }
}

fn parse_text(value: &OsStr) -> Option<String> {
    value.to_str().map(str::to_owned)
}

fn parse_id(value: &OsStr) -> Option<String> {
    crate::paths::Id::new(value).ok()?;
    parse_text(value)
}

fn parse_path(value: &OsStr) -> Option<PathBuf> {
    (!value.is_empty()).then(|| PathBuf::from(value))
}

fn parse_directory(value: &OsStr) -> Option<PathBuf> {
    Path::new(value).is_absolute().then(|| PathBuf::from(value))
}

fn parse_duration(value: &OsStr) -> Option<MesosDuration> {
    value.to_str()?.parse().ok()
}

fn parse_token(value: &OsStr) -> Option<Secret> {
    // What an HTTP header may carry: a line feed in it would be a header of its own.
    let text = value.to_str()?;
    let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    sendable.then(|| Secret(text.to_owned()))
}

fn parse_endpoint(value: &OsStr) -> Option<AgentEndpoint> {
    let (host, port) = value.to_str()?.rsplit_once(':')?;
    let (host, is_host): (_, fn(u8) -> bool) = match host.strip_prefix('[') {
        Some(address) => (address.strip_suffix(']')?, |byte| {
            byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
        }),
        None => (host, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
        }),
    };
    let port = port
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(port)?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty() && host.bytes().all(is_host)).then(|| AgentEndpoint {
        host: host.to_owned(),
        port,
    })
}

/// `slave(1)@10.0.0.1:5051`: the name of the agent's process and where it listens (Mesos: libprocess's `UPID`).
fn parse_pid(value: &OsStr) -> Option<(String, AgentEndpoint)> {
    let (id, endpoint) = value.to_str()?.split_once('@')?;
    // It becomes part of a URL's path.
    let in_path = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#');
    let endpoint = parse_endpoint(OsStr::new(endpoint))?;
    (!id.is_empty() && id.bytes().all(in_path)).then(|| (id.to_owned(), endpoint))
}
