//! A real Mesos 1.11.0, master and agent in one process.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::keeper::Keeper;
use crate::leftovers::{Leftovers, Scope, list};
use crate::{HttpError, free_port, http, poll_until, setup};

/// How long Mesos may take to come up. An agent that recovers gives its executors two seconds, besides.
const START: Duration = Duration::from_secs(30);

/// Which launcher the agent uses, its flag `--launcher`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// Executors run in sessions of their own; nothing else is isolated.
    Posix,
    /// Executors run in cgroups, cgroup v1, and in namespaces when the isolation says so.
    Linux,
}

/// How the agent and the master are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    launcher: Launcher,
    command_executor: Option<PathBuf>,
    is_known_as_master: bool,
    place: PathBuf,
    flags: BTreeMap<String, String>,
}

impl Settings {
    /// The posix launcher, with isolators that measure cpu, memory and disk and limit nothing. Works wherever Mesos does.
    pub fn posix() -> Self {
        Self::new(Launcher::Posix).isolation("posix/cpu,posix/mem,disk/du")
    }

    /// The linux launcher with the isolators of cgroup v1, hard cpu limits, and a pid namespace for each container.
    pub fn linux() -> Self {
        Self::new(Launcher::Linux)
            .isolation("filesystem/linux,cgroups/cpu,cgroups/mem,namespaces/pid,disk/du")
            .flag("cgroups_enable_cfs", "true")
    }

    fn new(launcher: Launcher) -> Self {
        let settings = Self {
            launcher,
            command_executor: None,
            is_known_as_master: false,
            place: std::env::temp_dir(),
            flags: BTreeMap::new(),
        };
        settings
            .flag(
                "launcher",
                match launcher {
                    Launcher::Posix => "posix",
                    Launcher::Linux => "linux",
                },
            )
            .flag("systemd_enable_support", "false")
            .flag("hostname", "localhost")
            // Offers come at once instead of once a second.
            .flag("allocation_interval", "100ms")
            .resources("cpus:8;mem:8192;disk:20000;ports:[31000-32000]")
    }

    /// The agent's flag `--isolation`.
    #[must_use]
    pub fn isolation(self, isolators: &str) -> Self {
        self.flag("isolation", isolators)
    }

    /// The agent's flag `--resources`: cpus, mem and disk in megabytes, ports.
    #[must_use]
    pub fn resources(self, resources: &str) -> Self {
        self.flag("resources", resources)
    }

    /// Any flag of the agent or the master, named as on the command line: `flag("recover", "cleanup")`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags
            .insert(format!("MESOS_{}", name.to_uppercase()), value.to_owned());
        self
    }

    /// The program that the agent takes for Mesos's command executor, which runs the tasks that bring a command and no
    /// executor. Unless this is called it is a small stand-in with that one's messages, `tests/mesos/real/mesos-executor`.
    #[must_use]
    pub fn command_executor(mut self, program: &Path) -> Self {
        self.command_executor = Some(program.to_owned());
        self
    }

    /// Answers requests without a process name, `/api/v1` and `/state`, as a master does and not as an agent: for the
    /// schedulers of others, which know no other path.
    #[must_use]
    pub fn known_as_master(mut self) -> Self {
        self.is_known_as_master = true;
        self
    }

    /// A directory for all its files besides those of others, instead of that for temporary files, of which each task has
    /// one of its own.
    #[must_use]
    pub fn place(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.place);
        self
    }

    /// The launcher.
    pub fn launcher(&self) -> Launcher {
        self.launcher
    }
}

/// A master and an agent on one free loopback port, with directory and cgroup of their own.
///
/// When it is dropped, unless the test panics, everything that was started on it must have ended: what has not is named
/// in a panic. Drop the schedulers first, which a test does that declares them later. Then, and when the test panics or
/// its process dies, all is removed.
pub struct RealMesos {
    environment: BTreeMap<String, String>,
    command: Vec<String>,
    port: u16,
    pid: u32,
    starts: usize,
    // Declared before the keeper, since it looks at the keeper's processes.
    leftovers: Leftovers,
    keeper: Keeper,
}

impl RealMesos {
    /// Starts Mesos and waits until the agent is registered with the master.
    ///
    /// # Panics
    /// When Mesos is not to be had or does not come up.
    pub fn start(settings: Settings) -> Self {
        // Somebody may take the port that was free a moment ago.
        (0..3)
            .find_map(|_| Self::try_start(&settings).ok())
            .unwrap_or_else(|| {
                Self::try_start(&settings).unwrap_or_else(|log| {
                    panic!("Mesos did not come up; the end of its log:\n{log}")
                })
            })
    }

