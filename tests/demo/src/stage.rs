//! What the demo plays on: Mesos, Graphite, the file server, the collector and the scheduler.

use std::path::Path;
use std::time::{Duration, Instant};

use mesos_proto::v1::{TaskState, TaskStatus};
use serde_json::json;
use test_support::{
    ExecutorBuilder, FileServer, FrameworkOptions, Graphite, RealMesos, Scheduler, Settings,
    TaskBuilder, binaries, executor, task,
};

use crate::error::DemoError;
use crate::programs::Collector;
use crate::screen::Screen;

/// How long any update may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// All of it. What uses another stands before it, so that it is taken down first.
pub(crate) struct Stage {
    pub(crate) scheduler: Scheduler,
    pub(crate) collector: Collector,
    pub(crate) graphite: Graphite,
    pub(crate) mesos: RealMesos,
    files: FileServer,
    executor_url: String,
    /// When it was set.
    pub(crate) since: Instant,
    /// How many updates are on the screen.
    shown: usize,
}

impl Stage {
    /// Starts everything.
    pub(crate) fn set(screen: &Screen) -> Result<Self, DemoError> {
        screen.say("Setting up, all on loopback and in directories that are removed at the end.");
        let mesos = screen.during("a real Apache Mesos 1.11.0, master and agent", || {
            RealMesos::start(settings())
        });
        let graphite = screen.during(
            "a real Graphite, carbon-cache and graphite-web",
            Graphite::start,
        );
        let files = FileServer::start();
        let executor_url = files.offer(&binaries::sandbox_executor());
        screen.note(&format!(
            "the executor, for the agent to fetch: {executor_url}"
        ));
        let collector = Collector::start(&mesos, &graphite)?;
        screen.note("mesos-stats-collector, once a second from that agent to that Graphite");
        let options = FrameworkOptions {
            name: "demo".to_owned(),
            ..FrameworkOptions::default()
        };
        let scheduler = Scheduler::subscribe(&mesos, options);
        screen.note(&format!(
            "a scheduler, framework {}",
            scheduler.framework_id()
        ));
        Ok(Self {
            scheduler,
            collector,
            graphite,
            mesos,
            files,
            executor_url,
            since: Instant::now(),
            shown: 0,
        })
    }

    /// `mesos-sandbox-executor`, fetched from the file server.
    pub(crate) fn executor(&self, id: &str) -> ExecutorBuilder {
        executor(id)
            .command("./mesos-sandbox-executor")
            .uri(&self.executor_url, true)
            .disk(32.0)
    }

    /// Waits for a task's state, and shows every update that comes meanwhile.
    pub(crate) fn wait_for(
        &mut self,
        screen: &Screen,
        task: &str,
        state: TaskState,
    ) -> Result<TaskStatus, DemoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.collector.check()?;
            self.show_updates(screen, Duration::from_millis(200));
            // Nothing new came, or what came is on the screen: this only looks.
            match self.scheduler.wait_for(task, state, Duration::ZERO) {
                Err(test_support::SchedulerError::TimedOut { .. }) if Instant::now() < deadline => {
                }
                result => return Ok(result?),
            }
        }
    }

    /// Shows the updates that have come since the last time, or come within this time.
    pub(crate) fn show_updates(&mut self, screen: &Screen, wait: Duration) {
        for update in self.scheduler.updates_after(self.shown, wait) {
            screen.row(&update);
            self.shown += 1;
        }
    }

    /// Where everything is, and how to end it.
    pub(crate) fn print_addresses(&self) {
        println!(
            "\nAll of it stays up until Ctrl-C:\n  master        {}/state\n  agent         {}/containers\n  \
             work_dir      {}\n  Mesos's log   {}\n  carbon        {}\n  Graphite      {}\n  file server   {}",
            self.mesos.master_url(),
            self.mesos.agent_url(),
            self.mesos.work_dir().display(),
            self.mesos.log_path().display(),
            self.graphite.carbon(),
            self.graphite.web_url(),
            self.files.url(),
        );
    }
}

/// A task for `mesos-sandbox-executor`: `data` tells it what to run.
pub(crate) fn sandboxed(id: &str, executor: &ExecutorBuilder, shell: &str) -> TaskBuilder {
    let data = json!({"version": 1, "command": {"value": shell, "shell": true}});
    task(id).executor(executor).data(data.to_string())
}

/// The agent's own cgroup isolators where cgroup v1 is, which is all that Mesos 1.11 knows; else those that only measure.
fn settings() -> Settings {
    let has_v1 = ["memory", "freezer", "cpuacct", "pids"]
        .iter()
        .all(|controller| {
            Path::new("/sys/fs/cgroup")
                .join(controller)
                .join("tasks")
                .exists()
        });
    let settings = if has_v1 {
        // With an isolator for processes, so that tasks are held to their number of them, too.
        Settings::linux().isolation(
            "filesystem/linux,cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid,disk/du",
        )
    } else {
        Settings::posix()
    };
    settings.flag("container_disk_watch_interval", "1secs")
}
