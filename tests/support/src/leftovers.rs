//! What a test has left behind: processes, cgroups, mounts and files that were not there before.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::process::{Process, all_processes};

use crate::keeper::PREFIX;
use crate::poll_until;

/// How long something may take to go away by itself: an executor that is shutting down, a cgroup that is being emptied.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the executor names each cgroup outside its own container's.
const EXECUTOR: &str = "mesos-sandbox-executor";

/// Something left behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// A process.
    Process {
        /// Its id.
        pid: i32,
        /// Its command line, or its name in brackets when it is a zombie.
        command: String,
    },
    /// A cgroup's directory.
    Cgroup(PathBuf),
    /// A mount point.
    Mount(PathBuf),
    /// A file or directory.
    File(PathBuf),
}

impl fmt::Display for Leftover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command } => write!(formatter, "process {pid}: {command}"),
            Self::Cgroup(path) => write!(formatter, "cgroup {}", path.display()),
            Self::Mount(path) => write!(formatter, "mount {}", path.display()),
            Self::File(path) => write!(formatter, "file {}", path.display()),
        }
    }
}

/// Where to look.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Processes that descend from this one. It should be a child subreaper, or orphans escape.
    pub ancestor: u32,
    /// Mounts at and below this directory.
    pub directory: PathBuf,
    /// Cgroups below this name, which stands directly below each hierarchy's root.
    pub cgroup: String,
}

/// What was there before; all that comes in addition is left behind.
///
/// Besides the [`Scope`] it looks at what the scope cannot hold: new files in /dev/shm, new files of Mesos's or ours in
/// the directory for temporary files, and cgroups of the executor's name anywhere else.
#[derive(Clone, Debug)]
pub struct Leftovers {
    scope: Scope,
    before: BTreeSet<Leftover>,
}

impl Leftovers {
    /// Notes what is there now.
    pub fn before(scope: Scope) -> Self {
        let before = scope.look();
        Self { scope, before }
    }

    /// What is there now and was not before.
    pub fn find(&self) -> Vec<Leftover> {
        self.scope
            .look()
            .difference(&self.before)
            .cloned()
            .collect()
    }

    /// Waits a while for what is on its way out, then returns what stays.
    pub fn find_lasting(&self) -> Vec<Leftover> {
        let mut found = Vec::new();
        poll_until(PATIENCE, || {
            found = self.find();
            found.is_empty()
        });
        found
    }

    /// Waits a while for what is on its way out, then wants nothing to be there.
    ///
    /// # Panics
    /// When something is, naming all of it.
    pub fn assert_none(&self) {
        let found = self.find_lasting();
        assert!(found.is_empty(), "left behind:{}", list(&found));
    }

    /// Takes one more process for one that was there before.
    pub(crate) fn expect_process(&mut self, pid: u32) {
        self.before.extend(
            Process::new(pid.cast_signed())
                .ok()
                .as_ref()
                .and_then(process),
        );
    }
}

/// One line each, indented.
pub(crate) fn list(found: &[Leftover]) -> String {
    found
        .iter()
        .map(|leftover| format!("\n  {leftover}"))
        .collect()
}

impl Scope {
    fn look(&self) -> BTreeSet<Leftover> {
        let mut found: BTreeSet<Leftover> = self.descendants().iter().filter_map(process).collect();
        for (point, kind) in mount_points(self.ancestor) {
            if kind == "cgroup" || kind == "cgroup2" {
                found.extend(directories_below(&point.join(&self.cgroup)).map(Leftover::Cgroup));
                found.extend(strays_of_the_executor(&point).map(Leftover::Cgroup));
            }
            if point.starts_with(&self.directory) {
                found.insert(Leftover::Mount(point));
            }
        }
        found.extend(entries(Path::new("/dev/shm")).map(Leftover::File));
        found.extend(
            entries(&std::env::temp_dir())
                .filter(|path| is_named(path, "mesos") && !is_named(path, PREFIX))
                .map(Leftover::File),
        );
        found
    }

    fn descendants(&self) -> Vec<Process> {
        let parents: Vec<(Process, i32)> = all_processes()
            .expect("cannot read /proc")
            .flatten()
            .filter_map(|process| process.stat().ok().map(|stat| (process, stat.ppid)))
            .collect();
        let mut family = BTreeSet::from([self.ancestor.cast_signed()]);
        // A child may be listed before its parent.
        while {
            let known = family.len();
            family.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| family.contains(parent))
                    .map(|(child, _)| child.pid)
                    .collect::<Vec<_>>(),
            );
            family.len() > known
        } {}
        family.remove(&self.ancestor.cast_signed());
        parents
            .into_iter()
            .map(|(process, _)| process)
            .filter(|process| family.contains(&process.pid))
            .collect()
    }
}

/// Nothing when it has gone in between.
fn process(process: &Process) -> Option<Leftover> {
    let command = process
        .cmdline()
        .ok()
        .filter(|words| !words.is_empty())
        .map(|words| words.join(" "));
    let command = command.or_else(|| process.stat().ok().map(|stat| format!("[{}]", stat.comm)))?;
    Some(Leftover::Process {
        pid: process.pid,
        command,
    })
}

/// Mount points and their file systems' types, as this process sees them.
fn mount_points(of: u32) -> Vec<(PathBuf, String)> {
    Process::new(of.cast_signed())
        .and_then(|process| process.mountinfo())
        .map(|mounts| {
            mounts
                .into_iter()
                .map(|mount| (unescaped(&mount.mount_point), mount.fs_type))
                .collect()
        })
        .unwrap_or_default()
}

/// The kernel writes blanks and backslashes of a path as three octal digits after a backslash.
fn unescaped(path: &Path) -> PathBuf {
    let mut rest = path.as_os_str().as_encoded_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Every directory below this one, which itself is left out.
fn directories_below(root: &Path) -> impl Iterator<Item = PathBuf> {
    let mut unseen = vec![root.to_owned()];
    std::iter::from_fn(move || {
        let directory = unseen.pop()?;
        unseen.extend(entries(&directory).filter(|path| path.is_dir()));
        Some(directory)
    })
    .skip(1)
}

/// Cgroups of the executor's name outside every fixture's cgroup.
fn strays_of_the_executor(hierarchy: &Path) -> impl Iterator<Item = PathBuf> {
    let (direct, deeper): (Vec<_>, Vec<_>) = entries(hierarchy)
        .filter(|path| path.is_dir() && !is_named(path, PREFIX))
        .partition(|path| is_named(path, EXECUTOR));
    let deeper = deeper
        .into_iter()
        .flat_map(|path| directories_below(&path).collect::<Vec<_>>());
    direct
        .into_iter()
        .chain(deeper.filter(|path| is_named(path, EXECUTOR)))
}

fn is_named(path: &Path, prefix: &str) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// Nothing when the directory is not there, or no longer.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}
