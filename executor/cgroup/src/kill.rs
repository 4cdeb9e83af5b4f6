//! Killing everything in a cgroup, and removing what is left of it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Error, Errors, freezer, kernel_file};

/// How long a kill is repeated. SIGKILL works at once but on a process that hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two rounds of killing.
const PAUSE: Duration = Duration::from_millis(5);
/// How often removing is tried: a cgroup stays busy for a moment after its last process died.
const REMOVALS: u32 = 100;

/// `directory` and every cgroup below it, each before its children. A task may have made some.
fn with_descendants(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while next < found.len() {
        // A cgroup that vanishes meanwhile has nothing to tell. There are no links in cgroupfs,
        // and `file_type` would not follow one.
        for entry in fs::read_dir(&found[next]).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(entry.path());
            }
        }
        next += 1;
    }
    found
}

/// The processes in `directories` and below; 0 stands for those that our pid namespace does not
/// see. A cgroup that is gone has none.
pub(crate) fn processes(directories: &[PathBuf]) -> Result<BTreeSet<u32>, Error> {
    let mut processes = BTreeSet::new();
    for directory in directories
        .iter()
        .flat_map(|directory| with_descendants(directory))
    {
        let path = directory.join("cgroup.procs");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if is_gone(&error) => continue,
            Err(source) => return Err(Error::Read { path, source }),
        };
        for (index, line) in text.lines().enumerate() {
            let pid = line.parse();
            processes.insert(pid.map_err(|_| kernel_file::malformed(&path, index + 1, line))?);
        }
    }
    Ok(processes)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ENODEV)
}

/// Kills everything in `directories`, which are one task's in several hierarchies, until they are
/// empty.
///
/// With `cgroup.kill` (v2, Linux 5.14) the kernel does it. Otherwise: freeze, SIGKILL, thaw, and
/// again, since a process may have been just outside of the freezer's reach; without a freezer
/// it is the repetition alone that outruns forking.
pub(crate) fn kill_all(directories: &[PathBuf]) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let remaining = processes(directories)?;
        if remaining.is_empty() {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            let path = directories.first().cloned().unwrap_or_default();
            return Err(Error::StillPopulated {
                path,
                processes: remaining.into_iter().collect(),
            });
        }
        for directory in directories {
            let by_kernel = kernel_file::write(&directory.join("cgroup.kill"), "1");
            if by_kernel.is_err() {
                freezer::freeze(directory);
            }
        }
        let frozen = processes(directories);
        for pid in frozen.iter().flatten().copied().filter_map(killable) {
            // It may be dead already.
            let _ = kill(pid, Signal::SIGKILL);
        }
        for directory in directories
            .iter()
            .flat_map(|directory| with_descendants(directory))
        {
            freezer::thaw(&directory);
        }
        sleep(PAUSE);
    }
}

/// A process id that may be signalled. 0 would mean our own process group, 1 the init of our pid
/// namespace, and we are never the target.
fn killable(pid: u32) -> Option<Pid> {
    let pid = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .map(Pid::from_raw)?;
    (pid != Pid::this()).then_some(pid)
}

/// Removes `directory` and every cgroup below it, children first, going on after an error. While one
/// is busy it waits a little and looks anew: another may have been made in it meanwhile.
pub(crate) fn remove_tree(directory: &Path) -> Result<(), Errors> {
    let mut attempt = 0;
    loop {
        let mut errors = Vec::new();
        let mut is_busy = false;
        for path in with_descendants(directory).into_iter().rev() {
            match fs::remove_dir(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    is_busy |= source.kind() == io::ErrorKind::ResourceBusy;
                    errors.push(Error::Remove { path, source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        if !is_busy || attempt == REMOVALS {
            return Errors(errors).or(());
        }
        attempt += 1;
        sleep(PAUSE);
    }
}

/// Removes one cgroup, waiting a little while it is busy. One that is gone is removed.
pub(crate) fn remove_one(path: &Path) -> io::Result<()> {
    let mut attempt = 0;
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && attempt < REMOVALS => {
                attempt += 1;
                sleep(PAUSE);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_of_child_cgroups_are_found_and_each_is_named_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        fs::write(root.path().join("cgroup.procs"), "12\n7\n").unwrap();
        fs::write(root.path().join("sub/cgroup.procs"), "7\n0\n").unwrap();
        let found = processes(&[root.path().to_owned()]).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [0, 7, 12]);
    }

    #[test]
    fn a_cgroup_that_is_gone_has_no_processes() {
        assert!(
            processes(&[PathBuf::from("/no/such/cgroup")])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn neither_our_own_group_nor_init_nor_we_are_ever_signalled() {
        for pid in [0, 1, std::process::id(), u32::MAX] {
            assert_eq!(killable(pid), None, "{pid}");
        }
        assert_eq!(killable(4242), Some(Pid::from_raw(4242)));
    }

    #[test]
    fn a_line_that_is_no_process_id_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.procs"), "12\nx\n").unwrap();
        let error = processes(&[root.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("cgroup.procs line 2: 'x'"), "{error}");
    }

    #[test]
    fn removal_goes_on_after_an_error_and_names_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("task/stuck")).unwrap();
        fs::create_dir_all(root.path().join("task/free")).unwrap();
        fs::write(root.path().join("task/stuck/file"), "").unwrap();
        let errors = remove_tree(&root.path().join("task")).unwrap_err();
        assert!(
            errors
                .to_string()
                .contains("task/stuck: Directory not empty"),
            "{errors}"
        );
        assert!(!root.path().join("task/free").exists());
    }
}
