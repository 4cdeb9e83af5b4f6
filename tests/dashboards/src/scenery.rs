//! What the dashboards are looked at with: a real agent with tasks that work, are held back, fill their disk and leak; the
//! disk watcher, and a collector for each form, which ship to as many Graphites as there are.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mesos_tests::volumes::{DISKS, persistent, shop};
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{Graphite, Settings, TaskBuilder, binaries, task};

/// What the agent is called in series.
pub const HOST: &str = "agent-1";
/// Seconds from one point to the next. The agent answers for its metrics twice a second to all who ask, and executors
/// publish what their tasks use every few seconds.
pub const STEP_SECS: u64 = 5;
/// The app of which there are two instances, by their executors' ids.
pub const INSTANCES: [&str; 2] = [
    "shop_web.3b1f6f0e-5b1f-4d6f-9a51-0242ac110002",
    "shop_web.4c2f6f0e-5b1f-4d6f-9a51-0242ac110002",
];

/// All of it. Gone when it is dropped.
pub struct Scenery {
    // What uses another stands before it.
    _programs: Vec<Program>,
    /// The agent and a scheduler.
    pub scene: Scene,
    directory: PathBuf,
}

impl Scenery {
    /// Starts all of it, and has the tasks running.
    ///
    /// # Panics
    /// When something does not start.
    #[must_use]
    pub fn set(graphites: &[&Graphite]) -> Self {
        let isolation =
            "filesystem/linux,cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid,disk/du";
        let settings = Settings::linux()
            .isolation(isolation)
            .resources(DISKS)
            .flag("cgroups_cpu_enable_pids_and_tids_count", "true")
            .flag("container_disk_watch_interval", "1secs");
        let scene = Scene::with(settings, shop());
        scene.create_volume("shop#orders#1", "orders");
        let directory = scene.mesos.work_dir().join("dashboards");
        std::fs::create_dir(&directory).expect("a new directory");
        let mut scenery = Self {
            _programs: Vec::new(),
            scene,
            directory,
        };
        // The collectors come before the watcher, so that there is an error to be shown.
        for form in ["path", "tags"] {
            scenery.start_collector(form, graphites);
        }
        scenery.launch();
        graphites.iter().for_each(|graphite| await_errors(graphite));
        scenery.start_watcher();
        scenery
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("figures.sock")
    }

    fn start_collector(&mut self, form: &str, graphites: &[&Graphite]) {
        let carbons: Vec<String> = graphites
            .iter()
            .map(|graphite| format!("tcp://{}", graphite.carbon()))
            .collect();
        let mut command = self.program(binaries::stats_collector());
        command
            .args(["--agent", &self.scene.mesos.agent_url()])
            .args(["--graphite", &carbons.join(",")])
            .args([
                "--host",
                HOST,
                "--interval",
                &format!("{STEP_SECS}secs"),
                "--log",
                "warn",
            ])
            .arg("--work-dir")
            .arg(self.scene.mesos.work_dir())
            .arg("--disk-watcher")
            .arg(self.socket())
            .env("MESOS_STATS_COLLECTOR_NAMES_FORM", form);
        self._programs.push(Program::start(command));
    }

    fn start_watcher(&mut self) {
        let mut command = self.program(binaries::disk_watcher());
        command
            .args(["run", "--agent-address", &self.scene.mesos.agent_url()])
            .arg("--work-dir")
            .arg(self.scene.mesos.work_dir())
            .arg("--output-socket")
            .arg(self.socket());
        self._programs.push(Program::start(command));
    }

    /// It dies with this thread, however that ends.
    fn program(&self, program: PathBuf) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        command
    }

    fn launch(&self) {
        let scene = &self.scene;
        // Wants more than it may have, in bursts, and is held back.
        for (n, id) in INSTANCES.iter().enumerate() {
            let executor = scene.executor(id).cpus(0.1).mem(64.0).disk(16.0);
            let busy = "while :; do for n in $(seq 200000); do :; done; sleep 1; done";
            let name = format!("shop_web.{n}b1f6f0e-5b1f-4d6f-9a51-0242ac110002");
            scene.run(scene.task(&name, &executor, busy).mem(32.0).disk(32.0));
        }
        // Holds more and more memory, and lets go of it.
        let executor = scene.executor("shop_search").mem(64.0).disk(16.0);
        let leak = "exec python3 -c 'import time\nwhile True:\n    held = []\n    for _ in range(40):\n        \
                    held.append(bytearray(1 << 20)); time.sleep(0.5)'";
        scene.run(
            scene
                .task("shop_search", &executor, leak)
                .mem(64.0)
                .disk(16.0),
        );
        // Writes a log that nobody rotates, files into a volume, and into a file that it has removed.
        let executor = scene.executor("shop_orders").mem(64.0).disk(16.0);
        let writes = "exec 3>gone; rm gone; while sleep 0.5; do head -c 50000 /dev/zero >>log; \
                      head -c 40000 /dev/zero >>orders/file; head -c 10000 /dev/zero >&3; echo line; done";
        let data = json!({ "version": 1, "command": { "value": writes } }).to_string();
        let volume = |builder: TaskBuilder| {
            builder.with(|task| task.resources.push(persistent("shop#orders#1", "orders")))
        };
        let orders = task("shop_orders").executor(&executor).data(data);
        scene.run(volume(orders.mem(32.0).disk(64.0)));
    }
}

/// Waits until both collectors have told that they miss the watcher.
fn await_errors(graphite: &Graphite) {
    let deadline = Instant::now() + SOON;
    for target in [
        "mesos.*.collector.errors.*",
        "seriesByTag('name=mesos.collector.errors')",
    ] {
        while !graphite
            .points(target, "-5min")
            .is_ok_and(|points| points.len() > 1)
        {
            assert!(Instant::now() < deadline, "{target} never came to Graphite");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Ended when it is dropped.
struct Program(Child);

impl Program {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("a program that starts"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
