//! From what was written to what is meant: every value, then what they mean together.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use graphite::MetricPath;
use mesos_proto::{Bytes, MesosDuration};
use tracing::level_filters::LevelFilter;

use super::error::{ConfigError, Origin, Problem};
use super::keys::{self, Key, nearest};
use super::raw::{Given, Raw, RawRule, Value};
use super::{Agent, Carbon, Config, Count, Engine, LimitSettings, Method, Output, Quota};
use crate::policy::{Mode, Pattern, Policy, Rule};
use mesos_agent::AgentAddress;

const BOOL: &str = "true or false";
const DURATION: &str = "a length of time with its unit, such as \"5secs\" or \"500ms\"";
const MODES: &str = "\"observe\", \"warn\" or \"enforce\"";
const FIELDS: [&str; 4] = ["framework", "role", "label", "mode"];
/// Mesos's own (Mesos: src/slave/flags.cpp, `xfs_project_range`) is 5000 to 10000.
const PROJECT_IDS: RangeInclusive<u32> = 20_000..=29_999;

/// The configuration, if everything is there that it cannot do without.
pub(super) fn config(raw: &Raw, errors: &mut Vec<ConfigError>) -> Option<Config> {
    let mut check = Check { raw, errors };
    let work_dir = check.work_dir();
    let agent = check.agent();
    let policy = check.policy();
    check.enforcement_has_an_agent(&policy, agent.as_ref());
    let config = Config {
        work_dir: work_dir.unwrap_or_default(),
        interval: check.duration(
            keys::INTERVAL,
            Duration::from_secs(5),
            Some(Duration::from_millis(100)),
        ),
        log: check.value(
            keys::LOG,
            "\"error\", \"warn\", \"info\" or \"debug\"",
            level,
            LevelFilter::INFO,
        ),
        agent,
        policy,
        limits: check.limits(),
        count: check.count(),
        engine: check.engine(),
        methods: check.methods(),
        output: check.output(),
    };
    check.errors.is_empty().then_some(config)
}

struct Check<'a> {
    raw: &'a Raw,
    errors: &'a mut Vec<ConfigError>,
}

