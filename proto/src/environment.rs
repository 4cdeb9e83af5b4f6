//! What the agent tells an executor through its environment, read once into one checked value.
//!
//! Mesos: `executorEnvironment` in src/slave/slave.cpp sets the variables, src/executor/executor.cpp reads them,
//! docs/executor-http-api.md lists them. A framework can override any of them, so none is believed unchecked.

mod reader;
#[cfg(test)]
mod tests;
mod tls;
#[cfg(test)]
mod tls_tests;
mod values;

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub use self::reader::{EnvironmentError, EnvironmentErrors};
pub use self::tls::{TlsFile, TlsIdentity, TlsSettings};
pub use self::values::{AgentEndpoint, Secret};

use self::reader::Reader;
use self::values::{AGENT_PID, DIRECTORY, DURATION, ENDPOINT, ID, SOCKET, TOKEN};
use crate::MesosDuration;

/// The variable that holds the executor's credential. A program that has read it clears it.
pub const TOKEN_VARIABLE: &CStr = c"MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// The agent's `--recovery_timeout`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_RECOVERY_TIMEOUT: MesosDuration = MesosDuration::from_nanos(15 * 60 * 1_000_000_000);

/// The agent's `--executor_reregistration_timeout`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_SUBSCRIPTION_BACKOFF_MAX: MesosDuration = MesosDuration::from_nanos(2_000_000_000);

/// The agent's `--executor_shutdown_grace_period`, unless it says otherwise (Mesos: src/slave/constants.hpp).
const DEFAULT_SHUTDOWN_GRACE_PERIOD: MesosDuration = MesosDuration::from_nanos(5_000_000_000);

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
    /// `LIBPROCESS_SSL_*`: how to speak TLS to the agent; `None` when it is spoken to without. No variable says whether
    /// the agent wants it: an operator gives executors the agent's own setting (Mesos: docs/ssl.md).
    pub tls: Option<TlsSettings>,
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
        let framework_id = reader.required("MESOS_FRAMEWORK_ID", &ID);
        let executor_id = reader.required("MESOS_EXECUTOR_ID", &ID);
        let agent_id = reader.optional("MESOS_SLAVE_ID", &ID);
        let agent_pid = reader.optional("MESOS_SLAVE_PID", &AGENT_PID);
        let agent_endpoint = match (&agent_pid, reader.get("MESOS_SLAVE_PID")) {
            (Some(pid), _) => reader
                .optional("MESOS_AGENT_ENDPOINT", &ENDPOINT)
                .or_else(|| Some(pid.endpoint.clone())),
            // It has been reported already, there is no need to ask for the other.
            (None, Some(_)) => reader.optional("MESOS_AGENT_ENDPOINT", &ENDPOINT),
            (None, None) => reader.required("MESOS_AGENT_ENDPOINT", &ENDPOINT),
        };
        let directory = reader.required("MESOS_DIRECTORY", &DIRECTORY);
        let sandbox = reader
            .optional("MESOS_SANDBOX", &DIRECTORY)
            .or_else(|| directory.clone());
        let checkpoint = reader
            .get("MESOS_CHECKPOINT")
            .is_some_and(|value| value == "1");
        // What would not be used is not looked at, as in Mesos's own library.
        let mut when_checkpoint = |variable, default| {
            checkpoint
                .then(|| reader.optional(variable, &DURATION))
                .flatten()
                .unwrap_or(default)
        };
        let recovery_timeout = when_checkpoint("MESOS_RECOVERY_TIMEOUT", DEFAULT_RECOVERY_TIMEOUT);
        let subscription_backoff_max = when_checkpoint(
            "MESOS_SUBSCRIPTION_BACKOFF_MAX",
            DEFAULT_SUBSCRIPTION_BACKOFF_MAX,
        );
        let shutdown_grace_period = reader
            .optional("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", &DURATION)
            .unwrap_or(DEFAULT_SHUTDOWN_GRACE_PERIOD);
        let domain_socket = reader.optional("MESOS_DOMAIN_SOCKET", &SOCKET);
        let authentication_token = reader.optional("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", &TOKEN);
        let tls = tls::read(&mut reader);

        let errors = reader.into_errors();
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
            ) if errors.is_empty() => Ok(Self {
                framework_id,
                executor_id,
                agent_id,
                agent_endpoint,
                api_path: match agent_pid {
                    Some(pid) => format!("/{}/api/v1/executor", pid.id),
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
                tls,
            }),
            _ => Err(EnvironmentErrors::new(errors)),
        }
    }
}

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
