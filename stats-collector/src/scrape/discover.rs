//! Where the agent of this machine is, by its own flags and environment.
//!
//! # Whom to believe
//!
//! Any task may run a program of an agent's name with any arguments, and whoever passes for the agent is sent the
//! credential and fills the graphs. So only a process counts that could have had both anyway: one of root's (or of our
//! own user's, if we are not root), in no pid namespace below ours, with the user and mount namespaces that we have or
//! the machine's first process has. Tasks that run so, without a sandbox and as root, can read our files and speak in the agent's place on its
//! own port. What an agent has started is not believed either, be it called as it may. Should there still be several,
//! none is chosen, and the operator has to say which.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mesos_agent::AgentAddress;

/// What an agent's program is called (Mesos: src/CMakeLists.txt; `mesos-slave` until 1.0, and as a link after it), also
/// where it was built and not installed.
pub(crate) const PROGRAMS: &[&str] = &[
    "mesos-agent",
    "mesos-slave",
    "lt-mesos-agent",
    "lt-mesos-slave",
];

/// Mesos: src/slave/constants.hpp.
const DEFAULT_PORT: u16 = 5051;

/// Where an agent is, as it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it listens.
    pub(crate) address: AgentAddress,
    /// Its `--work_dir`.
    pub(crate) work_dir: Option<PathBuf>,
}

/// Why no agent was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoverError {
    /// The processes of this machine cannot be listed.
    #[error("list processes in {path:?}: {source}")]
    Processes {
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file of a process that may be the agent's. Needs root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
    #[error(
        "look at process {pid}, which may be the agent: read {path:?}: {source}; name the agent's address, or grant CAP_SYS_PTRACE"
    )]
    Unreadable {
        /// Which.
        pid: u32,
        /// What of it.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Nobody.
    #[error("no agent runs on this machine{}", .distrusted.map(|pid| format!(", and process {pid}, which is called like one, is not root's in the machine's own namespaces")).unwrap_or_default())]
    Nobody {
        /// One that was not believed.
        distrusted: Option<u32>,
    },
    /// Too many.
    #[error("{} and {} may both be the agent of this machine: name its address", .pids[0], .pids[1])]
    Several {
        /// At least two.
        pids: Vec<u32>,
    },
    /// A flag that makes no sense here.
    #[error(
        "process {pid}, the agent, has {flag}={value:?}, which is no place to connect to: name its address"
    )]
    Flag {
        /// Which process.
        pid: u32,
        /// Which flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
}

/// The agent of this machine, among the processes below `proc`, which are called like one of `programs`. Blocks.
///
/// # Errors
/// There is none, or more than one, or it does not say where it listens.
pub(crate) fn discover(proc: &Path, programs: &[&str]) -> Result<Found, DiscoverError> {
    let listed = processes(proc).map_err(|source| DiscoverError::Processes {
        path: proc.to_owned(),
        source,
    })?;
    let by_name: HashSet<u32> = listed
        .values()
        .filter(|process| programs.contains(&process.name.as_str()))
        .map(|process| process.pid)
        .collect();
    let us = listed.get(&std::process::id()).map(|us| us.user);
    let mut distrusted = None;
    let mut trusted = Vec::new();
    for pid in &by_name {
        let process = &listed[pid];
        if has_ancestor_in(&by_name, process, &listed) {
            continue;
        }
        let is_root_or_us = process.user == Some(0) || Some(process.user) == us;
        if !is_root_or_us || process.is_nested || !has_trusted_namespaces(proc, *pid)? {
            distrusted = Some(*pid);
            continue;
        }
        trusted.push(process);
    }
    match trusted.as_slice() {
        [] => Err(DiscoverError::Nobody { distrusted }),
        [agent] => found(proc, agent),
        several => {
            let mut pids: Vec<u32> = several.iter().map(|process| process.pid).collect();
            pids.sort_unstable();
            Err(DiscoverError::Several { pids })
        }
    }
}

/// What everybody may see of a process.
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    /// Its user, if it is one user's in every respect.
    user: Option<u32>,
    /// Whether it lies in a pid namespace below ours.
    is_nested: bool,
}

fn processes(proc: &Path) -> io::Result<HashMap<u32, Process>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir(proc)? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Processes come and go while they are listed.
        if let Ok(status) = fs::read(proc.join(name).join("status"))
            && let Some(process) = process(pid, &String::from_utf8_lossy(&status))
        {
            all.insert(pid, process);
        }
    }
    Ok(all)
}

/// From `/proc/<pid>/status` (proc(5)).
fn process(pid: u32, status: &str) -> Option<Process> {
    let line = |key: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
    };
    let users: Vec<u32> = line("Uid")?
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect();
    Some(Process {
        pid,
        parent: line("PPid")?.parse().ok()?,
        name: line("Name")?.to_owned(),
        user: users
            .first()
            .filter(|first| users.iter().all(|user| user == *first))
            .copied(),
        is_nested: line("NSpid").is_some_and(|ids| ids.split_whitespace().count() > 1),
    })
}

