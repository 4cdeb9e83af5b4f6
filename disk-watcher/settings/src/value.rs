//! A value as it was written, and what may be made of it.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mesos_proto::{Bytes, MesosDuration};
use tracing::level_filters::LevelFilter;

/// A value as TOML has it; what comes from elsewhere is text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Without its quotes.
    Text(String),
    /// A number or truth value, as it is written.
    Bare(String),
    /// Texts.
    List(Vec<String>),
    /// What no key has, in words.
    Other(&'static str),
}

impl fmt::Display for Value {
    /// As it would be written in the file; what stands before the `@` of an address is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{:?}", without_user(text)),
            Self::Bare(text) => f.write_str(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| without_user(item)).collect();
                write!(f, "{items:?}")
            }
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// An address may have been given with a user and a password in it, which no message is to repeat.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}...{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

/// A text.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Bare(_) | Value::List(_) | Value::Other(_) => None,
    }
}

/// What is a text in the environment may be bare in the file.
pub fn parsed<T: FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Text(text) | Value::Bare(text) => text.parse().ok(),
        Value::List(_) | Value::Other(_) => None,
    }
}

/// A finite number.
pub fn number(value: &Value) -> Option<f64> {
    parsed::<f64>(value).filter(|number| number.is_finite())
}

/// A share from 0 to under 1.
pub fn share(value: &Value) -> Option<f64> {
    number(value).filter(|share| (0.0..1.0).contains(share))
}

/// An absolute path.
pub fn absolute(value: &Value) -> Option<PathBuf> {
    let path = PathBuf::from(text(value)?);
    (path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&0)).then_some(path)
}

/// A list in the file; elsewhere names with commas between them.
pub fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(items) => Some(items.clone()),
        Value::Text(text) if text.is_empty() => Some(Vec::new()),
        Value::Text(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
        Value::Bare(_) | Value::Other(_) => None,
    }
}

/// Two numbers from 1 on with a dash between them, both included.
pub fn range(value: &Value) -> Option<RangeInclusive<u32>> {
    let (from, to) = text(value)?.split_once('-')?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (0 < from && from <= to).then_some(from..=to)
}

/// A length of time as Mesos writes it.
pub fn duration(value: &Value) -> Option<Duration> {
    parsed::<MesosDuration>(value)?.to_std()
}

/// A size over 0 as Mesos writes it.
pub fn size(value: &Value) -> Option<Bytes> {
    parsed::<Bytes>(value).filter(|bytes| bytes.as_u64() > 0)
}

/// How much is logged.
pub fn level(value: &Value) -> Option<LevelFilter> {
    match text(value)? {
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_an_address_is_repeated() {
        let secret = Value::Text("http://user:pass@host:5051".to_owned());
        assert_eq!(secret.to_string(), "\"http://...@host:5051\"");
        let odd = Value::List(vec![
            "tcp://u:p@ss@carbon:2003".to_owned(),
            "a@b".to_owned(),
        ]);
        assert_eq!(odd.to_string(), "[\"tcp://...@carbon:2003\", \"a@b\"]");
    }

    #[test]
    fn a_list_is_a_list_in_the_file_and_commas_elsewhere() {
        let written = Value::List(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(list(&written), list(&Value::Text("a, b".to_owned())));
        assert_eq!(list(&Value::Text(String::new())), Some(Vec::new()));
        assert_eq!(list(&Value::Bare("1".to_owned())), None);
    }
}
