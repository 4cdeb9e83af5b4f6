//! The processes of a container: its first one, whose number the agent tells, and all that came of it.
//!
//! A process is held by a pidfd from the moment it is found: whatever number it had may be another's by the time it is
//! killed, the descriptor is not.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::inventory::Process;

/// Rounds in which what was started meanwhile is found and killed, too.
const ROUNDS: usize = 5;
/// How old a list of all processes may be for one who only asks where deleted files may be held.
const FRESH: Duration = Duration::from_secs(1);

/// Why a container's processes could not be killed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KillError {
    #[error("cannot list the processes of the host")]
    List(#[source] io::Error),
    #[error("process {pid} is gone, or is another one")]
    NotThere { pid: u32 },
    #[error("cannot kill process {pid}")]
    Kill { pid: u32, source: io::Error },
}

/// One process as `/proc/PID/stat` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    session: u32,
    started: u64,
}

/// All processes of the host at one moment.
#[derive(Debug, Default)]
struct Table(HashMap<u32, Stat>);

impl Table {
    fn read() -> io::Result<Self> {
        let mut table = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One that has ended meanwhile is not there.
            if let Some(stat) = stat(pid) {
                table.insert(pid, stat);
            }
        }
        Ok(Self(table))
    }

    /// The process and what came of it: its descendants, and those of a session that one of them began, whose parent
    /// may have ended. Not the session that the first process itself is in, unless it began it.
    fn family(&self, first: u32) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut sessions: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, stat) in &self.0 {
            children.entry(stat.parent).or_default().push(*pid);
            sessions.entry(stat.session).or_default().push(*pid);
        }
        let mut found = vec![first];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            next += 1;
            for of in [&children, &sessions] {
                for one in of.get(&pid).into_iter().flatten() {
                    if !found.contains(one) {
                        found.push(*one);
                    }
                }
            }
        }
        found
    }
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Linux: Documentation/filesystems/proc.rst, /proc/PID/stat. The name, in brackets, may be any bytes.
fn parse(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // The first is the third of the manual page's.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        session: u32::try_from(number(6)?).ok()?,
        started: number(22)?,
    })
}

/// Processes of a container that cannot be mistaken for others any more.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<(u32, u64, OwnedFd)>);

impl Held {
    /// Takes hold of the container's first process and of all that came of it. Blocks.
    ///
    /// # Errors
    /// When the first process is not the one that is meant.
    pub(crate) fn take(first: Process) -> Result<Self, KillError> {
        let mut held = Self::default();
        held.add(first)?;
        Ok(held)
    }