fn has_ancestor_in(some: &HashSet<u32>, process: &Process, all: &HashMap<u32, Process>) -> bool {
    let mut seen = HashSet::from([process.pid]);
    let mut parent = process.parent;
    // What is listed while it changes may go round in circles.
    while seen.insert(parent) {
        if some.contains(&parent) {
            return true;
        }
        match all.get(&parent) {
            Some(process) => parent = process.parent,
            None => return false,
        }
    }
    false
}

fn has_trusted_namespaces(proc: &Path, pid: u32) -> Result<bool, DiscoverError> {
    for kind in ["user", "mnt"] {
        let of = |pid: u32| {
            let path = proc.join(format!("{pid}/ns/{kind}"));
            // The link's target is what has an identity; following it opens nothing.
            match fs::metadata(&path) {
                Ok(namespace) => Ok(Some((namespace.dev(), namespace.ino()))),
                Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(DiscoverError::Unreadable { pid, path, source }),
            }
        };
        let theirs = of(pid)?;
        // Ours are other than the machine's where the service manager has given us a view of our own.
        let is_ours = theirs == of(std::process::id())?;
        if theirs.is_none() || !is_ours && theirs != of(1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The flags of an agent: its arguments, and for what these do not say its environment (Mesos: docs/configuration/).
struct Flags {
    pid: u32,
    arguments: Vec<String>,
    environment: Vec<String>,
}

impl Flags {
    fn flag(&self, name: &str) -> Option<&str> {
        let argument = format!("--{name}=");
        let variable = format!("MESOS_{}=", name.to_ascii_uppercase());
        last(&self.arguments, &argument).or_else(|| last(&self.environment, &variable))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        last(&self.environment, &format!("{name}="))
    }

    /// Mesos: docs/ssl.md; the names without LIBPROCESS_ are older.
    fn has_set(&self, ssl: &str) -> bool {
        let value = self.variable(&format!("LIBPROCESS_SSL_{ssl}"));
        let value = value.or_else(|| self.variable(&format!("SSL_{ssl}")));
        value.is_some_and(|value| matches!(value, "1" | "true"))
    }

    fn unusable(&self, flag: &'static str, value: &str) -> DiscoverError {
        DiscoverError::Flag {
            pid: self.pid,
            flag,
            value: value.to_owned(),
        }
    }
}

fn last<'t>(texts: &'t [String], prefix: &str) -> Option<&'t str> {
    let mut texts = texts.iter().rev();
    texts.find_map(|text| text.strip_prefix(prefix))
}

fn found(proc: &Path, agent: &Process) -> Result<Found, DiscoverError> {
    let flags = Flags {
        pid: agent.pid,
        arguments: texts(proc, agent.pid, "cmdline")?,
        environment: texts(proc, agent.pid, "environ")?,
    };
    if let Some(command) = flags.flag("ip_discovery_command") {
        return Err(flags.unusable("ip_discovery_command", command));
    }
    let port = flags
        .flag("port")
        .or_else(|| flags.variable("LIBPROCESS_PORT"));
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => text.parse().map_err(|_| flags.unusable("port", text))?,
    };
    // One that allows both answers to both, and without TLS nobody needs its authority.
    let is_tls = flags.has_set("ENABLED") && !flags.has_set("SUPPORT_DOWNGRADE");
    let ip = flags
        .flag("ip")
        .or_else(|| flags.variable("LIBPROCESS_IP"))
        .filter(|ip| !matches!(*ip, "0.0.0.0" | "::"))
        .unwrap_or("127.0.0.1");
    // Certificates are of names, as a rule.
    let machine;
    let host = match flags.flag("hostname") {
        _ if !is_tls => ip,
        Some(hostname) => hostname,
        None => {
            let path = proc.join("sys/kernel/hostname");
            machine = fs::read_to_string(&path).map_err(|source| DiscoverError::Unreadable {
                pid: agent.pid,
                path,
                source,
            })?;
            machine.trim()
        }
    };
    let address = AgentAddress::new(host, port, is_tls);
    Ok(Found {
        address: address.ok_or_else(|| flags.unusable("ip or hostname", host))?,
        work_dir: flags.flag("work_dir").map(PathBuf::from),
    })
}

/// A file of texts that each end with a zero.
fn texts(proc: &Path, pid: u32, file: &str) -> Result<Vec<String>, DiscoverError> {
    let path = proc.join(format!("{pid}/{file}"));
    let bytes =
        fs::read(&path).map_err(|source| DiscoverError::Unreadable { pid, path, source })?;
    let texts = bytes.split(|byte| *byte == 0);
    // What is no UTF-8 is no flag that is looked for; a work directory of such a name is not found.
    Ok(texts
        .filter_map(|text| {
            std::ffi::OsString::from_vec(text.to_vec())
                .into_string()
                .ok()
        })
        .collect())
}

#[cfg(test)]
mod tests;
