//! Where reports are found below an agent's work directory.
//!
//! A sandbox belongs to the framework's user: everything is opened by one name relative to the directory before it, no link
//! is followed, nothing is waited for, and what is read is bounded and may be nonsense.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, open, openat};

use crate::{DIRECTORY, FILE, Report};

/// Longer is no report of an executor.
const LONGEST: u64 = 8 << 20;

/// More agents than have left something in one work directory.
const MOST_AGENTS: usize = 1_000;

const SAFELY: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Which container's sandbox to look into.
#[derive(Clone, Debug)]
pub struct Run {
    /// As the agent lists it.
    pub framework_id: String,
    /// Likewise.
    pub executor_id: String,
    /// Likewise.
    pub container_id: String,
}

/// An agent's work directory, looked into for the reports of executors.
#[derive(Debug)]
pub struct WorkDir {
    slaves: OwnedFd,
    agents: Vec<String>,
}

/// Why there are no reports at all.
#[derive(Debug, thiserror::Error)]
#[error("read {}: {source}", path.display())]
pub struct WorkDirError {
    path: PathBuf,
    source: io::Error,
}

impl WorkDir {
    /// The work directory at the operator's own path, links and all. Blocks, as all of it does.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(work_dir: &Path) -> Result<Self, WorkDirError> {
        let path = work_dir.join("slaves");
        let failed = |errno: rustix::io::Errno| WorkDirError {
            path: path.clone(),
            source: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let slaves = open(&path, flags, Mode::empty()).map_err(failed)?;
        let mut agents = Vec::new();
        for entry in Dir::read_from(&slaves).map_err(failed)?.take(MOST_AGENTS) {
            let entry = entry.map_err(failed)?;
            agents.extend(entry.file_name().to_str().map(str::to_owned).ok());
        }
        Ok(Self { slaves, agents })
    }

    /// The report in the sandbox of this run of an executor, of whichever agent. What cannot be read is not there: most
    /// containers have none.
    pub fn report(&self, run: &Run) -> Option<Report> {
        let mut sandboxes = self.agents.iter().filter_map(|agent| {
            // Mesos: src/slave/paths.cpp
            let way = [
                agent,
                "frameworks",
                &run.framework_id,
                "executors",
                &run.executor_id,
                "runs",
                &run.container_id,
            ];
            descend(&self.slaves, &way)
        });
        sandboxes.find_map(report_in)
    }
}

/// The report in this sandbox of an executor. What cannot be read is not there: most sandboxes have none.
pub fn report_in(sandbox: impl AsFd) -> Option<Report> {
    let directory = descend(sandbox, &[DIRECTORY])?;
    let file = openat(&directory, FILE, SAFELY, Mode::empty()).ok()?;
    if FileType::from_raw_mode(fstat(&file).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = Vec::new();
    let mut bounded = File::from(file).take(LONGEST + 1);
    bounded.read_to_end(&mut text).ok()?;
    if text.len() as u64 > LONGEST {
        return None;
    }
    Report::parse(&text).ok()
}

/// Enters one directory after the other; none is entered by what is more or less than a name.
fn descend(from: impl AsFd, names: &[&str]) -> Option<OwnedFd> {
    let is_name =
        |name: &&str| !name.is_empty() && *name != "." && *name != ".." && !name.contains('/');
    if !names.iter().all(is_name) {
        return None;
    }
    let mut here = from.as_fd().try_clone_to_owned().ok()?;
    for name in names {
        here = openat(&here, *name, SAFELY | OFlags::DIRECTORY, Mode::empty()).ok()?;
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, mkfifoat};

    use super::*;

    fn run() -> Run {
        Run {
            framework_id: "f".to_owned(),
            executor_id: "e".to_owned(),
            container_id: "c".to_owned(),
        }
    }

    fn found(work_dir: &Path, run: &Run) -> Option<Report> {
        WorkDir::open(work_dir).unwrap().report(run)
    }

    fn directory(work_dir: &Path) -> PathBuf {
        let sandbox = work_dir.join("slaves/s/frameworks/f/executors/e/runs/c");
        sandbox.join(DIRECTORY)
    }

    #[test]
    fn a_report_is_found_by_the_ids_of_its_container() {
        let work_dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory(work_dir.path())).unwrap();
        let report = Report::at(1000.0);
        fs::write(directory(work_dir.path()).join(FILE), report.line()).unwrap();
        assert_eq!(found(work_dir.path(), &run()), Some(report));
        for container_id in ["d", "../c", "./c", "", ".."] {
            let other = Run {
                container_id: container_id.to_owned(),
                ..run()
            };
            assert_eq!(found(work_dir.path(), &other), None, "{container_id}");
        }
        let gone = work_dir.path().join("gone");
        let error = WorkDir::open(&gone).unwrap_err().to_string();
        assert!(error.contains("gone/slaves"), "{error}");
    }

    #[test]
    fn links_pipes_and_floods_in_the_place_of_a_report_are_none() {
        let work_dir = tempfile::tempdir().unwrap();
        let directory = directory(work_dir.path());
        fs::create_dir_all(&directory).unwrap();
        let elsewhere = work_dir.path().join("elsewhere");
        let line = Report::at(1000.0).line();
        fs::write(&elsewhere, &line).unwrap();
        let file = directory.join(FILE);
        let none = || found(work_dir.path(), &run()).is_none();
        symlink(&elsewhere, &file).unwrap();
        assert!(none());
        fs::remove_file(&file).unwrap();
        mkfifoat(CWD, &file, Mode::RWXU).unwrap();
        assert!(none());
        fs::remove_file(&file).unwrap();
        // Spaces do not make a report another.
        let mut flood = line.clone();
        flood.resize(usize::try_from(LONGEST).unwrap() + 1, b' ');
        fs::write(&file, &flood).unwrap();
        assert!(none());
        fs::write(&file, &flood[1..]).unwrap();
        assert!(none(), "it begins with half a report");
        fs::write(&file, &flood[..flood.len() - 1]).unwrap();
        assert!(!none(), "as long as it may be");
        fs::remove_dir_all(&directory).unwrap();
        symlink(work_dir.path(), &directory).unwrap();
        fs::write(work_dir.path().join(FILE), &line).unwrap();
        assert!(none());
    }
}
