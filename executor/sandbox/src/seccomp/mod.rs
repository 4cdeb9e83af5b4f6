//! Which system calls a task may make (seccomp(2)).
//!
//! ```text
//! default_list.rs   the list that counts when nobody says otherwise   \
//! document.rs       a profile of the operator's, as JSON              -> rules.rs -> compile.rs -> Profile
//! ```
//!
//! A profile is compiled by the executor, once for each set of capabilities; what a launch pays is one system call.
//! Only calls as x86-64 makes them are looked at: 32-bit ones end the process, x32 ones do not exist.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::capabilities::Capabilities;

mod compile;
mod default_list;
mod document;
#[cfg(test)]
mod interpreter;
mod rules;
mod syscalls;

pub use document::{Circumstances, ProfileError};

/// A filter as the kernel takes it, compiled once and handed to each task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Each a `struct sock_filter`.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    instructions: Vec<u64>,
    /// Whether a task is not to be started where the kernel does not take it.
    required: bool,
}

impl Profile {
    /// The default list, for a task with these capabilities. Where the kernel has no filters a task is started without, and
    /// that is said.
    pub fn default_for(capabilities: &Capabilities) -> Profile {
        static COMPILED: Mutex<BTreeMap<u64, Profile>> = Mutex::new(BTreeMap::new());
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = compiled
            .entry(capabilities.bounding.bits())
            .or_insert_with(|| {
                let rules = default_list::rules(capabilities.bounding);
                Profile {
                    // It is far below the kernel's limit, as a test looks.
                    instructions: compile::compile(&rules).unwrap_or_default(),
                    required: false,
                }
            });
        profile.clone()
    }

    /// A profile of somebody's own, as JSON. It counts, or the task is not started.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn parse(text: &[u8], around: Circumstances) -> Result<Profile, ProfileError> {
        let rules = document::parse(text, around)?;
        Ok(Profile {
            instructions: compile::compile(&rules)?,
            required: true,
        })
    }

    /// The filter, each instruction with the bytes of a `struct sock_filter`.
    pub fn instructions(&self) -> &[u64] {
        &self.instructions
    }

    pub(crate) fn is_required(&self) -> bool {
        self.required
    }
}

/// The profiles that tasks can name: files in a directory of the operator's. Each is read once, as long as this lives.
#[derive(Debug)]
pub struct Profiles {
    directory: PathBuf,
    kernel: (u32, u32),
    compiled: Mutex<BTreeMap<(String, u64), Profile>>,
}

/// Why there is no profile of that name.
#[derive(Debug, thiserror::Error)]
pub enum NamedProfileError {
    /// It is not the name of a file in a directory.
    #[error("'{0}' is not the name of a seccomp profile")]
    Name(String),
    /// It could not be read.
    #[error("read the seccomp profile {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is no profile.
    #[error("the seccomp profile {}: {source}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ProfileError,
    },
}

impl Profiles {
    /// Those in `directory`, which is not looked at now.
    ///
    /// # Errors
    /// The kernel's version cannot be read.
    pub fn in_directory(directory: PathBuf) -> io::Result<Profiles> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let kernel = document::version(&release).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Profiles {
            directory,
            kernel,
            compiled: Mutex::default(),
        })
    }

    /// The one of this name (Mesos: `SeccompInfo.profile_name`), for a task with these capabilities.
    ///
    /// # Errors
    /// See [`NamedProfileError`].
    pub fn named(
        &self,
        name: &str,
        capabilities: &Capabilities,
    ) -> Result<Profile, NamedProfileError> {
        let mut components = Path::new(name).components();
        let (Some(Component::Normal(file)), None) = (components.next(), components.next()) else {
            return Err(NamedProfileError::Name(name.to_owned()));
        };
        if file.len() != name.len() {
            return Err(NamedProfileError::Name(name.to_owned()));
        }
        let key = (name.to_owned(), capabilities.bounding.bits());
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = compiled.get(&key) {
            return Ok(profile.clone());
        }
        let path = self.directory.join(file);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(NamedProfileError::Read { path, source }),
        };
        let around = Circumstances {
            capabilities: capabilities.bounding,
            kernel: self.kernel,
        };
        let profile = Profile::parse(&text, around)
            .map_err(|source| NamedProfileError::Profile { path, source })?;
        compiled.insert(key, profile.clone());
        Ok(profile)
    }
}

