//! From what was said to what is meant: every value, then what they mean together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mesos_agent::tls::Identity;
use mesos_agent::{Access, AgentAddress, Client};
use settings::value::{self, absolute, parsed, text};
use settings::{Check, Key, Said, Value};
use tracing::level_filters::LevelFilter;

use super::carbons::Carbons;
use super::naming::names;
use super::{Config, Purpose, keys};
use crate::output::{OutputSettings, Place};
use crate::scrape::{AgentSettings, List};

/// The configuration, if everything is there that it cannot do without.
pub(crate) fn config(purpose: Purpose, said: &Said, check: &mut Check<'_>) -> Option<Config> {
    let interval = interval(check);
    let timeout = timeout(check, interval);
    let mut agent = agent(check, timeout);
    let state_dir = state_dir(check);
    let graphite = Carbons::new(said, timeout, state_dir.clone()).read(check);
    let prometheus = check.optional(
        keys::OUTPUT_PROMETHEUS,
        "an address to listen on, such as \"127.0.0.1:9107\"",
        parsed::<SocketAddr>,
    );
    let json = check.optional(
        keys::OUTPUT_JSON,
        "the absolute path of a file, or \"-\"",
        place,
    );
    let others = [keys::OUTPUT_PROMETHEUS, keys::OUTPUT_JSON];
    let has_other = others.iter().any(|key| check.is_given(key));
    if purpose == Purpose::Ship && graphite.is_none() && !has_other && is_silent(said, check) {
        let allowed = "where carbon listens, tcp://HOST:PORT; --dry-run shows what would be sent";
        check.missing(keys::GRAPHITE_ADDRESS, allowed);
    }
    let names = names(said, check, agent.address.as_ref(), state_dir);
    let rules = names.iter().flat_map(|names| &names.labels);
    agent.labels = rules.map(|rule| rule.label.clone()).collect();
    let levels = "\"error\", \"warn\", \"info\" or \"debug\"";
    let log = check.value(keys::LOG, levels, value::level, LevelFilter::INFO);
    let work_dir = check.optional(keys::WORK_DIR, DIRECTORY, absolute);
    let disk_watcher = check.optional(
        keys::DISK_WATCHER,
        "the absolute path of a socket",
        absolute,
    );
    Some(Config {
        interval,
        log,
        agent,
        work_dir,
        disk_watcher,
        host: check.truth(keys::MACHINE, true),
        names: names?,
        output: OutputSettings {
            graphite,
            prometheus,
            json,
            dry_run: purpose == Purpose::Show,
            // A carbon that is slow makes no turn late.
            patience: timeout.min(interval / 2),
        },
    })
}

fn place(value: &Value) -> Option<Place> {
    match text(value)? {
        "-" => Some(Place::Stdout),
        _ => absolute(value).map(Place::File),
    }
}

/// Whether no carbon was named, as opposed to one that is wrong and told already.
fn is_silent(said: &Said, check: &Check<'_>) -> bool {
    !check.is_given(keys::GRAPHITE_ADDRESS) && said.entries(keys::DESTINATIONS).is_empty()
}

const DIRECTORY: &str = "the absolute path of a directory";

/// Points have times in whole seconds.
fn interval(check: &mut Check<'_>) -> Duration {
    let allowed = "a length of time in whole seconds, such as \"10secs\"";
    let whole = |value: &Value| {
        let duration = value::duration(value)?;
        (!duration.is_zero() && duration.subsec_nanos() == 0).then_some(duration)
    };
    check.value(keys::INTERVAL, allowed, whole, Duration::from_secs(10))
}

/// One scrape must not get in another's way.
fn timeout(check: &mut Check<'_>, interval: Duration) -> Duration {
    let allowed = format!("a length of time, over 0 and at most the interval, {interval:?}");
    let fits = |value: &Value| {
        value::duration(value).filter(|timeout| !timeout.is_zero() && *timeout <= interval)
    };
    let default = Duration::from_secs(5).min(interval);
    check.value(keys::TIMEOUT, &allowed, fits, default)
}

