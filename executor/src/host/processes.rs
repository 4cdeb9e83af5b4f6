//! A task's processes, as the kernel shows them.
//!
//! They come and go meanwhile, and name themselves as they like. Each is looked at through one descriptor of its directory
//! in /proc, so that what is told belongs to one process, also when its id is used again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};

use cgroup::Cgroup;
use executor_core::{Answer, ProcessLine};
use procfs::process::{Process, all_processes};

use super::launch::Belongings;

/// So many are looked at; who has more is told of the rest by number.
const MOST: usize = 500;

/// What is read of a file in /proc at the most.
const MOST_BYTES: u64 = 4096;

/// Why the processes of a task are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessesError {
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    #[error("list processes: {0}")]
    List(procfs::ProcError),
}

/// The processes of the task whose init has this id. Blocks for a moment.
pub(super) fn of(
    belongings: &Belongings,
    init: i32,
    arguments: bool,
) -> Result<Answer, ProcessesError> {
    let pids = ids(belongings.cgroup.as_deref(), Some(init))?;
    let looked_at = pids.iter().take(MOST);
    Ok(Answer::Processes {
        // Those that have ended meanwhile are none any more.
        processes: looked_at.filter_map(|pid| line(*pid, arguments)).collect(),
        omitted: pids.len().saturating_sub(MOST),
    })
}

/// The ids of the processes of a task: those in its cgroup or, where it has none, those below its init. Blocks for a moment.
pub(super) fn ids(
    cgroup: Option<&Cgroup>,
    init: Option<i32>,
) -> Result<BTreeSet<u32>, ProcessesError> {
    match (cgroup, init) {
        (Some(cgroup), _) => Ok(cgroup.processes()?),
        (None, Some(init)) => match children(init) {
            Some(found) => Ok(found),
            None => descendants(init),
        },
        (None, None) => Ok(BTreeSet::new()),
    }
}

/// All processes below one, itself left out, as the kernel lists them; none where it does not (CONFIG_PROC_CHILDREN).
fn children(of: i32) -> Option<BTreeSet<u32>> {
    // Where this thread has no such list, no other has.
    fs::metadata("/proc/thread-self/children").ok()?;
    let mut found = BTreeSet::new();
    let mut unseen = vec![of];
    while let Some(parent) = unseen.pop() {
        // Those that have ended meanwhile have none.
        let threads = Process::new(parent).and_then(|process| process.tasks());
        let threads = threads.into_iter().flatten().flatten();
        let listed = threads.filter_map(|thread| thread.children().ok());
        for child in listed.flatten() {
            // An id that is used again could close a circle.
            if found.insert(child)
                && let Ok(child) = child.try_into()
            {
                unseen.push(child);
            }
        }
    }
    Some(found)
}

/// The same by looking at all processes of the host.
fn descendants(of: i32) -> Result<BTreeSet<u32>, ProcessesError> {
    let all = all_processes().map_err(ProcessesError::List)?;
    let parents: Vec<(i32, i32)> = all
        .filter_map(|process| process.ok()?.stat().ok())
        .map(|stat| (stat.pid, stat.ppid))
        .collect();
    let mut found = BTreeSet::new();
    let mut unseen = vec![of];
    while let Some(parent) = unseen.pop() {
        for (pid, _) in parents.iter().filter(|(_, above)| *above == parent) {
            // Ids are never negative, and one that is used again could close a circle.
            if found.insert(pid.unsigned_abs()) {
                unseen.push(*pid);
            }
        }
    }
    Ok(found)
}

fn line(pid: u32, arguments: bool) -> Option<ProcessLine> {
    let process = Process::new(pid.try_into().ok()?).ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second().max(1) as f64;
    Some(ProcessLine {
        pid: pid_inside(&process).unwrap_or(stat.pid),
        name: stat.comm,
        state: stat.state,
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        memory_bytes: stat.rss.saturating_mul(procfs::page_size()),
        arguments: match arguments {
            true => arguments_of(&process),
            false => Vec::new(),
        },
    })
}

/// The last of its ids is the one in the innermost namespace.
fn pid_inside(process: &Process) -> Option<i32> {
    let status = read(process, "status").ok()?;
    let status = String::from_utf8_lossy(&status);
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_whitespace().next_back()?.parse().ok()
}

/// None of a process that may not be looked at.
fn arguments_of(process: &Process) -> Vec<String> {
    let line = read(process, "cmdline").unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    line.split_terminator('\0').map(str::to_owned).collect()
}

fn read(process: &Process, name: &str) -> io::Result<Vec<u8>> {
    let file = process.open_relative(name).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    struct Sleeps(Child);

    impl Drop for Sleeps {
        fn drop(&mut self) {
            // It may have ended by itself.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeps() -> Sleeps {
        Sleeps(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    #[test]
    fn a_process_is_known_by_its_name_and_only_on_request_by_its_arguments() {
        let child = sleeps();
        // It is still this test's program until it has executed its own, and has the name a moment before the arguments.
        let found = loop {
            let found = line(child.0.id(), true).unwrap();
            if found.name == "sleep" && !found.arguments.is_empty() {
                break found;
            }
            std::thread::yield_now();
        };
        assert_eq!(found.arguments, ["sleep", "1000"]);
        assert_eq!(found.pid.unsigned_abs(), child.0.id());
        assert!(found.memory_bytes > 0);
        assert_eq!(line(child.0.id(), false).unwrap().arguments, [""; 0]);
    }

    #[test]
    fn descendants_are_found_and_nobody_else() {
        let child = sleeps();
        let own = i32::try_from(std::process::id()).unwrap();
        let found = descendants(own).unwrap();
        assert!(found.contains(&child.0.id()));
        assert!(!found.contains(&1) && !found.contains(&std::process::id()));
        let listed = children(own).unwrap();
        assert!(listed.contains(&child.0.id()));
        assert!(!listed.contains(&1) && !listed.contains(&std::process::id()));
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        let mut child = sleeps();
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        assert_eq!(line(child.0.id(), true), None);
    }
}
