//! What the tests on the real kernel share: an executor's worth of cgroups, sandboxes and files,
//! that is gone after the test even when it panics, and looks that nothing else is left.
//!
//! The tests need root and a host with the memory, pids and cpu controllers.
#![forbid(unsafe_code)]

mod built_ins;
mod files;
pub mod guests;
mod probe;
mod stage;
mod task;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::{Cgroup, Host, Limits, Parent};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, umask};
use sandbox::directory::create_task;
use sandbox::{
    Command, Filesystem, Handles, InitProgram, LaunchError, Launcher, Namespaces, Plan,
    PrivateFiles, Stdio,
};

pub use built_ins::BUILT_INS;
pub use files::{Mounted, private_with, with_own_mounts};
pub use probe::{Probe, forbid_user_namespaces};
pub use stage::Stage;
pub use task::{Held, Task};

use task::Place;

/// How long something that must happen is waited for before a test gives up. No test asserts a
/// time; this only turns a hang into a failure.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The environment variable by which the processes of a test are found, wherever they went.
pub const MARK: &str = "KERNEL_TEST";

/// Limits that limit nothing.
pub const UNLIMITED: Limits = Limits::of_cpus(0.1);

/// An executor as far as the kernel is concerned.
#[derive(Debug)]
pub struct Executor {
    /// The container id, unlike that of any other test.
    pub container: String,
    /// The executor's sandbox directory.
    pub sandbox: tempfile::TempDir,
    launcher: Launcher,
    host: Host,
    parent: Option<Parent>,
    next_task: AtomicU32,
}

impl Executor {
    /// With cgroups and a sandbox directory of its own. `init` is the program that dispatches:
    /// `env!("CARGO_BIN_EXE_probe-executor")` in a test.
    ///
    /// # Panics
    /// When the host does not allow it.
    pub fn start(init: &str) -> Executor {
        Executor::with(InitProgram::at(init))
    }

    /// The same for a program that dispatches itself.
    ///
    /// # Panics
    /// When the host does not allow it.
    pub fn with(init: InitProgram) -> Executor {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Odd, so that nothing passes thanks to the one that the tests happen to be run with.
        umask(Mode::from_bits_truncate(0o077));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let container = format!("kernel-test-{}-{number}", std::process::id());
        let host = Host::detect(Path::new("/")).expect("a host with cgroups");
        let parent = Parent::create(&host, &container).expect("root, and cgroups to write to");
        let sandbox = tempfile::tempdir().expect("a directory");
        // A task with another user has to get through it.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(sandbox.path(), mode).expect("own directory");
        Executor {
            container,
            sandbox,
            launcher: Launcher::start(init).expect("a thread"),
            host,
            parent: Some(parent),
            next_task: AtomicU32::new(0),
        }
    }

