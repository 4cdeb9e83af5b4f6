//! File systems of their own, in files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use disk_engine::open_root;
use disk_engine::quota::{NoQuota, ProjectId, ProjectQuota, ProjectUsage, assign};
use rustix::process::{Gid, Uid};

use crate::tree::Tree;

/// How long something may take that takes a moment.
const SOON: Duration = Duration::from_secs(30);

/// Nobody's, on any Linux.
pub(crate) const NOBODY: u32 = 65_534;

/// Every subscriber hears of every file system: while one test floods them all, no other may count on being told.
static WARNINGS: RwLock<()> = RwLock::new(());

/// While this is held nobody floods those who hear the kernel's warnings.
pub(crate) fn in_quiet() -> RwLockReadGuard<'static, ()> {
    WARNINGS.read().unwrap_or_else(PoisonError::into_inner)
}

/// While this is held nobody counts on hearing a warning.
pub(crate) fn in_noise() -> RwLockWriteGuard<'static, ()> {
    WARNINGS.write().unwrap_or_else(PoisonError::into_inner)
}

/// What counts by project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Xfs,
    Ext4,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Xfs, Self::Ext4];
}

/// A mounted image; unmounted and removed in the end, also after a panic.
pub(crate) struct FileSystem {
    place: PathBuf,
}

impl FileSystem {
    /// One that counts by project and enforces limits.
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Xfs => Self::made_by(&["mkfs.xfs", "-q"], "prjquota"),
            Kind::Ext4 => Self::made_by(
                &[
                    "mkfs.ext4",
                    "-q",
                    "-O",
                    "quota,project",
                    "-E",
                    "quotatype=prjquota",
                ],
                "prjquota",
            ),
        }
    }

    /// One made by this command and mounted with these options.
    pub(crate) fn made_by(make: &[&str], options: &str) -> Self {
        static MODULES: LazyLock<()> = LazyLock::new(|| {
            succeed("modprobe", ["-a", "loop", "xfs", "quota_v2"]);
        });
        LazyLock::force(&MODULES);
        let place = tempfile::Builder::new().prefix("quotas-").tempdir();
        let made = Self {
            place: place.unwrap().keep(),
        };
        let image = made.place.join("image");
        File::create_new(&image)
            .unwrap()
            .set_len(400 << 20)
            .unwrap();
        succeed(
            make[0],
            make[1..]
                .iter()
                .map(AsRef::as_ref)
                .chain([image.as_os_str()]),
        );
        fs::create_dir(made.path()).unwrap();
        let options = format!("loop,{options}");
        succeed(
            "mount",
            [
                "-o".as_ref(),
                options.as_ref(),
                image.as_os_str(),
                made.path().as_os_str(),
            ],
        );
        made
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.place.join("mounted")
    }

    pub(crate) fn probe(&self) -> Result<ProjectQuota, NoQuota> {
        ProjectQuota::probe(File::open(self.path()).unwrap().as_fd())
    }

    /// A directory of project `number`, which everybody can write to.
    pub(crate) fn sandbox(&self, number: u32) -> Sandbox {
        let sandbox = Sandbox {
            quota: self.probe().unwrap(),
            tree: Tree::below(&self.path()),
            id: id(number),
        };
        everybodys(sandbox.tree.path());
        let assigned = assign(sandbox.root().as_fd(), sandbox.id, &[]).unwrap();
        assert_eq!((assigned.taken, assigned.in_project), (1, 1));
        sandbox
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        // Lazily: a descriptor that a failed test still holds must not keep it.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        let removed = fs::remove_dir_all(&self.place);
        if !thread::panicking() {
            assert!(unmounted.unwrap().success());
            removed.unwrap();
        }
    }
}

/// A directory that has a project.
pub(crate) struct Sandbox {
    pub(crate) tree: Tree,
    pub(crate) quota: ProjectQuota,
    pub(crate) id: ProjectId,
}

impl Sandbox {
    pub(crate) fn root(&self) -> File {
        File::open(self.tree.path()).unwrap()
    }

    pub(crate) fn usage(&self) -> ProjectUsage {
        self.quota.usage(self.id).unwrap()
    }

    pub(crate) fn assert_agrees_with_the_walk(&self) -> ProjectUsage {
        await_agreement(self.tree.path(), &self.quota, self.id)
    }
}

/// Waits until the kernel's account is what a walk finds. XFS gives back what was deleted or cut off a moment later.
pub(crate) fn await_agreement(path: &Path, quota: &ProjectQuota, id: ProjectId) -> ProjectUsage {
    let root = open_root(path).unwrap();
    let deadline = Instant::now() + SOON;
    loop {
        let walked = disk_engine::measure(root.as_fd(), &Default::default()).unwrap();
        let counted = quota.usage(id).unwrap();
        if (counted.bytes, counted.inodes) == (walked.bytes, walked.inodes) {
            return counted;
        }
        assert!(
            Instant::now() < deadline,
            "the kernel says {counted:?}, the walk {walked:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn id(number: u32) -> ProjectId {
    ProjectId::new(number).unwrap()
}

/// Waits until there is something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command that has to succeed.
pub(crate) fn succeed(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let mut command = Command::new(program);
    let output = command.args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
}

pub(crate) fn everybodys(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

/// What an ordinary user comes to, with no capability.
pub(crate) fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let become_and_act = || {
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        // Of this thread alone.
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        act()
    };
    thread::scope(|scope| scope.spawn(become_and_act).join().unwrap())
}

/// Writes so many bytes, as far as it can.
pub(crate) fn write(path: &Path, bytes: usize) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let block = [b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let written = file.write(&block[..left.min(block.len())])?;
        left -= written;
    }
    Ok(())
}
