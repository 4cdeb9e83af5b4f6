//! Everything there is to say about a directory, before it is printed.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use disk_engine::{Completeness, Deleted, Explanation, Largest, Options, proc_text};
use disk_figures::{Report, Subject};
use rustix::fs::readlinkat;

use super::place::Found;
use crate::Outcome;

/// More processes hold deleted files than anybody reads.
const MOST_HOLDERS: usize = 20;

/// What there is to say.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) path: PathBuf,
    pub(super) limit_bytes: Option<u64>,
    pub(super) explanation: Explanation,
    pub(super) largest: Vec<Largest>,
    pub(super) deleted: Deleted,
    /// The largest first; a file that several have open is each one's.
    pub(super) holders: Vec<Holder>,
    pub(super) mounts: Vec<Mount>,
    pub(super) volumes: Vec<Volume>,
    /// What `du` would count: with mounts.
    pub(super) as_du: u64,
    /// What the daemon knows of it, if it runs.
    pub(super) told: Option<Subject>,
}

/// A process that holds deleted files of the directory.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// As the process calls itself: any bytes.
    pub(super) name: OsString,
    pub(super) deleted: Deleted,
}

/// Something that is mounted in the directory.
#[derive(Debug)]
pub(super) struct Mount {
    /// Below the directory.
    pub(super) point: PathBuf,
    /// Which directory of its file system it is.
    pub(super) root: PathBuf,
}

/// A link of the agent's to a persistent volume (Mesos: the filesystem/posix isolator makes one).
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: OsString,
    pub(super) target: PathBuf,
}

impl Answer {
    /// Walks the directory, and looks at every process of the host.
    pub(super) fn of(
        found: &Found,
        depth: usize,
        rows: usize,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let root = found.root.as_fd();
        let options = Options::default();
        let explanation = disk_engine::explain(root, &options, depth)?;
        let largest = disk_engine::largest(root, &options, rows)?;
        let with_mounts = Options {
            cross_mounts: true,
            ..Options::default()
        };
        let as_du = if explanation.usage.mounts_skipped > 0 {
            disk_engine::measure(root, &with_mounts)?.bytes
        } else {
            explanation.usage.bytes
        };
        let pids = pids();
        let deleted = disk_engine::deleted(pids.iter().copied(), &[root]);
        let deleted = deleted.first().copied().unwrap_or_default();
        let holders = if deleted.files > 0 {
            holders(&pids, found)
        } else {
            Vec::new()
        };
        Ok(Self {
            path: found.path.clone(),
            limit_bytes: found.limit_bytes,
            explanation,
            largest,
            deleted,
            holders,
            mounts: mounts(found),
            volumes: volumes(found),
            as_du,
            told: None,
        })
    }

    /// Adds what the daemon knows, if it tells of this directory.
    pub(super) fn add_told(&mut self, told: Option<Report>, found: &Found) {
        let subjects = told.map(|report| report.subjects).unwrap_or_default();
        let canonical = fs::canonicalize(&found.path).ok();
        self.told = subjects.into_iter().find(|subject| {
            let path = Path::new(&subject.identity.path);
            path == found.path || canonical.as_deref().is_some_and(|found| path == found)
        });
        if let Some(told) = &self.told {
            self.limit_bytes = told.limit_bytes.or(self.limit_bytes);
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.explanation.usage.completeness {
            Completeness::Complete => Outcome::Clean,
            Completeness::LowerBound(_) => Outcome::Flawed,
        }
    }
}

/// All there are. A list that cannot be read has none.
fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn holders(pids: &[u32], found: &Found) -> Vec<Holder> {
    let mut holders: Vec<Holder> = pids
        .iter()
        .filter_map(|pid| {
            let deleted = disk_engine::deleted([*pid], &[found.root.as_fd()]);
            let deleted = *deleted.first().filter(|deleted| deleted.files > 0)?;
            let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.strip_suffix(b"\n").unwrap_or(&name);
            Some(Holder {
                pid: *pid,
                name: std::ffi::OsStr::from_bytes(name).to_owned(),
                deleted,
            })
        })
        .collect();
    holders.sort_by(|a, b| {
        b.deleted
            .bytes
            .cmp(&a.deleted.bytes)
            .then(a.pid.cmp(&b.pid))
    });
    holders.truncate(MOST_HOLDERS);
    holders
}

/// What is mounted below the directory, as this process sees it.
fn mounts(found: &Found) -> Vec<Mount> {
    let root = found.root.as_raw_fd();
    let (Ok(path), Ok(text)) = (
        fs::read_link(format!("/proc/self/fd/{root}")),
        fs::read("/proc/self/mountinfo"),
    ) else {
        return Vec::new();
    };
    let below = proc_text::mounts(&text).filter_map(|mount| {
        let point = mount.point.strip_prefix(&path).ok()?.to_owned();
        (!point.as_os_str().is_empty()).then_some(Mount {
            point,
            root: mount.root,
        })
    });
    below.collect()
}

/// The links in the directory itself that lead where the agent keeps volumes. A task may make such links, too: they are
/// shown, and not followed.
fn volumes(found: &Found) -> Vec<Volume> {
    let Ok(entries) = rustix::fs::Dir::read_from(&found.root) else {
        return Vec::new();
    };
    let links = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let target = readlinkat(&found.root, name, Vec::new()).ok()?;
        let target = PathBuf::from(std::ffi::OsStr::from_bytes(target.as_bytes()));
        let is_volume = target
            .as_os_str()
            .as_bytes()
            .windows(VOLUMES.len())
            .any(|part| part == VOLUMES);
        is_volume.then(|| Volume {
            name: std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned(),
            target,
        })
    });
    links.collect()
}

/// Mesos: src/slave/paths.cpp, `getPersistentVolumePath`
const VOLUMES: &[u8] = b"/volumes/roles/";
