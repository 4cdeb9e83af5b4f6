//! What /proc tells of processes.

use std::fs;
use std::time::Duration;

/// The kernel's ticks a second in /proc/PID/stat: the same on every architecture that has user space to ask.
const TICKS: u32 = 100;

/// A process that was there a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(pub(crate) u32);

/// Processor time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Of the process itself.
    pub(crate) own: Duration,
    /// Of its children that have ended, and of theirs.
    pub(crate) ended_children: Duration,
}

impl Process {
    /// Fields of /proc/PID/stat from the third on, the state; the second, a name, may hold anything. None when it is gone.
    fn stat(self) -> Option<Vec<String>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        Some(rest.split_whitespace().map(str::to_owned).collect())
    }

    /// Nothing when it is gone.
    pub(crate) fn cpu(self) -> Cpu {
        let stat = self.stat().unwrap_or_default();
        let time = |fields: [usize; 2]| {
            let ticks =
                fields.map(|at| stat.get(at).and_then(|text| text.parse().ok()).unwrap_or(0));
            Duration::from_secs(ticks[0] + ticks[1]) / TICKS
        };
        // utime, stime; cutime, cstime.
        Cpu {
            own: time([11, 12]),
            ended_children: time([13, 14]),
        }
    }

    /// Its share of memory in kilobytes: a page that n processes have counts as one n-th. None when it is gone.
    pub(crate) fn pss(self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// The words of its command line.
    pub(crate) fn command(self) -> Vec<String> {
        let line = fs::read(format!("/proc/{}/cmdline", self.0)).unwrap_or_default();
        let words = String::from_utf8_lossy(&line).into_owned();
        words.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Whether this is the program of that file name, or an interpreter that runs it; not what a shell was told of it.
    pub(crate) fn is_executor(self, program: &str) -> bool {
        let command = self.command();
        let mut words = command.iter().take(2);
        words.any(|word| word.rsplit('/').next() == Some(program))
    }
}

/// All that descend from a process, parents before their children.
pub(crate) fn descendants(of: u32) -> Vec<Process> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Process(pid).stat()?.get(1)?.parse().ok()?)))
        .collect();
    let mut family = vec![of];
    let mut next = 0;
    while let Some(&ancestor) = family.get(next) {
        let children = parents.iter().filter(|(_, parent)| *parent == ancestor);
        family.extend(children.map(|(pid, _)| pid));
        next += 1;
    }
    family.into_iter().skip(1).map(Process).collect()
}
