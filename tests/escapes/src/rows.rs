//! The table. Each of its parts lies beside the attempts that it is made of.

mod devices;
mod files;
mod kernel;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod processes;
mod secrets;

use nix::errno::Errno;

use crate::attempt::Attempt;
use crate::outcome::Expected;
use crate::world::{Task, World};

pub use network::OWN_NETWORK;

/// One escape.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What is tried, unlike any other's.
    pub name: &'static str,
    pub(crate) attempt: fn(&World) -> Attempt,
    root: Expected,
    user: Expected,
}

impl Row {
    /// What is to come of it.
    pub fn expected(&self, task: Task) -> Expected {
        match task {
            Task::Root => self.root,
            Task::User => self.user,
        }
    }

    /// The same for both kinds of tasks.
    const fn both(name: &'static str, expected: Expected, attempt: fn(&World) -> Attempt) -> Row {
        Row::each(name, expected, expected, attempt)
    }

    const fn each(
        name: &'static str,
        root: Expected,
        user: Expected,
        attempt: fn(&World) -> Attempt,
    ) -> Row {
        Row {
            name,
            attempt,
            root,
            user,
        }
    }
}

/// All that holds for every sandbox.
pub const TABLE: &[&[Row]] = &[
    files::ROWS,
    secrets::ROWS,
    processes::ROWS,
    limits::ROWS,
    namespaces::ROWS,
    kernel::ROWS,
    devices::ROWS,
    network::ROWS,
    // Last: here a breach changes what the others find.
    mounts::ROWS,
];

/// Its rows, those of [`OWN_NETWORK`] among them.
pub(crate) fn every_row() -> impl Iterator<Item = &'static Row> {
    [OWN_NETWORK]
        .into_iter()
        .chain(TABLE.iter().copied())
        .flatten()
}

/// Not allowed.
const NO: Expected = Expected::Refused(&[Errno::EPERM]);
/// Not allowed, or unknown to this kernel.
const NO_CALL: Expected = Expected::Refused(&[Errno::EPERM, Errno::ENOSYS]);
/// There is no such thing.
const NOTHING: Expected = Expected::Refused(&[Errno::ENOENT]);
/// It is there and cannot be changed.
const READ_ONLY: Expected = Expected::Refused(&[Errno::EROFS]);
/// The same, where the file's mode may be looked at first.
const READ_ONLY_OR_DENIED: Expected = Expected::Refused(&[Errno::EROFS, Errno::EACCES]);
/// It is there and cannot be changed, or it is not there.
const READ_ONLY_OR_NOTHING: Expected =
    Expected::Refused(&[Errno::EROFS, Errno::EACCES, Errno::ENOENT]);
/// It is empty, or not to be opened, or not there.
const MASKED: Expected =
    Expected::RefusedOrContained(&[Errno::ENOENT, Errno::EACCES, Errno::EPERM]);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rows_have_the_same_name() {
        let names: BTreeSet<&str> = every_row().map(|row| row.name).collect();
        assert_eq!(names.len(), every_row().count());
    }
}
