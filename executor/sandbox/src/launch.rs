use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::conversation::{Conversation, Pause};
use crate::error::LaunchError;
use crate::line;
use crate::namespaces::{Network, Own};
use crate::plan::{Command, Plan};
use crate::process::Process;
use crate::report::{Degraded, Fault, Feature, Step};
use crate::zygote::{Zygote, Zygotes};

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

/// Where the task's input comes from and its output goes to.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input; `/dev/null` when there is none.
    pub stdin: Option<OwnedFd>,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// The descriptors of a launch.
#[derive(Debug)]
pub struct Handles {
    /// Input and output.
    pub stdio: Stdio,
    /// The directory that has to be at [`crate::PrivateFiles::sandbox`]: a launch that finds another one there fails.
    /// `None` takes what is there, for a path that no task can change.
    pub sandbox: Option<OwnedFd>,
}

impl From<Stdio> for Handles {
    fn from(stdio: Stdio) -> Handles {
        Handles {
            stdio,
            sandbox: None,
        }
    }
}

/// Starts tasks.
///
/// The kernel kills a task's init when the *thread* whose child it is ends (`PR_SET_PDEATHSIG`), and
/// threads of an asynchronous runtime come and go. So there is one that stays as long as the launcher
/// does, and **dropping the launcher kills its tasks**: keep it as long as the executor lives.
///
/// Any number of launches can be under way at once. Whoever calls waits for his own, so that one
/// that hangs holds up nobody else.
#[derive(Debug)]
pub struct Launcher {
    zygotes: Zygotes,
}

impl Launcher {
    /// Starts the thread, and the process that inits are forked from.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(program: InitProgram) -> Result<Launcher, LaunchError> {
        let zygotes = Zygotes::start(program.0);
        let zygotes = zygotes.map_err(|source| LaunchError::Prepare { source })?;
        Ok(Launcher { zygotes })
    }

    /// Starts the task of `plan`. Blocks until it is executed or has failed, which takes
    /// milliseconds unless its directory or program is on a file system that hangs. Once `cancelled`
    /// becomes true it is given up, at the latest a moment after.
    ///
    /// # Errors
    /// See [`LaunchError`]. Nothing of the task is left then.
    pub fn launch(
        &self,
        plan: Plan,
        handles: impl Into<Handles>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Process, LaunchError> {
        let (process, _) = self.begin(&plan, handles.into(), cancelled, false)?;
        Ok(process)
    }

    /// Makes everything of the sandbox and gets the task to the point where only its program is
    /// still to be executed, which was found to be there. Nothing of the task runs until
    /// [`Prepared::release`]. Blocks and is cancelled as [`Launcher::launch`].
    ///
    /// # Errors
    /// See [`LaunchError`]. Nothing of the task is left then.
    pub fn prepare(
        &self,
        plan: Plan,
        handles: impl Into<Handles>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Prepared, LaunchError> {
        let (process, conversation) = self.begin(&plan, handles.into(), cancelled, true)?;
        if !conversation.heard.ready {
            return Err(LaunchError::InitEnded);
        }
        Ok(Prepared {
            process,
            conversation,
            cancelled: Arc::clone(cancelled),
        })
    }

    /// Waits until the task is executed, or ready to be, or failed; then nothing is left.
    fn begin(
        &self,
        plan: &Plan,
        handles: Handles,
        cancelled: &AtomicBool,
        held: bool,
    ) -> Result<(Process, Conversation), LaunchError> {
        // Everything that can be checked is, before the host is touched.
        plan.check()?;

        let Handles { stdio, sandbox } = handles;
        let cgroups = open_cgroups(&plan.cgroup_procs)?;
        let preparing = |source| LaunchError::Prepare { source };
        let (line, line_of_init) = line::pair().map_err(preparing)?;
        let stdin = match stdio.stdin {
            Some(stdin) => stdin,
            None => File::open("/dev/null").map_err(preparing)?.into(),
        };
        let (answer, answer_of_init) = match plan.command {
            Command::BuiltIn { .. } => line::pair().map(|(one, other)| (Some(one), Some(other))),
            Command::Shell(_) | Command::Exec { .. } => Ok((None, None)),
        }
        .map_err(preparing)?;
        let mut descriptors = vec![
            line_of_init.as_raw_fd(),
            stdin.as_raw_fd(),
            stdio.stdout.as_raw_fd(),
            stdio.stderr.as_raw_fd(),
        ];
        descriptors.extend(answer_of_init.as_ref().map(AsRawFd::as_raw_fd));
        descriptors.extend(cgroups.iter().map(AsRawFd::as_raw_fd));
        descriptors.extend(sandbox.as_ref().map(AsRawFd::as_raw_fd));

        let mut asked = self.ask(plan, held, &descriptors, cancelled)?;
        if asked.pause == Pause::Closed && asked.conversation.heard.nothing() {
            // What inits are forked from was killed, or the init at once. Nothing has been done for
            // this task, so that another may do it: a zygote that dies can still take a request when
            // it has dropped those before.
            self.zygotes.put_away(&asked.zygote);
            asked = self.ask(plan, held, &descriptors, cancelled)?;
        }
        asked.settle(line, answer, plan)
    }

    /// Asks for an init, gives it its order, and hears what it says.
    fn ask(
        &self,
        plan: &Plan,
        held: bool,
        descriptors: &[RawFd],
        cancelled: &AtomicBool,
    ) -> Result<Asked, LaunchError> {
        let preparing = |source| LaunchError::Prepare { source };
        let (ours, theirs) = UnixStream::pair().map_err(preparing)?;
        let mut conversation = Conversation::new(ours).map_err(preparing)?;
        let own = Own::of(plan.namespaces, &plan.network);
        let zygote = self.zygotes.request(own, &theirs, cancelled)?;
        // Were it open here as well, it would never be seen to close.
        drop(theirs);
        let sent = conversation.order(plan, held, descriptors, cancelled);
        let pause = conversation.listen(cancelled);
        Ok(Asked {
            zygote,
            conversation,
            sent,
            pause,
        })
    }
}

/// A launch that was asked for, as far as it got.
struct Asked {
    zygote: Arc<Zygote>,
    conversation: Conversation,
    sent: io::Result<()>,
    pause: Pause,
}

impl Asked {
    fn settle(
        self,
        line: OwnedFd,
        answer: Option<OwnedFd>,
        plan: &Plan,
    ) -> Result<(Process, Conversation), LaunchError> {
        let Asked {
            zygote: _,
            mut conversation,
            sent,
            pause,
        } = self;
        let heard = &mut conversation.heard;
        let refused = |without: &Degraded| without.feature == Feature::PidNamespace;
        let own_namespace = plan.namespaces.pid && !heard.without.iter().any(refused);
        // Dropped on the way out of here, it is killed.
        let process = heard.pid.map(|pid| {
            let without = std::mem::take(&mut heard.without);
            let shares_network = plan.network == Network::Host;
            Process::new(pid, line, answer, own_namespace, shares_network, without)
        });
        match (pause, process, heard.failure.take()) {
            (Pause::Cancelled, process, _) => {
                if process.is_none() {
                    outlast(conversation);
                }
                Err(LaunchError::Cancelled)
            }
            (_, Some(process), None) => Ok((process, conversation)),
            (_, _, failure) => {
                sent.map_err(|source| LaunchError::Prepare { source })?;
                Err(failure.map_or(LaunchError::InitEnded, LaunchError::from))
            }
        }
    }
}

/// Opens, by name only, the directories of the `cgroup.procs` that a task is to write to: it may not see them any more when
/// it does so.
pub(crate) fn open_cgroups(procs: &[PathBuf]) -> Result<Vec<OwnedFd>, LaunchError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = |path: &PathBuf| {
        let directory = path.parent().unwrap_or(path);
        open(directory, flags, Mode::empty()).map_err(|errno| LaunchError::Step {
            step: Step::JoinCgroup,
            path: Some(path.clone()),
            source: errno.into(),
            fault: Fault::Host,
        })
    };
    procs.iter().map(open).collect()
}

