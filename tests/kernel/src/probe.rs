use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{MARK, install, processes_executing, processes_marked, until};

/// A running `probe-executor`. Its program is a copy of its own, by which all its processes are
/// found, and its files lie beside that, so that they go with it. Dropped, it is killed.
#[derive(Debug)]
pub struct Probe {
    child: Child,
    directory: tempfile::TempDir,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Probe {
    /// Starts a copy of `program`; `adjust` may still change how.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], adjust: impl FnOnce(&mut Command)) -> Probe {
        let directory = tempfile::tempdir().expect("a directory");
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), everybody).expect("own directory");
        let original = fs::File::open(program).expect("the probe");
        install(original, &directory.path().join("probe"));
        let mut command = Command::new(directory.path().join("probe"));
        command
            .args(arguments)
            .env("TMPDIR", directory.path())
            .env(MARK, directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        adjust(&mut command);
        let mut child = command.spawn().expect("a probe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Probe {
            child,
            directory,
            lines,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory of all its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// By what its processes are found ([`MARK`]).
    ///
    /// # Panics
    /// Never: temporary directories have plain names.
    pub fn mark(&self) -> &str {
        self.directory.path().to_str().expect("a plain name")
    }

    /// The next line that it writes.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn line(&mut self) -> String {
        self.lines
            .next()
            .expect("a line from the probe")
            .expect("text")
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// Never: it is a child of ours.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its status")
    }

    /// Kills it, and it alone, with SIGKILL; then waits until its inits are gone too.
    ///
    /// # Panics
    /// When they stay.
    pub fn kill(&mut self) {
        self.child.kill().expect("a probe to kill");
        self.wait();
        let program: PathBuf = self.directory.path().join("probe");
        until("the end of its inits", || {
            processes_executing(&program).is_empty().then_some(())
        });
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Both fail when it was waited for, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What does not go with it, as the task of an init that is stopped.
        let inits = processes_executing(&self.directory.path().join("probe"));
        for pid in processes_marked(self.mark()).into_iter().chain(inits) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
