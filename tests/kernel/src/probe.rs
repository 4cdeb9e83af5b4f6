use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{MARK, install, processes_executing, processes_marked, until};

/// Runs a program where user namespaces are forbidden as a container runtime forbids them: by a filter of system calls,
/// which goes with all that comes from it. Afterwards it is the user 65534.
const FORBID: &str = r#"
import ctypes, os, struct, sys
def op(code, jt, jf, k):
    return struct.pack("HBBI", code, jt, jf, k)
program = b"".join([
    op(0x20, 0, 0, 0),            # the number of the call
    op(0x15, 1, 0, 272),          # unshare
    op(0x15, 0, 3, 56),           # clone
    op(0x20, 0, 0, 16),           # its flags
    op(0x45, 0, 1, 0x10000000),   # CLONE_NEWUSER
    op(0x06, 0, 0, 0x00050001),   # EPERM
    op(0x06, 0, 0, 0x7fff0000),   # allow
])
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0   # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Filter(7, program)), 0, 0) == 0   # PR_SET_SECCOMP
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Makes of `command` the same for a user without rights, where there can be no user namespaces.
pub fn forbid_user_namespaces(command: &mut Command) {
    let mut forbidden = Command::new("/usr/bin/python3");
    forbidden.args(["-c", FORBID]).arg(command.get_program());
    forbidden.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            forbidden.env(name, value);
        }
    }
    forbidden.stdin(Stdio::piped()).stdout(Stdio::piped());
    *command = forbidden;
}

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

    /// The next line that it writes; none when it writes no more.
    ///
    /// # Panics
    /// When it writes what is no text.
    pub fn next_line(&mut self) -> Option<String> {
        self.lines.next().transpose().expect("text")
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
