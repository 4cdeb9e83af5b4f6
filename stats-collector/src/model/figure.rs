//! Tables of numbers that one sample has: what each is, and where it is found.

use graphite::Value;

use super::Since;
use super::field::{Along, Field, Nature, Put, Unit};

/// A kind of number, and where it is found in a `T`.
#[derive(Debug)]
pub(crate) struct Figure<T: 'static> {
    /// What it is.
    pub(crate) field: Field,
    /// `None`: it is not known, and therefore no point.
    pub(crate) of: fn(&T) -> Option<Value>,
}

impl<T> Figure<T> {
    /// One that goes up and down.
    pub(crate) const fn gauge(
        name: &'static str,
        unit: Unit,
        help: &'static str,
        of: fn(&T) -> Option<Value>,
    ) -> Self {
        Self {
            field: Field {
                name,
                along: None,
                nature: Nature::Gauge,
                unit,
                help,
            },
            of,
        }
    }

    /// One that grows until whoever counts it starts anew.
    pub(crate) const fn counter(
        name: &'static str,
        unit: Unit,
        help: &'static str,
        of: fn(&T) -> Option<Value>,
    ) -> Self {
        let mut figure = Self::gauge(name, unit, help, of);
        figure.field.nature = Nature::Counter;
        figure
    }

    /// The same, of which there are several along something, told apart behind the first component of its name.
    pub(crate) const fn along(mut self, tag: &'static str) -> Self {
        self.field.along = Some(Along { tag, behind: 1 });
        self
    }
}

/// Puts everything that is known of a sample. `along` is what tells it apart, if the table's figures are along something.
pub(crate) fn put_figures<T>(
    table: &'static [Figure<T>],
    of: &T,
    along: Option<&str>,
    put: &mut impl Put,
) {
    for figure in table {
        if let Some(value) = (figure.of)(of) {
            put.put(&figure.field, along, value);
        }
    }
}

/// Puts what everything that grows grew by in a second. The table's figures are that; where they are found is what grows.
pub(crate) fn put_growth<T>(
    table: &'static [Figure<T>],
    of: &T,
    along: Option<&str>,
    since: &mut Since<'_>,
    put: &mut impl Put,
) {
    for Figure { field, of: found } in table {
        let grown = found(of).and_then(|value| since.per_second(field, along, value));
        if let Some(grown) = grown {
            put.put(field, along, grown.into());
        }
    }
}
