//! What of the host's files tasks see, and what not, as far as it is the same for all tasks of this executor.
//!
//! Nothing of the host's is writable to a task. What it would learn, or reach, by reading alone is hidden from it, besides
//! what [`sandbox::PrivateFiles::of_host`] hides from everybody:
//!
//! | hidden | because of |
//! |---|---|
//! | the agent's work directory | sandboxes of other tasks and executors, checkpoints with their environments |
//! | the executor's own sandbox | its other tasks, its journal, its log |
//! | the agent's domain socket | whoever can connect to it speaks for executors |
//! | the key of the executor's TLS identity | whoever has it is the executor |
//! | the directories in [`SECRETS`] | credentials of the agent; files of other runtimes' containers |
//!
//! Sockets need no file of their own to be on this list: they are in `/run`, of which a task sees nothing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dialect::{VolumeSource, VolumeWish};
use mesos_proto::environment::ExecutorEnvironment;
use mesos_proto::paths::work_directory_of;
use nix::sys::stat::{FileStat, fstat};
use tracing::warn;

use crate::journal;
use crate::settings::FILESYSTEM;

/// Where the packages of Mesos and DC/OS keep the agent's configuration with its credentials, and other container
/// runtimes their containers' files.
const SECRETS: [&str; 7] = [
    "/etc/mesos",
    "/etc/mesos-agent",
    "/etc/mesos-slave",
    "/var/lib/containerd",
    "/var/lib/dcos",
    "/var/lib/docker",
    "/var/lib/mesos",
];

/// The directory, in the executor's sandbox, of its tasks' directories.
pub(super) const TASKS: &str = "tasks";

/// What tasks see of the host's files.
#[derive(Debug)]
pub(crate) struct HostFiles {
    /// Whether a task has a view of its own, and not the executor's.
    pub(crate) private: bool,
    /// What no task sees.
    pub(super) hidden: Vec<PathBuf>,
    /// The names of what the agent fetched into the executor's sandbox.
    pub(super) fetched: Vec<OsString>,
    /// The agent's, where it can be told.
    pub(super) work_directory: Option<PathBuf>,
}

impl HostFiles {
    /// For the tasks of an executor that an agent started; its own program is called `own_name` in its sandbox.
    pub(crate) fn of_executor(
        environment: &ExecutorEnvironment,
        own_name: Option<&OsString>,
    ) -> Self {
        let key = environment
            .tls
            .as_ref()
            .and_then(|tls| tls.identity.as_ref());
        let mut hidden = vec![environment.sandbox.clone()];
        hidden.extend(environment.domain_socket.clone());
        hidden.extend(key.map(|identity| identity.key.path.clone()));
        Self {
            fetched: fetched(&environment.sandbox, own_name),
            ..Self::around(Some(&environment.directory), hidden)
        }
    }

    /// For a command without an agent, or in a task of another executor, whose directory is then `directory`; it has files
    /// of its own if it is to be `private`.
    pub(crate) fn of_command(directory: Option<&Path>, private: bool) -> Self {
        let mut files = Self::around(directory, Vec::new());
        files.private &= private;
        files
    }

    fn around(directory: Option<&Path>, mut hidden: Vec<PathBuf>) -> Self {
        let work_directory = directory.and_then(work_directory_of);
        hidden.extend(work_directory.clone());
        hidden.extend(SECRETS.map(PathBuf::from));
        Self {
            private: !crate::settings::leaves_tasks_the_hosts_files(),
            hidden,
            fetched: Vec::new(),
            work_directory,
        }
    }

    /// What a task finds in its directory by a link to the executor's sandbox: what was fetched, and, where nothing can be
    /// mounted for it, its persistent volumes.
    pub(super) fn names_of<'a>(
        &'a self,
        volumes: &'a [VolumeWish],
    ) -> impl Iterator<Item = &'a OsStr> {
        let persistent = volumes.iter().filter_map(|wish| match &wish.source {
            VolumeSource::Persistent(volume) => Some(volume.container_path.as_str()),
            VolumeSource::Host { .. }
            | VolumeSource::ExecutorSandbox(_)
            | VolumeSource::TaskSandbox(_)
            | VolumeSource::Agents(_) => None,
        });
        let is_private = self.private;
        let persistent = persistent.filter(move |path| !is_private && !path.contains('/'));
        let fetched = self.fetched.iter().map(OsString::as_os_str);
        fetched.chain(persistent.map(OsStr::new))
    }

    /// Why a task that asks for files of its own does not get them.
    pub(super) fn not_private(what: &str) -> String {
        format!(
            "the task asks for {what}, and {FILESYSTEM}=host leaves it the executor's files as they are"
        )
    }
}

