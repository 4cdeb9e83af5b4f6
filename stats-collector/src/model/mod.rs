//! What the collector ships: which numbers, of whom, and what two samples tell that one does not.
//!
//! ```text
//!   Statistics ──> container::write ──> Put      the sample's own numbers, and those derived of it
//!                     ^     │
//!                     │     └─────────> Groups   of all instances of an app
//!                   Memory                       what the counters were the last time
//! ```
//!
//! Nothing in here does I/O or looks at a clock.

pub(crate) mod container;
mod derived;
mod field;
mod figure;
mod groups;
mod memory;
mod numbers;
mod reference;
mod subject;
mod volumes;

pub(crate) use derived::Derived;
pub(crate) use field::{Along, Field, Nature, Put, Unit};
pub(crate) use figure::{Figure, put_figures, put_growth};
pub(crate) use groups::Groups;
pub(crate) use memory::{Memory, Since};
pub(crate) use numbers::{FromValue, Numbers, numbers};
pub(crate) use reference::{page, reference};
pub(crate) use subject::{Kind, Origin, Subject};
