//! What the tests of programs beside a task share.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cgroup::Cgroup;
use sandbox::identity::Identity;
use sandbox::{Entered, Exit, Finished, Namespaces, Plan};

use crate::{Executor, Task, UNLIMITED, processes_marked, until, wait_readable};

/// A task that is told from its guests by its command.
pub const SERVER: &str = "echo up; exec sleep 7007";

/// The end of whoever was killed.
pub const KILLED: Exit = Exit::Signaled {
    signal: 9,
    core_dumped: false,
};

/// A user without rights.
pub fn nobody() -> Identity {
    Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    }
}

/// Waits for a guest's end.
///
/// # Panics
/// When it does not end, or its end is not told.
pub fn finish(guest: Entered) -> Finished {
    wait_readable(&guest, "the end of a guest");
    guest.reap().unwrap_or_else(|error| panic!("{error}"))
}

impl Task {
    /// Runs `script` beside it, to its end.
    ///
    /// # Panics
    /// When it cannot be started, or does not end.
    pub fn run_beside(&self, script: &str) -> Finished {
        finish(self.enter(script).unwrap_or_else(|error| panic!("{error}")))
    }

    /// The cgroups inside its own.
    ///
    /// # Panics
    /// When they cannot be listed.
    pub fn subgroups(&self) -> Vec<PathBuf> {
        let files = self.cgroup.procs_files();
        let directories = files.iter().filter_map(|file| file.parent());
        let entries = directories.flat_map(|directory| fs::read_dir(directory).expect("a cgroup"));
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_dir()).collect()
    }

    /// Waits until it is left alone, and looks that it, a [`SERVER`], lives.
    ///
    /// # Panics
    /// When something else is left, or nothing.
    pub fn assert_alone(&self, executor: &Executor) {
        // It may be on its way to its second command still.
        until("the task, alone", || {
            let left = processes_marked(&executor.container);
            let [only] = left[..] else {
                assert!(!left.is_empty(), "the task lives");
                return None;
            };
            let line = fs::read_to_string(format!("/proc/{only}/cmdline")).unwrap_or_default();
            (line == "sleep\u{0}7007\u{0}").then_some(())
        });
        assert_eq!(self.subgroups(), Vec::<PathBuf>::new());
    }
}

/// With a task in every kind of sandbox, one after the other, each with the cgroup that its guests
/// are to have. Looks that it lives and is alone afterwards.
///
/// # Panics
/// When that is not so.
pub fn in_every_kind(executor: &Executor, look: impl Fn(&Task, Option<&Arc<Cgroup>>)) {
    for namespaces in [Namespaces::ALL, Namespaces::NONE] {
        for has_cgroup in [true, false] {
            let plan = Plan {
                namespaces,
                ..Executor::plan(SERVER)
            };
            let task = executor.launch(plan, &UNLIMITED);
            task.lines(1);
            look(&task, has_cgroup.then_some(&task.cgroup));
            task.assert_alone(executor);
        }
    }
}
