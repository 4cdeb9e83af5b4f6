use std::fmt;

/// A controller this crate uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Controller {
    /// Cpu time.
    Cpu,
    /// Counting cpu time; on v2 every cgroup does.
    CpuAccounting,
    /// Memory.
    Memory,
    /// Number of processes and threads.
    Pids,
    /// Where to run.
    Cpuset,
    /// Disks; `blkio` on v1.
    Io,
    /// Which devices can be opened; on v2 no controller but a program.
    Devices,
    /// Stopping every process at once; on v2 every cgroup can.
    Freezer,
}

const V1: [(Controller, &str); 8] = [
    (Controller::Freezer, "freezer"),
    (Controller::Memory, "memory"),
    (Controller::Pids, "pids"),
    (Controller::Io, "blkio"),
    (Controller::Devices, "devices"),
    (Controller::CpuAccounting, "cpuacct"),
    (Controller::Cpuset, "cpuset"),
    (Controller::Cpu, "cpu"),
];

const V2: [(Controller, &str); 5] = [
    (Controller::Memory, "memory"),
    (Controller::Pids, "pids"),
    (Controller::Io, "io"),
    (Controller::Cpuset, "cpuset"),
    (Controller::Cpu, "cpu"),
];

/// Those among the options of a v1 mount.
pub(super) fn of_v1_mount(options: &[String]) -> Vec<Controller> {
    let is_there = |(_, name): &&(Controller, &str)| options.iter().any(|option| option == name);
    V1.iter().filter(is_there).map(|(one, _)| *one).collect()
}

/// Whether a mount's option is the name of one.
pub(super) fn is_v1(option: &str) -> bool {
    V1.iter().any(|(_, name)| *name == option)
}

/// Those in the text of `cgroup.controllers`.
pub(super) fn of_v2_file(text: &str) -> Vec<Controller> {
    let is_there = |(_, name): &&(Controller, &str)| text.split_whitespace().any(|n| n == *name);
    V2.iter().filter(is_there).map(|(one, _)| *one).collect()
}

impl Controller {
    /// Its name in `cgroup.subtree_control`; `None` when nothing of it is handed down there.
    pub(crate) fn name_v2(self) -> Option<&'static str> {
        let of_mine = V2.iter().find(|(one, _)| *one == self);
        of_mine.map(|(_, name)| *name)
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_mine = V1.iter().find(|(one, _)| one == self);
        f.write_str(match self {
            // As v2 and everybody calls it.
            Controller::Io => "io",
            _ => of_mine.map_or("unknown", |(_, name)| name),
        })
    }
}