    /// A plan for `script`, run by the shell in every namespace there is.
    pub fn plan(script: &str) -> Plan {
        Plan {
            environment: BTreeMap::from([(
                "PATH".to_owned(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            )]),
            namespaces: Namespaces::ALL,
            ..Plan::bare(Command::Shell(script.to_owned()))
        }
    }

    /// The same with a file system of its own, in the directory that the task gets at its launch.
    ///
    /// # Panics
    /// Never.
    pub fn private_plan(script: &str) -> Plan {
        let mut plan = Executor::plan(script);
        plan.filesystem = Filesystem::Private(PrivateFiles::of_host(""));
        plan
    }

    /// Starts `plan` in a cgroup of its own, with output into a directory of its own.
    ///
    /// # Errors
    /// What the launch says; then nothing is left of the task.
    ///
    /// # Panics
    /// When the cgroup or the directory cannot be made.
    pub fn try_launch(&self, plan: Plan, limits: &Limits) -> Result<Task, LaunchError> {
        self.try_launch_unless(&Arc::default(), plan, limits)
    }

    /// As [`Executor::try_launch`], unless it is cancelled.
    ///
    /// # Errors
    /// What the launch says; then nothing is left of the task.
    ///
    /// # Panics
    /// When the cgroup or the directory cannot be made.
    pub fn try_launch_unless(
        &self,
        cancelled: &Arc<AtomicBool>,
        plan: Plan,
        limits: &Limits,
    ) -> Result<Task, LaunchError> {
        let (plan, handles, place) = self.furnish(plan, limits);
        match self.launcher.launch(plan, handles, cancelled) {
            Ok(process) => Ok(place.task(process)),
            Err(error) => Err(place.refused(error)),
        }
    }

    /// As [`Executor::try_launch`], up to the point where only the program is to be executed.
    ///
    /// # Errors
    /// What the preparation says; then nothing is left of the task.
    ///
    /// # Panics
    /// When the cgroup or the directory cannot be made.
    pub fn try_prepare(&self, plan: Plan) -> Result<Held, LaunchError> {
        let (plan, handles, place) = self.furnish(plan, &UNLIMITED);
        match self.launcher.prepare(plan, handles, &Arc::default()) {
            Ok(prepared) => Ok(Held { prepared, place }),
            Err(error) => Err(place.refused(error)),
        }
    }

    fn furnish(&self, mut plan: Plan, limits: &Limits) -> (Plan, Handles, Place) {
        let task = format!("task-{}", self.next_task.fetch_add(1, Ordering::Relaxed));
        let parent = self.parent.as_ref().expect("there until the end");
        let cgroup = Cgroup::create(parent, &task, limits).expect("a cgroup");
        plan.cgroup_procs = cgroup.procs_files();
        plan.environment
            .insert(MARK.to_owned(), self.container.clone());
        let directory =
            create_task(self.sandbox.path(), &task, plan.identity.as_ref()).expect("a directory");
        let stdio = Stdio {
            stdin: None,
            stdout: directory.stdout.try_clone().expect("a descriptor").into(),
            stderr: directory.stderr.try_clone().expect("a descriptor").into(),
        };
        let mut handles = Handles::from(stdio);
        if let Filesystem::Private(files) = &mut plan.filesystem {
            let unknown = Path::new("");
            if files.sandbox == unknown {
                files.sandbox.clone_from(&directory.path);
                handles.sandbox = Some(directory.handle.try_clone().expect("a descriptor"));
            }
            if files.sandbox_inside == unknown {
                files.sandbox_inside.clone_from(&directory.path);
            }
            plan.working_directory.clone_from(&files.sandbox_inside);
        }
        (plan, handles, Place { cgroup, directory })
    }

    /// As [`Executor::try_launch`], for a plan that works.
    ///
    /// # Panics
    /// When it does not.
    pub fn launch(&self, plan: Plan, limits: &Limits) -> Task {
        self.try_launch(plan, limits)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Executor::launch`], for a script without limits.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn shell(&self, script: &str) -> Task {
        self.launch(Executor::plan(script), &UNLIMITED)
    }

    /// Ends it, and looks that nothing is left: no cgroup, no mount of its sandbox.
    ///
    /// # Panics
    /// When something is.
    pub fn finish(mut self) {
        if let Some(parent) = self.parent.take() {
            parent.remove().unwrap_or_else(|errors| panic!("{errors}"));
        }
        assert_eq!(cgroups_named(&self.container), Vec::<PathBuf>::new());
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
        let sandbox = self.sandbox.path().to_str().expect("a plain name");
        assert!(!mounts.contains(sandbox), "mounts are left:\n{mounts}");
        assert_eq!(
            processes_marked(&self.container),
            Vec::<i32>::new(),
            "processes are left"
        );
    }

    /// For launches without what this adds to a plan: cgroup, directory, mark.
    pub fn launcher(&self) -> &Launcher {
        &self.launcher
    }

    /// What its host has.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(parent) = self.parent.take()
            && let Err(errors) = parent.remove()
        {
            eprintln!("{errors}");
        }
    }
}

/// Waits until a descriptor is readable or hung up.
///
/// # Panics
/// After the deadline.
pub fn wait_readable(descriptor: &impl AsFd, what: &str) {
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(DEADLINE).expect("a short time");
    assert_eq!(
        poll(&mut polled, timeout),
        Ok(1),
        "waited in vain for {what}"
    );
}

/// Asks until there is an answer.
///
/// # Panics
/// After the deadline.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Puts an executable file in place, written by another process. Written by this one, the
/// descriptor could be inherited by what another test starts at that moment, and as long as
/// anybody has a file open for writing it cannot be executed.
///
/// # Panics
/// When that fails.
pub fn install(content: impl Into<process::Stdio>, path: &Path) {
    let status = process::Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(content)
        .status()
        .expect("a shell");
    assert!(status.success(), "install {}", path.display());
}

/// For a task that writes nothing.
///
/// # Panics
/// Without `/dev/null`.
pub fn nowhere() -> Stdio {
    let null = || {
        let file = fs::File::options().write(true).open("/dev/null");
        OwnedFd::from(file.expect("/dev/null"))
    };
    Stdio {
        stdin: None,
        stdout: null(),
        stderr: null(),
    }
}

/// Every cgroup directory of that name, anywhere.
pub fn cgroups_named(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name() == name {
                    found.push(entry.path());
                }
                todo.push(entry.path());
            }
        }
    }
    found
}

/// The processes that started with this mark ([`MARK`]) in their environment.
pub fn processes_marked(mark: &str) -> Vec<i32> {
    let entry = format!("{MARK}={mark}");
    processes_where(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == entry.as_bytes())
    })
}

/// The processes that execute this file.
pub fn processes_executing(program: &Path) -> Vec<i32> {
    processes_where(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program))
}

/// The children of this process that go by this name, those among them that have ended and were
/// not waited for.
pub fn children_named(name: &str) -> Vec<i32> {
    let parent = process::id().to_string();
    processes_where(|process| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        // Its id, its name in parentheses, its state, its parent.
        let rest = stat.split_once(&format!("({name}) "));
        rest.and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(&parent)
    })
}

fn processes_where(is_so: impl Fn(&Path) -> bool) -> Vec<i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_so(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