fn agent(check: &mut Check<'_>, timeout: Duration) -> AgentSettings {
    let allowed =
        "the agent's address, http://HOST:PORT or https://HOST:PORT, without user and password";
    let address = check.optional(keys::AGENT_ADDRESS, allowed, parsed::<AgentAddress>);
    let access = Access {
        credential_file: check.readable(keys::AGENT_CREDENTIAL_FILE),
        ca_file: check.readable(keys::AGENT_CA_FILE),
        identity: identity(check, keys::AGENT_CERTIFICATE_FILE, keys::AGENT_KEY_FILE),
    };
    if let Some(address) = &address {
        access_fits(check, address, &access);
    }
    let refresh = Some(Duration::from_secs(10));
    AgentSettings {
        address,
        access,
        list: list(check),
        has_metrics: check.truth(keys::AGENT_METRICS, true),
        passes_unknown: check.truth(keys::AGENT_UNKNOWN_FIELDS, false),
        labels: Vec::new(),
        timeout,
        refresh: check.duration(keys::AGENT_REFRESH, Duration::from_secs(300), refresh),
    }
}

/// An agent that is found may turn out to be one by https: what it takes is told then.
fn access_fits(check: &mut Check<'_>, address: &AgentAddress, access: &Access) {
    if !address.is_tls() {
        for key in [keys::AGENT_CA_FILE, keys::AGENT_CERTIFICATE_FILE] {
            if check.is_given(key) {
                check.conflict(key, "an http agent.address", "nothing would be encrypted");
            }
        }
    } else if !check.is_given(keys::AGENT_CA_FILE) {
        let allowed = "the file of certificates that vouch for an https agent";
        check.missing(keys::AGENT_CA_FILE, allowed);
    } else if access.ca_file.is_some()
        && let Err(error) = Client::new(address.clone(), access)
    {
        check.unusable(keys::AGENT_CA_FILE, &with_causes(&error));
    }
}

fn list(check: &mut Check<'_>) -> List {
    let versions = "\"v1\" or \"v0\"";
    let is_v1 = check.value(
        keys::AGENT_API,
        versions,
        |value| match text(value)? {
            "v0" => Some(false),
            "v1" => Some(true),
            _ => None,
        },
        true,
    );
    let nested = check.truth(keys::AGENT_NESTED, true);
    let standalone = check.truth(keys::AGENT_STANDALONE, true);
    if is_v1 {
        return List::V1 { nested, standalone };
    }
    for (key, is_wanted) in [
        (keys::AGENT_NESTED, nested),
        (keys::AGENT_STANDALONE, standalone),
    ] {
        if check.is_given(key) && is_wanted {
            check.conflict(key, "agent.api = \"v0\"", "that one does not list them");
        }
    }
    List::V0
}

/// Both files of a certificate of our own, or none.
pub(super) fn identity(
    check: &mut Check<'_>,
    certificate: &'static Key,
    key: &'static Key,
) -> Option<Identity> {
    for (one, other) in [(certificate, key), (key, certificate)] {
        if check.is_given(one) && !check.is_given(other) {
            check.missing(other, "the other half of a certificate and its key");
        }
    }
    let certificate_file = check.readable(certificate);
    let key_file = check.readable(key);
    Some(Identity {
        certificate_file: certificate_file?,
        key_file: key_file?,
    })
}

/// An error with what led to it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What systemd gives to a unit with `StateDirectory=` (systemd.exec(5)): several have colons between them.
fn state_dir(check: &mut Check<'_>) -> Option<PathBuf> {
    let given = check.optional(keys::STATE_DIR, DIRECTORY, absolute);
    let systemds = || {
        let all = std::env::var_os("STATE_DIRECTORY")?;
        let first = std::env::split_paths(&all).next()?;
        first.is_absolute().then_some(first)
    };
    if check.is_given(keys::STATE_DIR) {
        given
    } else {
        systemds()
    }
}
