//! Points on disk: what carbon did not take when it was away or slow.

mod config;
mod directory;
mod encode;
mod keeper;
mod name;
mod pace;
mod record;
mod replay;
mod segment;
mod store;
#[cfg(test)]
mod tests;

pub use config::SpoolConfig;
pub use name::SpoolName;

pub(crate) use keeper::Keeper;
pub(crate) use replay::{Confirmed, Next, Replay};
pub(crate) use store::Place;

use std::path::PathBuf;
use std::thread;

use tracing::warn;

/// Tells of spools in `directory` that belong to none of these destinations: nobody will replay
/// them, and nobody removes them. A thread of its own looks, so that nobody waits for a disk.
pub(crate) fn tell_of_orphans(directory: PathBuf, known: Vec<SpoolName>) {
    let look = move || match directory::orphans(&directory, &known) {
        Ok(orphans) => {
            for orphan in orphans {
                warn!(
                    "{} is the spool of no destination: its points are kept and not sent",
                    directory.join(orphan).display()
                );
            }
        }
        Err(error) => warn!("{error}"),
    };
    let thread = thread::Builder::new().name("orphans".to_owned());
    if let Err(error) = thread.spawn(look) {
        warn!("no thread to look for spools of no destination: {error}");
    }
}
