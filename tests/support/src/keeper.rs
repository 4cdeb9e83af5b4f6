//! The process that starts a fixture's programs and cleans up after them, whatever happens to the test: see
//! `programs/keeper.py`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};

/// What the names of our directories and cgroups begin with.
pub(crate) const PREFIX: &str = "mesos-agent-toolkit-";

/// A keeper, the directory of its programs and its cgroup, all three of them gone when it is dropped.
pub(crate) struct Keeper {
    process: Arc<Mutex<Connection>>,
    pid: u32,
    directory: PathBuf,
    cgroup: String,
}

struct Connection {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    has_ended: bool,
}

impl Keeper {
    /// Starts a keeper with an empty directory in `place`, readable for all, and an empty cgroup.
    pub(crate) fn start(name: &str, place: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("{PREFIX}{name}-{}-{number}", std::process::id());
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}-"))
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(place)
            .expect("cannot make a directory for temporary files")
            .keep();
        let mut child = Command::new("/usr/bin/python3")
            .arg(crate::workspace().join("tests/support/programs/keeper.py"))
            .args([directory.as_os_str(), cgroup.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cannot start /usr/bin/python3");
        let pid = child.id();
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        let mut connection = Connection {
            child,
            commands,
            answers: BufReader::new(answers),
            has_ended: false,
        };
        if let Err(error) = connection.answer() {
            let _ = fs::remove_dir(&directory);
            panic!("the keeper of a {name} did not start: {error} (are you root?)");
        }
        let process = Arc::new(Mutex::new(connection));
        lock(&STARTED).push(Arc::downgrade(&process));
        Self {
            process,
            pid,
            directory,
            cgroup,
        }
    }

    /// The keeper's own process, of which all the others are descendants.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory that is removed at the end, with every mount below it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The cgroup, a name directly below each hierarchy's root, that everything runs in.
    pub(crate) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Starts a program with this environment and no other variable, in its own session, in the directory. Its output
    /// is appended to `log`.
    pub(crate) fn run(
        &self,
        command: &[&str],
        environment: &BTreeMap<String, String>,
        log: &Path,
    ) -> u32 {
        let answer = self
            .tell(&json!({"start": {"command": command, "environment": environment, "log": log}}))
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", command.join(" ")));
        answer["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok())
            .expect("a process id")
    }

    /// Kills a process that descends from this keeper and waits until it is gone. Its children stay.
    pub(crate) fn kill(&self, pid: u32) {
        self.tell(&json!({"kill": pid}))
            .unwrap_or_else(|error| panic!("cannot kill {pid}: {error}"));
    }

    /// Ends everything; the error names what could not be removed. Does nothing the second time.
    pub(crate) fn end(&self) -> Result<(), String> {
        self.connection().end()
    }

    fn tell(&self, command: &Value) -> Result<Value, String> {
        self.connection().tell(command)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.process)
    }
}

/// Every keeper of this process.
static STARTED: Mutex<Vec<Weak<Mutex<Connection>>>> = Mutex::new(Vec::new());

/// Removes every fixture of this process at once, whatever still uses it: for a program that was told to stop.
pub fn remove_all_fixtures() {
    for process in lock(&STARTED)
        .drain(..)
        .filter_map(|process| process.upgrade())
    {
        if let Err(error) = lock(&process).end() {
            eprintln!("{error}");
        }
    }
}

/// A panic under one of these locks leaves nothing half done that the next command would stumble over.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    fn tell(&mut self, command: &Value) -> Result<Value, String> {
        writeln!(self.commands, "{command}")
            .map_err(|error| format!("the keeper is gone: {error}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let answer: Value =
            serde_json::from_str(&line).map_err(|_| "the keeper is gone".to_owned())?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        if self.has_ended {
            return Ok(());
        }
        self.has_ended = true;
        let answer = self.tell(&json!({"end": {}}));
        self.child.wait().map_err(|error| error.to_string())?;
        answer.map(drop)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(error) = self.end()
            && !std::thread::panicking()
        {
            panic!(
                "{} was not wholly removed: {error}",
                self.directory.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_any_depth_is_removed() {
        let keeper = Keeper::start("depth", &std::env::temp_dir());
        let dig = "import os\nfor _ in range(3000):\n os.mkdir('d')\n os.chdir('d')";
        let status = Command::new("/usr/bin/python3")
            .args(["-c", dig])
            .current_dir(keeper.directory())
            .status()
            .unwrap();
        assert!(status.success());
        keeper.end().unwrap();
        assert!(!keeper.directory().exists());
    }
}
