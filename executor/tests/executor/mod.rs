//! The real executor, started as an agent starts it, and what it leaves behind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::agent::events::{AGENT, EXECUTOR, FRAMEWORK};
use crate::agent::{Agent, PATIENCE};

/// The executor's process. Dropping it ends it, and with it its tasks; after a failed test it shows its log.
pub(crate) struct Executor {
    child: Child,
    /// The container's id, which nothing else on this host has in its name.
    container: String,
    directory: TempDir,
    /// What started it.
    command: Command,
}

impl Executor {
    /// With the environment that the real agent gives.
    pub(crate) fn start(agent: &Agent) -> Self {
        Self::start_with(agent, &[])
    }

    /// With some variables in addition, or other than usual.
    pub(crate) fn start_with(agent: &Agent, variables: &[(&str, &str)]) -> Self {
        Self::start_as(agent, None, variables, None)
    }

    /// Its log goes to a disk that is full.
    pub(crate) fn start_without_room_for_its_log(agent: &Agent) -> Self {
        let full = File::options().write(true).open("/dev/full").unwrap();
        Self::start_as(agent, None, &[], Some(full))
    }

    /// In the place of Mesos's command executor, with these flags beside those that all get.
    pub(crate) fn start_for_command_task(agent: &Agent, flags: &[&str]) -> Self {
        Self::start_as(agent, Some(flags), &[], None)
    }

    /// The same, and its log is not the file in its sandbox.
    pub(crate) fn start_for_command_task_with_another_logger(agent: &Agent) -> Self {
        let elsewhere = File::options().write(true).open("/dev/null").unwrap();
        Self::start_as(agent, Some(&[]), &[], Some(elsewhere))
    }

    fn start_as(
        agent: &Agent,
        command_executor: Option<&[&str]>,
        variables: &[(&str, &str)],
        log: Option<File>,
    ) -> Self {
        let (address, container) = (agent.endpoint(), new_container());
        let directory = tempfile::tempdir().unwrap();
        let sandbox = directory.path().join(&container);
        fs::create_dir(&sandbox).unwrap();
        let path = sandbox.to_str().unwrap();
        let mut command = Command::new(fetch(&sandbox));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs([
                ("MESOS_FRAMEWORK_ID", FRAMEWORK),
                ("MESOS_EXECUTOR_ID", EXECUTOR),
                ("MESOS_SLAVE_ID", AGENT),
                ("MESOS_SLAVE_PID", &format!("slave(1)@{address}")),
                ("MESOS_AGENT_ENDPOINT", &address),
                ("MESOS_DIRECTORY", path),
                ("MESOS_SANDBOX", path),
                ("MESOS_CHECKPOINT", "1"),
                ("MESOS_RECOVERY_TIMEOUT", "5mins"),
                ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "400ms"),
                // Long, so that what is to be acknowledged before it is over is so on a busy machine as well.
                ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "60secs"),
                ("MESOS_HTTP_COMMAND_EXECUTOR", "0"),
                ("LIBPROCESS_PORT", "0"),
                // Tests say when it is to go.
                ("MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "1hrs"),
            ])
            .envs(variables.iter().copied())
            .current_dir(&sandbox)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(File::create(sandbox.join("stdout")).unwrap())
            .stderr(log.unwrap_or_else(|| File::create(sandbox.join("stderr")).unwrap()));
        if let Some(flags) = command_executor {
            command
                .arg0("mesos-executor")
                .arg("--launcher_dir=/usr/libexec/mesos")
                .args(flags);
        }
        Self {
            child: command.spawn().unwrap(),
            container,
            directory,
            command,
        }
    }

    /// Kills it, waits until nothing of it is left but its sandbox, and starts another in its place.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert!(comes_true(|| self.leftovers().is_empty()));
        self.child = self.command.spawn().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        self.directory.path().join(&self.container)
    }

    /// The directory of its task of this id, the one place that the task can write to.
    pub(crate) fn task(&self, id: &str) -> PathBuf {
        self.sandbox().join("tasks").join(id)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.sandbox().join("stderr")).unwrap_or_default()
    }

    /// Waits until it has logged a text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        assert!(
            comes_true(|| self.log().contains(text)),
            "'{text}' was not logged"
        );
    }

    /// Sends a signal to the executor alone.
    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// Sends a signal to the whole process group that the executor leads, as it does under an agent.
    pub(crate) fn signal_group(&self, signal: Signal) {
        signal::killpg(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come, or when a process, a cgroup or a mount of it stays.
    pub(crate) fn end(self) -> ExitStatus {
        self.end_within(PATIENCE)
    }

    /// The same with less patience, where something else would end it later.
    pub(crate) fn end_within(mut self, patience: Duration) -> ExitStatus {
        let mut ended = None;
        let deadline = Instant::now() + patience;
        while ended.is_none() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
            ended = self.child.try_wait().unwrap();
        }
        let ended = ended.expect("the executor does not end");
        comes_true(|| self.leftovers().is_empty());
        let left = self.leftovers();
        assert!(left.is_empty(), "left behind: {left:#?}");
        let journal = self.sandbox().join(".mesos-sandbox-executor");
        assert!(
            !ended.success() || !journal.exists(),
            "a journal stays, although everything was delivered"
        );
        ended
    }

    /// Everything on this host that is this executor's, itself included.
    fn leftovers(&self) -> Vec<String> {
        let processes = self.processes().into_iter();
        let processes = processes.map(|pid| format!("process {pid}: {}", command_line(pid)));
        let cgroups = self.cgroups();
        let cgroups = cgroups.iter().map(|path| path.display().to_string());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(&self.container));
        let mounts = mounts.map(str::to_owned);
        processes.chain(cgroups).chain(mounts).collect()
    }

    /// Its processes: those that execute its own copy of the program, and those whose environment has its sandbox, which
    /// every task's has.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let is_ours = |pid: &u32| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            let program = fs::read_link(process.join("exe")).unwrap_or_default();
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            program.to_string_lossy().contains(&self.container)
                || String::from_utf8_lossy(&environment).contains(&self.container)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }

    /// Its cgroups, one a hierarchy.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut unseen = vec![PathBuf::from("/sys/fs/cgroup")];
        while let Some(directory) = unseen.pop() {
            // Others come and go meanwhile.
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    if entry.file_name() == self.container.as_str() {
                        found.push(entry.path());
                    }
                    unseen.push(entry.path());
                }
            }
        }
        found
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the executor's log\n{}---", self.log());
        }
        // Does nothing to one that has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        // Its janitor executes a file in the directory that goes next.
        comes_true(|| self.leftovers().is_empty());
    }
}

/// For those tests in which the grace is waited for.
pub(crate) const SHORT_GRACE: (&str, &str) = ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs");

/// Starts the executor with these variables alone, and returns how it ended and what it said.
pub(crate) fn run_with(variables: &[(&str, &str)]) -> (ExitStatus, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mesos-sandbox-executor"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8(said).unwrap())
}

/// The arguments of a process, blanks between them; empty when it has gone.
pub(crate) fn command_line(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks until the answer is yes; no if it stays no.
pub(crate) fn comes_true(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK_AGAIN);
    }
    true
}

fn new_container() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("executor-test-{}-{number}", std::process::id())
}

/// A copy of the program in the sandbox, as Mesos's fetcher makes one: its processes are known by it. Another process
/// writes it, as a file that any of this process's children still has open for writing cannot be executed.
fn fetch(sandbox: &Path) -> PathBuf {
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_mesos-sandbox-executor"))
        .arg(sandbox)
        .status()
        .unwrap();
    assert!(copied.success());
    sandbox.join("mesos-sandbox-executor")
}