/// What was fetched is there before the executor is started; what comes later is the tasks' own.
fn fetched(sandbox: &Path, own_name: Option<&OsString>) -> Vec<OsString> {
    let entries = fs::read_dir(sandbox);
    if let Err(error) = &entries {
        warn!("tasks will not find fetched files in their directories: {error}");
    }
    let names = entries.into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name()).filter(|name| {
        let is_ours = name == TASKS || name == journal::DIRECTORY || own_name == Some(name);
        let path = sandbox.join(name);
        !is_ours && !is_log(&name.to_string_lossy()) && !is_volume(&path) && !is_output(&path)
    });
    names.collect()
}

/// Whether it is where this process writes to: the shell before it has redirected that, as with Marathon's `cmd`, and the
/// task means to write there itself.
fn is_output(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    let is_it = |output: nix::Result<FileStat>| {
        output.is_ok_and(|output| (output.st_dev, output.st_ino) == (found.dev(), found.ino()))
    };
    is_it(fstat(io::stdout())) || is_it(fstat(io::stderr()))
}

/// Whether the agent has linked or mounted something to `path` that is the task's whose resources it is among. What
/// cannot be told is no volume.
fn is_volume(path: &Path) -> bool {
    let leads_out = || {
        let (target, sandbox) = (path.canonicalize().ok()?, path.parent()?);
        Some(!target.starts_with(sandbox.canonicalize().ok()?))
    };
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link {
        return leads_out().unwrap_or_default();
    }
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    // The fifth word is the mount point, with blanks as octal digits (Linux: Documentation/filesystems/proc.rst).
    let mut points = mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let escaped = path.as_os_str().as_bytes();
    let escaped = escaped.iter().flat_map(|byte| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        other => vec![*other],
    });
    let escaped: Vec<u8> = escaped.collect();
    points.any(|point| point == escaped)
}

/// The executor's own output, and what Mesos's log rotation makes of it (Mesos:
/// src/slave/container_loggers/logrotate.cpp).
pub(super) fn is_log(name: &str) -> bool {
    let rest = name
        .strip_prefix("stdout")
        .or_else(|| name.strip_prefix("stderr"));
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix('.');
        rest.is_empty()
            || rest.starts_with(".logrotate.")
            || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_fetched_is_what_is_there_but_for_logs_and_what_is_ours() {
        let sandbox = tempfile::tempdir().unwrap();
        for name in [
            "server.tar.gz",
            "stdout",
            "stderr.1",
            "stdout.logrotate.conf",
            "stdout.txt",
            TASKS,
            journal::DIRECTORY,
            "mesos-sandbox-executor",
        ] {
            fs::write(sandbox.path().join(name), "").unwrap();
        }
        let own = OsString::from("mesos-sandbox-executor");
        let mut found = fetched(sandbox.path(), Some(&own));
        found.sort();
        assert_eq!(found, ["server.tar.gz", "stdout.txt"]);
    }

    #[test]
    fn what_leads_out_of_the_sandbox_was_not_fetched() {
        let sandbox = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", sandbox.path().join("volume")).unwrap();
        fs::write(sandbox.path().join("server-1.2"), "").unwrap();
        std::os::unix::fs::symlink("server-1.2", sandbox.path().join("server")).unwrap();
        let mut found = fetched(sandbox.path(), None);
        found.sort();
        assert_eq!(found, ["server", "server-1.2"]);
        assert!(is_volume(Path::new("/proc")), "it is a mount point");
    }

    #[test]
    fn the_work_directory_is_hidden_where_it_can_be_told() {
        let run = "slaves/s/frameworks/f/executors/e/runs/c";
        let known = HostFiles::of_command(Some(&Path::new("/srv/mesos").join(run)), true);
        assert_eq!(known.work_directory, Some("/srv/mesos".into()));
        assert!(known.hidden.contains(&PathBuf::from("/srv/mesos")));
        let unknown = HostFiles::of_command(Some(Path::new("/srv/mesos")), true);
        assert_eq!(unknown.work_directory, None);
    }
}