    fn add(&mut self, first: Process) -> Result<(), KillError> {
        let table = Table::read().map_err(KillError::List)?;
        let is_first = |stat: &Stat| stat.started == first.started;
        if !table.0.get(&first.pid).is_some_and(is_first) {
            return Err(KillError::NotThere { pid: first.pid });
        }
        for pid in table.family(first.pid) {
            let Some(before) = table.0.get(&pid) else {
                continue;
            };
            if self
                .0
                .iter()
                .any(|(held, started, _)| (*held, *started) == (pid, before.started))
            {
                continue;
            }
            let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
                continue;
            };
            let Ok(descriptor) = pidfd_open(number, PidfdFlags::empty()) else {
                // It has ended.
                continue;
            };
            // Looked at again with the descriptor at hand: the number is not another's from here on.
            if stat(pid).is_some_and(|now| now.started == before.started) {
                self.0.push((pid, before.started, descriptor));
            }
        }
        Ok(())
    }

    /// Kills them, the first process last of each round so that what it starts meanwhile is found in the next.
    /// Blocks.
    ///
    /// # Errors
    /// When one of them could not be killed; the others are.
    pub(crate) fn kill(mut self, first: Process) -> Result<(), KillError> {
        let mut failed = None;
        for _ in 0..ROUNDS {
            for (pid, _, descriptor) in self.0.iter().rev() {
                match pidfd_send_signal(descriptor, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => {
                        failed = Some(KillError::Kill {
                            pid: *pid,
                            source: errno.into(),
                        });
                    }
                }
            }
            let known = self.0.len();
            // With the first process gone there is nobody to start from; the sessions of the others are known.
            if self.add(first).is_err() || self.0.len() == known {
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// All processes, and when they were listed.
type Listing = Option<(Instant, Arc<Table>)>;

/// Which processes are a container's, for all who ask at about the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<Mutex<Listing>>);

impl Census {
    /// The processes of the container with this first process, as they were about a second ago.
    pub(crate) fn of(&self, first: Process) -> Vec<u32> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = match &*last {
            Some((at, table)) if at.elapsed() < FRESH => Arc::clone(table),
            _ => {
                // Without /proc there is nothing to be told.
                let table = Arc::new(Table::read().unwrap_or_default());
                *last = Some((Instant::now(), Arc::clone(&table)));
                table
            }
        };
        drop(last);
        match table.0.get(&first.pid) {
            Some(stat) if stat.started == first.started => table.family(first.pid),
            _ => Vec::new(),
        }
    }
}

/// Whether `pid` is the process `first` or came of it, and is in the same pid namespace.
pub(crate) fn is_beside(pid: u32, first: Process) -> bool {
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(own) = namespace(first.pid) else {
        return false;
    };
    if stat(first.pid).is_none_or(|stat| stat.started != first.started) {
        return false;
    }
    let mut here = pid;
    // A chain of parents is short; one that changes meanwhile might not end.
    for _ in 0..64 {
        if here == first.pid {
            return namespace(pid) == Some(own);
        }
        match stat(here) {
            Some(stat) if stat.parent > 1 => here = stat.parent,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Killed when it goes.
    struct Family(Child);

    impl Family {
        /// A shell that starts another in a session of its own, which starts a third.
        fn start() -> Self {
            let line = "setsid sh -c 'sleep 1000 & sleep 1000' & sleep 1000";
            let mut command = Command::new("sh");
            command.args(["-c", line]).process_group(0);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let family = Self(command.spawn().unwrap());
            family.wait_for(5);
            family
        }

        fn wait_for(&self, members: usize) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while Table::read().unwrap().family(self.0.id()).len() != members {
                assert!(Instant::now() < deadline, "never {members} processes");
                std::thread::sleep(Duration::from_millis(10));
            }
        }

        fn first(&self) -> Process {
            let pid = self.0.id();
            let started = stat(pid).unwrap().started;
            Process { pid, started }
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            if let Some(stat) = stat(self.0.id()) {
                let pid = self.0.id();
                let started = stat.started;
                let first = Process { pid, started };
                let _ = Held::take(first).and_then(|held| held.kill(first));
            }
            let _ = self.0.wait();
        }
    }

    #[test]
    fn all_that_came_of_a_process_is_killed_also_in_sessions_of_its_own_and_nobody_else() {
        let mut family = Family::start();
        let neighbour = Family::start();
        let first = family.first();
        let held = Held::take(first).unwrap();
        let members: Vec<(u32, u64)> = held.0.iter().map(|(pid, at, _)| (*pid, *at)).collect();
        assert_eq!(members.len(), 5);
        held.kill(first).unwrap();
        family.0.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_alive = |(pid, at): &(u32, u64)| stat(*pid).is_some_and(|stat| stat.started == *at);
        while members.iter().any(is_alive) {
            assert!(Instant::now() < deadline, "some are left");
            std::thread::sleep(Duration::from_millis(10));
        }
        neighbour.wait_for(5);
    }

    #[test]
    fn a_process_that_started_at_another_time_is_not_killed() {
        let family = Family::start();
        let mut first = family.first();
        first.started += 1;
        let refused = Held::take(first).unwrap_err();
        assert!(matches!(refused, KillError::NotThere { .. }), "{refused}");
        assert!(Census::default().of(first).is_empty());
        assert_eq!(Census::default().of(family.first()).len(), 5);
    }

    #[test]
    fn a_name_with_brackets_and_blanks_changes_no_field() {
        let line = b"7 (a) b (\xff) 1) S 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 2222 23";
        let parsed = parse(line).unwrap();
        assert_eq!((parsed.parent, parsed.session), (3, 5));
        assert_eq!(parse(b"7 (a"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn who_is_not_of_the_container_is_not_beside_it() {
        let family = Family::start();
        let members = Census::default().of(family.first());
        assert!(members.iter().all(|pid| {
            // Those of the second session have the first shell's child for a parent, all of them here.
            is_beside(*pid, family.first())
        }));
        assert!(!is_beside(std::process::id(), family.first()));
        assert!(!is_beside(1, family.first()));
    }
}
