//! What series are called, which there are, and how many there may be.
//!
//! ```text
//!   identities ──> Registry ──────────> Head ───────────────> the name of a series
//!   who is there   app and slot,        rendered once,        a few copies a point
//!                  kept in a file       by path or by tags
//!                                       Selection, Ceiling:   whether there is one
//! ```
//!
//! No two subjects that are there at the same time ever have the same name. Slots see to that, not the texts: whatever two
//! subjects are called, if they are called the same but for their slots, they have slots of one [pool](slots::Slots), and
//! no two of those. What is told apart without a slot (volumes of one container, say) is by a hash, where its text has to be
//! changed ([`graphite::distinct()`]).
//!
//! Nothing but [`slot_file`] does I/O.

mod app;
mod ceiling;
mod head;
mod kinds;
mod naming;
mod naming_error;
mod registry;
mod selection;
mod settings;
mod slot_file;
mod slots;
mod template;
#[cfg(test)]
mod tests;
mod variable;

pub(crate) use ceiling::{Ceiling, Over, Tally};
pub(crate) use head::{Head, Name};
pub(crate) use kinds::KINDS;
pub(crate) use naming::Naming;
pub(crate) use naming_error::{About, NamingError};
pub(crate) use registry::{Entry, Identity, Registry};
pub(crate) use selection::{Selection, SelectionError};
pub(crate) use settings::{FieldRules, Form, LabelRule, NamesSettings};
pub(crate) use slot_file::{SlotFile, SlotFileError};

/// The most bytes of a component: a file's name ends at 255, and whisper, relays and aggregators append to it.
const COMPONENT: usize = graphite::COMPONENT_MAX;

/// The most bytes of what all series of a subject have in common.
const HEAD_MAX: usize = 1500;

/// The most bytes of a field's name that no table has.
const UNKNOWN_MAX: usize = 400;

/// The most bytes of a series' whole name. Carbon closes the connection at a line of more than 16,384 bytes (Twisted:
/// `LineOnlyReceiver.MAX_LENGTH`), and Linux ends a path at 4,096.
pub(crate) const SERIES_MAX: usize = HEAD_MAX + UNKNOWN_MAX + COMPONENT;

/// What else than plain characters may be in a tag's value: carbon forbids only what ends a tag or a line, relays more.
const ALONG_IN_TAGS: &[u8] = b".:";