/// Sees to the end of an init that has not said a word when its launch is given up, in a thread of
/// its own: what is to make it may be stopped, and whoever gave the launch up is not to wait for it.
fn outlast(conversation: Conversation) {
    let thread = thread::Builder::new().name("given-up".to_owned());
    // Where there can be no more threads, the init ends by itself all the same, and only its id
    // stays taken until we end.
    let _ = thread.spawn(|| conversation.outlast());
}

/// A task that is held: its sandbox is made, its first process is there in its cgroup, with its
/// user, in its directory, and its program is not executed yet.
///
/// Dropping it ends it, and nothing of it is left but its cgroup, which is the caller's.
#[derive(Debug)]
pub struct Prepared {
    process: Process,
    conversation: Conversation,
    cancelled: Arc<AtomicBool>,
}

impl Prepared {
    /// What of the plan this host or these rights did not give: whoever cannot do without drops this.
    pub fn degraded(&self) -> &[Degraded] {
        self.process.degraded()
    }

    /// Lets the program be executed. Blocks until it is or has failed, or the flag that the launch
    /// was prepared with says that it is cancelled.
    ///
    /// # Errors
    /// See [`LaunchError`]. Nothing of the task is left then.
    pub fn release(mut self) -> Result<Process, LaunchError> {
        // An init that is gone is told of by what is heard.
        let released = self.conversation.release();
        match self.conversation.listen(&self.cancelled) {
            Pause::Cancelled => return Err(LaunchError::Cancelled),
            Pause::Closed | Pause::Ready => {}
        }
        if let Some(failure) = self.conversation.heard.failure.take() {
            return Err(failure.into());
        }
        released.map_err(|_| LaunchError::InitEnded)?;
        let without = std::mem::take(&mut self.conversation.heard.without);
        self.process.lacks_too(without);
        Ok(self.process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    fn nowhere() -> Stdio {
        let null = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
        Stdio {
            stdin: None,
            stdout: null(),
            stderr: null(),
        }
    }

    fn plan(command: Command) -> Plan {
        Plan {
            cgroup_procs: Vec::new(),
            ..crate::plan::tests::plan(command)
        }
    }

    fn failure_of(program: &str, plan: Plan) -> LaunchError {
        Launcher::start(InitProgram::at(program))
            .unwrap()
            .launch(plan, nowhere(), &Arc::default())
            .unwrap_err()
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
