use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, PipeReader, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::init::{ARGUMENT, DESCRIPTORS};
use crate::plan::{NulByte, Plan};
use crate::process::Process;
use crate::report::{Failure, Fault, Feature, Report, Step};
use crate::sys;

/// The program that becomes the init when it is started with the argument `--sandbox-init`: one whose `main`
/// begins with [`crate::init::dispatch`].
#[derive(Debug, Clone)]
pub struct InitProgram(PathBuf);

impl InitProgram {
    /// This very program, whatever has become of its file meanwhile.
    pub fn own() -> InitProgram {
        InitProgram(PathBuf::from("/proc/self/exe"))
    }

    /// Another one, for a program that cannot dispatch, as a test harness.
    pub fn at(path: impl Into<PathBuf>) -> InitProgram {
        InitProgram(path.into())
    }
}

/// Where the task's output goes. Its standard input is `/dev/null`.
#[derive(Debug)]
pub struct Stdio {
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// Why a task was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A string holds a NUL byte, which no system call can take.
    #[error("NUL byte in the {part}")]
    NulByte {
        /// The part of the plan.
        part: &'static str,
    },
    /// The plan holds what its encoding cannot express: a path that is not UTF-8.
    #[error("encode the plan: {source}")]
    Encode {
        /// The encoder's answer.
        source: serde_json::Error,
    },
    /// The sockets, pipes or descriptors of a launch could not be made or used.
    #[error("prepare a launch: {source}")]
    Prepare {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The init could not be started.
    #[error("start {} init: {source}", program.display())]
    StartInit {
        /// Its program.
        program: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A step of setting up the sandbox failed.
    #[error("{}", StepText(.step, .path.as_deref(), .source))]
    Step {
        /// Which.
        step: Step,
        /// What it was about, when that is a path or a program.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
        /// Whose fault it is.
        fault: Fault,
    },
    /// The launch was taken back in time.
    #[error("cancelled before it started")]
    Cancelled,
    /// The init ended without a word.
    #[error("init ended before it started the task")]
    InitEnded,
    /// The launcher's thread is gone.
    #[error("the launcher has ended")]
    LauncherEnded,
}

impl LaunchError {
    /// Whose fault it is: what to tell the framework, and whether to try elsewhere.
    pub fn fault(&self) -> Fault {
        match self {
            LaunchError::NulByte { .. } => Fault::Task,
            LaunchError::Step { fault, .. } => *fault,
            LaunchError::Encode { .. }
            | LaunchError::Prepare { .. }
            | LaunchError::StartInit { .. }
            | LaunchError::Cancelled
            | LaunchError::InitEnded
            | LaunchError::LauncherEnded => Fault::Host,
        }
    }
}

struct StepText<'a>(&'a Step, Option<&'a Path>, &'a io::Error);

impl std::fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1 {
            Some(path) => write!(f, "{} '{}': {}", self.0, path.display(), self.2),
            None => write!(f, "{}: {}", self.0, self.2),
        }
    }
}

impl From<Failure> for LaunchError {
    fn from(failure: Failure) -> LaunchError {
        let fault = failure.fault();
        let Failure { step, errno, path } = failure;
        LaunchError::Step {
            step,
            path,
            source: io::Error::from_raw_os_error(errno),
            fault,
        }
    }
}

impl From<NulByte> for LaunchError {
    fn from(NulByte(part): NulByte) -> LaunchError {
        LaunchError::NulByte { part }
    }
}

/// Starts tasks, from a thread of its own.
///
/// The kernel kills a task's init when the *thread* that spawned it ends (`PR_SET_PDEATHSIG`), and
/// threads of an asynchronous runtime come and go. This one stays as long as the launcher does, so
/// **dropping the launcher kills its tasks**: keep it as long as the executor lives.
#[derive(Debug)]
pub struct Launcher {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    plan: Plan,
    stdio: Stdio,
    cancelled: Arc<AtomicBool>,
    reply: mpsc::SyncSender<Result<Process, LaunchError>>,
}

impl Launcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(program: InitProgram) -> Result<Launcher, LaunchError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("launcher".to_owned())
            .spawn(move || {
                for job in queue {
                    let launched = launch(&program, &job.plan, job.stdio, &job.cancelled);
                    // Whoever asked may be gone; then the process is dropped, and killed with that.
                    let _ = job.reply.send(launched);
                }
            })
            .map_err(|source| LaunchError::Prepare { source })?;
        Ok(Launcher { jobs })
    }

    /// Starts the task of `plan`. Blocks until it is executed or has failed, which takes
    /// milliseconds unless its directory or program is on a file system that hangs; tasks are
    /// started one after the other. One whose `cancelled` has become true by the time it is its turn
    /// is not started.
    ///
    /// # Errors
    /// See [`LaunchError`]. Nothing of the task is left then.
    pub fn launch(
        &self,
        plan: Plan,
        stdio: Stdio,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Process, LaunchError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.jobs
            .send(Job {
                plan,
                stdio,
                cancelled: Arc::clone(cancelled),
                reply,
            })
            .map_err(|_| LaunchError::LauncherEnded)?;
        answer.recv().map_err(|_| LaunchError::LauncherEnded)?
    }
}

