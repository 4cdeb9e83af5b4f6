//! The process that stays: the init of the task's pid namespace, or, where there is none, the one
//! that adopts the task's orphans.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, sethostname};

use super::reporter::Reporter;
use super::task::Task;
use super::tree::{self, Tree};
use super::{failed, failed_at, filesystem, guest, kill_tree_signal, network, users};
use crate::built_in::Table;
use crate::filesystem::Filesystem;
use crate::line;
use crate::namespaces::Own;
use crate::plan::{Command, Plan};
use crate::report::{Failure, Feature, Report, Step};
use crate::sys;

/// What is passed on to the process group of the task's first process. SIGTERM goes to everybody.
const FOR_THE_MAIN_GROUP: [i32; 5] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// So many descriptors come with the plan at the most: there are no more hierarchies of cgroups than controllers.
const DESCRIPTORS: usize = 32;

/// The descriptors that come with the plan, in this order.
struct Inherited {
    /// Pid 1's end of the line.
    line: OwnedFd,
    /// The task's standard input, output and error.
    stdio: [OwnedFd; 3],
    /// Where a built-in function's answer goes.
    answer: Option<OwnedFd>,
    /// Its cgroups, one for each `cgroup.procs` that the plan names: from inside they are not to be seen.
    cgroups: Vec<OwnedFd>,
    /// Its directory.
    sandbox: Option<OwnedFd>,
}

impl Inherited {
    fn from(plan: &Plan, descriptors: Vec<OwnedFd>) -> io::Result<Inherited> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || {
            let next = descriptors.next();
            next.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        Ok(Inherited {
            line: next()?,
            stdio: [next()?, next()?, next()?],
            answer: match plan.command {
                Command::BuiltIn { .. } => Some(next()?),
                Command::Shell(_) | Command::Exec { .. } => None,
            },
            cgroups: plan
                .cgroup_procs
                .iter()
                .map(|_| next())
                .collect::<io::Result<_>>()?,
            sandbox: next().ok(),
        })
    }
}

pub(super) fn run(mut reporter: Reporter, own: Own, built_ins: Table<'_>) -> ! {
    let received = reporter.receive::<Plan, DESCRIPTORS>();
    let received = received.and_then(|(order, all)| {
        let inherited = Inherited::from(&order.plan, all)?;
        Ok((order, inherited))
    });
    let (order, inherited) = match received {
        Ok(received) => received,
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EBADMSG));
            reporter.fail(failed(Step::ReceivePlan)(errno))
        }
    };
    let plan = &order.plan;
    let Inherited {
        line,
        stdio,
        answer,
        cgroups,
        sandbox,
    } = inherited;
    let (signals, users) = match prepare(plan, sandbox, &mut reporter, own) {
        Ok(prepared) => prepared,
        Err(failure) => reporter.fail(failure),
    };
    if line::is_left(&line) {
        // The executor is gone, or gave the launch up before there was anybody to be told.
        exit(1);
    }
    let task = Task {
        plan,
        stdio,
        answer,
        cgroups,
        held: order.held,
        users: users.as_ref(),
        built_ins,
        reporter,
    };
    // In a pid namespace nobody can stop pid 1.
    let (main, (line, signals)) = task.start(!own.pid, (line, signals));
    Init {
        plan,
        built_ins,
        users,
        tree: Tree::of(main),
        own_namespace: own.pid,
        line,
    }
    .supervise(&signals)
}

/// The signals, and the task's user namespace.
fn prepare(
    plan: &Plan,
    sandbox: Option<OwnedFd>,
    reporter: &mut Reporter,
    own: Own,
) -> Result<(SignalFd, Option<OwnedFd>), Failure> {
    // First, that nothing of the task outlives the executor. In a namespace our death is
    // everybody's; otherwise we have to live to kill. Should the executor have died before this,
    // then its end of our line is closed, which is looked at before the task is made, and by every
    // wait after that.
    follow_executor(own)?;

    // As long as the host's paths are there.
    network::set_up(&plan.network)?;

    if own.mount {
        // Before any mount of ours. Slave and not private: nothing goes out, but what the host
        // unmounts goes away in here too and does not stay busy until the task ends.
        let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .map_err(failed_at(Step::MountPropagation, "/"))?;
    }
    match &plan.filesystem {
        Filesystem::Private(files) if own.mount => {
            let mut without = |feature, errno| reporter.without(feature, errno);
            filesystem::enter(files, plan, sandbox.as_ref(), own, &mut without)?;
            // What is done there with a user's rights takes both back.
            follow_executor(own)?;
            set_dumpable(false).map_err(failed(Step::FollowExecutor))?;
        }
        Filesystem::Private(files) => filesystem::is_dispensable(files)?,
        Filesystem::Host if own.mount && own.pid => lay_own_proc(reporter),
        Filesystem::Host => {}
    }
    drop(sandbox);
    if let Some(name) = plan.hostname.as_ref().filter(|_| own.uts)
        && let Err(errno) = sethostname(name)
    {
        reporter.without(Feature::Hostname, errno);
    }
    if !own.pid {
        // Orphans of the task come to us instead of to the host's init.
        set_child_subreaper(true).map_err(failed(Step::FollowExecutor))?;
    }
    // Here and not in the task, so that whatever runs beside it can enter it, too. It needs our own `/proc`.
    let users = plan.users.as_ref().map(users::make).transpose()?;
    // Every signal is blocked since the zygote.
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&SigSet::all(), flags).map_err(failed(Step::Signals))?;
    Ok((signals, users))
}

