//! From what was written to what is meant: every value, then what they mean together.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use graphite::MetricPath;
use settings::value::{self, absolute, list, number, parsed, range, share, text};
use settings::{Check, Key, Said, Value, Values};
use tracing::level_filters::LevelFilter;

use super::keys;
use super::{Agent, Carbon, Config, Count, Engine, LimitSettings, Method, Output, Quota};
use crate::policy::{Mode, Pattern, Policy, Rule};
use mesos_agent::AgentAddress;

const BOOL: &str = "true or false";
const MODES: &str = "\"observe\", \"warn\" or \"enforce\"";
/// Mesos's own (Mesos: src/slave/flags.cpp, `xfs_project_range`) is 5000 to 10000.
const PROJECT_IDS: RangeInclusive<u32> = 20_000..=29_999;

/// The configuration, if everything is there that it cannot do without.
pub(super) fn config(said: &Said, check: &mut Check<'_>) -> Option<Config> {
    let mut whole = Whole { said, check };
    let work_dir = whole.work_dir();
    let agent = whole.agent();
    let policy = whole.policy();
    whole.enforcement_has_an_agent(&policy, agent.as_ref());
    let levels = "\"error\", \"warn\", \"info\" or \"debug\"";
    let config = Config {
        work_dir: work_dir.unwrap_or_default(),
        interval: whole.check.duration(
            keys::INTERVAL,
            Duration::from_secs(5),
            Some(Duration::from_millis(100)),
        ),
        log: (whole.check).value(keys::LOG, levels, value::level, LevelFilter::INFO),
        agent,
        policy,
        limits: whole.limits(),
        count: whole.count(),
        engine: whole.engine(),
        methods: whole.methods(),
        output: whole.output(),
    };
    whole.check.is_clean().then_some(config)
}

struct Whole<'a, 'c> {
    said: &'a Said,
    check: &'a mut Check<'c>,
}

impl Whole<'_, '_> {
    fn work_dir(&mut self) -> Option<PathBuf> {
        const ALLOWED: &str = "the absolute path of the agent's work directory";
        self.check.required(keys::WORK_DIR, ALLOWED, absolute)
    }

    fn agent(&mut self) -> Option<Agent> {
        let address = self.check.optional(
            keys::AGENT_ADDRESS,
            "the agent's address, http://HOST:PORT or https://HOST:PORT",
            parsed::<AgentAddress>,
        );
        let credential_file = self.check.readable(keys::AGENT_CREDENTIAL_FILE);
        let ca_file = self.check.readable(keys::AGENT_CA_FILE);
        if !self.check.is_given(keys::AGENT_ADDRESS) {
            for key in [keys::AGENT_CREDENTIAL_FILE, keys::AGENT_CA_FILE] {
                if self.check.is_given(key) {
                    self.check
                        .conflict(key, "no agent.address", "there is nobody to ask");
                }
            }
        }
        Some(Agent {
            address: address?,
            credential_file,
            ca_file,
        })
    }

    fn policy(&mut self) -> Policy {
        let default = self
            .check
            .value(keys::MODE_DEFAULT, MODES, parsed, Mode::default());
        let rules = self.said.entries(keys::RULES).iter();
        let rules = rules.filter_map(|rule| self.rule(rule)).collect();
        Policy { rules, default }
    }

    /// What a rule is for, and what it does; nothing that it has is empty.
    fn rule(&mut self, rule: &Values) -> Option<Rule> {
        let mut check = self.check.of(rule);
        let mut pattern = |key, allowed| {
            check.optional(key, allowed, |value| {
                let text = text(value).filter(|text| !text.is_empty())?;
                Some(Pattern::new(text))
            })
        };
        let framework = pattern(keys::RULE_FRAMEWORK, "a name or a pattern with * and ?");
        let role = pattern(keys::RULE_ROLE, "a role or a pattern with * and ?");
        let label = "\"KEY=VALUE\", or a pattern of it with * and ?";
        let label = pattern(keys::RULE_LABEL, label);
        let mode = check.required(keys::RULE_MODE, MODES, parsed)?;
        Some(Rule {
            framework,
            role,
            label,
            mode,
        })
    }

    fn enforcement_has_an_agent(&mut self, policy: &Policy, agent: Option<&Agent>) {
        let is_asked = self.check.is_given(keys::AGENT_ADDRESS);
        if policy.may_enforce() && agent.is_none() && !is_asked {
            self.check.missing(
                keys::AGENT_ADDRESS,
                "the agent's address, http://HOST:PORT, since only a container that it lists is ended",
            );
        }
    }

