//! What was said, unchecked: who said what, the one that counts for each key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Origin, Problem};
use crate::key::{Key, List, Schema};
use crate::nearest::nearest;
use crate::value::Value;

/// More tables of one kind than anybody writes.
const MOST_ENTRIES: usize = 10_000;
/// More syntax errors than anybody reads.
const MOST_SYNTAX_ERRORS: usize = 20;

/// A value and where it was said.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where.
    pub origin: Origin,
    /// What.
    pub value: Value,
}

/// Values by key: of the whole, or of one table of a list.
#[derive(Clone, Debug)]
pub struct Values {
    /// Where the table is; of the whole, nowhere.
    pub origin: Origin,
    values: BTreeMap<&'static str, Given>,
}

impl Values {
    fn new(origin: Origin) -> Self {
        let values = BTreeMap::new();
        Self { origin, values }
    }

    /// What counts for a key.
    pub fn get(&self, key: &Key) -> Option<&Given> {
        self.values.get(key.path)
    }

    fn set(&mut self, key: &'static Key, given: Given) {
        self.values.insert(key.path, given);
    }
}

/// Everything that was said.
#[derive(Clone, Debug)]
pub struct Said {
    schema: &'static Schema,
    /// Of keys with one value.
    pub whole: Values,
    lists: BTreeMap<&'static str, Vec<Values>>,
}

impl Said {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            whole: Values::new(Origin::Nowhere),
            lists: BTreeMap::new(),
        }
    }

    /// The tables of a list, in their order.
    pub fn entries(&self, list: &List) -> &[Values] {
        self.lists.get(list.path).map_or(&[], Vec::as_slice)
    }

    /// What holds of all of it and who says so, to be printed.
    pub fn effective(&self) -> Effective<'_> {
        Effective(self)
    }

    /// Adds the file's content. Nothing in it is more than text yet.
    pub(crate) fn add_file(&mut self, path: &Path, text: &str, errors: &mut Vec<ConfigError>) {
        let file = File {
            path: Arc::new(path.to_owned()),
            text,
        };
        let (document, syntax) = DeTable::parse_recoverable(text);
        for error in syntax.iter().take(MOST_SYNTAX_ERRORS) {
            let at = error.span().map_or(0, |span| span.start);
            errors.push(file.error(at, Problem::Syntax(error.message().to_owned())));
        }
        // What was recovered would only give errors that are none.
        if syntax.is_empty() {
            self.add_table(&file, "", document.get_ref(), errors);
        }
    }

    /// Adds what is in a table whose path, if it has one, ends with a dot. It descends no deeper than keys do.
    fn add_table(
        &mut self,
        file: &File<'_>,
        before: &str,
        table: &DeTable<'_>,
        errors: &mut Vec<ConfigError>,
    ) {
        for (name, value) in table {
            let at = name.span().start;
            let path = format!("{before}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if self.schema.is_table(&path) => {
                    self.add_table(file, &format!("{path}."), inner, errors);
                }
                value if self.schema.is_table(&path) => {
                    errors.push(file.error(at, of_another_kind(&path, value, "a table")));
                }
                value => match self.schema.list(&path) {
                    Some(list) => self.add_list(file, list, at, value, errors),
                    None => self.add_value(file, &path, at, value, errors),
                },
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
        let Some(key) = self.schema.find(path) else {
            let problem = Problem::UnknownKey {
                key: path.to_owned(),
                nearest: nearest(path, self.schema.paths()),
            };
            errors.push(file.error(at, problem));
            return;
        };
        self.whole.set(key, file.given(at, value));
    }

    fn add_list(
        &mut self,
        file: &File<'_>,
        list: &'static List,
        at: usize,
        value: &DeValue<'_>,
        errors: &mut Vec<ConfigError>,
    ) {
        let allowed = format!("[[{}]]", list.path);
        let DeValue::Array(entries) = value else {
            errors.push(file.error(at, of_another_kind(list.path, value, &allowed)));
            return;
        };
        for entry in entries.iter().take(MOST_ENTRIES) {
            let at = entry.span().start;
            let DeValue::Table(fields) = entry.get_ref() else {
                let problem = of_another_kind(list.path, entry.get_ref(), &allowed);
                errors.push(file.error(at, problem));
                continue;
            };
            let mut values = Values::new(file.origin(at));
            for (name, value) in fields {
                let at = name.span().start;
                let name = name.get_ref();
                match list.keys.iter().find(|key| key.name() == name) {
                    Some(key) => values.set(key, file.given(at, value.get_ref())),
                    None => {
                        let problem = Problem::UnknownKey {
                            key: format!("{}.{name}", list.path),
                            nearest: nearest(name, list.keys.iter().map(|key| key.name())),
                        };
                        errors.push(file.error(at, problem));
                    }
                }
            }
            self.lists.entry(list.path).or_default().push(values);
        }
    }

    /// Adds what the environment says; the variables of others are passed over.
    pub(crate) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
        errors: &mut Vec<ConfigError>,
    ) {
        let schema = self.schema;
        let of_the_file = schema.file_variable();
        let keys = schema.keys.iter();
        let known: Vec<(String, &'static Key)> =
            keys.map(|key| (schema.variable(key), *key)).collect();
        for (name, text) in variables {
            if !name.starts_with(schema.prefix) || name == of_the_file {
                continue;
            }
            let origin = Origin::Variable(name.clone());
            match known.iter().find(|(variable, _)| *variable == name) {
                Some((_, key)) => {
                    let value = Value::Text(text);
                    self.whole.set(key, Given { origin, value });
                }
                None => {
                    let known = known.iter().map(|(variable, _)| variable.as_str());
                    let nearest = nearest(&name, known.chain([of_the_file.as_str()]));
                    let problem = Problem::UnknownVariable { nearest };
                    errors.push(ConfigError { origin, problem });
                }
            }
        }
    }

    /// Adds flags: paths of keys with their texts.
    pub(crate) fn add_flags<'f>(&mut self, flags: impl Iterator<Item = (&'f str, &'f str)>) {
        for (path, text) in flags {
            if let Some(key) = self.schema.find(path) {
                let origin = Origin::Flag(key.short.map_or_else(|| key.flag(), str::to_owned));
                let value = Value::Text(text.to_owned());
                self.whole.set(key, Given { origin, value });
            }
        }
    }
}

