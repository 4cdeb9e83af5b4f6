//! The kernel's own record of whom it killed for want of memory, and at whose limit: the one source
//! that says both. It is read where this process may read `/dev/kmsg`.
//!
//! A kill makes two lines (Linux: mm/oom_kill.c):
//!
//! ```text
//! oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a,task_memcg=/a/b,task=tail,pid=7,uid=0
//! Memory cgroup out of memory: Killed process 7 (tail) total-vm:...kB, anon-rss:...kB, ...
//! ```
//!
//! The first is left out when there are many within seconds. The name of a process is its own choice,
//! and so can be anything; what is read stands before it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;

/// More than a line of the kernel's can have.
const LONGEST_RECORD: usize = 8192;
/// How many records are read at once: more than the kernel keeps as a rule, and not endless.
const MOST_RECORDS: usize = 100_000;
/// How many kills are remembered.
const MOST_KILLS: usize = 256;

/// A kill for want of memory in some cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kill {
    /// The cgroup whose limit was reached, by its path from the root of its hierarchy.
    pub(crate) limit_of: String,
    /// The cgroup of the process that was killed.
    pub(crate) victim_in: String,
    pid: Option<u32>,
    pub(crate) name: String,
    /// Bytes of memory that it had; not told yet, or not at all.
    pub(crate) bytes: Option<u64>,
}

/// A place in the kernel's log up to which it is read.
#[derive(Debug)]
pub(crate) struct KernelLog {
    reader: Mutex<Reader>,
}

#[derive(Debug)]
struct Reader {
    log: File,
    kills: VecDeque<Kill>,
}

impl KernelLog {
    /// The log from now on; `None` when it is not for us to read.
    pub(crate) fn open() -> Option<KernelLog> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let mut log = options.open(Path::new("/dev/kmsg")).ok()?;
        log.seek(SeekFrom::End(0)).ok()?;
        let kills = VecDeque::new();
        let reader = Mutex::new(Reader { log, kills });
        Some(KernelLog { reader })
    }

    /// The kills of processes in the cgroup `own` and below it, the latest last. `own` is the end of
    /// its path, from a name on that nobody else has: from inside of a cgroup namespace the begin
    /// is not to be seen.
    pub(crate) fn kills_in(&self, own: &str) -> Vec<Kill> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.read();
        let kills = reader.kills.iter();
        let is_in = |kill: &&Kill| is_within(&kill.victim_in, own);
        kills.filter(is_in).cloned().collect()
    }

    /// Forgets them, for another cgroup of that path.
    pub(crate) fn forget(&self, own: &str) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.kills.retain(|kill| !is_within(&kill.victim_in, own));
    }
}

/// Whether `path` is the cgroup whose path ends in `own`, or one below it.
pub(crate) fn is_within(path: &str, own: &str) -> bool {
    path.match_indices(own).any(|(at, _)| {
        let rest = &path[at + own.len()..];
        rest.is_empty() || rest.starts_with('/')
    })
}

