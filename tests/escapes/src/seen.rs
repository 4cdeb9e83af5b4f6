use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::unistd::gethostname;
use serde::{Deserialize, Serialize};

/// What the program sees of where it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// The lines of `/proc/self/status`, by their names: ids, capabilities, filters.
    pub status: BTreeMap<String, String>,
    /// The processes in `/proc`.
    pub processes: BTreeSet<i32>,
    /// The names in `/dev`.
    pub devices: BTreeSet<String>,
    /// The host's name.
    pub hostname: String,
    /// The cgroups that it is in: the lines of `/proc/self/cgroup`.
    pub cgroups: Vec<String>,
    /// Its mounts: the lines of `/proc/self/mountinfo`.
    pub mounts: Vec<String>,
    /// The names of its environment's variables.
    pub variables: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn here() -> Seen {
        let lines = |path: &str| -> Vec<String> {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let status = lines("/proc/self/status").into_iter().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        let devices = fs::read_dir("/dev").into_iter().flatten().flatten();
        Seen {
            status: status.collect(),
            processes: crate::attempt::processes().into_iter().collect(),
            devices: devices
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
            hostname: gethostname()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            cgroups: lines("/proc/self/cgroup"),
            mounts: lines("/proc/self/mountinfo"),
            variables: std::env::vars_os()
                .map(|(name, _)| name.to_string_lossy().into_owned())
                .collect(),
        }
    }
}