fn follow_executor(own: Own) -> Result<(), Failure> {
    let at_its_death = if own.pid {
        libc::SIGKILL
    } else {
        kill_tree_signal()
    };
    sys::set_parent_death_signal(at_its_death).map_err(failed(Step::FollowExecutor))
}

/// A `/proc` that shows the task's own namespace, among the host's files.
fn lay_own_proc(reporter: &mut Reporter) {
    // Over the executor's it would hide it only until a task of root unmounts it, and there
    // the executor's environment can be read. As often as it goes: mounts can be stacked.
    while umount2("/proc", MntFlags::MNT_DETACH).is_ok() {}
    // Only pid 1 of the namespace can mount the /proc that shows it.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    if let Err(errno) = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>) {
        reporter.without(Feature::Proc, errno);
    }
}

struct Init<'a> {
    plan: &'a Plan,
    built_ins: Table<'a>,
    /// The task's user namespace.
    users: Option<OwnedFd>,
    tree: Tree,
    own_namespace: bool,
    line: OwnedFd,
}

impl Init<'_> {
    /// Waits until the task's first process ends, reports its status and exits, which in a
    /// namespace kills whatever else is there.
    fn supervise(mut self, signals: &SignalFd) -> ! {
        while self.tree.ended().is_none() {
            let mut polled = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.line.as_fd(), PollFlags::POLLIN),
            ];
            // EINTR cannot be with everything blocked, and would only mean to look again.
            let _ = poll(&mut polled, PollTimeout::NONE);
            let line = polled[1].revents().unwrap_or(PollFlags::empty());
            if line.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                // The executor is gone, or gave the task up.
                self.end_tree();
                exit(1);
            }
            if line.contains(PollFlags::POLLIN)
                && let Some(reporter) = self.let_in()
            {
                let Init {
                    plan,
                    built_ins,
                    users,
                    line,
                    ..
                } = self;
                // Whoever waits at its other end waits for the task's init alone.
                drop(line);
                guest::run(plan, users.as_ref(), built_ins, reporter);
            }
            while let Ok(Some(signal)) = signals.read_signal() {
                self.handle(signal.ssi_signo as i32);
            }
        }
        self.end_tree();
        if let Some(ended) = self.tree.ended() {
            // Nobody may want to know it.
            let _ = line::tell(&self.line, &ended.to_ne_bytes());
        }
        exit(0);
    }

    /// Forks for a program that is to run beside the task. Everything else is the child's to do, so
    /// that nothing about it can hold us up: in the child it is who that has to report to.
    fn let_in(&self) -> Option<Reporter> {
        let (_, mut received) = line::take::<1>(&self.line, &mut [0], false).ok()?;
        let mut reporter = Reporter::new(UnixStream::from(received.pop()?));
        match sys::fork() {
            Ok(ForkResult::Child) => return Some(reporter),
            Ok(ForkResult::Parent { .. }) => {}
            Err(errno) => reporter.send(&Report::Failed(failed(Step::Fork)(errno))),
        }
        None
    }

    fn handle(&mut self, signal: i32) {
        if signal == libc::SIGCHLD {
            // One signal may stand for several children.
            self.tree.reap();
        } else if signal == kill_tree_signal() && !self.own_namespace {
            self.end_tree();
        } else if signal == libc::SIGTERM {
            for pid in self.everybody() {
                // It may be gone.
                let _ = sys::kill(pid, signal);
            }
        } else if FOR_THE_MAIN_GROUP.contains(&signal) {
            // It leads one of its own.
            let _ = sys::kill(-self.tree.main(), signal);
        }
    }

    /// Whom SIGTERM to the task goes to. In a namespace -1 is everybody in it but us.
    fn everybody(&self) -> Vec<i32> {
        if self.own_namespace {
            vec![-1]
        } else {
            tree::everybody().unwrap_or_else(|| vec![self.tree.main()])
        }
    }

    /// Without a namespace, in which our own end is everybody's.
    fn end_tree(&mut self) {
        if !self.own_namespace {
            self.tree.end();
        }
    }
}
