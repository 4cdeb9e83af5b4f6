use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use crate::filesystem::Filesystem;
use crate::identity::Identity;
use crate::namespaces::{IdMap, Namespaces, Network};
use crate::privileges::Privileges;
use crate::rlimits::Rlimit;

/// Everything the init has to know to set up one task's sandbox and start it. It is handed over as
/// JSON; descriptors travel beside it ([`crate::Handles`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to run.
    pub command: Command,
    /// The whole environment: nothing of the executor's is added. A `PATH` in it is where a
    /// program without a slash is looked for.
    pub environment: BTreeMap<String, String>,
    /// What it sees of the file system.
    pub filesystem: Filesystem,
    /// The current directory of the task, below its root, entered with the task's own rights. It is a path since
    /// it gives the task nothing that the task could not open itself.
    pub working_directory: PathBuf,
    /// The host name inside; without a uts namespace it is not set at all.
    pub hostname: Option<String>,
    /// Who the task runs as; `None` is whoever the executor is.
    pub identity: Option<Identity>,
    /// Which namespaces the task is to have of its own.
    pub namespaces: Namespaces,
    /// The network it is in.
    pub network: Network,
    /// A user namespace of its own.
    pub users: Option<IdMap>,
    /// What it may do beyond what its user may.
    pub privileges: Privileges,
    /// Limits of each of its processes; of what is not named those of the executor. Core dumps are off unless
    /// they are named: none is written, and none handed to a program of the host's.
    pub rlimits: Vec<Rlimit>,
    /// The mode bits that files it makes do not get: 0o022 as a rule.
    pub umask: u32,
    /// How soon the kernel ends it when the host is out of memory, from 0 to 1000, first (proc(5), `oom_score_adj`); never
    /// less than the executor's own, to which it is raised.
    pub oom_score_adjustment: i32,
    /// Files that the task's first process writes `0` to, before it gives up its rights
    /// (`cgroup::Cgroup::procs_files`).
    pub cgroup_procs: Vec<PathBuf>,
}

/// What to run (Mesos: `CommandInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// `/bin/sh -c <value>` (`CommandInfo.shell` true).
    Shell(String),
    /// A program, looked for in the task's `PATH` when it has no slash (`CommandInfo.shell` false).
    Exec {
        /// The file, relative to the working directory when it has a slash but does not start
        /// with one.
        file: String,
        /// All arguments, the first being the name the program sees itself under. When it is empty
        /// that is `file`.
        argv: Vec<String>,
    },
    /// A function of this very program ([`crate::init::dispatch`]).
    BuiltIn {
        /// Its name.
        name: String,
        /// What it is given.
        argument: String,
    },
}

impl Command {
    /// The file to execute and its arguments; of a built-in function the name.
    pub(crate) fn resolve(&self) -> (&str, Vec<&str>) {
        match self {
            // As Mesos does it (3rdparty/stout/include/stout/os/posix/shell.hpp).
            Command::Shell(value) => ("/bin/sh", vec!["sh", "-c", value]),
            Command::Exec { file, argv } if argv.is_empty() => (file, vec![file]),
            Command::Exec { file, argv } => (file, argv.iter().map(String::as_str).collect()),
            Command::BuiltIn { name, .. } => (name, vec![]),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Flaw> {
        let (file, argv) = self.resolve();
        let has_nul = std::iter::once(file)
            .chain(argv)
            .any(|text| text.contains('\0'));
        if has_nul {
            return Err(Flaw::NulByte("command"));
        }
        Ok(())
    }
}

/// What makes no sense about a [`Plan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// In a part of it that becomes a C string.
    NulByte(&'static str),
    /// Who it runs as is nobody in its user namespace.
    Unmapped { uid: u32, gid: u32 },
}

impl Plan {
    /// With nothing of its own but its processes: the executor's user, rights, limits, files and namespaces, without
    /// core dumps.
    pub fn bare(command: Command) -> Plan {
        Plan {
            command,
            environment: BTreeMap::new(),
            filesystem: Filesystem::Host,
            working_directory: PathBuf::from("/"),
            hostname: None,
            identity: None,
            namespaces: Namespaces::NONE,
            network: Network::Host,
            users: None,
            privileges: Privileges::UNCONFINED,
            rlimits: Vec::new(),
            umask: 0o022,
            oom_score_adjustment: 0,
            cgroup_procs: Vec::new(),
        }
    }

    /// Whatever reaches the kernel as a C string must not hold a NUL; looked at before anything
    /// is touched.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        self.command.check()?;
        check_environment(&self.environment)?;
        let directory = self.working_directory.as_os_str().as_encoded_bytes();
        if directory.contains(&0) {
            return Err(Flaw::NulByte("working directory"));
        }
        if let Some(map) = &self.users {
            let own = || (geteuid().as_raw(), getegid().as_raw());
            let (uid, gid) = self
                .identity
                .as_ref()
                .map_or_else(own, |who| (who.uid, who.gid));
            if !map.has(uid, gid) {
                return Err(Flaw::Unmapped { uid, gid });
            }
        }
        Ok(())
    }
}

pub(crate) fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), Flaw> {
    let nul = |text: &str| text.contains('\0');
    if environment
        .iter()
        .any(|(name, value)| nul(name) || nul(value))
    {
        return Err(Flaw::NulByte("environment"));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rlimits::{Bound, Resource};

    pub(crate) fn plan(command: Command) -> Plan {
        Plan {
            environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
            hostname: Some("box".to_owned()),
            identity: Some(Identity {
                uid: 1,
                gid: 2,
                groups: vec![2, 3],
                home: None,
            }),
            namespaces: Namespaces::ALL,
            network: Network::Join("/run/netns/blue".into()),
            rlimits: vec![Rlimit {
                resource: Resource::OpenFiles,
                soft: Bound::At(1024),
                hard: Bound::Inherited,
            }],
            cgroup_procs: vec![PathBuf::from("/sys/fs/cgroup/x/cgroup.procs")],
            ..Plan::bare(command)
        }
    }

    #[test]
    fn a_plan_survives_its_encoding() {
        let exec = Command::Exec {
            file: "a".into(),
            argv: vec!["b".into(), "ä \" \n".into()],
        };
        for command in [exec, Command::Shell("exit 3".into())] {
            let plan = plan(command);
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        }
    }

    #[test]
    fn the_shell_is_started_as_mesos_starts_it() {
        let command = Command::Shell("exit 3".into());
        assert_eq!(command.resolve(), ("/bin/sh", vec!["sh", "-c", "exit 3"]));
    }

    #[test]
    fn a_program_without_arguments_sees_itself_under_its_own_name() {
        let command = Command::Exec {
            file: "./run".into(),
            argv: vec![],
        };
        assert_eq!(command.resolve(), ("./run", vec!["./run"]));
    }

    #[test]
    fn a_nul_byte_is_refused_and_its_place_named() {
        assert_eq!(
            plan(Command::Shell("a\0b".into())).check(),
            Err(Flaw::NulByte("command"))
        );
        let mut with_nul = plan(Command::Shell("true".into()));
        with_nul.environment.insert("A\0".into(), String::new());
        assert_eq!(with_nul.check(), Err(Flaw::NulByte("environment")));
        assert_eq!(plan(Command::Shell("true".into())).check(), Ok(()));
    }
}
