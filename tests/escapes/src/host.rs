//! A host with something to take, and with traces of whoever takes it. All is gone with the value.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::world::{PART_OF_SECRETS, World};

/// Where the table tries to make files.
pub const SHARED_PLACES: [&str; 12] = [
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

/// A host with something to take.
#[derive(Debug)]
pub struct Host {
    /// What is where, by its names on the host.
    pub world: World,
    /// Files with nothing but a secret.
    secrets: Vec<PathBuf>,
    /// In places that others have as well, open to everybody.
    elsewhere: Vec<TempDir>,
    victim: Child,
    _listeners: (Vec<UnixListener>, UnixListener, TcpListener),
}

impl Host {
    /// With a socket in the directory `base` that no task is to find. The tasks have this user.
    ///
    /// # Panics
    /// Without root's rights.
    pub fn new(user: u32, base: &Path) -> Host {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("escaped-{}-{number}", std::process::id());
        // One that is seen, and those that all processes of a host share.
        let elsewhere: Vec<TempDir> = ["/srv", "/tmp", "/var/tmp", "/dev/shm", "/run"]
            .map(open_directory_in)
            .into();
        let sockets: Vec<PathBuf> = [base, elsewhere[4].path()]
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
        victim.arg0(format!("victim-{mark}")).arg("1000").uid(user);
        let victim = victim.spawn().expect("sleep");
        let world = World {
            writable: ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from).into(),
            sandbox: PathBuf::new(),
            open_directories: elsewhere
                .iter()
                .map(|place| place.path().to_owned())
                .collect(),
            process: victim.id().cast_signed(),
            executor: victim.id().cast_signed(),
            shared_memory: shared_memory(),
            abstract_socket: mark.clone(),
            port: loopback.local_addr().expect("an address").port(),
            mark,
            secrets: Vec::new(),
            sockets,
        };
        Host {
            world,
            secrets: Vec::new(),
            elsewhere,
            victim,
            _listeners: (listeners, abstract_listener, loopback),
        }
    }

    /// Makes a file with a secret, that everybody may read who finds it.
    ///
    /// # Panics
    /// Without root's rights.
    pub fn keep_secret_at(&mut self, path: PathBuf) {
        fs::create_dir_all(path.parent().expect("an absolute path")).expect("root's rights");
        fs::write(&path, self.secret()).expect("root's rights");
        open_to_all(&path);
        self.secrets.push(path.clone());
        self.world.secrets.push(path);
    }

    /// What is a secret of this host's, for the environment of whoever has to keep it.
    pub fn secret(&self) -> String {
        format!("{PART_OF_SECRETS}{}", self.world.mark)
    }

    /// Looks that nothing has happened to it, nor to directories besides.
    ///
    /// # Panics
    /// When something has.
    pub fn assert_untouched(&mut self, besides: &[PathBuf]) {
        let elsewhere = self.elsewhere.iter().map(TempDir::path);
        let places = SHARED_PLACES.map(Path::new).into_iter().chain(elsewhere);
        let made: Vec<PathBuf> = places
            .chain(besides.iter().map(PathBuf::as_path))
            .map(|place| place.join(&self.world.mark))
            .filter(|path| path.symlink_metadata().is_ok())
            .collect();
        assert_eq!(made, Vec::<PathBuf>::new(), "made by the task");
        for path in &self.secrets {
            let content = fs::read_to_string(path).expect("it is there");
            assert_eq!(content, self.secret());
        }
        let ended = self.victim.try_wait().expect("a child of ours");
        assert_eq!(ended, None, "a process of the host's was ended");
    }
}

impl Drop for Host {
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

fn open_directory_in(place: &str) -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix("escapes-")
        .tempdir_in(place);
    let directory = directory.unwrap_or_else(|error| panic!("{place}: {error}"));
    open_to_all(directory.path());
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
