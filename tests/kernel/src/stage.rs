//! Where escapes are tried: a host with something to take, an executor in a process of its own that has a secret, and the
//! program that tries, as its task.

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use escapes::{Host, Report, SHARED_PLACES, Task};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox::identity::Identity;
use sandbox::{Command as Program, Filesystem, Namespaces, Plan, PrivateFiles, Privileges, Root};
use tempfile::TempDir;

use crate::{Executor, Probe, install};

/// The name of the program that tries, in its sandbox.
const PROGRAM: &str = "escapee";

/// A host, an agent's work directory on it, and a task's directory in that.
#[derive(Debug)]
pub struct Stage {
    // Before the directory that some of it lies in.
    host: Host,
    /// Who the task is.
    pub identity: Option<Identity>,
    /// The agent's work directory: `agent` holds what is the agent's, `executor` what is the executor's, and
    /// `executor/tasks/t` is the task's.
    base: TempDir,
    sandbox: PathBuf,
    terminal: OwnedFd,
    /// The end of the terminal that nobody types at.
    _keyboard: OwnedFd,
}

impl Stage {
    /// For a task of this kind. `escapee` is the program that tries.
    ///
    /// # Panics
    /// Without root's rights.
    pub fn new(escapee: &str, task: Task) -> Stage {
        let identity = (task == Task::User).then(crate::guests::nobody);
        let user = identity.as_ref().map_or(0, |identity| identity.uid);
        // Where agents have it, and not below what is private to a task anyway.
        let base = tempfile::Builder::new()
            .prefix("kernel-test-")
            .tempdir_in("/var/lib");
        let base = base.expect("root's rights");
        fs::set_permissions(base.path(), Permissions::from_mode(0o755)).expect("own directory");
        let sandbox = base.path().join("executor/tasks/t");
        fs::create_dir_all(&sandbox).expect("own directory");
        install(
            File::open(escapee).expect("the program"),
            &sandbox.join(PROGRAM),
        );
        chown(&sandbox, Some(user), Some(user)).expect("root's rights");
        let secrets = [
            "agent/checkpoint",
            "agent/credential",
            "executor/journal",
            "executor/tasks/neighbour/secret",
        ];
        let mut host = Host::new(user, base.path());
        for secret in secrets {
            host.keep_secret_at(base.path().join(secret));
        }
        let terminal = openpty(None, None).expect("a terminal");
        Stage {
            host,
            identity,
            base,
            sandbox,
            terminal: terminal.slave,
            _keyboard: terminal.master,
        }
    }

    /// What a task gets that asks for nothing: every namespace, the host's files without the agent's, the default
    /// rights.
    pub fn plan(&self) -> Plan {
        let sandbox = &self.sandbox;
        let mut files = PrivateFiles::of_host(sandbox);
        files.hidden.push(self.base.path().to_owned());
        Plan {
            filesystem: Filesystem::Private(files),
            working_directory: sandbox.clone(),
            identity: self.identity.clone(),
            namespaces: Namespaces::ALL,
            privileges: Privileges::of_default(self.identity.as_ref()),
            ..Executor::plan("")
        }
    }

    /// The same in an image: its own `/`, with the directories that the table tries, the program and what that is linked
    /// with.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn plan_in_image(&self) -> Plan {
        let mut plan = self.plan();
        let root = self.base.path().join("agent/image");
        for place in SHARED_PLACES
            .iter()
            .chain(&["/proc", "/sys", "/mnt/sandbox"])
        {
            fs::create_dir_all(root.join(&place[1..])).expect("own directory");
        }
        fs::write(root.join("etc/passwd"), "").expect("own directory");
        let program = self.sandbox.join(PROGRAM);
        let linked = Command::new("ldd")
            .arg(&program)
            .output()
            .expect("ldd")
            .stdout;
        for word in String::from_utf8_lossy(&linked).split_whitespace() {
            if let Some(relative) = word.strip_prefix('/') {
                let place = root.join(relative);
                fs::create_dir_all(place.parent().expect("below the root")).expect("own directory");
                fs::copy(word, place).expect("own directory");
            }
        }
        let opened = Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(&root)
            .status();
        assert!(opened.is_ok_and(|status| status.success()), "chmod");
        if let Filesystem::Private(files) = &mut plan.filesystem {
            files.root = Root::Directory {
                path: root,
                writable: false,
            };
            files.sandbox_inside = PathBuf::from("/mnt/sandbox");
            files.hidden.clear();
            files.visible.clear();
            plan.working_directory.clone_from(&files.sandbox_inside);
        }
        plan
    }

    /// Runs the program that tries as the task of `plan`, of an executor `program` with the ids of `executor` or of root,
    /// and returns what it tells.
    ///
    /// # Panics
    /// When it does not, or ends otherwise.
    pub fn report(&mut self, program: &str, executor: Option<&Identity>, mut plan: Plan) -> Report {
        let inside = match &plan.filesystem {
            Filesystem::Private(files) => files.sandbox_inside.clone(),
            Filesystem::Host => self.sandbox.clone(),
        };
        let orders = tempfile::tempdir().expect("a directory");
        open_to_all(orders.path());
        let order = orders.path().join("order");
        mkfifo(&order, Mode::from_bits_truncate(0o666)).expect("own directory");
        open_to_all(&order);
        let secret = self.host.secret();
        let mut probe = Probe::start(
            program,
            &["plan", order.to_str().expect("plain")],
            |command| {
                command
                    .env("SECRET", secret)
                    .stdin(self.terminal.try_clone().expect("a descriptor"));
                if let Some(identity) = executor {
                    command.uid(identity.uid).gid(identity.gid);
                }
            },
        );
        self.host.world.executor = probe.pid().cast_signed();
        plan.command = Program::Exec {
            file: inside.join(PROGRAM).to_str().expect("plain").to_owned(),
            argv: vec![
                PROGRAM.to_owned(),
                "try".to_owned(),
                serde_json::to_string(&self.host.world).expect("plain data"),
            ],
        };
        // It waits for this.
        fs::write(&order, serde_json::to_vec(&plan).expect("plain data")).expect("a reader");
        let mut line = probe.line();
        while line != "started" {
            println!("{line}");
            line = probe.line();
        }
        let told = probe.line();
        let report = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
        assert_eq!(probe.line(), "exited with status 0");
        assert!(probe.wait().success());
        report
    }

    /// Looks that nothing has happened to the host.
    ///
    /// # Panics
    /// When something has.
    pub fn assert_untouched(&mut self) {
        let places =
            ["", "agent", "executor", "executor/tasks"].map(|place| self.base.path().join(place));
        self.host.assert_untouched(&places);
    }
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("own file");
}
