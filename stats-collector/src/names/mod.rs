//! What series are called, which there are, and how many there may be.
//!
//! ```text
//!   identities ──> Registry ──────────> Head ───────────────> the name of a series
//!   who is there   app and slot,        rendered once,        a few copies a point
//!                  kept in a file       by path or by tags
//!                                       Selection, Ceiling:   whether there is one
//! ```
//!
//! Nothing but the registry's file does I/O.

mod ceiling;
mod head;
mod kinds;
mod naming;
mod registry;
mod selection;
mod settings;

pub(crate) use ceiling::{Ceiling, Over, Tally};
pub(crate) use head::{Head, Name};
pub(crate) use kinds::KINDS;
pub(crate) use naming::{Naming, NamingError};
pub(crate) use registry::{Entry, Identity, Registry};
pub(crate) use selection::{Selection, SelectionError};
pub(crate) use settings::{FieldRules, Form, LabelRule, NamesSettings};
