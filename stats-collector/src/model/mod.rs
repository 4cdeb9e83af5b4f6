//! What the collector ships: which numbers, of whom, and what two samples tell that one does not.
//!
//! Nothing in here does I/O or looks at a clock.

mod field;
mod figure;
mod rates;
mod subject;

pub(crate) use field::{Along, Field, Nature, Put, Unit};
pub(crate) use figure::{Figure, put_figures};
pub(crate) use rates::{Counters, Rates, rates};
pub(crate) use subject::{Kind, Origin, Subject};
