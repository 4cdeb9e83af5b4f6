//! What programs show on a terminal: a [`Screen`] that is given back as it was found, names that steer nothing
//! ([`escaped`]), lines no wider than there is room ([`fit`]), and numbers with [`units`].

#![forbid(unsafe_code)]

mod escape;
mod line;
mod screen;
pub mod units;

pub use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
pub use escape::{escaped, text};
pub use line::{Color, Line, Look, fit, width};
pub use screen::{Keys, Screen};
