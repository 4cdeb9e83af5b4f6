//! From the volumes that a task asks for to what its sandbox mounts.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dialect::{PersistentVolume, VolumeRoot, VolumeSource, VolumeWish};
use executor_core::{Fault, StartFailure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchown};
use sandbox::identity::Identity;
use sandbox::{Propagation, Source, Volume};

use super::host_files::{TASKS, is_log};
use crate::journal;

/// This program.
const OWN: &str = "/proc/self/exe";

/// Where the parts of volumes are.
pub(super) struct Places<'a> {
    /// The executor's sandbox, as the executor sees it.
    pub(super) executor: &'a Path,
    /// The task's.
    pub(super) task: &'a Path,
    /// The agent's work directory, where it can be told.
    pub(super) work_directory: Option<&'a Path>,
    /// Who the task runs as, when that is not who the executor is.
    pub(super) owner: Option<&'a Identity>,
}

impl Places<'_> {
    /// One volume. Blocks for as long as the file system does.
    pub(super) fn volume(&self, wish: &VolumeWish) -> Result<Volume, StartFailure> {
        let mut target = PathBuf::from(&wish.target);
        let mut propagation = Propagation::Private;
        let source = match &wish.source {
            VolumeSource::Host {
                path,
                receives_mounts,
            } => {
                if *receives_mounts {
                    propagation = Propagation::FromHost;
                }
                Source::Host(path.into())
            }
            VolumeSource::ExecutorSandbox(path) => {
                let first = Path::new(path).components().next();
                if first.is_some_and(|first| self.is_executors_own(first.as_os_str())) {
                    return Err(StartFailure {
                        fault: Fault::Framework,
                        message: format!(
                            "the volume at '{}' asks for '{path}' of the executor's sandbox, which is not for sharing",
                            wish.target
                        ),
                    });
                }
                self.share(path).map_err(|errno| StartFailure {
                    fault: Fault::Host,
                    message: format!("make '{path}' in the executor's sandbox: {errno}"),
                })?;
                inside(self.executor, path)
            }
            VolumeSource::TaskSandbox(path) => inside(self.task, path),
            VolumeSource::Agents(path) if path.starts_with('/') => Source::Host(path.into()),
            VolumeSource::Agents(path) => inside(self.executor, path),
            VolumeSource::Persistent(volume) => {
                let place = self.persistent(volume)?;
                let link = self.task.join(&wish.target);
                // In the command executor's place the agent's link is in the task's own directory, and leads there.
                if let Some(place) = &place
                    && fs::symlink_metadata(&link).is_ok_and(|found| found.is_symlink())
                {
                    target.clone_from(place);
                }
                place.map_or_else(
                    || inside(self.executor, &volume.container_path),
                    Source::Host,
                )
            }
        };
        Ok(Volume {
            source,
            target,
            read_only: wish.read_only,
            propagation,
        })
    }

    /// Whether a name in the executor's sandbox is that of its tasks' directories, its journal, its log or its program.
    fn is_executors_own(&self, name: &OsStr) -> bool {
        let file = |path: &Path| metadata(path).ok().flatten();
        let is_program = || {
            let (found, own) = (file(&self.executor.join(name)), file(Path::new(OWN)));
            let numbers = |metadata: Metadata| (metadata.dev(), metadata.ino());
            own.is_some_and(|own| found.map(numbers) == Some(numbers(own)))
        };
        name == TASKS
            || name == journal::DIRECTORY
            || is_log(&name.to_string_lossy())
            || is_program()
    }

    /// Makes what is not there of a directory that tasks share, which is the first one's: the sandbox above is the
    /// executor's, and not for a task to make anything in. What is there already is left to the sandbox to look at.
    fn share(&self, path: &str) -> Result<(), Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut above = open(self.executor, flags, Mode::empty())?;
        for component in Path::new(path).components() {
            let name = component.as_os_str();
            let made = match mkdirat(&above, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) => true,
                Err(Errno::EEXIST) => false,
                Err(errno) => return Err(errno),
            };
            above = match openat(&above, name, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
                Ok(directory) => directory,
                Err(Errno::ENOTDIR | Errno::ELOOP) if !made => return Ok(()),
                Err(errno) => return Err(errno),
            };
            if let Some(owner) = self.owner.filter(|_| made) {
                let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
                fchown(&above, Some(uid), Some(gid))?;
            }
        }
        Ok(())
    }

    /// Where the agent keeps a persistent volume, if that can be seen from here: an executor in an image has it in its
    /// sandbox alone. What is found in the sandbox must be just that: a task may have put something else there, since
    /// the sandbox is its user's.
    fn persistent(&self, volume: &PersistentVolume) -> Result<Option<PathBuf>, StartFailure> {
        let shown = self.executor.join(&volume.container_path);
        let failed = |message| StartFailure {
            fault: Fault::Host,
            message,
        };
        let Some(place) = self.place_of(volume) else {
            return Ok(None);
        };
        let expected = match metadata(&place) {
            Ok(Some(expected)) => expected,
            Ok(None) => return Ok(None),
            Err(error) => {
                return Err(failed(format!(
                    "look at the persistent volume {}: {error}",
                    place.display()
                )));
            }
        };
        let found = metadata(&shown).map_err(|error| {
            failed(format!(
                "look at the persistent volume '{}' at {}: {error}",
                volume.id,
                shown.display()
            ))
        })?;
        let is_it = |found: &Metadata| {
            (found.dev(), found.ino()) == (expected.dev(), expected.ino()) && found.is_dir()
        };
        match found.as_ref().is_some_and(is_it) {
            true => Ok(Some(place)),
            false => Err(failed(format!(
                "the agent has not put the persistent volume '{}' at {}",
                volume.id,
                shown.display()
            ))),
        }
    }

    /// A persistent volume itself, to be measured. Blocks for as long as the file system does.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn open(&self, volume: &PersistentVolume) -> Result<OwnedFd, disk_engine::Error> {
        let place = self.place_of(volume).filter(|place| place.is_dir());
        let shown = || self.executor.join(&volume.container_path);
        disk_engine::open_root(&place.unwrap_or_else(shown))
    }

    /// Mesos: src/slave/paths.cpp, `getPersistentVolumePath`.
    fn place_of(&self, volume: &PersistentVolume) -> Option<PathBuf> {
        let root = match &volume.root {
            VolumeRoot::WorkDirectory => self.work_directory?.to_owned(),
            VolumeRoot::Path(root) | VolumeRoot::Mount(root) => match Path::new(root) {
                absolute if absolute.is_absolute() => absolute.to_owned(),
                relative => self.work_directory?.join(relative),
            },
        };
        Some(match &volume.root {
            VolumeRoot::Mount(_) => root,
            VolumeRoot::WorkDirectory | VolumeRoot::Path(_) => {
                // Roles have slashes, directories' names have none.
                let role = volume.role.replace('/', " ");
                root.join("volumes/roles").join(role).join(&volume.id)
            }
        })
    }
}