/// What holds, as it would be written in the file, and behind it who says so.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'s>(&'s Said);

impl fmt::Display for Effective<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in self.0.schema.keys {
            match (self.0.whole.get(key), key.default) {
                (Some(given), _) => line(f, key.path, &given.value, &given.origin)?,
                (None, "") => writeln!(f, "# {}: not set", key.path)?,
                (None, default) => writeln!(f, "# {}: {default} (default)", key.path)?,
            }
        }
        for list in self.0.schema.lists {
            for values in self.0.entries(list) {
                writeln!(f, "[[{}]]  # {}", list.path, values.origin)?;
                for key in list.keys {
                    match (values.get(key), key.default) {
                        (Some(given), _) => line(f, key.name(), &given.value, &given.origin)?,
                        (None, "") => {}
                        (None, default) => writeln!(f, "# {}: {default} (default)", key.name())?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &Value, origin: &Origin) -> fmt::Result {
    writeln!(f, "{name} = {value}  # {origin}")
}

fn of_another_kind(key: &str, value: &DeValue<'_>, allowed: &str) -> Problem {
    Problem::Value {
        key: key.to_owned(),
        value: scalar(value).to_string(),
        allowed: allowed.to_owned(),
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

    fn given(&self, at: usize, value: &DeValue<'_>) -> Given {
        Given {
            origin: self.origin(at),
            value: scalar(value),
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
