//! Settings of a daemon: a file in TOML, the environment and flags, read by one table of keys, checked as a whole.
//!
//! A flag comes before the environment, that before the file, that before the default. Everything that is wrong is
//! told at once, each thing with its place; a key that is not known is wrong, too. No key holds a secret: those are
//! in files that a key names.
//!
//! ```text
//!  Schema (what may be said) ──► Sources ──► Said (what was said, and where)
//!                                               │
//!            the program's own function ◄── Check (each value, then what they mean together)
//! ```

#![forbid(unsafe_code)]

mod check;
mod error;
mod key;
mod nearest;
mod said;
mod sources;
pub mod value;

pub use check::Check;
pub use error::{ConfigError, ConfigErrors, Origin, Problem};
pub use key::{Key, List, Schema};
pub use nearest::nearest;
pub use said::{Effective, Given, Said, Values};
pub use sources::Sources;
pub use value::Value;
