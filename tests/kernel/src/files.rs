//! Tasks with a file system of their own, and hosts with mounts of their own.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use sandbox::{Exit, Filesystem, Plan, PrivateFiles};

use crate::{Executor, UNLIMITED};

/// A plan for `script` with a file system of its own as `adjust` has it.
///
/// # Panics
/// Never.
pub fn private_with(script: &str, adjust: impl FnOnce(&mut PrivateFiles)) -> Plan {
    let mut plan = Executor::private_plan(script);
    if let Filesystem::Private(files) = &mut plan.filesystem {
        adjust(files);
    }
    plan
}

/// Has `test` take place in a mount namespace of its own, so that no mount of it is ever left on the host. In there all
/// mounts are shared with each other, as systemd makes them, when `shared` says so.
///
/// # Panics
/// When `test` does.
pub fn with_own_mounts(shared: bool, test: impl FnOnce() + Send) {
    let outcome = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            let no = None::<&str>;
            mount(no, "/", no, MsFlags::MS_REC | MsFlags::MS_PRIVATE, no).expect("own mounts");
            if shared {
                mount(no, "/", no, MsFlags::MS_REC | MsFlags::MS_SHARED, no).expect("own mounts");
            }
            test();
        });
        thread.join()
    });
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

/// A small file system in memory, unmounted when it is dropped, so that its directory can be removed.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// At `place`.
    ///
    /// # Panics
    /// Without root's rights.
    pub fn at(place: &Path, flags: MsFlags, options: &str) -> Mounted {
        mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options)).expect("root's rights");
        Mounted(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(errno) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("unmount {}: {errno}", self.0.display());
        }
    }
}

impl Executor {
    /// What the task of `plan` writes, which is to end well.
    ///
    /// # Panics
    /// When it does not.
    pub fn output_of(&self, plan: Plan) -> String {
        let mut task = self.launch(plan, &UNLIMITED);
        let exit = task.wait();
        let stderr = fs::read_to_string(task.directory.path.join("stderr")).expect("its errors");
        assert_eq!(exit, Exit::Exited(0), "{}\n{stderr}", task.stdout());
        task.stdout()
    }
}
