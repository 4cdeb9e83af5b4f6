//! The directory of one task below the executor's sandbox.
//!
//! Other tasks may own the executor's sandbox and change it meanwhile, so nothing is opened by a
//! path of more than one component, no link is followed, and everything is made while the
//! directory is still ours alone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use cgroup::safe_name;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, geteuid};

use crate::identity::Identity;

/// The directory, below the executor's sandbox, of the tasks' directories: where Mesos's default
/// executor has them too.
const TASKS: &str = "tasks";

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Why a task has no directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A directory or file could not be opened.
    #[error("open {}: {source}", path.display())]
    Open {
        /// What.
        path: PathBuf,
        /// The kernel's answer; that of a link in the place is `ELOOP` or `ENOTDIR`.
        source: io::Error,
    },
    /// A directory or file could not be made, perhaps because it exists.
    #[error("create {}: {source}", path.display())]
    Create {
        /// What.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Owner or mode could not be set.
    #[error("give {} to its owner: {source}", path.display())]
    HandOver {
        /// What.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Somebody else made the directory that is to hold the tasks' directories.
    #[error("{} belongs to user {owner}, not to this executor", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
}

/// A task's directory, and its output files.
#[derive(Debug)]
pub struct TaskDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// The directory itself, wherever it may be moved.
    pub handle: OwnedFd,
    /// `stdout` in it, as [`log_file`] makes it.
    pub stdout: File,
    /// `stderr` in it, alike.
    pub stderr: File,
}

/// Makes `tasks/<task>` below `sandbox`, mode 0750 and owned by `owner` as Mesos makes sandboxes,
/// with empty files `stdout` and `stderr`. `task` is any text and made safe by
/// [`cgroup::safe_name`]; without an owner everything is the executor's.
///
/// # Errors
/// See [`DirectoryError`]; a directory of that name there already is one.
pub fn create_task(
    sandbox: &Path,
    task: &str,
    owner: Option<&Identity>,
) -> Result<TaskDirectory, DirectoryError> {
    // The sandbox's own path is the agent's and may well have links above it.
    let sandbox_handle = open(sandbox, DIRECTORY, Mode::empty()).map_err(opening(sandbox))?;
    let tasks_path = sandbox.join(TASKS);
    match mkdirat(&sandbox_handle, TASKS, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(creating(&tasks_path)(errno)),
    }
    let tasks =
        openat(&sandbox_handle, TASKS, DIRECTORY, Mode::empty()).map_err(opening(&tasks_path))?;
    let owned_by = fstat(&tasks).map_err(opening(&tasks_path))?.st_uid;
    if owned_by != geteuid().as_raw() {
        return Err(DirectoryError::Foreign {
            path: tasks_path,
            owner: owned_by,
        });
    }

    let name = safe_name(task);
    let path = tasks_path.join(&name);
    mkdirat(&tasks, name.as_str(), Mode::S_IRWXU).map_err(creating(&path))?;
    let handle = openat(&tasks, name.as_str(), DIRECTORY, Mode::empty()).map_err(opening(&path))?;
    // The files first: once the directory is the owner's, anything may stand under these names.
    let stdout = log_file(&handle, &path, "stdout", owner)?;
    let stderr = log_file(&handle, &path, "stderr", owner)?;
    hand_over(&handle, &path, owner, Mode::from_bits_truncate(0o750))?;
    Ok(TaskDirectory {
        path,
        handle,
        stdout,
        stderr,
    })
}

/// Makes the empty file `name` in `directory`, whose path is `path`, open for reading and appending, mode 0644 and owned
/// by `owner`. The name must be free: nothing that is there already is opened.
///
/// # Errors
/// See [`DirectoryError`].
pub fn log_file(
    directory: &OwnedFd,
    path: &Path,
    name: &str,
    owner: Option<&Identity>,
) -> Result<File, DirectoryError> {
    let path = path.join(name);
    let flags = OFlag::O_RDWR
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_EXCL
        | OFlag::O_NOFOLLOW
        | OFlag::O_CLOEXEC;
    let file =
        openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(creating(&path))?;
    hand_over(&file, &path, owner, Mode::from_bits_truncate(0o644))?;
    Ok(File::from(file))
}

