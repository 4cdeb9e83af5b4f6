//! The process that stays: the init of the task's pid namespace, or, where there is none, the one
//! that adopts the task's orphans.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::{set_child_subreaper, set_dumpable};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, sethostname};

use super::{Inherited, Reporter, failed, failed_at, kill_tree_signal, task};
use crate::descendants::descendants;
use crate::plan::{Namespaces, Plan};
use crate::report::{Degraded, Failure, Feature, Report, Step};
use crate::sys;

/// What is passed on to the whole task.
const FORWARDED: [i32; 6] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// How long a tree without a namespace is killed; a process with more rights than we have, or one
/// that hangs in the kernel, cannot hold up the report for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(plan: &Plan, inherited: Inherited, mut reporter: Reporter, own: Namespaces) -> ! {
    let signals = match prepare(plan, &mut reporter, own) {
        Ok(signals) => signals,
        Err(failure) => reporter.fail(failure),
    };
    let Inherited {
        status,
        stdin,
        stdout,
        stderr,
        held,
    } = inherited;
    let main = match sys::fork() {
        Ok(ForkResult::Child) => task::run(plan, [stdin, stdout, stderr], held, reporter, own),
        Ok(ForkResult::Parent { child }) => child.as_raw(),
        Err(errno) => reporter.fail(failed(Step::Fork)(errno)),
    };
    // From here on the way back and the output are the task's alone.
    drop((reporter, stdin, stdout, stderr));
    // A task of the same user must not be able to write to our memory, and with it the report.
    let _ = set_dumpable(false);
    Init {
        main,
        ended: None,
        own_namespace: own.pid,
    }
    .supervise(&signals, status)
}

fn prepare(plan: &Plan, reporter: &mut Reporter, own: Namespaces) -> Result<SignalFd, Failure> {
    // First, that nothing of the task outlives the executor. In a namespace our death is
    // everybody's; otherwise we have to live to kill. Should the executor have died before this,
    // then its end of the status pipe is closed, and that is looked at before every wait below.
    let at_its_death = if own.pid {
        libc::SIGKILL
    } else {
        kill_tree_signal()
    };
    sys::set_parent_death_signal(at_its_death).map_err(failed(Step::FollowExecutor))?;

    if own.mount {
        // Before any mount of ours. Slave and not private: nothing goes out, but what the host
        // unmounts goes away in here too and does not stay busy until the task ends.
        let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .map_err(failed_at(Step::MountPropagation, "/"))?;
    }
    if own.mount && own.pid {
        // Over the executor's it would hide it only until a task of root unmounts it, and there
        // the executor's environment can be read. As often as it goes: mounts can be stacked.
        while umount2("/proc", MntFlags::MNT_DETACH).is_ok() {}
        // Only pid 1 of the namespace can mount the /proc that shows it.
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        if let Err(errno) = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>) {
            without(reporter, Feature::Proc, errno);
        }
    }
    if let Some(name) = plan.hostname.as_ref().filter(|_| own.uts)
        && let Err(errno) = sethostname(name)
    {
        without(reporter, Feature::Hostname, errno);
    }
    if !own.pid {
        // Orphans of the task come to us instead of to the host's init.
        set_child_subreaper(true).map_err(failed(Step::FollowExecutor))?;
    }
    // Every signal is blocked since stage 1.
    SignalFd::with_flags(
        &SigSet::all(),
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )
    .map_err(failed(Step::Signals))
}

fn without(reporter: &mut Reporter, feature: Feature, errno: Errno) {
    reporter.send(&Report::Without(Degraded {
        feature,
        errno: errno as i32,
    }));
}

struct Init {
    /// The task's first process.
    main: i32,
    /// Its wait status, once it ended.
    ended: Option<i32>,
    own_namespace: bool,
}

impl Init {
    /// Waits until the task's first process ends, reports its status and exits, which in a
    /// namespace kills whatever else is there.
    fn supervise(mut self, signals: &SignalFd, status: OwnedFd) -> ! {
        while self.ended.is_none() {
            let mut polled = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                // No event asked for: that the other end closed is told always.
                PollFd::new(status.as_fd(), PollFlags::empty()),
            ];
            // EINTR cannot be with everything blocked, and would only mean to look again.
            let _ = poll(&mut polled, PollTimeout::NONE);
            if polled[1].any() == Some(true) {
                // The executor is gone, or gave the task up.
                self.end_tree();
                exit(1);
            }
            while let Ok(Some(signal)) = signals.read_signal() {
                self.handle(signal.ssi_signo as i32);
            }
        }
        self.end_tree();
        if let Some(ended) = self.ended {
            let _ = nix::unistd::write(&status, &ended.to_ne_bytes());
        }
        exit(0);
    }

    fn handle(&mut self, signal: i32) {
        if signal == libc::SIGCHLD {
            // One signal may stand for several children.
            self.reap();
        } else if signal == kill_tree_signal() && !self.own_namespace {
            self.end_tree();
        } else if FORWARDED.contains(&signal) {
            for pid in self.everybody() {
                // It may be gone.
                let _ = sys::kill(pid, signal);
            }
        }
    }

    /// Whom a signal to the task goes to. In a namespace -1 is everybody in it but us.
    fn everybody(&self) -> Vec<i32> {
        if self.own_namespace { vec![-1] } else { tree() }
    }

    /// Waits for whoever has ended; false when there are no children at all any more.
    fn reap(&mut self) -> bool {
        loop {
            match sys::wait(-1, false) {
                Ok(Some((pid, status))) if pid == self.main => self.ended = Some(status),
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Without a namespace: kills until nobody is left. Orphans come to us, so that having no
    /// children is having no descendants.
    fn end_tree(&mut self) {
        if self.own_namespace {
            return;
        }
        let started = Instant::now();
        while self.reap() && started.elapsed() < PATIENCE {
            for pid in tree() {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
            sleep(Duration::from_millis(2));
        }
    }
}

/// Our descendants. Without a pid namespace `/proc` is the one of the namespace that we are in.
fn tree() -> Vec<i32> {
    let this = fs::read_link("/proc/self").ok();
    let this = this.and_then(|link| link.to_str()?.parse().ok());
    this.map_or_else(Vec::new, |this| descendants(Path::new("/proc"), this))
}
