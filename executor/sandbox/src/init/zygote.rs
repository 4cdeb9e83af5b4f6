//! The process that is forked for each sandbox. It is started once, has the program loaded and
//! everything prepared that is the same for all, and knows nothing of any task: the process that it
//! forks receives the order itself.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, chdir, dup2_stdin};

use super::reporter::Reporter;
use super::{failed, pid1, users};
use crate::built_in::Table;
use crate::line;
use crate::namespaces::Own;
use crate::report::{Degraded, Feature, Report, Step};
use crate::sys;

/// A namespace that a sandbox can have: its place in a plan, its flag, and what to say where it
/// cannot be had.
struct Kind {
    of: fn(&mut Own) -> &mut bool,
    flag: CloneFlags,
    feature: Feature,
}

const KINDS: [Kind; 5] = [
    Kind {
        of: |own| &mut own.mount,
        flag: CloneFlags::CLONE_NEWNS,
        feature: Feature::MountNamespace,
    },
    Kind {
        of: |own| &mut own.ipc,
        flag: CloneFlags::CLONE_NEWIPC,
        feature: Feature::IpcNamespace,
    },
    Kind {
        of: |own| &mut own.uts,
        flag: CloneFlags::CLONE_NEWUTS,
        feature: Feature::UtsNamespace,
    },
    Kind {
        of: |own| &mut own.pid,
        flag: CloneFlags::CLONE_NEWPID,
        feature: Feature::PidNamespace,
    },
    Kind {
        of: |own| &mut own.network,
        flag: CloneFlags::CLONE_NEWNET,
        feature: Feature::NetworkNamespace,
    },
];

/// Serves the launcher at the other end of our standard input, until it is gone.
pub(super) fn run(built_ins: Table<'_>) -> ! {
    let mut zygote = prepare().unwrap_or_else(|error| {
        // Started by hand, perhaps.
        eprintln!("sandbox init: {error}");
        exit(2);
    });
    loop {
        let mut request = [0];
        let Ok((1.., mut received)) = line::take::<1>(&zygote.line, &mut request, true) else {
            exit(0);
        };
        let Some(socket) = received.pop() else {
            continue;
        };
        let mut reporter = Reporter::new(UnixStream::from(socket));
        let without_rights = zygote.without_rights.clone();
        match zygote.clone(Own::from_byte(request[0])) {
            Ok((own, without, None)) => {
                drop(zygote);
                reporter.introduce();
                for degraded in without_rights.into_iter().chain(without) {
                    if degraded.feature == Feature::NetworkNamespace {
                        // No task has it that did not ask for it.
                        let errno = Errno::from_raw(degraded.errno);
                        reporter.fail(failed(Step::MakeNetwork)(errno));
                    }
                    reporter.send(&Report::Without(degraded));
                }
                pid1::run(reporter, own, built_ins);
            }
            // It speaks for itself, so that it is known even if we are killed now.
            Ok((_, _, Some(_))) => {}
            Err(errno) => reporter.send(&Report::Failed(failed(Step::CloneInit)(errno))),
        }
    }
}

struct Zygote {
    line: OwnedFd,
    /// The kernel's answers to making each of [`KINDS`], 0 being yes: as far as is known, and for as
    /// long as this process has the rights that it has.
    answers: Answers,
    /// The one namespace that gives rights to whoever has none, where that is missed.
    without_rights: Option<Degraded>,
}

type Answers = [i32; KINDS.len()];

fn prepare() -> io::Result<Zygote> {
    sys::assert_single_threaded();
    // At exec those that are left go as well; but a built-in function executes nothing.
    sys::close_inherited_from_3()?;
    // Dispositions that somebody set to "ignore" would hide the end of children. Blocked here,
    // signals are blocked in each pid 1 from its first moment, and a blocked signal is kept even
    // for the init of a pid namespace.
    sys::default_signals();
    SigSet::all().thread_block()?;
    // Before we cannot be traced any more, and before the parent's death is asked for, which a change of rights
    // undoes.
    let without_rights = users::gain_rights().err().map(|errno| Degraded {
        feature: Feature::UserNamespace,
        errno: errno as i32,
    });
    // Our launcher's death is ours. Should it have died before, nobody is at the line's other end.
    sys::set_parent_death_signal(libc::SIGKILL)?;
    // A task of the same user must not be able to write to our memory, and with it into every
    // sandbox to come, nor to that of its own init, which inherits this.
    set_dumpable(false)?;
    // A directory is not to be kept busy by an init.
    chdir("/")?;
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    // A second reference would be inherited by every sandbox.
    dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(Zygote {
        line,
        answers: Answers::default(),
        without_rights,
    })
}

impl Zygote {
    /// Forks a sibling, so that the executor itself is the parent that is told of pid 1's end and
    /// waits for it. In the sibling the last of the three is `None`; here it is its id.
    fn clone(&mut self, wanted: Own) -> Result<(Own, Vec<Degraded>, Option<i32>), Errno> {
        let (own, flags, without) = to_be_had(wanted, self.answers);
        match sys::clone_sibling(flags) {
            Ok(pid) => return Ok((own, without, pid)),
            Err(errno) if flags.is_empty() => return Err(errno),
            Err(_) => {}
        }
        // One by one, so that what is refused has a name and the rest is had all the same.
        let answers = ask_for_each()?;
        if answers.iter().all(|errno| LASTING.contains(errno)) {
            self.answers = answers;
        }
        let (own, flags, without) = to_be_had(wanted, answers);
        let pid = sys::clone_sibling(flags)?;
        Ok((own, without, pid))
    }
}

/// Answers that will be the same next time.
const LASTING: [i32; 4] = [0, libc::EPERM, libc::EINVAL, libc::ENOSYS];

/// What of `wanted` is not refused, its flags, and what is.
fn to_be_had(wanted: Own, answers: Answers) -> (Own, CloneFlags, Vec<Degraded>) {
    let mut own = wanted;
    let mut flags = CloneFlags::empty();
    let mut without = Vec::new();
    for (kind, errno) in KINDS.iter().zip(answers) {
        let has = (kind.of)(&mut own);
        if *has && errno == 0 {
            flags |= kind.flag;
        } else if std::mem::replace(has, false) {
            let feature = kind.feature;
            without.push(Degraded { feature, errno });
        }
    }
    (own, flags, without)
}

/// Has a child make one of each, which ends with it.
fn ask_for_each() -> Result<Answers, Errno> {
    let of_io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let (mut reader, mut writer) = io::pipe().map_err(of_io)?;
    match sys::fork()? {
        ForkResult::Child => {
            for kind in KINDS {
                let errno = unshare(kind.flag).map_or_else(|errno| errno as i32, |()| 0);
                // Whoever is to read it sees that it is missing.
                let _ = writer.write_all(&errno.to_ne_bytes());
            }
            exit(0);
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut answers = Answers::default();
            let mut read = || -> io::Result<()> {
                for answer in &mut answers {
                    let mut bytes = [0; size_of::<i32>()];
                    reader.read_exact(&mut bytes)?;
                    *answer = i32::from_ne_bytes(bytes);
                }
                Ok(())
            };
            let read = read().map_err(of_io);
            sys::wait(child.as_raw(), true)?;
            read.map(|()| answers)
        }
    }
}
