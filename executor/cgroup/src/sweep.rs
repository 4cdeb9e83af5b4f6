use std::path::PathBuf;

use crate::kill::{kill_all, remove_tree};
use crate::parent::{children, leave, try_lock};
use crate::{Error, Errors, Host};

/// Removes what executors that were killed left below our own directories: first kills whatever
/// still runs there, then removes the cgroups. To be called when an executor starts.
///
/// The directories of a running executor are locked by it (see [`crate::Parent`]) and are passed
/// over. Returns what was removed, one path a hierarchy.
///
/// # Errors
/// Everything that could not be looked at, killed or removed; the rest is done all the same.
pub fn sweep(host: &Host) -> Result<Vec<PathBuf>, Errors> {
    let mut removed = Vec::new();
    let mut errors = Vec::new();
    for hierarchy in host.hierarchies() {
        let directories = children(&hierarchy.top()).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for path in directories {
            let lock = match try_lock(&path) {
                Ok(Some(lock)) => lock,
                // It is alive.
                Ok(None) => continue,
                // Another sweep was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => {
                    errors.push(Error::Lock { path, source });
                    continue;
                }
            };
            if let Err(error) = kill_all(std::slice::from_ref(&path)) {
                errors.push(error);
            }
            // The lock is held until the directory is gone, so that nobody moves in meanwhile.
            match remove_tree(&path) {
                Ok(()) => removed.push(path),
                Err(Errors(more)) => errors.extend(more),
            }
            drop(lock);
        }
        leave(hierarchy);
    }
    Errors(errors).or(removed)
}