/// Sixteen digits for each: JSON has no bytes.
fn to_text<S: Serializer>(instructions: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let digits = instructions.iter().map(|one| format!("{one:016x}"));
    serializer.serialize_str(&digits.collect::<String>())
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.as_bytes().chunks(16).map(|digits| {
        let digits = std::str::from_utf8(digits).map_err(serde::de::Error::custom)?;
        u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Call, call, run};
    use super::rules::Action;
    use super::*;
    use crate::capabilities::{Capability, CapabilitySet};

    const EPERM: Action = Action::Errno(1);
    const ENOSYS: Action = Action::Errno(38);

    fn of(capabilities: &[&str]) -> Profile {
        let named = |name: &&str| Capability::named(name).unwrap();
        let bounding = capabilities.iter().map(named).collect();
        Profile::default_for(&Capabilities {
            bounding,
            effective: CapabilitySet::NONE,
            ambient: CapabilitySet::NONE,
        })
    }

    fn answer(profile: &Profile, name: &str, arguments: &[u64]) -> Action {
        run(profile.instructions(), call(name, arguments))
    }

    #[test]
    fn a_task_can_change_neither_its_project_nor_its_mounts() {
        let profile = of(&[]);
        for command in [0x401c_5820_u64, 0x4008_6602, 0x4004_6602] {
            assert_eq!(answer(&profile, "ioctl", &[3, command]), EPERM);
            // The kernel looks at 32 bits.
            assert_eq!(answer(&profile, "ioctl", &[3, command | 1 << 40]), EPERM);
        }
        for command in [0x5401_u64, 0x8008_6601, 0x801c_581f, 0] {
            assert_eq!(answer(&profile, "ioctl", &[3, command]), Action::Allow);
        }
        for name in [
            "file_setattr",
            "quotactl",
            "quotactl_fd",
            "mount",
            "umount2",
            "open_tree",
        ] {
            assert_eq!(answer(&profile, name, &[]), EPERM, "{name}");
        }
        // Whatever else it may.
        let admin = of(&["SYS_ADMIN"]);
        assert_eq!(answer(&admin, "mount", &[]), Action::Allow);
        assert_eq!(answer(&admin, "ioctl", &[3, 0x401c_5820]), EPERM);
        assert_eq!(answer(&admin, "file_setattr", &[]), EPERM);
    }

    #[test]
    fn a_task_makes_processes_and_threads_and_no_namespaces() {
        let profile = of(&[]);
        // As the C library forks, makes a thread, and as posix_spawn does.
        for flags in [0x0120_0011_u64, 0x003d_0f00, 0x4111] {
            assert_eq!(
                answer(&profile, "clone", &[flags]),
                Action::Allow,
                "{flags:#x}"
            );
        }
        for flag in [17, 25, 26, 27, 28, 29, 30] {
            assert_eq!(
                answer(&profile, "clone", &[1 << flag | 0x11]),
                EPERM,
                "{flag}"
            );
            assert_eq!(answer(&profile, "unshare", &[1 << flag]), EPERM, "{flag}");
        }
        assert_eq!(answer(&profile, "unshare", &[0x400]), Action::Allow);
        assert_eq!(answer(&profile, "clone3", &[]), ENOSYS);
        assert_eq!(answer(&profile, "setns", &[]), EPERM);
        assert_eq!(answer(&of(&["SYS_ADMIN"]), "clone3", &[]), Action::Allow);
    }

    #[test]
    fn what_this_version_does_not_know_does_not_exist_for_a_task() {
        let profile = of(&["SYS_ADMIN"]);
        for number in [337, 470, 1000, 0x4000_0000, u32::MAX] {
            let call = Call {
                number,
                ..call("read", &[])
            };
            assert_eq!(run(profile.instructions(), call), ENOSYS, "{number}");
        }
    }

    #[test]
    fn what_programs_live_on_is_allowed() {
        let profile = of(&[]);
        let calls = "read write openat mmap mprotect execve fork vfork wait4 kill futex socket connect accept4 \
            epoll_wait prctl seccomp chmod fchownat setuid capset rseq getrandom memfd_create statx landlock_restrict_self \
            sched_setaffinity mbind set_mempolicy prlimit64 uretprobe fchmodat2 openat2 pidfd_open inotify_add_watch";
        for name in calls.split_ascii_whitespace() {
            assert_eq!(answer(&profile, name, &[]), Action::Allow, "{name}");
        }
    }

    #[test]
    fn a_filter_survives_its_encoding_and_is_no_empty_one() {
        for profile in [of(&[]), of(&["SYS_ADMIN", "SYS_PTRACE"])] {
            assert!((50..500).contains(&profile.instructions().len()));
            let text = serde_json::to_string(&profile).unwrap();
            assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
        }
        for broken in ["x", "ä", "0123456789abcdefg"] {
            let text = format!(r#"{{"instructions":"{broken}","required":true}}"#);
            assert!(serde_json::from_str::<Profile>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_profile_is_found_by_the_name_of_its_file_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("profiles");
        fs::create_dir(&inside).unwrap();
        let allow = r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#;
        fs::write(inside.join("all.json"), allow).unwrap();
        fs::write(directory.path().join("outside.json"), allow).unwrap();
        fs::write(inside.join("broken.json"), "{").unwrap();
        let profiles = Profiles::in_directory(inside).unwrap();
        let error = |name| {
            profiles
                .named(name, &Capabilities::NONE)
                .unwrap_err()
                .to_string()
        };

        let all = profiles.named("all.json", &Capabilities::NONE).unwrap();
        assert_eq!(answer(&all, "mount", &[]), Action::Allow);
        assert!(all.is_required());
        for name in [
            "../outside.json",
            "",
            ".",
            "..",
            "/etc/passwd",
            "all.json/",
            "./all.json",
        ] {
            let expected = format!("'{name}' is not the name of a seccomp profile");
            assert_eq!(error(name), expected);
        }
        assert!(error("none.json").contains("none.json: No such file"));
        assert!(error("broken.json").contains("broken.json: read the profile: EOF"));
    }
}
