//! JSON read key by key: an error names the key, and never a value, since a value may be a secret and the text goes to
//! the scheduler and the log. A key that nobody asks for is refused: a setting that was asked for and not heard is
//! worse than none. `null` is as good as absent.

use serde_json::{Map, Value};

/// What is wrong with a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It cannot be read.
    #[error("it is not the JSON it begins like: line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A value, or the whole, is something else than it should be.
    #[error("{key} must be {wanted}")]
    Type {
        /// The path to it, `http.port`.
        key: String,
        /// With its article.
        wanted: &'static str,
    },
    /// A key must be there and is not.
    #[error("{key} is missing")]
    Missing {
        /// The path to it.
        key: String,
    },
    /// Nobody knows this key.
    #[error("{key} is not a key that is known here")]
    Unknown {
        /// The path to it.
        key: String,
    },
    /// Two keys that exclude each other.
    #[error("{key} cannot be set together with {other}")]
    Both {
        /// The path to the one.
        key: String,
        /// The other's name.
        other: &'static str,
    },
}

/// The keys of one object that have not been asked for yet.
pub(crate) struct Keys {
    /// Where the object is: empty for the outermost, else with a dot at its end.
    path: String,
    left: Map<String, Value>,
}

/// One element of a list, with its path.
pub(crate) struct Element {
    pub(crate) path: String,
    value: Value,
}

/// Reads `text`.
pub(crate) fn parse(text: &str) -> Result<Value, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Syntax {
        line: error.line(),
        column: error.column(),
    })
}

/// The elements of a list that is the whole text.
pub(crate) fn elements(value: Value) -> Result<Vec<Element>, JsonError> {
    list(String::new(), value)
}

fn list(path: String, value: Value) -> Result<Vec<Element>, JsonError> {
    let Value::Array(values) = value else {
        return Err(wrong(whole(path), "a list"));
    };
    let elements = values.into_iter().enumerate();
    Ok(elements
        .map(|(index, value)| Element {
            path: format!("{path}[{index}]"),
            value,
        })
        .collect())
}

fn whole(path: String) -> String {
    if path.is_empty() {
        "it".to_owned()
    } else {
        path
    }
}

fn wrong(key: String, wanted: &'static str) -> JsonError {
    JsonError::Type { key, wanted }
}

impl Element {
    pub(crate) fn keys(self) -> Result<Keys, JsonError> {
        Keys::of(self.path, self.value)
    }

    pub(crate) fn text(self) -> Result<String, JsonError> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(wrong(self.path, "a text")),
        }
    }

    pub(crate) fn whole_number(self) -> Result<i64, JsonError> {
        self.value
            .as_i64()
            .ok_or_else(|| wrong(self.path, "a whole number"))
    }
}

impl Keys {
    /// The keys of `value`, whose path is `path`.
    pub(crate) fn of(path: String, value: Value) -> Result<Self, JsonError> {
        let Value::Object(left) = value else {
            return Err(wrong(whole(path), "an object"));
        };
        let path = match path.is_empty() {
            true => path,
            false => path + ".",
        };
        Ok(Self { path, left })
    }

    /// The path to `key`.
    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    /// Whether `key` is there and was not asked for.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.get(key).is_some_and(|value| !value.is_null())
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    fn taken<T>(
        &mut self,
        key: &str,
        wanted: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, JsonError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(wrong(self.path(key), wanted)),
        }
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, JsonError> {
        self.taken(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// The text under `key`, if that is one; anything else stays.
    pub(crate) fn take_text(&mut self, key: &str) -> Option<String> {
        match self.left.get(key) {
            Some(Value::String(_)) => self.text(key).ok().flatten(),
            Some(_) | None => None,
        }
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, JsonError> {
        self.taken(key, "true or false", Value::as_bool)
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<f64>, JsonError> {
        self.taken(key, "a number", Value::as_f64)
    }

    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u64>, JsonError> {
        self.taken(key, "a whole number from 0 on", Value::as_u64)
    }

    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, JsonError> {
        let path = self.path(key);
        self.take(key)
            .map(|value| Self::of(path, value))
            .transpose()
    }

    /// The elements of a list; none when it is not there.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Element>, JsonError> {
        let path = self.path(key);
        self.take(key)
            .map_or(Ok(Vec::new()), |value| list(path, value))
    }

    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, JsonError> {
        let elements = self.list(key)?;
        elements.into_iter().map(Element::text).collect()
    }

    /// The pairs of an object that maps names to texts.
    pub(crate) fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, JsonError> {
        let Some(inner) = self.object(key)? else {
            return Ok(Vec::new());
        };
        let path = inner.path;
        let pairs = inner.left.into_iter();
        pairs
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name, text)),
                _ => Err(wrong(format!("{path}{name}"), "a text")),
            })
            .collect()
    }

    /// `value`, or the error that `key` is missing.
    pub(crate) fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, JsonError> {
        value.ok_or_else(|| JsonError::Missing {
            key: self.path(key),
        })
    }

    /// All keys that were asked for have been taken: what is left is unknown.
    pub(crate) fn end(self) -> Result<(), JsonError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(JsonError::Unknown {
                key: self.path(key),
            }),
        }
    }

    /// The names of the keys that are left and say something.
    pub(crate) fn left(self) -> impl Iterator<Item = String> {
        let says_something = |value: &Value| match value {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        };
        self.left
            .into_iter()
            .filter(move |(_, value)| says_something(value))
            .map(|(key, _)| key)
    }
}
