//! What a sandbox costs, with no Mesos about: over a bare spawn step by step, by its number, and at its end. This very
//! program is the executor.

mod bundle;
mod many;
mod peers;
mod steps;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cgroup::{Cgroup, Host, Limits, Parent};
use kernel_tests::{nowhere, wait_readable};
use sandbox::directory::create_task;
use sandbox::{
    Command, Filesystem, InitProgram, Launcher, Namespaces, Plan, PrivateFiles, Privileges, Process,
};
use tempfile::TempDir;

/// What a task and a peer's container may have: enough for a tree of processes.
const MEMORY: u64 = 1 << 30;
const PIDS: u64 = 8192;

/// Prints the tables.
pub(crate) fn measure() {
    let bench = Bench::new();
    steps::measure(&bench);
    many::measure(&bench);
    tree::measure(&bench);
    bench.remove();
}

/// What an executor has.
struct Bench {
    launcher: Launcher,
    parent: Parent,
    directory: TempDir,
}

/// A task that runs.
struct Running {
    process: Process,
    cgroup: Option<Cgroup>,
    directory: Option<PathBuf>,
}

impl Bench {
    fn new() -> Self {
        let host = Host::detect(Path::new("/")).expect("a host with cgroups");
        let parent = Parent::create(&host, &format!("bench-{}", std::process::id()));
        // Where an agent has it, and not where a sandbox hides it.
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in("/var/lib");
        Self {
            launcher: Launcher::start(InitProgram::own()).expect("a thread"),
            parent: parent.expect("root's rights"),
            directory: directory.expect("root's rights"),
        }
    }

    fn remove(self) {
        drop(self.launcher);
        self.parent
            .remove()
            .unwrap_or_else(|errors| panic!("{errors}"));
    }

    fn limits() -> Limits {
        Limits {
            memory: Some(MEMORY),
            pids: Some(PIDS),
            ..Limits::of_cpus(0.1)
        }
    }

    /// What a task gets that asks for nothing, in the directory of this name.
    fn plan(&self, name: &str, command: &str) -> Plan {
        let sandbox = self.directory.path().join("tasks").join(name);
        let mut files = PrivateFiles::of_host(&sandbox);
        files.hidden.push(self.directory.path().to_owned());
        Plan {
            filesystem: Filesystem::Private(files),
            working_directory: sandbox,
            namespaces: Namespaces::ALL,
            privileges: Privileges::of_default(None),
            ..Plan::bare(command_of(command))
        }
    }

    /// Starts such a task with a directory and a cgroup of its own.
    fn start(&self, name: &str, command: &str) -> Running {
        let directory = create_task(self.directory.path(), name, None).expect("own directory");
        let cgroup = Cgroup::create(&self.parent, name, &Self::limits()).expect("root's rights");
        let mut plan = self.plan(name, command);
        plan.cgroup_procs = cgroup.procs_files();
        Running {
            process: self.launch(plan),
            cgroup: Some(cgroup),
            directory: Some(directory.path),
        }
    }

    fn launch(&self, plan: Plan) -> Process {
        let launched = self.launcher.launch(plan, nowhere(), &Arc::default());
        launched.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Running {
    /// Waits for its end, after which its cgroup is gone, too.
    fn end(mut self) -> Option<PathBuf> {
        wait_readable(&self.process, "a task's end");
        self.process.reap().expect("its end");
        if let Some(cgroup) = self.cgroup.take() {
            cgroup.discard().expect("an empty cgroup");
        }
        self.directory
    }
}

/// Without a shell where there is no need of one.
fn command_of(line: &str) -> Command {
    let mut words = line.split(' ').map(str::to_owned);
    match words.next() {
        Some(file) if file.starts_with('/') => Command::Exec {
            argv: std::iter::once(file.clone()).chain(words).collect(),
            file,
        },
        _ => Command::Shell(line.to_owned()),
    }
}