fn hand_over(
    what: &OwnedFd,
    path: &Path,
    owner: Option<&Identity>,
    mode: Mode,
) -> Result<(), DirectoryError> {
    let failed = |errno: Errno| DirectoryError::HandOver {
        path: path.to_owned(),
        source: errno.into(),
    };
    if let Some(owner) = owner {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fchown(what.as_fd(), Some(uid), Some(gid)).map_err(failed)?;
    }
    // By itself, since the umask takes away from the mode of a creation.
    fchmod(what, mode).map_err(failed)
}

fn opening(path: &Path) -> impl FnOnce(Errno) -> DirectoryError {
    let path = path.to_owned();
    |errno| DirectoryError::Open {
        path,
        source: errno.into(),
    }
}

fn creating(path: &Path) -> impl FnOnce(Errno) -> DirectoryError {
    let path = path.to_owned();
    |errno| DirectoryError::Create {
        path,
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn the_directory_and_its_files_have_mesoss_modes() {
        let sandbox = tempfile::tempdir().unwrap();
        let task = create_task(sandbox.path(), "t1", None).unwrap();
        assert_eq!(task.path, sandbox.path().join("tasks/t1"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&task.path), 0o750);
        assert_eq!(mode(&task.path.join("stdout")), 0o644);
        assert_eq!(mode(&task.path.join("stderr")), 0o644);
    }

    #[test]
    fn the_owner_gets_all_of_it() {
        let sandbox = tempfile::tempdir().unwrap();
        let owner = Identity {
            uid: 4711,
            gid: 4712,
            groups: vec![4712],
            home: None,
        };
        let task = create_task(sandbox.path(), "t1", Some(&owner)).unwrap();
        for path in [
            task.path.clone(),
            task.path.join("stdout"),
            task.path.join("stderr"),
        ] {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(
                (metadata.uid(), metadata.gid()),
                (4711, 4712),
                "{}",
                path.display()
            );
        }
        assert_eq!(fs::metadata(sandbox.path().join("tasks")).unwrap().uid(), 0);
    }

    #[test]
    fn output_is_appended_even_after_the_file_was_truncated() {
        let sandbox = tempfile::tempdir().unwrap();
        let mut task = create_task(sandbox.path(), "t1", None).unwrap();
        task.stdout.write_all(b"one").unwrap();
        File::options()
            .write(true)
            .open(task.path.join("stdout"))
            .unwrap()
            .set_len(0)
            .unwrap();
        task.stdout.write_all(b"two").unwrap();
        assert_eq!(fs::read(task.path.join("stdout")).unwrap(), b"two");
    }

    /// P-38: ids are names, and made safe all the same.
    #[test]
    fn an_id_that_climbs_stays_inside() {
        let sandbox = tempfile::tempdir().unwrap();
        for id in ["..", "../../etc", "/etc/passwd", "."] {
            let task = create_task(sandbox.path(), id, None).unwrap();
            assert_eq!(
                task.path.parent(),
                Some(sandbox.path().join("tasks").as_path())
            );
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        let sandbox = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), sandbox.path().join("tasks")).unwrap();
        let error = create_task(sandbox.path(), "t1", None).unwrap_err();
        assert!(matches!(error, DirectoryError::Open { .. }), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

        let sandbox = tempfile::tempdir().unwrap();
        fs::create_dir(sandbox.path().join("tasks")).unwrap();
        symlink(elsewhere.path(), sandbox.path().join("tasks/t1")).unwrap();
        let error = create_task(sandbox.path(), "t1", None).unwrap_err();
        assert!(matches!(error, DirectoryError::Create { .. }), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_another_user_put_in_the_place_is_refused() {
        let sandbox = tempfile::tempdir().unwrap();
        fs::create_dir(sandbox.path().join("tasks")).unwrap();
        std::os::unix::fs::chown(sandbox.path().join("tasks"), Some(4711), None).unwrap();
        let error = create_task(sandbox.path(), "t1", None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("belongs to user 4711"), "{error}");
    }

    #[test]
    fn a_task_gets_no_directory_that_another_one_has() {
        let sandbox = tempfile::tempdir().unwrap();
        create_task(sandbox.path(), "t1", None).unwrap();
        let error = create_task(sandbox.path(), "t1", None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("tasks/t1: File exists"), "{error}");
    }
}
