//! From what was said to what is meant: one value after the other, and every error kept.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{ConfigError, Origin, Problem};
use crate::key::Key;
use crate::said::{Given, Values};
use crate::value::{self, Value};

const DURATION: &str = "a length of time with its unit, such as \"5secs\" or \"500ms\"";

/// Values under check, of the whole or of one table, and what was found wrong so far.
#[derive(Debug)]
pub struct Check<'a> {
    values: &'a Values,
    errors: &'a mut Vec<ConfigError>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(values: &'a Values, errors: &'a mut Vec<ConfigError>) -> Self {
        Self { values, errors }
    }

    /// The check of one table of a list, whose errors come to the others.
    pub fn of<'b>(&'b mut self, values: &'b Values) -> Check<'b> {
        Check::new(values, self.errors)
    }

    /// The same check, for a while.
    pub fn again(&mut self) -> Check<'_> {
        Check::new(self.values, self.errors)
    }

    /// Whether anything was found wrong so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// What was said of a key.
    pub fn given(&self, key: &Key) -> Option<&'a Given> {
        self.values.get(key)
    }

    /// Whether anything was said of a key.
    pub fn is_given(&self, key: &Key) -> bool {
        self.given(key).is_some()
    }

    /// The value of a key as `parse` has it; what it does not take is an error that says what is allowed.
    pub fn optional<T>(
        &mut self,
        key: &'static Key,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = parse(&self.given(key)?.value);
        if value.is_none() {
            self.refuse(key, allowed);
        }
        value
    }

    /// As [`Check::optional`], with what holds otherwise.
    pub fn value<T>(
        &mut self,
        key: &'static Key,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
        default: T,
    ) -> T {
        self.optional(key, allowed, parse).unwrap_or(default)
    }

    /// As [`Check::optional`], and an error if nothing was said.
    pub fn required<T>(
        &mut self,
        key: &'static Key,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        if !self.is_given(key) {
            self.missing(key, allowed);
        }
        self.optional(key, allowed, parse)
    }

    /// A truth value.
    pub fn truth(&mut self, key: &'static Key, default: bool) -> bool {
        self.value(key, "true or false", value::parsed, default)
    }

    /// A length of time of at least `least`.
    pub fn duration(
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
            value::duration(value).filter(|duration| *duration >= least.unwrap_or_default())
        };
        self.value(key, &allowed, parse, default)
    }

    /// The absolute path of a file that is read later, and that can be read now.
    pub fn readable(&mut self, key: &'static Key) -> Option<PathBuf> {
        let path = self.optional(key, "the absolute path of a file", value::absolute)?;
        if let Err(error) = std::fs::File::open(&path) {
            self.unusable(key, &error);
        }
        Some(path)
    }

    /// Refuses what was said of a key.
    pub fn refuse(&mut self, key: &'static Key, allowed: &str) {
        let value = self.written(key);
        self.push(
            key,
            Problem::Value {
                key: key.path.to_owned(),
                value,
                allowed: allowed.to_owned(),
            },
        );
    }

    /// A key that has to be said was not.
    pub fn missing(&mut self, key: &'static Key, allowed: &str) {
        let problem = Problem::Missing {
            key: key.path,
            allowed: allowed.to_owned(),
        };
        let origin = self.values.origin.clone();
        self.errors.push(ConfigError { origin, problem });
    }

    /// A key cannot be together with `other`.
    pub fn conflict(&mut self, key: &'static Key, other: &'static str, why: &'static str) {
        let key_path = key.path;
        self.push(
            key,
            Problem::Conflict {
                key: key_path,
                other,
                why,
            },
        );
    }

    /// What was said of a key is well-formed, but of no use.
    pub fn unusable(&mut self, key: &'static Key, why: &dyn Display) {
        let value = self.written(key);
        self.push(
            key,
            Problem::Unusable {
                key: key.path,
                value,
                why: why.to_string(),
            },
        );
    }

    fn written(&self, key: &Key) -> String {
        let given = self.given(key);
        given.map_or_else(String::new, |given| given.value.to_string())
    }

    fn push(&mut self, key: &Key, problem: Problem) {
        let given = self.given(key);
        let origin = given.map_or_else(
            || match &self.values.origin {
                Origin::Nowhere => Origin::Nowhere,
                table => table.clone(),
            },
            |given| given.origin.clone(),
        );
        self.errors.push(ConfigError { origin, problem });
    }
}