impl Reader {
    /// Takes what the kernel has written since. What cannot be read is as if it had not been.
    fn read(&mut self) {
        let mut record = vec![0; LONGEST_RECORD];
        for _ in 0..MOST_RECORDS {
            match self.log.read(&mut record) {
                Ok(0) => return,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    take(&mut self.kills, &text);
                }
                // What was next has been written over; the next is what is there now.
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Takes one record, `priority,sequence,microseconds,flags;text`, and lines of properties behind it.
fn take(kills: &mut VecDeque<Kill>, record: &str) {
    let Some((prefix, text)) = record.split_once(';') else {
        return;
    };
    // What user space writes there has another facility than the kernel's, which is 0.
    let priority = prefix.split(',').next();
    let is_kernels = priority.and_then(|text| text.parse::<u32>().ok());
    if is_kernels.is_none_or(|priority| priority >> 3 != 0) {
        return;
    }
    let text = text.split('\n').next().unwrap_or_default();
    if let Some(kill) = kill(text) {
        if kills.len() == MOST_KILLS {
            kills.pop_front();
        }
        kills.push_back(kill);
    } else if let Some((pid, bytes)) = size(text)
        && let Some(kill) = kills.iter_mut().rfind(|kill| kill.pid == Some(pid))
    {
        kill.bytes = Some(bytes);
    }
}

fn kill(text: &str) -> Option<Kill> {
    let text = text.strip_prefix("oom-kill:")?;
    let (_, text) = text.split_once(",oom_memcg=")?;
    let (limit_of, text) = text.split_once(",task_memcg=")?;
    // Long paths can cut the rest off.
    let (victim_in, rest) = text.split_once(",task=").unwrap_or((text, ""));
    let (name, rest) = rest.rsplit_once(",pid=").unwrap_or((rest, ""));
    let pid = rest.split(',').next().and_then(|pid| pid.parse().ok());
    Some(Kill {
        limit_of: limit_of.to_owned(),
        victim_in: victim_in.to_owned(),
        pid,
        name: name.to_owned(),
        bytes: None,
    })
}

/// Who was killed, and what of memory was its.
fn size(text: &str) -> Option<(u32, u64)> {
    let (_, text) = text.split_once("Killed process ")?;
    let pid = text.split(' ').next()?.parse().ok()?;
    // Behind the name, which can be anything.
    let (_, sizes) = text.rsplit_once(") total-vm:")?;
    let kilobytes = |key: &str| -> Option<u64> {
        let (_, rest) = sizes.split_once(key)?;
        rest.split("kB").next()?.parse().ok()
    };
    let sum = kilobytes("anon-rss:")?
        .saturating_add(kilobytes("file-rss:")?)
        .saturating_add(kilobytes("shmem-rss:")?);
    Some((pid, sum.saturating_mul(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(records: &[&str]) -> Vec<Kill> {
        let mut kills = VecDeque::new();
        for record in records {
            take(&mut kills, record);
        }
        kills.into()
    }

    const KILL: &str = "6,70,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
        mems_allowed=0,oom_memcg=/m/c1,task_memcg=/m/c1/t,task=tail,pid=7,uid=0\n SUBSYSTEM=x\n";
    const SIZE: &str = "3,71,2,-;Memory cgroup out of memory: Killed process 7 (tail) \
        total-vm:36928kB, anon-rss:32512kB, file-rss:2592kB, shmem-rss:4kB, UID:0 pgtables:112kB\n";

    #[test]
    fn a_kill_says_at_whose_limit_who_died_and_how_large_it_was() {
        let expected = Kill {
            limit_of: "/m/c1".into(),
            victim_in: "/m/c1/t".into(),
            pid: Some(7),
            name: "tail".into(),
            bytes: Some((32512 + 2592 + 4) << 10),
        };
        assert_eq!(taken(&[KILL, SIZE]), [expected]);
    }

    #[test]
    fn a_process_cannot_lie_by_its_name() {
        let name = "x,oom_memcg=/z";
        let kill = KILL.replace("task=tail", &format!("task={name}"));
        let size = SIZE.replace("(tail)", "(9) total-vm:)");
        let found = taken(&[&kill, &size]);
        assert_eq!(found[0].limit_of, "/m/c1");
        assert_eq!(found[0].name, name);
        assert_eq!(found[0].bytes, Some((32512 + 2592 + 4) << 10));
    }

    #[test]
    fn what_a_program_writes_to_the_log_is_not_the_kernels() {
        assert_eq!(taken(&[&KILL.replace("6,70", "14,70")]), []);
        assert_eq!(taken(&["no record", "", "x,1;oom-kill:"]), []);
    }

    #[test]
    fn a_line_that_was_cut_off_still_says_at_whose_limit() {
        let cut = "6,70,1,-;oom-kill:constraint=C,oom_memcg=/m/c1,task_memcg=/m/c1/t,task=ta";
        let found = taken(&[cut]);
        assert_eq!((found[0].limit_of.as_str(), found[0].pid), ("/m/c1", None));
        let cut = "6,70,1,-;oom-kill:constraint=C,oom_memcg=/m/c1,task_memcg=/m/c";
        assert_eq!(taken(&[cut])[0].victim_in, "/m/c");
    }

    #[test]
    fn a_cgroup_is_known_by_the_end_of_its_path_or_what_is_below_that() {
        for (path, is_ours) in [
            ("/x/top/c1/t", true),
            ("/top/c1/t/own", true),
            ("/top/c1/t2", false),
            ("/top/c1", false),
        ] {
            assert_eq!(is_within(path, "/top/c1/t"), is_ours, "{path}");
        }
    }

    #[test]
    fn only_so_many_kills_are_remembered() {
        let records = vec![KILL; MOST_KILLS + 3];
        assert_eq!(taken(&records).len(), MOST_KILLS);
    }
}
