use std::path::{Path, PathBuf};

/// Of control groups (cgroups(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Version {
    /// The file of the cgroup at `directory` by which a process with one thread joins.
    ///
    /// On v1 that is `tasks`, which takes a thread: for a whole process, as `cgroup.procs` takes
    /// it, the kernel first waits until no processor is forking or exiting, ten milliseconds and
    /// more (Linux: kernel/cgroup/cgroup.c, `cgroup_procs_write_start`).
    pub(crate) fn file_to_join(self, directory: &Path) -> PathBuf {
        directory.join(match self {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        })
    }
}
