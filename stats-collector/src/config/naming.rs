//! What series are called, out of what was said.

use std::net::IpAddr;
use std::path::PathBuf;

use graphite::MetricPath;
use mesos_agent::AgentAddress;
use settings::value::{self, list, parsed, text};
use settings::{Check, Key, Said, Value, Values};

use super::keys;
use crate::model::Kind;
use crate::names::{
    About, FieldRules, Form, KINDS, LabelRule, NamesSettings, Naming, Selection, SelectionError,
};

const PATTERNS: &str = "a list of patterns of fields, such as [\"cpus_*\", \"mem_*_bytes\"]";

/// What was said of names.
pub(super) fn names(
    said: &Said,
    check: &mut Check<'_>,
    agent: Option<&AgentAddress>,
    state_dir: Option<PathBuf>,
) -> Option<NamesSettings> {
    let dots = "names of letters, digits, - and _, with dots between them";
    let prefix = check.optional(keys::NAMES_PREFIX, dots, |value| {
        MetricPath::parse(text(value)?).ok()
    });
    let prefix = prefix.or_else(|| MetricPath::parse("mesos").ok())?;
    let host = check.optional(keys::NAMES_HOST, "a name", |value| {
        text(value)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    });
    let host = host.or_else(|| agent.and_then(name_of));
    let mut names = NamesSettings::new(prefix, host.unwrap_or_else(own_name));
    names.form = form(check);
    if let Some(tags) = check.optional(keys::NAMES_TAGS, "a list of variables", list) {
        if names.form == Form::Path {
            let why = "a path has no tags";
            check.conflict(keys::NAMES_TAGS, "names.form = \"path\"", why);
        }
        names.tags = tags;
    }
    let labels = check.optional(keys::NAMES_LABELS, "a list of KEY or KEY=TAG", labels);
    names.labels = labels.unwrap_or_default();
    let reuse = check.duration(keys::NAMES_SLOT_REUSE_AFTER, names.slot_reuse_after, None);
    names.slot_reuse_after = reuse;
    let most = |value: &Value| parsed::<usize>(value).filter(|most| *most > 0);
    let count = "a count over 0";
    names.most_series = check.value(keys::NAMES_MOST_SERIES, count, most, names.most_series);
    names.fields = rules(check, keys::FIELDS_ALLOW, keys::FIELDS_DENY);
    for entry in said.entries(keys::KINDS) {
        let mut check = check.of(entry);
        let (template, rules) = (
            check.optional(keys::KIND_TEMPLATE, "a template", |value| {
                text(value).map(str::to_owned)
            }),
            rules(&mut check, keys::KIND_ALLOW, keys::KIND_DENY),
        );
        let Some(kind) = check.required(keys::KIND_NAME, &kinds(), kind) else {
            continue;
        };
        names
            .templates
            .extend(template.map(|template| (kind, template)));
        if rules != FieldRules::default() {
            names.fields_by_kind.push((kind, rules));
        }
    }
    names.state_file = state_dir.map(|directory| directory.join("slots"));
    if check.is_clean() {
        names_fit(&names, said, check);
    }
    Some(names)
}

/// Whether series can be named so, as those see it who name them; each error at the key that it is about.
fn names_fit(names: &NamesSettings, said: &Said, check: &mut Check<'_>) {
    for error in Naming::new(names).err().unwrap_or_default() {
        match error.about() {
            About::Kind(kind) => match table_of(said, kind) {
                Some(table) => check.of(table).unusable(keys::KIND_TEMPLATE, &error),
                None => check.unusable(keys::NAMES_PREFIX, &error),
            },
            About::Tags => check.unusable(keys::NAMES_TAGS, &error),
            About::Labels => check.unusable(keys::NAMES_LABELS, &error),
        }
    }
    for error in Selection::new(names).err().unwrap_or_default() {
        let SelectionError::Pattern { kind, pattern } = &error;
        let table = kind.and_then(|kind| table_of(said, kind));
        let (mut check, allow, deny) = match table {
            Some(table) => (check.of(table), keys::KIND_ALLOW, keys::KIND_DENY),
            None => (check.again(), keys::FIELDS_ALLOW, keys::FIELDS_DENY),
        };
        let allowed = check.given(allow).and_then(|given| list(&given.value));
        let is_allowed = allowed.is_some_and(|all| all.contains(pattern));
        check.unusable(if is_allowed { allow } else { deny }, &error);
    }
}

/// The table that says something of a kind.
fn table_of<'s>(said: &'s Said, kind: &str) -> Option<&'s Values> {
    let is_it = |table: &&Values| {
        let name = table.get(keys::KIND_NAME);
        name.is_some_and(|given| text(&given.value) == Some(kind))
    };
    said.entries(keys::KINDS).iter().find(is_it)
}

/// What tells the agent from others: nothing where it is reached by the loopback interface, as each machine's may be.
fn name_of(agent: &AgentAddress) -> Option<String> {
    let host = agent.host();
    let ip = host.parse::<IpAddr>();
    let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    (!is_loopback).then(|| host.to_owned())
}

/// As the system has it.
fn own_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

fn form(check: &mut Check<'_>) -> Form {
    let allowed = "\"path\" or \"tags\"";
    let form = |value: &Value| match text(value)? {
        "path" => Some(Form::Path),
        "tags" => Some(Form::Tags),
        _ => None,
    };
    check.value(keys::NAMES_FORM, allowed, form, Form::Path)
}

fn labels(value: &Value) -> Option<Vec<LabelRule>> {
    let rules = list(value)?.into_iter().map(|rule| {
        let (label, tag) = rule.rsplit_once('=').unwrap_or((&rule, &rule));
        (!label.is_empty() && !tag.is_empty()).then(|| LabelRule {
            label: label.to_owned(),
            tag: tag.to_owned(),
        })
    });
    rules.collect()
}

fn rules(check: &mut Check<'_>, allow: &'static Key, deny: &'static Key) -> FieldRules {
    FieldRules {
        allow: check.value(allow, PATTERNS, list, Vec::new()),
        deny: check.value(deny, PATTERNS, list, Vec::new()),
    }
}

fn kind(value: &Value) -> Option<Kind> {
    let name = value::text(value)?;
    KINDS.into_iter().find(|kind| kind.dotted() == name)
}

fn kinds() -> String {
    let names: Vec<_> = KINDS.into_iter().map(Kind::dotted).collect();
    format!("one of {}", names.join(", "))
}