    fn limits(&mut self) -> LimitSettings {
        let soft = "a share over 0 and under 1, or 0 for no warning";
        let soft_share = self.check.value(keys::LIMIT_SOFT_SHARE, soft, share, 0.9);
        LimitSettings {
            default: self.check.optional(
                keys::LIMIT_DEFAULT,
                "a size over 0 with its unit, such as \"10GB\"",
                value::size,
            ),
            inodes: self
                .check
                .optional(keys::LIMIT_INODES, "a count over 0", |value| {
                    parsed::<u64>(value).filter(|count| *count > 0)
                }),
            soft_share: (soft_share > 0.0).then_some(soft_share),
            grace: self.check.duration(keys::LIMIT_GRACE, Duration::ZERO, None),
        }
    }

    fn count(&mut self) -> Count {
        let is_compatible = self.check.truth(keys::COUNT_DU_COMPATIBLE, false);
        let deleted = self
            .check
            .optional(keys::COUNT_DELETED, BOOL, parsed::<bool>);
        let mounts = self
            .check
            .optional(keys::COUNT_MOUNTS, BOOL, parsed::<bool>);
        if is_compatible && deleted == Some(true) {
            let why = "du does not see what is deleted";
            self.check
                .conflict(keys::COUNT_DELETED, "count.du_compatible", why);
        }
        if is_compatible && mounts == Some(false) {
            let why = "du counts what is mounted";
            self.check
                .conflict(keys::COUNT_MOUNTS, "count.du_compatible", why);
        }
        Count {
            deleted: deleted.unwrap_or(!is_compatible),
            mounts: mounts.unwrap_or(is_compatible),
        }
    }

    fn engine(&mut self) -> Engine {
        let is_compatible = self.is_set(keys::COUNT_DU_COMPATIBLE);
        let ids = self.check.optional(
            keys::ENGINE_PROJECT_IDS,
            "a range of numbers from 1 on, such as \"20000-29999\"",
            range,
        );
        let quotas = "\"off\", \"observe\" or \"assign\"";
        let quota = self
            .check
            .optional(keys::ENGINE_QUOTA, quotas, |value| match text(value)? {
                "off" => Some(Quota::Off),
                "observe" => Some(Quota::Observe),
                "assign" => Some(Quota::Assign(ids.clone().unwrap_or(PROJECT_IDS))),
                _ => None,
            });
        let assigns = matches!(quota, Some(Quota::Assign(_)));
        if is_compatible && !matches!(quota, None | Some(Quota::Off)) {
            let why = "a project quota counts what is deleted, which du does not see";
            self.check
                .conflict(keys::ENGINE_QUOTA, "count.du_compatible", why);
        }
        if ids.is_some() && !assigns {
            let why = "no other use gives ids to sandboxes";
            self.check.conflict(
                keys::ENGINE_PROJECT_IDS,
                "engine.quota other than \"assign\"",
                why,
            );
        }
        let in_kernel = self.check.truth(keys::ENGINE_IN_KERNEL, false);
        if in_kernel && !assigns {
            let why = "limits are set for ids of our own alone";
            self.check.conflict(
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
            tracking: self.check.truth(keys::ENGINE_TRACKING, true),
            quota: quota.unwrap_or(default),
            in_kernel,
            cpu_budget: self.check.value(
                keys::ENGINE_CPU_BUDGET,
                "a number of cores from 0.01 to 64",
                |value| number(value).filter(|cores| (0.01..=64.0).contains(cores)),
                0.2,
            ),
            threads: self.check.value(
                keys::ENGINE_THREADS,
                "a count from 1 to 64",
                |value| parsed::<usize>(value).filter(|count| (1..=64).contains(count)),
                2,
            ),
        }
    }

    fn is_set(&self, key: &Key) -> bool {
        let given = self.check.given(key);
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
        self.check.value(keys::ENFORCE_METHODS, allowed, parse, all)
    }

    fn output(&mut self) -> Output {
        let prefix = self.check.optional(
            keys::OUTPUT_GRAPHITE_PREFIX,
            "names with dots between them",
            |value| MetricPath::parse(text(value)?).ok(),
        );
        let prefix = prefix.or_else(|| MetricPath::parse("mesos").ok());
        let host = self.check.optional(keys::OUTPUT_HOST, "a name", |value| {
            text(value)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        });
        let file = "the absolute path of a file";
        let address = self
            .check
            .optional(keys::OUTPUT_GRAPHITE, "tcp://HOST:PORT", carbon);
        let carbon = |(address, prefix)| Carbon {
            address,
            prefix,
            host,
        };
        Output {
            events: self.check.optional(keys::OUTPUT_EVENTS, file, absolute),
            prometheus: self.check.optional(
                keys::OUTPUT_PROMETHEUS,
                "an address and a port, such as \"127.0.0.1:9106\"",
                parsed,
            ),
            graphite: address.zip(prefix).map(carbon),
            socket: self.check.optional(keys::OUTPUT_SOCKET, file, absolute),
        }
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
