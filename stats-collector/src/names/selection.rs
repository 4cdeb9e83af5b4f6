//! Which fields there are.

use std::collections::HashMap;

use super::head::Name;
use super::kinds::KINDS;
use super::settings::NamesSettings;
use crate::model::Kind;

/// Says of each field whether it is wanted, and remembers what it said.
#[derive(Debug)]
pub(crate) struct Selection {
    rules: [Rules; KINDS.len()],
    known: HashMap<(Kind, &'static str), bool>,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    allow: Vec<String>,
    deny: Vec<String>,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {}

impl Selection {
    /// Checks the patterns.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(settings: &NamesSettings) -> Result<Self, Vec<SelectionError>> {
        let rules = Rules {
            allow: settings.fields.allow.clone(),
            deny: settings.fields.deny.clone(),
        };
        Ok(Self {
            rules: std::array::from_fn(|_| rules.clone()),
            known: HashMap::new(),
        })
    }

    /// Whether numbers of that name are wanted of that kind of subject.
    pub(crate) fn admits(&mut self, kind: Kind, name: Name<'_>) -> bool {
        let rules = &self.rules[kind.index()];
        match name {
            Name::Known(field, _) => *self
                .known
                .entry((kind, field.name))
                .or_insert_with(|| rules.admit(field.name)),
            Name::Unknown(name) => rules.admit(name),
        }
    }
}

impl Rules {
    fn admit(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }
}

/// Whether the pattern is of the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
