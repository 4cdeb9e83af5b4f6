//! The part of a series' name that all series of a subject have.

use super::ceiling::Budget;
use crate::model::Field;

/// The names of one subject's series, but for the fields. Made once a subject, by [`super::Naming`].
#[derive(Debug)]
pub(crate) struct Head {
    /// What the field's name comes behind; ends with a dot.
    base: Box<str>,
    /// What comes behind it, by tag: `;app=web;host=a`. Empty in paths.
    tags: Box<str>,
    /// What the subject is told by, whichever the form.
    labels: Box<[(&'static str, String)]>,
    /// How many series it has.
    pub(super) budget: Budget,
}

/// Which of a subject's numbers a series is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// One that a table has, with what tells several of the kind apart.
    Known(&'static Field, Option<&'a str>),
    /// One that no table has; any text.
    Unknown(&'a str),
}

impl Head {
    pub(super) fn path(base: String, labels: Vec<(&'static str, String)>) -> Self {
        Self {
            base: base.into(),
            tags: "".into(),
            labels: labels.into(),
            budget: Budget::default(),
        }
    }

    pub(super) fn tagged(base: String, mut labels: Vec<(&'static str, String)>) -> Self {
        labels.sort_unstable();
        let tags: String = labels
            .iter()
            .map(|(tag, value)| format!(";{tag}={value}"))
            .collect();
        Self {
            base: base.into(),
            tags: tags.into(),
            labels: labels.into(),
            budget: Budget::default(),
        }
    }

    /// Writes the whole name of a series, as carbon stores it under.
    pub(crate) fn write(&self, out: &mut Vec<u8>, name: Name<'_>) {
        out.extend_from_slice(self.base.as_bytes());
        match name {
            Name::Known(field, Some(value)) => {
                let along = field.along.as_ref().map_or(0, |along| along.behind);
                for (i, component) in field.name.split('.').enumerate() {
                    if i == along {
                        out.extend_from_slice(graphite::component(value).as_bytes());
                        out.push(b'.');
                    }
                    out.extend_from_slice(component.as_bytes());
                    out.push(b'.');
                }
                out.pop();
            }
            Name::Known(field, None) => out.extend_from_slice(field.name.as_bytes()),
            Name::Unknown(name) => {
                for component in name.split(['.', '/']) {
                    out.extend_from_slice(graphite::component(component).as_bytes());
                    out.push(b'.');
                }
                out.pop();
            }
        }
        out.extend_from_slice(self.tags.as_bytes());
    }

    /// What tells the subject apart from all others of its kind, as names and values: for outputs that know labels.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }
}
