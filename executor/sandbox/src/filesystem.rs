//! What a task sees of the file system, as its plan says it. How that is made is in `init/filesystem`.
//!
//! A private file system is the host's, or an image's, all of it read-only but for the task's own directory:
//!
//! ```text
//! /                the host's, read-only, or an image's directory
//! <sandbox_inside> the task's directory: writable
//! /tmp             .private/tmp in the task's directory, and so counted toward its quota
//! /var/tmp         .private/var-tmp
//! /dev/shm         .private/shm, or a tmpfs that is charged to the task's memory
//! /dev             null zero full random urandom tty, terminals of its own, and nothing else
//! /proc            of its own namespace, with what concerns the host hidden or read-only
//! /sys             read-only; of cgroups only its own
//! <hidden>         empty
//! <volumes>        as they say
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The directory in a task's own that holds what is private to it, but for its sandbox itself: `tmp`, `var-tmp` and
/// `shm`, each of mode 1777. Made at a launch, and left when the task ends, as the rest of its directory is.
pub const PRIVATE_DIRECTORY: &str = ".private";

/// What a task sees of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filesystem {
    /// All that the executor sees, and as writable. With namespaces of mounts and processes it has a `/proc` of its own.
    Host,
    /// One of its own.
    Private(PrivateFiles),
}

/// A file system of a task's own. It needs a mount namespace; without one the task does not start when it has an image's
/// root or volumes, and otherwise is told as [`crate::Feature::MountNamespace`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateFiles {
    /// What everything else is laid over.
    pub root: Root,
    /// The task's directory on the host: the one place that it can write to. [`crate::Handles::sandbox`] says which
    /// directory that has to be, whatever stands at this path meanwhile.
    pub sandbox: PathBuf,
    /// Where the task sees it, as an absolute path below its root. On the host's root it has to be the same as `sandbox`,
    /// exist, or lie below a hidden place; in an image it is made.
    pub sandbox_inside: PathBuf,
    /// Absolute paths below the task's root over which something empty lies, whatever they are; what does not exist
    /// needs no hiding.
    pub hidden: Vec<PathBuf>,
    /// Absolute paths below hidden ones which are there all the same, read-only; those that do not exist are left out.
    pub visible: Vec<PathBuf>,
    /// In this order; a later one may lie inside of an earlier one.
    pub volumes: Vec<Volume>,
    /// What `/dev/shm` is.
    pub shm: Shm,
}

/// The directory that is a task's `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// The executor's own, with all that is mounted below it, read-only.
    Host,
    /// An image's, with all that is mounted below it. When it lies in the task's directory ([`PrivateFiles::sandbox`])
    /// no link on the way to it is followed. Nothing of the host's is to be seen from there but volumes and the
    /// task's directory.
    Directory {
        /// Where it is on the host.
        path: PathBuf,
        /// Whether the task may write to it, as to a copy that is its own. What is mounted at `dev` and `sys` of such a
        /// copy is meant for the task and stays; of any other directory it is covered.
        writable: bool,
    },
}

/// A file or directory of the host's that a task gets at a path of its own (Mesos: `Volume`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What it is.
    pub source: Source,
    /// Where the task sees it. A relative path is below its directory, and is made there. An absolute one is made in
    /// an image and below hidden places; elsewhere on the host's root it has to exist.
    pub target: PathBuf,
    /// Whether nobody inside can write to it (Mesos: `Volume.Mode` `RO`).
    pub read_only: bool,
    /// What becomes of mounts that are made later.
    pub propagation: Propagation,
}

/// Where a volume comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A path on the host, which nobody but the host's administrator can change (Mesos: `Volume.Source.HostPath`); links
    /// are followed. It has to exist.
    Host(PathBuf),
    /// A path inside of a directory that tasks can write to (Mesos: `Volume.Source.SandboxPath`): no link below
    /// `directory` is followed, and what is missing is made as directories of the task's user.
    Inside {
        /// Its path on the host, which tasks cannot change.
        directory: PathBuf,
        /// Relative, without `..`.
        path: PathBuf,
    },
}

/// Who sees mounts that are made below a volume once the task runs (Mesos: `MountPropagation`). What a task mounts is
/// never seen outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Nobody but who made them.
    #[default]
    Private,
    /// The task sees the host's (`HOST_TO_CONTAINER`), in a read-only volume as writable as they are.
    FromHost,
}

/// What `/dev/shm` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shm {
    /// A directory inside the task's own.
    #[default]
    Sandbox,
    /// In memory, which counts as the task's.
    Memory {
        /// How much fits (Mesos: `LinuxInfo.shm_size`, in MiB there).
        bytes: u64,
    },
}

impl PrivateFiles {
    /// The host's files for the task whose directory is `sandbox`, which it sees where it is. Of `/run` there is
    /// nothing but what name resolution needs: the sockets of the host's services are there, and one can be connected to
    /// where nothing can be written.
    pub fn of_host(sandbox: impl Into<PathBuf>) -> PrivateFiles {
        let sandbox = sandbox.into();
        PrivateFiles {
            root: Root::Host,
            sandbox_inside: sandbox.clone(),
            sandbox,
            hidden: ["/run", "/var/run"].map(PathBuf::from).to_vec(),
            visible: name_resolution(Path::new("/")),
            volumes: Vec::new(),
            shm: Shm::Sandbox,
        }
    }
}

/// What `/etc/resolv.conf` is in the end, where it is a link, as into `/run/systemd/resolve`.
fn name_resolution(root: &Path) -> Vec<PathBuf> {
    let link = root.join("etc/resolv.conf");
    // Without it there is nothing to show.
    let target = std::fs::canonicalize(&link).ok();
    target
        .filter(|target| *target != link)
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_resolves_names_is_shown_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        assert_eq!(name_resolution(&root), [] as [PathBuf; 0]);
        fs::create_dir_all(root.join("run/stub")).unwrap();
        fs::write(root.join("run/stub/resolv.conf"), "").unwrap();
        symlink("../run/stub/resolv.conf", root.join("etc/resolv.conf")).unwrap();
        assert_eq!(name_resolution(&root), [root.join("run/stub/resolv.conf")]);
    }

    #[test]
    fn the_services_of_the_host_are_hidden_by_default() {
        let files = PrivateFiles::of_host("/work/task");
        assert_eq!(files.sandbox_inside, files.sandbox);
        assert!(files.hidden.contains(&PathBuf::from("/run")));
    }
}
