//! What was written, unchecked: who said what, the one that counts for each key.
//!
//! A flag comes before the environment, that before the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, Problem};
use super::keys::{self, FILE_VARIABLE, Key, PREFIX};

/// More rules than anybody writes.
const MOST_RULES: usize = 10_000;
/// More syntax errors than anybody reads.
const MOST_SYNTAX_ERRORS: usize = 20;

/// A value and where it was said.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// A value as TOML has it; what comes from elsewhere is text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Without its quotes.
    Text(String),
    /// A number or truth value, as it is written.
    Bare(String),
    /// Texts.
    List(Vec<String>),
    /// What no key has.
    Other(&'static str),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bare(text) => f.write_str(text),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// A rule as it is written: its fields by name.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) origin: Origin,
    pub(super) fields: BTreeMap<String, Given>,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Raw {
    values: BTreeMap<&'static str, Given>,
    pub(super) rules: Vec<RawRule>,
}

impl Raw {
    /// What counts for a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Given> {
        self.values.get(key.path)
    }

    fn set(&mut self, key: &'static Key, given: Given) {
        self.values.insert(key.path, given);
    }

    /// Adds the file's content. Nothing in it is more than text yet.
    pub(super) fn add_file(&mut self, path: &Path, text: &str, errors: &mut Vec<ConfigError>) {
        let file = File {
            path: Arc::new(path.to_owned()),
            text,
        };
        let (document, syntax) = DeTable::parse_recoverable(text);
        for error in syntax.iter().take(MOST_SYNTAX_ERRORS) {
            let at = error.span().map_or(0, |span| span.start);
            errors.push(file.error(at, Problem::Syntax(error.message().to_owned())));
        }
        if !syntax.is_empty() {
            // What was recovered would only give errors that are none.
            return;
        }
        for (name, value) in document.get_ref() {
            let at = name.span().start;
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("rule", DeValue::Array(rules)) => {
                    for rule in rules.iter().take(MOST_RULES) {
                        self.add_rule(&file, rule, errors);
                    }
                }
                (table, DeValue::Table(inner)) if keys::is_table(table) => {
                    for (name, value) in inner {
                        let key = format!("{table}.{}", name.get_ref());
                        self.add_value(&file, &key, name.span().start, value.get_ref(), errors);
                    }
                }
                (key, value) if key == "rule" || keys::is_table(key) => {
                    let allowed = if key == "rule" { "[[rule]]" } else { "a table" };
                    let problem = Problem::Value {
                        key: key.to_owned(),
                        value: scalar(value).to_string(),
                        allowed: allowed.to_owned(),
                    };
                    errors.push(file.error(at, problem));
                }
                (key, value) => self.add_value(&file, key, at, value, errors),
            }
        }
    }

    fn add_value(
        &mut self,
        file: &File<'_>,
        path: &str,
        at: usize,
        value: &DeValue<'_>,
        errors: &mut Vec<ConfigError>,
    ) {
        let Some(key) = keys::find(path) else {
            let known = keys::ALL.iter().map(|key| key.path).chain(["rule"]);
            let problem = Problem::UnknownKey {
                key: path.to_owned(),
                nearest: keys::nearest(path, known),
            };
            errors.push(file.error(at, problem));
            return;
        };
        let given = Given {
            origin: file.origin(at),
            value: scalar(value),
        };
        self.set(key, given);
    }

    fn add_rule(
        &mut self,
        file: &File<'_>,
        rule: &Spanned<DeValue<'_>>,
        errors: &mut Vec<ConfigError>,
    ) {
        let at = rule.span().start;
        let DeValue::Table(fields) = rule.get_ref() else {
            let problem = Problem::Value {
                key: "rule".to_owned(),
                value: scalar(rule.get_ref()).to_string(),
                allowed: "[[rule]]".to_owned(),
            };
            errors.push(file.error(at, problem));
            return;
        };
        let given = fields.iter().map(|(name, value)| {
            let given = Given {
                origin: file.origin(name.span().start),
                value: scalar(value.get_ref()),
            };
            (name.get_ref().to_string(), given)
        });
        self.rules.push(RawRule {
            origin: file.origin(at),
            fields: given.collect(),
        });
    }

    /// Adds what the environment says; the variables of others are passed over.
    pub(super) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
        errors: &mut Vec<ConfigError>,
    ) {
        let known: Vec<(String, &'static Key)> = (keys::ALL.iter())
            .map(|key| (key.variable(), *key))
            .collect();
        for (name, text) in variables {
            if !name.starts_with(PREFIX) || name == FILE_VARIABLE {
                continue;
            }
            let origin = Origin::Variable(name.clone());
            match known.iter().find(|(variable, _)| *variable == name) {
                Some((_, key)) => {
                    let value = Value::Text(text);
                    self.set(key, Given { origin, value });
                }
                None => {
                    let known = known.iter().map(|(variable, _)| variable.as_str());
                    let nearest = keys::nearest(&name, known.chain([FILE_VARIABLE]));
                    let problem = Problem::UnknownVariable { nearest };
                    errors.push(ConfigError { origin, problem });
                }
            }
        }
    }

    /// Adds the flags: those of [`Key::flag`].
    pub(super) fn add_flags<'f>(&mut self, flags: impl Iterator<Item = (&'f str, &'f str)>) {
        for (path, text) in flags {
            if let Some(key) = keys::find(path) {
                let origin = Origin::Flag(key.flag());
                let value = Value::Text(text.to_owned());
                self.set(key, Given { origin, value });
            }
        }
    }
}

struct File<'t> {
    path: Arc<PathBuf>,
    text: &'t str,
}

impl File<'_> {
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at);
        Origin::File {
            path: self.path.clone(),
            line: before.filter(|byte| **byte == b'\n').count() + 1,
        }
    }

    fn error(&self, at: usize, problem: Problem) -> ConfigError {
        let origin = self.origin(at);
        ConfigError { origin, problem }
    }
}

fn scalar(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Bare(number.to_string()),
        DeValue::Float(number) => Value::Bare(number.to_string()),
        DeValue::Boolean(truth) => Value::Bare(truth.to_string()),
        DeValue::Datetime(_) => Value::Other("a time"),
        DeValue::Table(_) => Value::Other("a table"),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            let texts: Option<Vec<String>> = texts.collect();
            texts.map_or(
                Value::Other("a list of something other than texts"),
                Value::List,
            )
        }
    }
}
