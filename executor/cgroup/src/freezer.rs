//! Stopping every process of a cgroup at once, so that none forks away while being killed.

use std::path::Path;

use cgroups_rs::FreezerState;
use cgroups_rs::fs::freezer::FreezerController;

/// How often the state is asked for before killing starts regardless: a process in an
/// uninterruptible sleep never freezes, and the kill is repeated anyway.
const ROUNDS: u32 = 20;

fn controller(directory: &Path) -> Option<FreezerController> {
    // v2's `cgroup.freeze` came with Linux 5.2; the v1 file is in the freezer hierarchy alone.
    let v2 = directory.join("cgroup.freeze").exists();
    let has_one = v2 || directory.join("freezer.state").exists();
    has_one.then(|| FreezerController::new(directory.to_owned(), directory.to_owned(), v2))
}

/// Freezes the cgroup when it can be, and waits a little until it is. That it could not be is no
/// error: it only makes the kill less sure, and the kill is repeated.
pub(crate) fn freeze(directory: &Path) {
    let Some(freezer) = controller(directory) else {
        return;
    };
    if freezer.freeze().is_err() {
        return;
    }
    for _ in 0..ROUNDS {
        if matches!(freezer.state(), Ok(FreezerState::Frozen) | Err(_)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Lets the cgroup run on: on v1 a frozen process does not even die. Its own descendants are to
/// be thawed one by one, since a process may have frozen them itself.
pub(crate) fn thaw(directory: &Path) {
    if let Some(freezer) = controller(directory) {
        // The cgroup may be gone by now, and what is still frozen shows in the next round.
        let _ = freezer.thaw();
    }
}
