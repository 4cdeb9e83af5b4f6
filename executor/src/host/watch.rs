//! Watching one task: its end, its memory.

mod memory;

use std::io;

use cgroup::Cgroup;
use executor_core::{CommandEnd, Ended, Event, LimitKind, Limitation, RefusedProcesses, TaskEvent};
use mesos_proto::v1::TaskId;
use nix::libc::{SIGKILL, SIGXCPU, SIGXFSZ};
use sandbox::{Exit, Process};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tracing::warn;

use super::launch::Belongings;
use crate::driver::Wake;
use crate::sys;
pub(super) use memory::memory;

/// Wakes the driver with [`Wake::Ending`] when the task's main process has ended.
pub(super) fn end(
    watches: &mut JoinSet<()>,
    task_id: &TaskId,
    process: &Process,
    wakes: &UnboundedSender<Wake>,
) -> io::Result<()> {
    let ended = sys::readable(process)?;
    let (task_id, wakes) = (task_id.clone(), wakes.clone());
    watches.spawn(async move {
        // An error here is the runtime's own end.
        if ended.readable().await.is_ok() {
            drop(wakes.send(Wake::Ending(task_id)));
        }
    });
    Ok(())
}

/// How the task ended. Blocks until its namespace is empty.
pub(super) fn ended(process: &mut Process, belongings: &Belongings) -> Ended {
    let (exit, description) = match process.reap() {
        Ok(exit) => (
            match exit {
                Exit::Exited(status) => CommandEnd::Exited(status),
                Exit::Signaled { signal, .. } => CommandEnd::Signalled(signal),
            },
            exit.describe(),
        ),
        Err(error) => (
            CommandEnd::Unknown,
            format!("ended in an unknown way: {error}"),
        ),
    };
    // The kernel may have ended it before the event of that was read.
    let cgroup = belongings.cgroup.as_ref();
    let limitation = cgroup
        .and_then(|cgroup| memory::at_end(cgroup, &belongings.limits))
        .or_else(|| of_process(exit, &description, belongings));
    let refused = cgroup.and_then(|cgroup| refused_processes(cgroup));
    // Nobody of it is left to say more.
    belongings.kept.drain();
    let stderr_tail = match exit {
        // Nobody needs the last words of what went well.
        CommandEnd::Exited(code) if belongings.success_codes.contains(&code) => None,
        CommandEnd::Exited(_) | CommandEnd::Signalled(_) | CommandEnd::Unknown => {
            belongings.kept.last_words()
        }
    };
    Ended {
        exit,
        description,
        limitation,
        refused,
        stderr_tail,
    }
}

/// The limit of a process that the task's main one has come to, as its end shows: the kernel sends a signal of its own at
/// the soft limit, and SIGKILL at the hard one of cpu time.
fn of_process(exit: CommandEnd, description: &str, belongings: &Belongings) -> Option<Limitation> {
    let asked = belongings.limits.of_process;
    if matches!(exit, CommandEnd::Exited(status) if belongings.success_codes.contains(&status)) {
        return None;
    }
    let (kind, why) = match exit {
        CommandEnd::Signalled(SIGXCPU) => (LimitKind::CpuTime, CPU_TIME),
        CommandEnd::Signalled(SIGXFSZ) => (LimitKind::FileSize, FILE_SIZE),
        CommandEnd::Signalled(SIGKILL) if has_used_its_cpu_time(belongings) => {
            (LimitKind::CpuTime, CPU_TIME)
        }
        // As a shell tells of its last command.
        CommandEnd::Exited(OF_CPU_TIME) if asked.cpu_time.is_some() => {
            (LimitKind::CpuTime, CPU_TIME)
        }
        CommandEnd::Exited(OF_FILE_SIZE) if asked.file_size => (LimitKind::FileSize, FILE_SIZE),
        CommandEnd::Exited(_) | CommandEnd::Signalled(_) | CommandEnd::Unknown => return None,
    };
    Some(Limitation {
        kind,
        message: format!("Command {description}: {why}"),
        resources: Vec::new(),
    })
}

const OF_CPU_TIME: i32 = 128 + SIGXCPU;
const OF_FILE_SIZE: i32 = 128 + SIGXFSZ;
const CPU_TIME: &str = "it used up the cpu time of one process (RLIMIT_CPU)";
const FILE_SIZE: &str = "it wrote to a file beyond the limit of file sizes (RLIMIT_FSIZE)";

/// Whether it can have been for its cpu time that the task's process was killed, by what all of the task has used. The
/// kernel counts whole ticks of the clock against the limit, which on a busy host is far more than what was really used
/// and the cgroup has counted. Whatever we killed it for ourselves is told before this.
fn has_used_its_cpu_time(belongings: &Belongings) -> bool {
    let figures = belongings.cgroup.as_ref().map(|cgroup| cgroup.figures());
    // Only to word an end that is told in any case.
    let used = figures.and_then(|figures| figures.ok()?.cpu.usage);
    used.zip(belongings.limits.of_process.cpu_time)
        .is_some_and(|(used, most)| used >= most / 2)
}

fn refused_processes(cgroup: &Cgroup) -> Option<RefusedProcesses> {
    let refused = cgroup.refused_processes().unwrap_or_else(|error| {
        warn!("whether a task was at its limit of processes is unknown: {error}");
        None
    });
    refused.map(|(times, limit)| RefusedProcesses { limit, times })
}

fn report(wakes: &UnboundedSender<Wake>, task_id: TaskId, limitation: Limitation) {
    let event = TaskEvent::Limited(limitation);
    drop(wakes.send(Wake::Event(Event::Task { task_id, event })));
}
