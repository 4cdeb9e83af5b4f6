//! A bundle for crun that is as much of a sandbox as ours: the same namespaces, limits, rights, a filter, the host's
//! files read-only, a private /tmp.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What Debian has as links into /usr.
const LINKS: [&str; 3] = ["bin", "lib", "lib64"];

/// What of the host is to be seen.
const SEEN: [&str; 3] = ["usr", "etc", "var"];

/// As ours.
const CAPABILITIES: [&str; 10] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Some of the calls that ours refuses.
const REFUSED: [&str; 16] = [
    "mount",
    "umount2",
    "pivot_root",
    "reboot",
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "perf_event_open",
    "ptrace",
    "userfaultfd",
    "init_module",
    "finit_module",
    "kexec_load",
    "setns",
    "unshare",
];

const MASKED: [&str; 6] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/scsi",
    "/proc/acpi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// How long processes may take that were killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its directory.
pub(super) struct Bundle(TempDir);

impl Bundle {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let root = directory.path().join("rootfs");
        for name in SEEN.iter().chain(&["proc", "sys", "dev", "tmp"]) {
            fs::create_dir_all(root.join(name)).expect("own directory");
        }
        for name in LINKS {
            symlink(Path::new("usr").join(name), root.join(name)).expect("own directory");
        }
        fs::create_dir(directory.path().join("sandbox")).expect("own directory");
        Self(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Says what it runs.
    pub(super) fn write(&mut self, arguments: &[&str]) {
        let text = self.configuration(arguments).to_string();
        fs::write(self.path().join("config.json"), text).expect("own directory");
    }

    /// Removes those that crun did not remove since a process was still on its way out, of which there may be many.
    pub(super) fn remove_cgroups(&self) {
        let hierarchies = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten();
        for left in hierarchies.map(|hierarchy| hierarchy.path().join(Self::cgroup())) {
            let begin = Instant::now();
            while left.exists()
                && let Err(error) = fs::remove_dir(&left)
            {
                if begin.elapsed() > PATIENCE {
                    eprintln!("remove {}: {error}", left.display());
                    break;
                }
                sleep(Duration::from_millis(20));
            }
        }
    }

    fn cgroup() -> String {
        format!("bench-of-crun-{}", std::process::id())
    }

    fn configuration(&self, arguments: &[&str]) -> Value {
        let bound = |to: String, from: String, how: &str| json!({ "destination": to, "source": from, "type": "bind", "options": ["rbind", how] });
        let special = |kind: &str, to: &str, options: &[&str]| json!({ "destination": to, "source": kind, "type": kind, "options": options });
        let sandbox = self.path().join("sandbox").display().to_string();
        let mut mounts: Vec<Value> = SEEN
            .iter()
            .map(|name| bound(format!("/{name}"), format!("/{name}"), "ro"))
            .collect();
        mounts.extend([
            special("proc", "/proc", &[]),
            special("tmpfs", "/dev", &["nosuid", "mode=755"]),
            special(
                "devpts",
                "/dev/pts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
            ),
            special("tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev"]),
            bound("/sys".to_owned(), "/sys".to_owned(), "ro"),
            bound("/tmp".to_owned(), sandbox, "rw"),
        ]);
        let namespaces =
            ["pid", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({ "type": kind }));
        json!({
            "ociVersion": "1.0.0",
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": arguments,
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "cwd": "/",
                "capabilities": { "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES },
                "noNewPrivileges": true,
            },
            "root": { "path": "rootfs", "readonly": true },
            "hostname": "bench",
            "mounts": mounts,
            "linux": {
                "namespaces": namespaces,
                "resources": {
                    "memory": { "limit": super::MEMORY },
                    "pids": { "limit": super::PIDS },
                    "cpu": { "shares": 102 },
                },
                "cgroupsPath": format!("/{}", Self::cgroup()),
                "maskedPaths": MASKED,
                "readonlyPaths": READ_ONLY,
                "seccomp": {
                    "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{ "names": REFUSED, "action": "SCMP_ACT_ERRNO" }],
                },
            },
        })
    }
}
