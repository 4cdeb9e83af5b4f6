//! What a test has left behind: processes, cgroups, mounts and files that were not there before.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keeper::PREFIX;
use crate::poll_until;

/// How long something may take to go away by itself: an executor that is shutting down, a cgroup that is being emptied.
const PATIENCE: Duration = Duration::from_secs(15);

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
        let mut empty_looks = 0;
        poll_until(PATIENCE, || {
            found = self.find();
            empty_looks = if found.is_empty() { empty_looks + 1 } else { 0 };
            // One look can miss a process whose parent dies while /proc is being read.
            empty_looks == 2
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
        self.before.extend(process(pid.cast_signed()));
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
        // Else nothing would descend from it.
        assert!(
            process(self.ancestor.cast_signed()).is_some(),
            "process {} has died",
            self.ancestor
        );
        let mut found: BTreeSet<Leftover> =
            self.descendants().into_iter().filter_map(process).collect();
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

    fn descendants(&self) -> Vec<i32> {
        let parents: Vec<(i32, i32)> = entries(Path::new("/proc"))
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, parent(pid)?)))
            .collect();
        let mut family = vec![self.ancestor.cast_signed()];
        let mut next = 0;
        while let Some(&ancestor) = family.get(next) {
            family.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| *parent == ancestor)
                    .map(|(pid, _)| pid),
            );
            next += 1;
        }
        family.split_off(1)
    }
}

/// What comes after the name in /proc/PID/stat, which may hold anything, brackets too; the name comes with it. Nothing
/// when the process has gone.
fn stat(pid: i32) -> Option<(String, Vec<String>)> {
    let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    Some((
        name.to_owned(),
        rest.split_whitespace().map(str::to_owned).collect(),
    ))
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.1.get(1)?.parse().ok()
}

/// Nothing when it has gone.
fn process(pid: i32) -> Option<Leftover> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = if line.is_empty() {
        format!("[{}]", stat(pid)?.0)
    } else {
        String::from_utf8_lossy(line.strip_suffix(b"\0").unwrap_or(&line)).replace('\0', " ")
    };
    Some(Leftover::Process { pid, command })
}

/// Mount points and their file systems' types, as a process sees them.
fn mount_points(of: u32) -> Vec<(PathBuf, String)> {
    let mounts = fs::read(format!("/proc/{of}/mountinfo")).unwrap_or_default();
    mounts
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|&byte| byte == b' ');
            let point = unescaped(fields.nth(4)?);
            let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
            Some((point, String::from_utf8_lossy(kind).into_owned()))
        })
        .collect()
}

/// The kernel writes blanks and backslashes of a path as three octal digits after a backslash.
fn unescaped(mut rest: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(path))
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
