//! The numbers of one subject, on their way to every output.

use graphite::Value;

use super::outlet::Ways;
use crate::model::{Field, Kind, Put};
use crate::names::{Head, Name, Selection, Tally};

/// Takes the numbers of one subject at one time. Dropping it ends the subject.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(super) kind: Kind,
    pub(super) head: &'a Head,
    pub(super) timestamp: u64,
    pub(super) selection: &'a mut Selection,
    /// None for what is told in any case.
    pub(super) tally: Option<Tally<'a>>,
    pub(super) ways: &'a mut Ways,
}

impl Writer<'_> {
    fn take(&mut self, name: Name<'_>, value: Value) {
        if !self.selection.admits(self.kind, name) {
            return;
        }
        if !value.is_finite() {
            self.ways.refused += 1;
            return;
        }
        if let Some(tally) = &mut self.tally
            && !tally.admits(name)
        {
            return;
        }
        let Self {
            kind,
            head,
            timestamp,
            ..
        } = *self;
        self.ways.put(kind, head, name, value, timestamp);
    }
}

impl Put for Writer<'_> {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        self.take(Name::Known(field, along), value);
    }

    fn put_unknown(&mut self, name: &str, value: Value) {
        self.take(Name::Unknown(name), value);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.ways.end();
    }
}