fn launch(
    program: &InitProgram,
    plan: &Plan,
    stdio: Stdio,
    cancelled: &AtomicBool,
) -> Result<Process, LaunchError> {
    // Everything that can be checked is, before the host is touched.
    plan.check()?;
    let encoded = serde_json::to_vec(plan).map_err(|source| LaunchError::Encode { source })?;

    let preparing = |source| LaunchError::Prepare { source };
    let (ours, theirs) = UnixStream::pair().map_err(preparing)?;
    let (status, status_of_init) = io::pipe().map_err(preparing)?;
    let null = File::open("/dev/null").map_err(preparing)?;

    if cancelled.load(Ordering::Acquire) {
        return Err(LaunchError::Cancelled);
    }
    // The command owns the init's end of the socket and is dropped with this block: were the end
    // open here as well, it would never be seen to close.
    let mut stage_1 = {
        std::process::Command::new(&program.0)
            .arg(ARGUMENT)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(std::process::Stdio::null())
            .spawn()
            .map_err(|source| LaunchError::StartInit {
                program: program.0.clone(),
                source,
            })?
    };
    let descriptors = [
        status_of_init.as_fd(),
        null.as_fd(),
        stdio.stdout.as_fd(),
        stdio.stderr.as_fd(),
    ];
    let sent = hand_over(
        &ours,
        &encoded,
        descriptors.map(|descriptor| descriptor.as_raw_fd()),
    );
    drop((status_of_init, stdio));
    let outcome = Outcome::read(&ours);
    // Its own status says nothing that the outcome does not; and it has ended, or is about to.
    let _ = stage_1.wait();
    outcome.into_process(plan, status, sent)
}

fn hand_over(
    mut socket: &UnixStream,
    plan: &[u8],
    descriptors: [i32; DESCRIPTORS],
) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(&descriptors)];
    // Descriptors travel with at least one byte.
    let byte = [IoSlice::new(b"\0")];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &byte,
        &rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    socket.write_all(plan)?;
    socket.shutdown(Shutdown::Write)
}

/// What the init told until the socket closed.
#[derive(Default)]
struct Outcome {
    pid: Option<i32>,
    without: Vec<crate::Degraded>,
    failure: Option<Failure>,
}

impl Outcome {
    fn read(socket: &UnixStream) -> Outcome {
        let mut outcome = Outcome::default();
        for line in BufReader::new(socket).lines() {
            // A half line is that of an init that was killed while writing, which its end tells.
            let Some(report) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
                break;
            };
            match report {
                Report::Init { pid } => outcome.pid = Some(pid),
                Report::Without(degraded) => outcome.without.push(degraded),
                // The first is the one that tells.
                Report::Failed(failure) => outcome.failure = outcome.failure.or(Some(failure)),
            }
        }
        outcome
    }

    fn into_process(
        self,
        plan: &Plan,
        status: PipeReader,
        sent: io::Result<()>,
    ) -> Result<Process, LaunchError> {
        match (self.pid, self.failure) {
            (Some(pid), None) => {
                let refused = self
                    .without
                    .iter()
                    .any(|d| d.feature == Feature::PidNamespace);
                Ok(Process::new(
                    pid,
                    status,
                    plan.namespaces.pid && !refused,
                    self.without,
                ))
            }
            (pid, failure) => {
                if let Some(pid) = pid {
                    // Its child has failed, or it has itself; either way it ends.
                    let _ = sys::wait(pid, true);
                }
                sent.map_err(|source| LaunchError::Prepare { source })?;
                Err(failure.map_or(LaunchError::InitEnded, LaunchError::from))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Command, tests::plan};

    fn nowhere() -> Stdio {
        let null = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
        Stdio {
            stdout: null(),
            stderr: null(),
        }
    }

    fn failure_of(program: &str, plan: Plan) -> LaunchError {
        Launcher::start(InitProgram::at(program))
            .unwrap()
            .launch(plan, nowhere(), &Arc::default())
            .unwrap_err()
    }

    #[test]
    fn a_failed_step_reads_as_what_where_and_why() {
        let path = Some(PathBuf::from("./nope"));
        let error = LaunchError::from(Failure {
            step: Step::Exec,
            errno: libc::ENOENT,
            path,
        });
        assert_eq!(
            error.to_string(),
            "exec './nope': No such file or directory (os error 2)"
        );
        assert_eq!(error.fault(), Fault::Task);
    }

    #[test]
    fn a_nul_byte_is_found_before_anything_is_started() {
        let error = failure_of("/no/such/program", plan(Command::Shell("a\0".into())));
        assert_eq!(error.to_string(), "NUL byte in the command");
        assert_eq!(error.fault(), Fault::Task);
    }

    #[test]
    fn a_cancelled_launch_starts_nothing() {
        let launcher = Launcher::start(InitProgram::at("/no/such/program")).unwrap();
        let plan = plan(Command::Shell("true".into()));
        let cancelled = Arc::new(AtomicBool::new(true));
        let error = launcher.launch(plan, nowhere(), &cancelled).unwrap_err();
        // An attempt would have found that there is no such program.
        assert_eq!(error.to_string(), "cancelled before it started");
        assert_eq!(error.fault(), Fault::Host);
    }

    #[test]
    fn an_init_that_is_not_there_is_the_hosts_fault() {
        let error = failure_of("/no/such/program", plan(Command::Shell("true".into())));
        assert!(
            error
                .to_string()
                .starts_with("start /no/such/program init: "),
            "{error}"
        );
        assert_eq!(error.fault(), Fault::Host);
    }

    #[test]
    fn a_program_that_is_no_init_does_not_hang_the_launcher() {
        let error = failure_of("/bin/true", plan(Command::Shell("true".into())));
        assert!(
            matches!(error, LaunchError::InitEnded | LaunchError::Prepare { .. }),
            "{error}"
        );
    }
}
