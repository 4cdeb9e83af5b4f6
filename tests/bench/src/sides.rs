//! Who is measured: our executor and the peer, side by side on one Mesos.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesos_proto::v1::{TaskInfoFields, TaskState};
use test_support::{
    ExecutorBuilder, FrameworkOptions, RealMesos, Scheduler, Settings, TaskBuilder, binaries,
    executor, pymesos, task,
};

use crate::processes::{Process, descendants};

/// How long anything may take that should come at once.
const SOON: Duration = Duration::from_secs(60);

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// mesos-sandbox-executor: cgroups, namespaces, a disk quota for each task.
    Ours,
    /// An executor made with pymesos, without a sandbox.
    Pymesos,
    /// The same, running nothing: what it costs is the price of Mesos itself.
    Nothing,
}

impl Side {
    /// Ours and the peer.
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Pymesos];

    /// With what there would be without either.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Pymesos, Self::Nothing];

    /// What the executor's command line has in it.
    fn program(self) -> &'static str {
        match self {
            Self::Ours => "mesos-sandbox-executor",
            Self::Pymesos | Self::Nothing => "pymesos_executor.py",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "mesos-sandbox-executor",
            Self::Pymesos => "pymesos",
            Self::Nothing => "an executor that runs nothing",
        })
    }
}

/// A Mesos and a scheduler for both.
pub(crate) struct Scene {
    // Mesos last: it asserts that nothing was left behind.
    pub(crate) scheduler: Scheduler,
    pub(crate) mesos: RealMesos,
    python: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Settings::posix())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mesos = RealMesos::start(settings);
        let options = FrameworkOptions {
            name: "bench".to_owned(),
            ..FrameworkOptions::default()
        };
        Self {
            scheduler: Scheduler::subscribe(&mesos, options),
            mesos,
            python: pymesos().join("bin/python"),
        }
    }

    /// An executor that stays until it is shut down. Nothing is fetched: it is started from where it lies.
    pub(crate) fn executor(&self, side: Side) -> ExecutorBuilder {
        let command = match side {
            Side::Ours => binaries::sandbox_executor().display().to_string(),
            Side::Pymesos | Side::Nothing => {
                let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
                let program = program.join(side.program());
                let pretend = if side == Side::Nothing {
                    "--pretend"
                } else {
                    ""
                };
                format!(
                    "exec {} {} {pretend}",
                    self.python.display(),
                    program.display()
                )
            }
        };
        executor(&format!("{side:?}"))
            .command(&command)
            .variable("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "1hrs")
    }

    /// A task of that executor with limits of memory and disk, which only ours enforces.
    pub(crate) fn task(&self, side: Side, id: &str, command: &str) -> TaskBuilder {
        task(id)
            .executor(&self.executor(side))
            .data(command.to_owned())
            .cpus(0.01)
            .mem(8.0)
            .disk(10.0)
    }

    /// Launches tasks in one ACCEPT and waits until all are in this state. Returns how long that took from the ACCEPT on,
    /// for the last of them.
    pub(crate) fn launch(&self, tasks: Vec<TaskBuilder>, wanted: TaskState) -> Duration {
        let tasks: Vec<TaskInfoFields> = tasks.into_iter().map(Into::into).collect();
        let ids: Vec<String> = tasks
            .iter()
            .map(|task| task.task_id.value.clone())
            .collect();
        self.scheduler
            .launch(tasks)
            .unwrap_or_else(|error| panic!("{error:?}"));
        let accepted = self.scheduler.accepted();
        let last = ids.iter().map(|id| {
            self.scheduler
                .wait_for(id, wanted, SOON)
                .unwrap_or_else(|error| panic!("{error:?}"));
            self.moment(id, wanted)
        });
        last.max().unwrap_or_default().saturating_sub(accepted)
    }

    /// When a task was heard of in this state.
    pub(crate) fn moment(&self, task: &str, state: TaskState) -> Duration {
        let updates = self.scheduler.updates_of(task);
        updates
            .iter()
            .find(|update| update.state == state)
            .map(|update| update.elapsed)
            .unwrap_or_else(|| panic!("{task} was never in {state:?}"))
    }

    /// Starts a side's executor, with one task that stays in it, and returns its process.
    pub(crate) fn start(&self, side: Side) -> Process {
        let before = descendants(self.mesos.pid());
        let stays = self.task(side, &format!("{side:?}-stays"), "exec sleep 100000");
        self.launch(vec![stays], TaskState::TaskRunning);
        descendants(self.mesos.pid())
            .into_iter()
            .filter(|process| !before.contains(process))
            .find(|process| process.is_executor(side.program()))
            .unwrap_or_else(|| panic!("no process of {side}"))
    }
}
