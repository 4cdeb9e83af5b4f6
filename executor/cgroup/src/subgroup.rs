use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::kill::{kill_all, remove_tree};
use crate::{Error, Errors};

/// A cgroup inside a task's, by which a part of the task's processes can be told from the rest and
/// killed. The task's limits hold for it as well; it has none of its own.
///
/// It is there in one hierarchy only, since that is enough to know who is in it. In the others its
/// processes are in the task's own cgroup.
///
/// Nothing happens when it is dropped; [`crate::Cgroup::remove`] removes it with the task's.
#[derive(Debug)]
pub struct Subgroup {
    path: PathBuf,
    /// By which it is joined, here and in the other hierarchies.
    files: Vec<PathBuf>,
}

/// A task of root may have made cgroups of the same name.
const MOST_ATTEMPTS: u32 = 100;

impl Subgroup {
    /// In `inside`, the task's cgroup in one hierarchy, which is joined by `own`, one of `files`.
    pub(crate) fn create(
        inside: &Path,
        number: u32,
        own: &Path,
        mut files: Vec<PathBuf>,
    ) -> Result<Self, Error> {
        let mut attempt = 0;
        loop {
            let path = inside.join(format!("check-{}", number.wrapping_add(attempt)));
            match fs::create_dir(&path) {
                Ok(()) => {
                    for file in files.iter_mut().filter(|file| *file == own) {
                        *file = path.join(own.file_name().unwrap_or_default());
                    }
                    return Ok(Subgroup { path, files });
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && attempt < MOST_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(source) => return Err(Error::Create { path, source }),
            }
        }
    }

    /// The files that a process with one thread writes `0` to in order to join it, and the task's
    /// own cgroup in the other hierarchies.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    /// Kills every process in it and none of the rest of the task, and waits until there is none; at
    /// most ten seconds.
    ///
    /// # Errors
    /// [`Error::StillPopulated`] for processes that hang in the kernel.
    pub fn kill(&self) -> Result<(), Error> {
        kill_all(std::slice::from_ref(&self.path))
    }

    /// Removes it. One that went with the task's is removed.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn remove(&self) -> Result<(), Errors> {
        remove_tree(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_task_has_taken_is_passed_over() {
        let task = tempfile::tempdir().unwrap();
        fs::create_dir(task.path().join("check-7")).unwrap();
        let files = ["/other/tasks", "/own/tasks", "/cpu/tasks"].map(PathBuf::from);
        let subgroup = Subgroup::create(task.path(), 7, &files[1], files.to_vec()).unwrap();
        let own = task.path().join("check-8/tasks");
        let [first, _, last] = files;
        assert_eq!(subgroup.procs_files(), [first, own, last]);
        assert!(task.path().join("check-8").is_dir());
    }

    #[test]
    fn inside_a_cgroup_that_is_gone_none_is_made() {
        let error =
            Subgroup::create(Path::new("/no/such/cgroup"), 0, Path::new(""), vec![]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("create cgroup /no/such/cgroup/check-0: "),
            "{text}"
        );
    }
}