    fn try_start(settings: &Settings) -> Result<Self, String> {
        let real = real_mesos();
        let keeper = Keeper::start("mesos", &settings.place);
        let launcher_dir = keeper.directory().join("launcher");
        fs::create_dir(&launcher_dir).expect("a new directory");
        for helper in ["mesos-containerizer", "mesos-fetcher", "mesos-executor"] {
            let program = match &settings.command_executor {
                Some(program) if helper == "mesos-executor" => program.clone(),
                _ => real.join("bin").join(helper),
            };
            symlink(program, launcher_dir.join(helper)).expect("a new link");
        }
        let port = free_port();
        let within = |name: &str| keeper.directory().join(name).display().to_string();
        let mut environment = BTreeMap::from([
            ("LIBPROCESS_IP".to_owned(), "127.0.0.1".to_owned()),
            ("LIBPROCESS_PORT".to_owned(), port.to_string()),
            // An executor inherits it.
            (
                "PATH".to_owned(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ),
            ("MESOS_WORK_DIR".to_owned(), within("mesos")),
            (
                "MESOS_FETCHER_CACHE_DIR".to_owned(),
                within("fetcher-cache"),
            ),
            ("MESOS_LAUNCHER_DIR".to_owned(), within("launcher")),
            (
                "MESOS_CGROUPS_ROOT".to_owned(),
                format!("{}/mesos", keeper.cgroup()),
            ),
        ]);
        environment.extend(settings.flags.clone());
        let scope = Scope {
            ancestor: keeper.pid(),
            directory: keeper.directory().to_owned(),
            cgroup: keeper.cgroup().to_owned(),
        };
        let mut command = vec![real.join("bin/mesos-local").display().to_string()];
        command.extend(settings.is_known_as_master.then(|| "master".to_owned()));
        let mut mesos = Self {
            environment,
            command,
            port,
            pid: 0,
            starts: 0,
            leftovers: Leftovers::before(scope.clone()),
            keeper,
        };
        mesos.run()?;
        // Mesos has cgroups and mounts of its own by now.
        mesos.leftovers = Leftovers::before(scope);
        Ok(mesos)
    }

    /// Starts the process and waits for it; the error is the end of its log.
    fn run(&mut self) -> Result<(), String> {
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        self.pid = self
            .keeper
            .run(&command, &self.environment, &self.log_path());
        self.starts += 1;
        let is_up = poll_until(START, || {
            self.log().lines().filter(|line| *line == "ready").count() == self.starts
                && self.has_an_active_agent()
        });
        if is_up {
            Ok(())
        } else {
            Err(self.end_of_log())
        }
    }

    fn has_an_active_agent(&self) -> bool {
        let answer = match http::get(&self.authority(), "/master/slaves") {
            Ok(answer) => answer,
            // It wants to know who asks, and does not say more.
            Err(HttpError::Refused { status, .. }) => return status == 401,
            Err(_) => return false,
        };
        serde_json::from_slice::<Value>(&answer)
            .is_ok_and(|answer| answer["slaves"][0]["active"] == true)
    }

    /// `http://127.0.0.1:PORT`, where the agent answers `/containers`, `/state`, `/api/v1` and so on, unless the settings
    /// make that the master's.
    pub fn agent_url(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// `http://127.0.0.1:PORT/master`, below which the master answers.
    pub fn master_url(&self) -> String {
        format!("http://{}/master", self.authority())
    }

    /// The port of both.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port of both.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The agent's flag `--work_dir`.
    pub fn work_dir(&self) -> PathBuf {
        // Where a master and an agent in one process have it (Mesos: src/local/local.cpp).
        self.keeper.directory().join("mesos/agents/0/work")
    }

    /// The agent's flag `--launcher_dir`: of this Mesos alone, with links to the programs themselves.
    pub fn launcher_dir(&self) -> PathBuf {
        self.keeper.directory().join("launcher")
    }

    /// The agent's flag `--cgroups_root`: relative to each hierarchy's root.
    pub fn cgroups_root(&self) -> String {
        self.environment["MESOS_CGROUPS_ROOT"].clone()
    }

    /// The sandbox of an executor's last run.
    ///
    /// # Panics
    /// When there is none.
    pub fn sandbox(&self, framework_id: &str, executor_id: &str) -> PathBuf {
        let agents = fs::read_dir(self.work_dir().join("slaves"))
            .expect("an agent that has been registered");
        agents
            .flatten()
            .map(|agent| {
                agent
                    .path()
                    .join("frameworks")
                    .join(framework_id)
                    .join("executors")
                    .join(executor_id)
            })
            .find_map(|executor| executor.join("runs/latest").canonicalize().ok())
            .unwrap_or_else(|| {
                panic!("no sandbox of executor {executor_id} of framework {framework_id}")
            })
    }

    /// All that master and agent have logged.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Where they log to.
    pub fn log_path(&self) -> PathBuf {
        self.keeper.directory().join("mesos.log")
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The process that is master and agent.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills master and agent with SIGKILL. Executors and their tasks stay.
    pub fn kill_9(&mut self) {
        self.keeper.kill(self.pid);
    }

    /// Starts master and agent again, on the same port and work directory, and waits until the agent has recovered and
    /// is registered. Kills them first when they still run.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn restart(&mut self) {
        self.kill_9();
        if let Err(log) = self.run() {
            panic!("Mesos did not come up again; the end of its log:\n{log}");
        }
        self.leftovers.expect_process(self.pid);
    }

    /// The agent's `/state`.
    ///
    /// # Panics
    /// When the agent does not answer.
    pub fn agent_state(&self) -> Value {
        let answer = http::get(&self.authority(), "/slave(1)/state")
            .unwrap_or_else(|error| panic!("no state: {error}"));
        serde_json::from_slice(&answer).expect("the agent's state is JSON")
    }

    /// The begin of a file of a sandbox, as the agent shows it (Mesos: docs/endpoints/files/read.json.md).
    ///
    /// # Panics
    /// When the agent does not show it.
    pub fn file_through_agent(&self, path: &Path) -> String {
        let request = format!("/files/read?path={}&offset=0", path.display());
        let answer = http::get(&self.authority(), &request)
            .unwrap_or_else(|error| panic!("no file: {error}"));
        let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// What is there beyond Mesos itself. A task that runs, its executor and their cgroups and mounts are in it.
    pub fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }
}

impl Drop for RealMesos {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The end of the log of Mesos:\n{}", self.end_of_log());
            return;
        }
        let found = self.leftovers.find_lasting();
        if !found.is_empty() {
            let log = self.end_of_log();
            panic!(
                "left behind on Mesos:{}\nThe end of its log:\n{log}",
                list(&found)
            );
        }
    }
}

/// Where Mesos is installed, the directory with `bin` and `lib`: sets it up when it is not.
///
/// # Panics
/// When it cannot be set up.
pub fn real_mesos() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| setup::directory("mesos"))
}