impl Check<'_> {
    /// The value of a key as `parse` has it; what it does not take is an error that says what is allowed.
    fn optional<T>(
        &mut self,
        key: &'static Key,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let given = self.raw.get(key)?;
        let value = parse(&given.value);
        if value.is_none() {
            self.refuse(given, key.path, allowed);
        }
        value
    }

    fn value<T>(
        &mut self,
        key: &'static Key,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
        default: T,
    ) -> T {
        self.optional(key, allowed, parse).unwrap_or(default)
    }

    fn refuse(&mut self, given: &Given, key: &str, allowed: &str) {
        self.errors.push(ConfigError {
            origin: given.origin.clone(),
            problem: Problem::Value {
                key: key.to_owned(),
                value: given.value.to_string(),
                allowed: allowed.to_owned(),
            },
        });
    }

    fn origin(&self, key: &Key) -> Origin {
        let given = self.raw.get(key);
        given.map_or(Origin::Nowhere, |given| given.origin.clone())
    }

    fn missing(&mut self, key: &'static Key, allowed: &'static str) {
        self.errors.push(ConfigError {
            origin: Origin::Nowhere,
            problem: Problem::Missing {
                key: key.path,
                allowed,
            },
        });
    }

    fn conflict(&mut self, key: &'static Key, other: &'static str, why: &'static str) {
        self.errors.push(ConfigError {
            origin: self.origin(key),
            problem: Problem::Conflict {
                key: key.path,
                other,
                why,
            },
        });
    }

    fn unusable(&mut self, key: &'static Key, value: &Path, why: &dyn Display) {
        self.errors.push(ConfigError {
            origin: self.origin(key),
            problem: Problem::Unusable {
                key: key.path,
                value: value.display().to_string(),
                why: why.to_string(),
            },
        });
    }

    fn work_dir(&mut self) -> Option<PathBuf> {
        const ALLOWED: &str = "the absolute path of the agent's work directory";
        if self.raw.get(keys::WORK_DIR).is_none() {
            self.missing(keys::WORK_DIR, ALLOWED);
        }
        self.optional(keys::WORK_DIR, ALLOWED, absolute)
    }

    fn agent(&mut self) -> Option<Agent> {
        let address = self.optional(
            keys::AGENT_ADDRESS,
            "the agent's address, http://HOST:PORT or https://HOST:PORT",
            parsed::<AgentAddress>,
        );
        let credential_file = self.readable(keys::AGENT_CREDENTIAL_FILE);
        let ca_file = self.readable(keys::AGENT_CA_FILE);
        if self.raw.get(keys::AGENT_ADDRESS).is_none() {
            for key in [keys::AGENT_CREDENTIAL_FILE, keys::AGENT_CA_FILE] {
                if self.raw.get(key).is_some() {
                    self.conflict(key, "no agent.address", "there is nobody to ask");
                }
            }
        }
        Some(Agent {
            address: address?,
            credential_file,
            ca_file,
        })
    }

    /// A file that is read later, and that is there now.
    fn readable(&mut self, key: &'static Key) -> Option<PathBuf> {
        let path = self.optional(key, "the absolute path of a file", absolute)?;
        if let Err(error) = std::fs::File::open(&path) {
            self.unusable(key, &path, &error);
        }
        Some(path)
    }

    fn policy(&mut self) -> Policy {
        let default = self.value(keys::MODE_DEFAULT, MODES, parsed, Mode::default());
        let rules = self.raw.rules.iter();
        let rules = rules.filter_map(|rule| self.rule(rule)).collect();
        Policy { rules, default }
    }

    fn rule(&mut self, rule: &RawRule) -> Option<Rule> {
        let mut checked = Rule::default();
        let mut mode = None;
        for (name, given) in &rule.fields {
            let key = format!("rule.{name}");
            let pattern = text(&given.value).filter(|text| !text.is_empty());
            let pattern = pattern.map(Pattern::new);
            let (slot, allowed) = match name.as_str() {
                "mode" => {
                    mode = parsed::<Mode>(&given.value);
                    if mode.is_none() {
                        self.refuse(given, &key, MODES);
                    }
                    continue;
                }
                "framework" => (&mut checked.framework, "a name or a pattern with * and ?"),
                "role" => (&mut checked.role, "a role or a pattern with * and ?"),
                "label" => (
                    &mut checked.label,
                    "\"KEY=VALUE\", or a pattern of it with * and ?",
                ),
                other => {
                    self.errors.push(ConfigError {
                        origin: given.origin.clone(),
                        problem: Problem::UnknownKey {
                            key,
                            nearest: nearest(other, FIELDS.into_iter()),
                        },
                    });
                    continue;
                }
            };
            if pattern.is_none() {
                self.refuse(given, &key, allowed);
            }
            *slot = pattern;
        }
        if !rule.fields.contains_key("mode") {
            self.errors.push(ConfigError {
                origin: rule.origin.clone(),
                problem: Problem::Missing {
                    key: "rule.mode",
                    allowed: MODES,
                },
            });
        }
        checked.mode = mode?;
        Some(checked)
    }

    fn enforcement_has_an_agent(&mut self, policy: &Policy, agent: Option<&Agent>) {
        let is_asked = self.raw.get(keys::AGENT_ADDRESS).is_some();
        if policy.may_enforce() && agent.is_none() && !is_asked {
            self.missing(
                keys::AGENT_ADDRESS,
                "the agent's address, http://HOST:PORT, since only a container that it lists is ended",
            );
        }
    }

    fn limits(&mut self) -> LimitSettings {
        let soft = "a share over 0 and under 1, or 0 for no warning";
        let soft_share = self.value(keys::LIMIT_SOFT_SHARE, soft, share, 0.9);
        LimitSettings {
            default: self.optional(
                keys::LIMIT_DEFAULT,
                "a size over 0 with its unit, such as \"10GB\"",
                |value| parsed::<Bytes>(value).filter(|bytes| bytes.as_u64() > 0),
            ),
            inodes: self.optional(keys::LIMIT_INODES, "a count over 0", |value| {
                parsed::<u64>(value).filter(|count| *count > 0)
            }),
            soft_share: (soft_share > 0.0).then_some(soft_share),
            grace: self.duration(keys::LIMIT_GRACE, Duration::ZERO, None),
        }
    }

    fn duration(
        &mut self,
        key: &'static Key,
        default: Duration,
        least: Option<Duration>,
    ) -> Duration {
        let allowed = match least {
            Some(least) => format!("{DURATION}, at least {least:?}"),
            None => DURATION.to_owned(),
        };
        let parse = |value: &Value| {
            let duration = parsed::<MesosDuration>(value)?.to_std()?;
            (duration >= least.unwrap_or_default()).then_some(duration)
        };
        self.value(key, &allowed, parse, default)
    }

    fn count(&mut self) -> Count {
        let is_compatible = self.value(keys::COUNT_DU_COMPATIBLE, BOOL, parsed, false);
        let deleted = self.optional(keys::COUNT_DELETED, BOOL, parsed::<bool>);
        let mounts = self.optional(keys::COUNT_MOUNTS, BOOL, parsed::<bool>);
        if is_compatible && deleted == Some(true) {
            let why = "du does not see what is deleted";
            self.conflict(keys::COUNT_DELETED, "count.du_compatible", why);
        }
        if is_compatible && mounts == Some(false) {
            let why = "du counts what is mounted";
            self.conflict(keys::COUNT_MOUNTS, "count.du_compatible", why);
        }
        Count {
            deleted: deleted.unwrap_or(!is_compatible),
            mounts: mounts.unwrap_or(is_compatible),
        }
    }

    fn engine(&mut self) -> Engine {
        let is_compatible = self.is_set(keys::COUNT_DU_COMPATIBLE);
        let ids = self.optional(
            keys::ENGINE_PROJECT_IDS,
            "a range of numbers from 1 on, such as \"20000-29999\"",
            range,
        );
        let quotas = "\"off\", \"observe\" or \"assign\"";
        let quota = self.optional(keys::ENGINE_QUOTA, quotas, |value| match text(value)? {
            "off" => Some(Quota::Off),
            "observe" => Some(Quota::Observe),
            "assign" => Some(Quota::Assign(ids.clone().unwrap_or(PROJECT_IDS))),
            _ => None,
        });
        let assigns = matches!(quota, Some(Quota::Assign(_)));
        if is_compatible && !matches!(quota, None | Some(Quota::Off)) {
            let why = "a project quota counts what is deleted, which du does not see";
            self.conflict(keys::ENGINE_QUOTA, "count.du_compatible", why);
        }
        if ids.is_some() && !assigns {
            let why = "no other use gives ids to sandboxes";
            self.conflict(
                keys::ENGINE_PROJECT_IDS,
                "engine.quota other than \"assign\"",
                why,
            );
        }
        let in_kernel = self.value(keys::ENGINE_IN_KERNEL, BOOL, parsed, false);
        if in_kernel && !assigns {
            let why = "limits are set for ids of our own alone";
            self.conflict(
                keys::ENGINE_IN_KERNEL,
                "engine.quota other than \"assign\"",
                why,
            );
        }
        let default = if is_compatible {
            Quota::Off
        } else {
            Quota::Observe
        };
        Engine {
            tracking: self.value(keys::ENGINE_TRACKING, BOOL, parsed, true),
            quota: quota.unwrap_or(default),
            in_kernel,
            cpu_budget: self.value(
                keys::ENGINE_CPU_BUDGET,
                "a number of cores from 0.01 to 64",
                |value| number(value).filter(|cores| (0.01..=64.0).contains(cores)),
                0.2,
            ),
            threads: self.value(
                keys::ENGINE_THREADS,
                "a count from 1 to 64",
                |value| parsed::<usize>(value).filter(|count| (1..=64).contains(count)),
                2,
            ),
        }
    }

    fn is_set(&self, key: &Key) -> bool {
        let given = self.raw.get(key);
        given.is_some_and(|given| parsed(&given.value) == Some(true))
    }

    fn methods(&mut self) -> Vec<Method> {
        let all = vec![Method::Executor, Method::Agent, Method::Processes];
        let allowed = "some of \"executor\", \"agent\", \"processes\"";
        let parse = |value: &Value| {
            let mut methods: Vec<Method> = list(value)?
                .iter()
                .map(|name| match name.as_str() {
                    "executor" => Some(Method::Executor),
                    "agent" => Some(Method::Agent),
                    "processes" => Some(Method::Processes),
                    _ => None,
                })
                .collect::<Option<_>>()?;
            methods.sort_unstable();
            methods.dedup();
            Some(methods)
        };
        self.value(keys::ENFORCE_METHODS, allowed, parse, all)
    }

    fn output(&mut self) -> Output {
        let prefix = self.optional(
            keys::OUTPUT_GRAPHITE_PREFIX,
            "names with dots between them",
            |value| MetricPath::parse(text(value)?).ok(),
        );
        let prefix = prefix.or_else(|| MetricPath::parse("mesos").ok());
        let host = self.optional(keys::OUTPUT_HOST, "a name", |value| {
            text(value)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        });
        let file = "the absolute path of a file";
        let address = self.optional(keys::OUTPUT_GRAPHITE, "tcp://HOST:PORT", carbon);
        let carbon = |(address, prefix)| Carbon {
            address,
            prefix,
            host,
        };
        Output {
            events: self.optional(keys::OUTPUT_EVENTS, file, absolute),
            prometheus: self.optional(
                keys::OUTPUT_PROMETHEUS,
                "an address and a port, such as \"127.0.0.1:9106\"",
                parsed,
            ),
            graphite: address.zip(prefix).map(carbon),
            socket: self.optional(keys::OUTPUT_SOCKET, file, absolute),
        }
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Bare(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// What is a text in the environment may be bare in the file.
fn parsed<T: FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Text(text) | Value::Bare(text) => text.parse().ok(),
        Value::List(_) | Value::Other(_) => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    parsed::<f64>(value).filter(|number| number.is_finite())
}

fn share(value: &Value) -> Option<f64> {
    number(value).filter(|share| (0.0..1.0).contains(share))
}

fn absolute(value: &Value) -> Option<PathBuf> {
    let path = PathBuf::from(text(value)?);
    (path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&0)).then_some(path)
}

/// A list in the file; elsewhere names with commas between them.
fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(items) => Some(items.clone()),
        Value::Text(text) if text.is_empty() => Some(Vec::new()),
        Value::Text(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
        Value::Bare(_) | Value::Other(_) => None,
    }
}

fn range(value: &Value) -> Option<RangeInclusive<u32>> {
    let (from, to) = text(value)?.split_once('-')?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (0 < from && from <= to).then_some(from..=to)
}

fn level(value: &Value) -> Option<LevelFilter> {
    match text(value)? {
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        _ => None,
    }
}

fn carbon(value: &Value) -> Option<graphite::Address> {
    let (host, port) = text(value)?.strip_prefix("tcp://")?.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let port: u16 = port.parse().ok()?;
    (!host.is_empty() && host.chars().all(is_name) && port > 0).then(|| graphite::Address {
        host: host.to_owned(),
        port,
    })
}
