//! What the three programs do under a real Mesos: `tests/` holds the sentences, this the scene they share.
#![forbid(unsafe_code)]

pub mod volumes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mesos_proto::v1::{TaskInfoFields, TaskState};
use serde_json::json;
use test_support::{
    ExecutorBuilder, FileServer, FrameworkOptions, RealMesos, Scheduler, Settings, TaskBuilder,
    binaries, executor, task,
};

/// Long enough for anything that should come at once on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// A real Mesos, the executor offered as a URI, and a scheduler.
pub struct Scene {
    // Dropped in this order: Mesos last, since it then asserts that nothing was left behind.
    /// Of the project's own.
    pub scheduler: Scheduler,
    /// Where the agent fetches the executor from.
    pub url: String,
    _files: FileServer,
    /// Master and agent.
    pub mesos: RealMesos,
}

impl Scene {
    /// With the posix launcher and a framework that has checkpointing.
    pub fn new() -> Self {
        Self::with(Settings::posix(), FrameworkOptions::default())
    }

    /// One after the other, with the posix and with the linux launcher; with the posix one alone where
    /// `MESOS_AGENT_TOOLKIT_LAUNCHERS=posix` is set, since Mesos's linux launcher knows no host with cgroup v2 alone.
    ///
    /// # Panics
    /// When that variable says anything else.
    pub fn under_each_launcher() -> impl Iterator<Item = Self> {
        let launchers = match std::env::var("MESOS_AGENT_TOOLKIT_LAUNCHERS").as_deref() {
            Err(_) => vec![Settings::posix(), Settings::linux()],
            Ok("posix") => vec![Settings::posix()],
            Ok(other) => panic!("MESOS_AGENT_TOOLKIT_LAUNCHERS: '{other}' is not 'posix'"),
        };
        launchers
            .into_iter()
            .map(|settings| Self::with(settings, FrameworkOptions::default()))
    }

    /// With other settings.
    pub fn with(settings: Settings, options: FrameworkOptions) -> Self {
        let mesos = RealMesos::start(settings);
        let files = FileServer::start();
        let url = files.offer(&binaries::sandbox_executor());
        let scheduler = Scheduler::subscribe(&mesos, options);
        Self {
            scheduler,
            url,
            _files: files,
            mesos,
        }
    }

    /// Our executor, fetched by the agent, gone as soon as it has nothing to do.
    pub fn executor(&self, id: &str) -> ExecutorBuilder {
        executor(id)
            .command("./mesos-sandbox-executor")
            .uri(&self.url, true)
            .variable("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "200ms")
    }

    /// A task of that executor that runs a shell command.
    pub fn task(&self, id: &str, executor: &ExecutorBuilder, command: &str) -> TaskBuilder {
        let data = json!({ "version": 1, "command": { "value": command } });
        task(id).executor(executor).data(data.to_string())
    }

    /// The same, and it sees this directory of the host as `shared`, where it can write.
    pub fn task_sharing(
        &self,
        id: &str,
        executor: &ExecutorBuilder,
        command: &str,
        directory: &Path,
    ) -> TaskBuilder {
        let volume = json!({ "mode": "RW", "container_path": "shared", "host_path": directory });
        let sandbox = json!({ "volumes": [volume] });
        let data = json!({ "version": 1, "command": { "value": command }, "sandbox": sandbox });
        task(id).executor(executor).data(data.to_string())
    }

    /// The directory of the task `id` of the last run of `executor`.
    pub fn task_directory(&self, executor: &str, id: &str) -> PathBuf {
        let sandbox = self.mesos.sandbox(&self.scheduler.framework_id(), executor);
        sandbox.join("tasks").join(id)
    }

    /// Launches a task and waits until it runs.
    ///
    /// # Panics
    /// When it does not.
    pub fn run(&self, task: TaskBuilder) {
        let task = TaskInfoFields::from(task);
        let id = task.task_id.value.clone();
        let launched = self.scheduler.launch([task]);
        let running =
            launched.and_then(|()| self.scheduler.wait_for(&id, TaskState::TaskRunning, SOON));
        if let Err(error) = running {
            panic!("{error}");
        }
    }

    /// Waits for a file that a task makes, named by its path below the sandbox of the last run of `executor`.
    ///
    /// # Panics
    /// When it does not come.
    pub fn await_file(&self, executor: &str, path: &str) {
        let sandbox = self.mesos.sandbox(&self.scheduler.framework_id(), executor);
        let deadline = Instant::now() + SOON;
        while !sandbox.join(path).exists() {
            assert!(Instant::now() < deadline, "{path} never came");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills every executor of this scene that has our program, with SIGKILL and without its janitors and inits.
    ///
    /// # Panics
    /// When one is there that cannot be killed.
    pub fn kill_executors(&self) {
        self.kill_those(|line| line == b"./mesos-sandbox-executor\0");
    }

    /// The same for those in the place of Mesos's command executor.
    ///
    /// # Panics
    /// When one is there that cannot be killed.
    pub fn kill_command_executors(&self) {
        self.kill_those(|line| line.starts_with(b"mesos-executor\0"));
    }

    fn kill_those(&self, are_meant: impl Fn(&[u8]) -> bool) {
        let work = self.mesos.work_dir();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            // What is gone meanwhile need not be killed.
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let directory = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
            if directory.starts_with(&work) && are_meant(&line) {
                let killed = std::process::Command::new("kill")
                    .arg("-9")
                    .arg(process.file_name())
                    .status();
                assert!(killed.is_ok_and(|status| status.success()));
            }
        }
    }

    /// Waits until no process is in this directory or below it.
    ///
    /// # Panics
    /// When one stays.
    pub fn await_no_process_in(&self, directory: &Path) {
        let is_in = |process: std::fs::DirEntry| {
            std::fs::read_link(process.path().join("cwd"))
                .is_ok_and(|cwd| cwd.starts_with(directory))
        };
        let deadline = Instant::now() + SOON;
        while std::fs::read_dir("/proc").is_ok_and(|mut all| all.any(|one| one.is_ok_and(is_in))) {
            assert!(
                Instant::now() < deadline,
                "one stays in {}",
                directory.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}
