//! File systems of tasks whose executor is not root: made with the rights of a user namespace, or not at all.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use kernel_tests::{Mounted, Probe, forbid_user_namespaces, private_with, with_own_mounts};
use nix::mount::{MsFlags, mount};
use sandbox::{Filesystem, Plan, Propagation, Root, Source, Volume};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Who the executor is here.
const NOBODY: u32 = 65534;

/// A directory of a task's.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let above = tempfile::tempdir_in("/var").unwrap();
        fs::set_permissions(above.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let place = Place(above);
        fs::create_dir(place.task()).unwrap();
        chown(place.task(), Some(NOBODY), Some(NOBODY)).unwrap();
        place
    }

    fn task(&self) -> PathBuf {
        self.0.path().join("task")
    }

    fn plan(&self, script: &str) -> Plan {
        let plan = private_with(script, |files| {
            files.sandbox = self.task();
            files.sandbox_inside = self.task();
        });
        Plan {
            working_directory: self.task(),
            ..plan
        }
    }

    /// What an executor of nobody's says that starts `plan`, and what it complains of.
    fn outcome(&self, plan: &Plan, is_forbidden: bool) -> (Vec<String>, String) {
        let (file, complaints) = (self.0.path().join("plan"), self.0.path().join("complaints"));
        fs::write(&file, serde_json::to_vec(plan).unwrap()).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let mut probe = Probe::start(INIT, &["plan", file.to_str().unwrap()], |command| {
            if is_forbidden {
                forbid_user_namespaces(command);
            } else {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.stderr(fs::File::create(&complaints).unwrap());
        });
        let mut lines = Vec::new();
        while let Some(line) = probe.next_line() {
            lines.push(line);
        }
        probe.wait();
        (lines, fs::read_to_string(complaints).unwrap())
    }
}

#[test]
fn they_are_as_closed_as_those_of_root() {
    with_own_mounts(false, || {
        let place = Place::new();
        let socket = tempfile::tempdir_in("/run").unwrap();
        // One that everybody could write to, and whose flags are locked in a user namespace.
        let host = place.0.path().join("mounted");
        fs::create_dir(&host).unwrap();
        let locked = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let _mounted = Mounted::at(&host, locked, "mode=777");
        let script = format!(
            "while read -r id parent device root point options rest; do case $options in \
             rw*) echo $point;; esac; done < /proc/self/mountinfo | sort; \
             for place in {} /var/tmp/.. /run /dev /etc; do {{ echo x > $place/it; }} 2> /dev/null && echo $place; done; \
             test ! -e {} && echo x > /dev/null && head -c 1 /dev/urandom > it && echo x > /tmp/it && \
             echo x > /dev/shm/it && test -c /dev/ptmx && test -z \"$(ls -A /sys/fs/cgroup)\" && ls /dev | wc -l",
            host.display(),
            socket.path().display()
        );
        let (lines, complaints) = place.outcome(&place.plan(&script), false);
        assert_eq!(complaints, "");
        let task = place.task();
        let mut expected = vec!["started", "/dev/pts", "/dev/shm", "/proc", "/tmp"];
        expected.extend([
            task.to_str().unwrap(),
            "/var/tmp",
            "13",
            "exited with status 0",
        ]);
        assert_eq!(lines, expected);
        for name in ["it", ".private/tmp/it", ".private/shm/it"] {
            assert!(task.join(name).is_file(), "{name}");
        }
    });
}

#[test]
fn what_is_hidden_may_also_be_mounted_where_its_user_does_not_get_to() {
    with_own_mounts(false, || {
        let place = Place::new();
        let host = place.0.path().join("mounted");
        fs::create_dir(&host).unwrap();
        let _mounted = Mounted::at(&host, MsFlags::empty(), "mode=755");
        let (work, closed) = (host.join("work"), host.join("closed"));
        let alias = closed.join("alias");
        for directory in [&work, &alias] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(work.join("secret"), "").unwrap();
        let none = None::<&str>;
        mount(Some(&work), &alias, none, MsFlags::MS_BIND, none).unwrap();
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        let mut plan = place.plan(&format!("ls {}", work.display()));
        if let Filesystem::Private(files) = &mut plan.filesystem {
            files.hidden.push(work);
        }
        let (lines, complaints) = place.outcome(&plan, false);
        assert_eq!(complaints, "");
        assert_eq!(lines, ["started", "exited with status 0"]);
    });
}

#[test]
fn they_can_have_an_image_and_volumes() {
    let place = Place::new();
    let image = place.task().join("image");
    for name in ["bin", "lib64", "lib", "usr", "tmp"] {
        fs::create_dir_all(image.join(name)).unwrap();
    }
    for path in [&image, &image.join("tmp")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let volumes = ["/bin", "/lib64", "/lib", "/usr"].map(|path| Volume {
        source: Source::Host(PathBuf::from(path)),
        target: PathBuf::from(path),
        read_only: true,
        propagation: Propagation::Private,
    });
    let mut plan = place.plan(
        "ls -d /proc/1 /dev/null /etc; pwd; echo x > it; { echo x > /usr/it; } 2> /dev/null; true",
    );
    if let Filesystem::Private(files) = &mut plan.filesystem {
        files.root = Root::Directory {
            path: image,
            writable: true,
        };
        files.sandbox_inside = PathBuf::from("/mnt/sandbox");
        plan.working_directory = PathBuf::from("/mnt/sandbox");
        files.volumes = volumes.to_vec();
    }
    let (lines, complaints) = place.outcome(&plan, false);
    assert!(
        complaints.contains("'/etc'") && complaints.lines().count() == 1,
        "{complaints}"
    );
    let expected = [
        "started",
        "/dev/null",
        "/proc/1",
        "/mnt/sandbox",
        "exited with status 0",
    ];
    assert_eq!(lines, expected);
    assert!(place.task().join("it").is_file() && !Path::new("/usr/it").exists());
}

#[test]
fn without_any_rights_it_is_told_or_the_task_is_not_started() {
    let place = Place::new();
    let (lines, complaints) = place.outcome(&place.plan("cat /proc/self/comm"), true);
    assert_eq!(complaints, "");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("no mount namespace: ")),
        "{lines:?}"
    );
    assert!(lines.contains(&"cat".to_owned()), "{lines:?}");

    let mut plan = place.plan("true");
    if let Filesystem::Private(files) = &mut plan.filesystem {
        files.volumes.push(Volume {
            source: Source::Host(PathBuf::from("/usr")),
            target: PathBuf::from("here"),
            read_only: true,
            propagation: Propagation::Private,
        });
    }
    let (lines, complaints) = place.outcome(&plan, true);
    assert_eq!(lines, Vec::<String>::new());
    let expected = "mount a volume at 'here': Operation not permitted";
    assert!(complaints.contains(expected), "{complaints}");
}
