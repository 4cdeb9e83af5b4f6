//! The part of a series' name that all series of a subject have.

use std::borrow::Cow;

use super::ceiling::Budget;
use super::{ALONG_IN_TAGS, COMPONENT, UNKNOWN_MAX};
use crate::model::{Along, Field};

/// The names of one subject's series, but for the fields. Made once a subject, by [`super::Naming`].
#[derive(Debug)]
pub(crate) struct Head {
    /// What the field's name comes behind; ends with a dot.
    base: Box<str>,
    /// What the subject is told by, sorted, whichever the form: `;app=web;host=a`.
    labels: Box<str>,
    /// Whether those are a part of the name.
    is_tagged: bool,
    /// What parts the components of names that no table has.
    separator: char,
    /// Which series it has.
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
    /// One whose names begin with `base`. The labels' names are plain and differ; their values hold neither `;` nor `=`.
    pub(super) fn new(
        mut base: String,
        mut labels: Vec<(&str, Cow<'_, str>)>,
        is_tagged: bool,
        separator: char,
    ) -> Self {
        base.push('.');
        labels.sort_unstable();
        let mut text = String::new();
        for (name, value) in labels {
            text.extend([";", name, "=", &value]);
        }
        Self {
            base: base.into(),
            labels: text.into(),
            is_tagged,
            separator,
            budget: Budget::default(),
        }
    }

    /// Writes the whole name of a series, as carbon stores it: at most [`super::SERIES_MAX`] bytes, which are all of
    /// `[A-Za-z0-9_.-]` but for those of tags.
    pub(crate) fn write(&self, out: &mut Vec<u8>, name: Name<'_>) {
        let before = out.len();
        out.extend_from_slice(self.base.as_bytes());
        match name {
            Name::Known(
                Field {
                    name,
                    along: Some(along),
                    ..
                },
                Some(value),
            ) => {
                if self.is_tagged {
                    out.extend_from_slice(name.as_bytes());
                    self.write_tags(out, along, value);
                } else {
                    write_along(out, name, along, value);
                }
            }
            Name::Known(field, _) => {
                out.extend_from_slice(field.name.as_bytes());
                self.write_subject(out);
            }
            Name::Unknown(name) => {
                self.write_unknown(out, name);
                self.write_subject(out);
            }
        }
        debug_assert!(out.len() - before <= super::SERIES_MAX, "{name:?}");
    }

    /// What tells the subject apart from all others of its kind, as names and values: for outputs that know labels. Sorted
    /// by name.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.labels.split(';').skip(1);
        labels.filter_map(|label| label.split_once('='))
    }

    fn write_subject(&self, out: &mut Vec<u8>) {
        if self.is_tagged {
            out.extend_from_slice(self.labels.as_bytes());
        }
    }

    /// The tags with one more, in their order: which carbon a series goes to is found from its name as it is.
    fn write_tags(&self, out: &mut Vec<u8>, along: &Along, value: &str) {
        let before = self.labels().take_while(|(name, _)| *name < along.tag);
        let length: usize = before
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        let (before, behind) = self.labels.as_bytes().split_at(length);
        out.extend_from_slice(before);
        out.push(b';');
        out.extend_from_slice(along.tag.as_bytes());
        out.push(b'=');
        let value = graphite::distinct_without_uuid(value, COMPONENT, ALONG_IN_TAGS);
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(behind);
    }

    fn write_unknown(&self, out: &mut Vec<u8>, name: &str) {
        let start = out.len();
        for component in name.split(self.separator) {
            let component = graphite::distinct(component, COMPONENT, b"");
            out.extend_from_slice(component.as_bytes());
            out.push(b'.');
        }
        out.pop();
        if out.len() - start > UNKNOWN_MAX {
            out.truncate(start);
            let whole = graphite::distinct(name, COMPONENT, b"");
            out.extend_from_slice(whole.as_bytes());
        }
    }
}

/// The field's name with the value as one component more, behind as many as the field says.
fn write_along(out: &mut Vec<u8>, name: &str, along: &Along, value: &str) {
    let mut components = name.splitn(along.behind + 1, '.');
    for component in components.by_ref().take(along.behind) {
        out.extend_from_slice(component.as_bytes());
        out.push(b'.');
    }
    let value = graphite::distinct_without_uuid(value, COMPONENT, b"");
    out.extend_from_slice(value.as_bytes());
    if let Some(rest) = components.next() {
        out.push(b'.');
        out.extend_from_slice(rest.as_bytes());
    }
}
