//! What the executor cannot do when it is killed with SIGKILL: remove its tasks' cgroups.
//!
//! The tasks themselves die with it, by the kernel. Their cgroups would stay until the next executor on this host sweeps
//! them, so a small process outlives the executor by some milliseconds: it waits for the end of a pipe whose other end
//! only the executor holds, sweeps, and ends. It is an orphan with a session of its own, so that an agent which kills an
//! executor by its tree, its process group and its session (Mesos: 3rdparty/stout, `os::killtree`) does not take it
//! along. Where the agent kills by cgroup, the janitor dies with the executor; there
//! the tasks' cgroups are in those of the container alone (`cgroup::Host::within`), which the agent removes with all that
//! is below them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// The arguments that make a janitor of the program, and the janitor's parent.
const JANITOR: &str = "--cgroup-janitor";
const PARENT: &str = "--cgroup-janitor-parent";

/// Between the two sweeps.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// The executor's end of the pipe. The janitor starts to work when it is closed, in whatever way.
#[derive(Debug)]
pub(crate) struct Janitor {
    _pipe: OwnedFd,
}

impl Janitor {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When the pipe or the process cannot be made.
    pub(crate) fn start() -> io::Result<Self> {
        let (theirs, ours) = io::pipe()?;
        // Its environment is empty: the executor's holds credentials.
        let status = Command::new("/proc/self/exe")
            .arg(PARENT)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("its parent ended with {status}")));
        }
        Ok(Self { _pipe: ours.into() })
    }
}

/// Becomes a janitor, or its parent, and returns how it ended; nothing when the program was not started as one.
pub(crate) fn dispatch(argument: Option<&OsStr>) -> Option<ExitCode> {
    let argument = argument?;
    if argument == PARENT {
        Some(exit_code(orphan()))
    } else if argument == JANITOR {
        Some(exit_code(wait_and_sweep()))
    } else {
        None
    }
}

fn exit_code(outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Starts the janitor in a new session and ends, which makes it an orphan.
fn orphan() -> io::Result<()> {
    nix::unistd::setsid()?;
    // Not waited for: this process ends now, and whoever adopts the janitor reaps it.
    let _janitor = Command::new("/proc/self/exe").arg(JANITOR).spawn()?;
    Ok(())
}

fn wait_and_sweep() -> io::Result<()> {
    // A session of its own again: its parent's, whose leader is gone, would do as well, were its id not free for reuse.
    nix::unistd::setsid()?;
    // Whoever stops the executor's service tells every process in it to end, as systemd does. This one ends by itself, and
    // not before the executor.
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]).thread_block()?;
    let mut pipe = File::from(nix::unistd::dup(io::stdin())?);
    // Nothing is ever written: this returns at the end.
    pipe.read_to_end(&mut Vec::new())?;
    let host = cgroup::Host::detect(Path::new("/")).map_err(io::Error::other)?;
    // A dying process lets go of its files one after the other: should the locks on its cgroups still be held, they are
    // not a moment later.
    cgroup::sweep(&host).map_err(io::Error::other)?;
    std::thread::sleep(SECOND_LOOK);
    cgroup::sweep(&host).map_err(io::Error::other)?;
    Ok(())
}
