use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cgroup::Cgroup;
use sandbox::directory::TaskDirectory;
use sandbox::{Command, EnterError, EnterPlan, Entered, LaunchError, Prepared, Process};

use crate::{until, wait_readable};

/// A task of it. Dropped, it is killed and its cgroup removed.
#[derive(Debug)]
pub struct Task {
    /// Its init.
    pub process: Process,
    /// Its cgroup.
    pub cgroup: Arc<Cgroup>,
    /// Its directory.
    pub directory: TaskDirectory,
}

impl Task {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait(&mut self) -> sandbox::Exit {
        wait_readable(&self.process, "the task's end");
        self.process
            .reap()
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts `script` beside it, in a cgroup inside its own.
    ///
    /// # Errors
    /// What entering says.
    ///
    /// # Panics
    /// Without a descriptor.
    pub fn enter(&self, script: &str) -> Result<Entered, EnterError> {
        self.enter_with(Task::guest(script, Some(&self.cgroup)))
    }

    /// As [`Task::enter`], with a plan.
    ///
    /// # Errors
    /// What entering says.
    ///
    /// # Panics
    /// Without a descriptor.
    pub fn enter_with(&self, plan: EnterPlan) -> Result<Entered, EnterError> {
        let door = self.process.door().expect("a descriptor");
        door.enter(plan, &AtomicBool::new(false))
    }

    /// A plan for `script` beside a task.
    pub fn guest(script: &str, cgroup: Option<&Arc<Cgroup>>) -> EnterPlan {
        EnterPlan {
            command: Command::Shell(script.to_owned()),
            environment: BTreeMap::new(),
            identity: None,
            cgroup: cgroup.map(Arc::clone),
        }
    }

    /// What it wrote to standard output until now.
    ///
    /// # Panics
    /// When that cannot be read.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.directory.path.join("stdout")).expect("its output")
    }

    /// Waits until it has written `lines` lines to standard output, and gives them.
    ///
    /// # Panics
    /// When it does not.
    pub fn lines(&self, lines: usize) -> Vec<String> {
        until("output", || {
            let text = self.stdout();
            (text.matches('\n').count() >= lines).then(|| text.lines().map(str::to_owned).collect())
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let killed = self.process.kill();
        if let Err(error) = self.cgroup.kill() {
            eprintln!("{error} ({killed:?})");
        }
        let _ = self.process.reap();
        if let Err(errors) = self.cgroup.remove() {
            eprintln!("{errors}");
        }
    }
}

/// A task that is ready and held. Dropped, it is given up.
#[derive(Debug)]
pub struct Held {
    pub(crate) prepared: Prepared,
    pub(crate) place: Place,
}

/// Where a task lives.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cgroup: Cgroup,
    pub(crate) directory: TaskDirectory,
}

impl Place {
    pub(crate) fn task(self, process: Process) -> Task {
        Task {
            process,
            cgroup: Arc::new(self.cgroup),
            directory: self.directory,
        }
    }

    /// Looks that nothing is left.
    pub(crate) fn refused(self, error: LaunchError) -> LaunchError {
        let left = self.cgroup.processes().expect("readable");
        assert_eq!(left, [].into(), "left by a failed launch");
        self.cgroup.remove().expect("an empty cgroup");
        error
    }
}

impl Held {
    /// The ids of its processes in its cgroup.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn processes(&self) -> BTreeSet<u32> {
        self.place.cgroup.processes().expect("readable")
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.place.directory.path
    }

    /// Lets it run.
    ///
    /// # Errors
    /// What the launch says; then nothing is left of the task.
    pub fn release(self) -> Result<Task, LaunchError> {
        match self.prepared.release() {
            Ok(process) => Ok(self.place.task(process)),
            Err(error) => Err(self.place.refused(error)),
        }
    }

    /// Gives it up, and looks that nothing is left.
    ///
    /// # Panics
    /// When something is.
    pub fn give_up(self) {
        drop(self.prepared);
        self.place.refused(LaunchError::Cancelled);
    }
}