fn inside(directory: &Path, path: &str) -> Source {
    Source::Inside {
        directory: directory.to_owned(),
        path: path.into(),
    }
}

/// What links lead to; nothing where there is nothing.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Host {
        work: tempfile::TempDir,
    }

    impl Host {
        fn new() -> Self {
            let work = tempfile::tempdir().unwrap();
            fs::create_dir_all(work.path().join("sandbox/tasks/t")).unwrap();
            Self { work }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.work.path().join(path)
        }

        fn volume(&self, wish: &VolumeWish) -> Result<Volume, StartFailure> {
            let (executor, task) = (self.at("sandbox"), self.at("sandbox/tasks/t"));
            let places = Places {
                executor: &executor,
                task: &task,
                work_directory: Some(self.work.path()),
                owner: None,
            };
            places.volume(wish)
        }
    }

    fn wish(source: VolumeSource) -> VolumeWish {
        VolumeWish {
            source,
            target: "data".into(),
            read_only: false,
        }
    }

    fn persistent(root: VolumeRoot) -> VolumeWish {
        wish(VolumeSource::Persistent(PersistentVolume {
            container_path: "data".into(),
            id: "v1".into(),
            role: "a/b".into(),
            root,
        }))
    }

    #[test]
    fn a_persistent_volume_is_mounted_from_where_the_agent_keeps_it() {
        let host = Host::new();
        let kept = host.at("volumes/roles/a b/v1");
        fs::create_dir_all(&kept).unwrap();
        symlink(&kept, host.at("sandbox/data")).unwrap();
        let volume = host.volume(&persistent(VolumeRoot::WorkDirectory)).unwrap();
        assert_eq!(volume.source, Source::Host(kept));
        assert_eq!(volume.target, Path::new("data"));
    }

    #[test]
    fn a_persistent_volume_on_a_disk_of_its_own_is_all_of_that_disk() {
        let host = Host::new();
        fs::create_dir(host.at("disk")).unwrap();
        symlink(host.at("disk"), host.at("sandbox/data")).unwrap();
        let volume = host
            .volume(&persistent(VolumeRoot::Mount("disk".into())))
            .unwrap();
        assert_eq!(volume.source, Source::Host(host.at("disk")));
    }

    #[test]
    fn a_link_that_a_task_put_in_the_place_of_a_volume_is_not_mounted() {
        let host = Host::new();
        fs::create_dir_all(host.at("volumes/roles/a b/v1")).unwrap();
        symlink("/etc", host.at("sandbox/data")).unwrap();
        let failure = host
            .volume(&persistent(VolumeRoot::WorkDirectory))
            .unwrap_err();
        assert!(
            failure
                .message
                .starts_with("the agent has not put the persistent volume 'v1' at "),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_volume_that_only_the_executors_sandbox_shows_is_taken_from_there() {
        let host = Host::new();
        let volume = host.volume(&persistent(VolumeRoot::WorkDirectory)).unwrap();
        assert_eq!(volume.source, inside(&host.at("sandbox"), "data"));
    }

    #[test]
    fn of_the_executors_sandbox_nothing_that_is_its_own_can_be_shared() {
        let host = Host::new();
        symlink(OWN, host.at("sandbox/program")).unwrap();
        let tasks = ["tasks", "tasks/other", journal::DIRECTORY];
        for path in tasks.into_iter().chain(["stderr", "stdout.1", "program"]) {
            let failure = host
                .volume(&wish(VolumeSource::ExecutorSandbox(path.into())))
                .unwrap_err();
            assert_eq!(failure.fault, Fault::Framework);
        }
        let shared = host
            .volume(&wish(VolumeSource::ExecutorSandbox("shared/tasks".into())))
            .unwrap();
        assert_eq!(shared.source, inside(&host.at("sandbox"), "shared/tasks"));
        assert!(host.at("sandbox/shared/tasks").is_dir());
        // A link that a task put there is nothing to make a directory behind.
        symlink("/no/such/place", host.at("sandbox/link")).unwrap();
        host.volume(&wish(VolumeSource::ExecutorSandbox("link/x".into())))
            .unwrap();
        assert!(!Path::new("/no/such/place").exists());
    }
}
