//! Where escapes are tried: a host with something to take, an executor of its own process with a secret, and the
//! program that tries, as its task. All is gone with the value.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use escapes::{PART_OF_SECRETS, Report, Task, World};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox::identity::Identity;
use sandbox::{Command as Program, Filesystem, Namespaces, Plan, PrivateFiles, Privileges, Root};
use tempfile::TempDir;

use crate::{Executor, Probe, install};

/// The name of the program that tries, in its sandbox.
const PROGRAM: &str = "escapee";

/// A host with something to take.
#[derive(Debug)]
pub struct Stage {
    /// What is where, by its names on the host.
    pub world: World,
    /// Who the task is.
    pub identity: Option<Identity>,
    /// The agent's work directory: `agent` holds what is the agent's, `executor` what is the executor's, and
    /// `executor/tasks/t` is the task's.
    base: TempDir,
    /// In places that others have as well.
    elsewhere: Vec<TempDir>,
    victim: Child,
    _listeners: (Vec<UnixListener>, UnixListener, TcpListener),
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
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("escaped-{}-{number}", std::process::id());
        let identity = (task == Task::User).then(crate::guests::nobody);
        let id = identity.as_ref().map_or(0, |identity| identity.uid);

        let base = directory_in(Path::new("/var/lib"), 0o755);
        let sandbox = base.path().join("executor/tasks/t");
        fs::create_dir_all(&sandbox).expect("own directory");
        install(
            File::open(escapee).expect("the program"),
            &sandbox.join(PROGRAM),
        );
        chown(&sandbox, Some(id), Some(id)).expect("root's rights");
        let secrets = [
            "agent/checkpoint",
            "agent/credential",
            "executor/journal",
            "executor/tasks/neighbour/secret",
        ];
        let secrets: Vec<PathBuf> = secrets.iter().map(|name| base.path().join(name)).collect();
        for secret in &secrets {
            fs::create_dir_all(secret.parent().expect("one of ours")).expect("own directory");
            fs::write(secret, format!("{PART_OF_SECRETS}{mark}\n")).expect("own directory");
            open_to_all(secret);
        }
        // One that is seen, and those that are shared on a host.
        let elsewhere: Vec<TempDir> = ["/srv", "/tmp", "/var/tmp", "/dev/shm", "/run"]
            .map(|place| directory_in(Path::new(place), 0o777))
            .into();
        let sockets: Vec<PathBuf> = [base.path(), elsewhere[4].path()]
            .map(|place| place.join("socket"))
            .into();
        let listeners = sockets.iter().map(|path| {
            let listener = UnixListener::bind(path).expect("own directory");
            open_to_all(path);
            listener
        });
        let listeners: Vec<UnixListener> = listeners.collect();
        let address = SocketAddr::from_abstract_name(&mark).expect("a short name");
        let abstract_listener = UnixListener::bind_addr(&address).expect("a name of its own");
        let loopback = TcpListener::bind("127.0.0.1:0").expect("a loopback");
        let mut victim = Command::new("sleep");
        let victim = victim
            .arg0(format!("victim-{mark}"))
            .arg("1000")
            .uid(id)
            .spawn()
            .expect("sleep");
        let terminal = openpty(None, None).expect("a terminal");
        let world = World {
            writable: Vec::new(),
            open_directories: elsewhere
                .iter()
                .map(|place| place.path().to_owned())
                .collect(),
            process: victim.id().cast_signed(),
            executor: 0,
            shared_memory: shared_memory(),
            abstract_socket: mark.clone(),
            port: loopback.local_addr().expect("an address").port(),
            mark,
            sandbox,
            secrets,
            sockets,
        };
        Stage {
            world,
            identity,
            base,
            elsewhere,
            victim,
            _listeners: (listeners, abstract_listener, loopback),
            terminal: terminal.slave,
            _keyboard: terminal.master,
        }
    }

    /// What a task gets that asks for nothing: every namespace, the host's files without the agent's, the default
    /// rights.
    pub fn plan(&self) -> Plan {
        let sandbox = &self.world.sandbox;
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
        let program = self.world.sandbox.join(PROGRAM);
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
        if let Filesystem::Private(files) = &plan.filesystem {
            let private = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
            self.world.writable = [vec![files.sandbox_inside.clone()], private.to_vec()].concat();
            self.world.sandbox.clone_from(&files.sandbox_inside);
        }
        let orders = tempfile::tempdir().expect("a directory");
        open_to_all(orders.path());
        let order = orders.path().join("order");
        mkfifo(&order, Mode::from_bits_truncate(0o666)).expect("own directory");
        open_to_all(&order);
        let secret = format!("{PART_OF_SECRETS}{}", self.world.mark);
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
        self.world.executor = probe.pid().cast_signed();
        plan.command = Program::Exec {
            file: self
                .world
                .sandbox
                .join(PROGRAM)
                .to_str()
                .expect("plain")
                .to_owned(),
            argv: vec![
                PROGRAM.to_owned(),
                "try".to_owned(),
                serde_json::to_string(&self.world).expect("plain data"),
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

    /// Looks at the host, which nothing is to have happened to.
    ///
    /// # Panics
    /// When something has.
    pub fn assert_untouched(&mut self) {
        let elsewhere = self.elsewhere.iter().map(TempDir::path);
        let places = SHARED_PLACES.map(Path::new).into_iter().chain(elsewhere);
        let made: Vec<PathBuf> = places
            .chain([self.base.path(), &self.base.path().join("executor/tasks")])
            .map(|place| place.join(&self.world.mark))
            .filter(|path| path.symlink_metadata().is_ok())
            .collect();
        assert_eq!(made, Vec::<PathBuf>::new(), "made by the task");
        let secret = format!("{PART_OF_SECRETS}{}\n", self.world.mark);
        for path in &self.world.secrets {
            assert_eq!(fs::read_to_string(path).expect("it is there"), secret);
        }
        let ended = self.victim.try_wait().expect("a child of ours");
        assert_eq!(ended, None, "a process of the host's was ended");
    }
}

/// Where the table tries to make files.
const SHARED_PLACES: [&str; 12] = [
    "/",
    "/etc",
    "/usr/bin",
    "/var/lib",
    "/home",
    "/root",
    "/run",
    "/run/lock",
    "/dev",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
];

impl Drop for Stage {
    fn drop(&mut self) {
        // It may be gone, which the test has seen.
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let key = format!("{:#x}", self.world.shared_memory);
        if let Err(error) = Command::new("ipcrm").args(["--shmem-key", &key]).status() {
            eprintln!("{error}");
        }
        // There in a test that fails alone.
        for place in SHARED_PLACES {
            let _ = fs::remove_file(Path::new(place).join(&self.world.mark));
        }
    }
}

fn directory_in(place: &Path, mode: u32) -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("kernel-test-")
        .tempdir_in(place);
    let directory = directory.unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("own directory");
    directory
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("own file");
}

/// Makes shared memory of the host's that everybody may use, and returns its key.
fn shared_memory() -> i32 {
    let made = Command::new("ipcmk")
        .args(["--shmem", "4096", "--mode", "0666"])
        .output()
        .expect("ipcmk");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let id = said.split_whitespace().last().expect("an id");
    let all = fs::read_to_string("/proc/sysvipc/shm").expect("/proc");
    let line = all
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(id));
    let key = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    key.unwrap_or_else(|| panic!("no shared memory {id}"))
}
