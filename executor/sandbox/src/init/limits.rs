//! The limits of the task's processes that the kernel keeps for each of them, and who of them goes first when the host
//! runs out of memory.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{RLIM_INFINITY, Resource as Kernels, getrlimit, setrlimit};

use nix::unistd::geteuid;

use super::{errno_of, failed_at};
use crate::plan::Plan;
use crate::report::{Failure, Step};
use crate::rlimits::{Bound, Resource, Rlimit};

/// A core file has to be larger than this, so that none is written; and a program of the host's that takes core dumps is
/// not started for this very limit, while it would be for 0 (Linux: fs/coredump.c, `do_coredump`).
const NO_CORE: Bound = Bound::At(1);

const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Sets all of them for this process.
pub(super) fn set(plan: &Plan) -> Result<(), Failure> {
    let no_core = Rlimit {
        resource: Resource::Core,
        soft: NO_CORE,
        hard: NO_CORE,
    };
    let names_core = plan
        .rlimits
        .iter()
        .any(|rlimit| rlimit.resource == Resource::Core);
    let no_core = (!names_core).then_some(&no_core);
    for rlimit in no_core.into_iter().chain(&plan.rlimits) {
        let (name, resource) = of_kernel(rlimit.resource);
        limit(rlimit, resource).map_err(failed_at(Step::LimitResources, name))?;
    }
    Ok(())
}

fn limit(rlimit: &Rlimit, resource: Kernels) -> Result<(), Errno> {
    let (soft_now, hard_now) = getrlimit(resource)?;
    let value = |bound, inherited| match bound {
        Bound::Inherited => inherited,
        Bound::Unlimited => RLIM_INFINITY,
        Bound::At(value) => value,
    };
    let hard = value(rlimit.hard, hard_now);
    let soft = value(rlimit.soft, soft_now).min(hard);
    setrlimit(resource, soft, hard)
}

fn of_kernel(resource: Resource) -> (&'static str, Kernels) {
    match resource {
        Resource::AddressSpace => ("RLIMIT_AS", Kernels::RLIMIT_AS),
        Resource::Core => ("RLIMIT_CORE", Kernels::RLIMIT_CORE),
        Resource::Cpu => ("RLIMIT_CPU", Kernels::RLIMIT_CPU),
        Resource::Data => ("RLIMIT_DATA", Kernels::RLIMIT_DATA),
        Resource::FileSize => ("RLIMIT_FSIZE", Kernels::RLIMIT_FSIZE),
        Resource::Locks => ("RLIMIT_LOCKS", Kernels::RLIMIT_LOCKS),
        Resource::LockedMemory => ("RLIMIT_MEMLOCK", Kernels::RLIMIT_MEMLOCK),
        Resource::MessageQueues => ("RLIMIT_MSGQUEUE", Kernels::RLIMIT_MSGQUEUE),
        Resource::Nice => ("RLIMIT_NICE", Kernels::RLIMIT_NICE),
        Resource::OpenFiles => ("RLIMIT_NOFILE", Kernels::RLIMIT_NOFILE),
        Resource::Processes => ("RLIMIT_NPROC", Kernels::RLIMIT_NPROC),
        Resource::ResidentSet => ("RLIMIT_RSS", Kernels::RLIMIT_RSS),
        Resource::RealtimePriority => ("RLIMIT_RTPRIO", Kernels::RLIMIT_RTPRIO),
        Resource::RealtimeTime => ("RLIMIT_RTTIME", Kernels::RLIMIT_RTTIME),
        Resource::PendingSignals => ("RLIMIT_SIGPENDING", Kernels::RLIMIT_SIGPENDING),
        Resource::Stack => ("RLIMIT_STACK", Kernels::RLIMIT_STACK),
    }
}

/// Raises how soon the kernel ends this process to `wanted`, and lowers it never. Anybody may do so. Where there is no
/// `/proc`, which was told then, it stays as it is.
pub(super) fn raise_oom_score(wanted: i32) -> Result<(), Failure> {
    if wanted <= 0 {
        return Ok(());
    }
    // Of a process that cannot be traced these files are root's, whoever it is. Nobody but its own user could trace it,
    // who can as well once the program is executed.
    let is_hidden = !geteuid().is_root();
    let failed = |errno| failed_at(Step::LimitResources, OOM_SCORE)(errno);
    if is_hidden {
        set_dumpable(true).map_err(failed)?;
    }
    let raised = raise_to(wanted);
    if is_hidden {
        set_dumpable(false).map_err(failed)?;
    }
    match raised {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(errno_of(&error))),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn raise_to(wanted: i32) -> io::Result<()> {
    let now = fs::read_to_string(OOM_SCORE)?;
    if now.trim().parse::<i32>().is_ok_and(|now| now >= wanted) {
        return Ok(());
    }
    fs::write(OOM_SCORE, wanted.to_string())
}
