//! The program with no agent: a command in a sandbox, and in the place of Mesos's command executor.

mod installing;
mod running;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::executor::comes_true;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// A copy of the program in a directory of its own, by which every process of it is known.
struct Stage {
    directory: TempDir,
    name: String,
}

impl Stage {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wrapper-test-{}-{number}", std::process::id());
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            name,
        };
        fs::set_permissions(stage.directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(stage.work()).unwrap();
        // The commands may run as anybody.
        fs::set_permissions(stage.work(), Permissions::from_mode(0o777)).unwrap();
        // Another process writes it: a file that is open for writing anywhere cannot be executed.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_mesos-sandbox-executor"))
            .arg(stage.program())
            .status();
        assert!(copied.unwrap().success());
        stage
    }

    /// Where the commands run; its path has the name that is in nothing else.
    fn work(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    fn program(&self) -> PathBuf {
        self.work().join("mesos-sandbox-executor")
    }

    /// `run` with these options, up to the command.
    fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let mut run = Command::new(self.program());
        run.arg("run")
            .args(options)
            .arg("--")
            .args(command)
            .current_dir(self.work())
            .env("STAGE", &self.name)
            .env_remove("MESOS_EXECUTOR_ID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        run
    }

    fn run(&self, options: &[&str], command: &[&str]) -> Finished {
        self.finish(self.command(options, command).spawn().unwrap())
    }

    fn shell(&self, options: &[&str], line: &str) -> Finished {
        self.run(options, &["sh", "-c", line])
    }

    /// Waits for its end, and that nothing of it is left.
    fn finish(&self, mut child: Child) -> Finished {
        let pid = child.id();
        // What it says fits into the pipes.
        let ended = comes_true(|| child.try_wait().unwrap().is_some());
        assert!(ended, "it does not end");
        let finished = Finished::from(child.wait_with_output().unwrap());
        self.assert_clean(pid);
        finished
    }

    fn assert_clean(&self, pid: u32) {
        comes_true(|| self.leftovers(pid).is_empty());
        let left = self.leftovers(pid);
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    fn leftovers(&self, pid: u32) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(&self.name));
        let processes = self.processes().into_iter();
        processes
            .map(|pid| format!("process {pid}"))
            .chain(cgroups(&format!("run-{pid}-")))
            .chain(mounts.map(str::to_owned))
            .collect()
    }

    fn processes(&self) -> Vec<u32> {
        let is_ours = |pid: &u32| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            let program = fs::read_link(process.join("exe")).unwrap_or_default();
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            program.to_string_lossy().contains(&self.name)
                || String::from_utf8_lossy(&environment).contains(&self.name)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }

    /// Waits for a file that the command makes.
    fn wait_for(&self, file: &str) {
        let path = self.work().join(file);
        assert!(comes_true(|| path.exists()), "{file} is not made");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After a failed test.
        for pid in self.processes() {
            let _gone = signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        // The janitor executes a file in the directory that goes next.
        comes_true(|| self.processes().is_empty());
    }
}

/// The cgroups whose names begin so.
fn cgroups(begin: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut unseen = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = unseen.pop() {
        // Others come and go meanwhile.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(begin) {
                    found.push(entry.path().display().to_string());
                }
                unseen.push(entry.path());
            }
        }
    }
    found
}

/// How a run ended.
#[derive(Debug)]
struct Finished {
    status: i32,
    out: String,
    log: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).unwrap(),
            log: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    #[track_caller]
    fn assert(&self, status: i32, reason: &str) {
        let last = self.log.lines().last().unwrap_or_default();
        let expected = format!("mesos-sandbox-executor: {reason}");
        assert!(
            self.status == status && last.starts_with(&expected),
            "want {status} and '{expected}', not {self:#?}"
        );
    }
}
