//! The parts of root's rights (capabilities(7)).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The names, without `CAP_`, each at its number (Linux: include/uapi/linux/capability.h).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u8);

impl Capability {
    /// CAP_SYS_ADMIN
    pub const SYS_ADMIN: Capability = Capability(21);
    /// CAP_SETPCAP
    pub const SETPCAP: Capability = Capability(8);

    /// By its name, with or without `CAP_`.
    pub fn named(name: &str) -> Option<Capability> {
        let name = name.strip_prefix("CAP_").unwrap_or(name);
        let number = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Capability)
    }

    /// The kernel's number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Capability> {
        (0..).take(NAMES.len()).map(Capability)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", NAMES[usize::from(self.0)])
    }
}

/// Any number of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// None.
    pub const NONE: CapabilitySet = CapabilitySet(0);
    /// Every one, also those that a later kernel may have.
    pub const ALL: CapabilitySet = CapabilitySet(u64::MAX);

    /// As the kernel writes it: a bit for each, by its number.
    pub const fn from_bits(bits: u64) -> CapabilitySet {
        CapabilitySet(bits)
    }

    /// A bit for each, by its number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it is in.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 & other.0)
    }

    /// What is in one or the other.
    #[must_use]
    pub const fn or(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 | other.0)
    }

    /// What is in this one alone.
    #[must_use]
    pub const fn without(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 & !other.0)
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<T: IntoIterator<Item = Capability>>(all: T) -> CapabilitySet {
        let bits = all.into_iter().map(|capability| 1 << capability.0);
        CapabilitySet(bits.fold(0, |all, bit: u64| all | bit))
    }
}

/// What a task has of them. What the executor does not have itself it cannot give: of the first two that is left out; a
/// task that is to keep in `ambient` what cannot be had is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capabilities {
    /// The most that any of its programs can ever have.
    pub bounding: CapabilitySet,
    /// What its first program has when its user is root: within `bounding`. To any other user exec leaves `ambient`.
    pub effective: CapabilitySet,
    /// What a program keeps over an exec though its user is not root: within `effective`.
    pub ambient: CapabilitySet,
}

impl Capabilities {
    /// Whatever the executor has.
    pub const ALL: Capabilities = Capabilities {
        bounding: CapabilitySet::ALL,
        effective: CapabilitySet::ALL,
        ambient: CapabilitySet::NONE,
    };
    /// None at all.
    pub const NONE: Capabilities = Capabilities {
        bounding: CapabilitySet::NONE,
        effective: CapabilitySet::NONE,
        ambient: CapabilitySet::NONE,
    };
    /// The short list of a task of root's: what root needs to keep its own house, over files, users and processes that
    /// it can reach anyway. None of these undoes a limit, reaches a device, or changes a mount or the host's network.
    ///
    /// It is what container runtimes give but for CAP_MKNOD (devices are the sandbox's to give), CAP_NET_RAW (the
    /// network is mostly the host's, where it could read along and forge), CAP_AUDIT_WRITE (the host's log), CAP_SETPCAP
    /// and CAP_SETFCAP (nobody in there is to hand on rights by files).
    pub const OF_ROOT: Capabilities = {
        let set = CapabilitySet(
            1 << 0 // CHOWN
            | 1 << 1 // DAC_OVERRIDE
            | 1 << 3 // FOWNER
            | 1 << 4 // FSETID
            | 1 << 5 // KILL
            | 1 << 6 // SETGID
            | 1 << 7 // SETUID
            | 1 << 10 // NET_BIND_SERVICE
            | 1 << 18, // SYS_CHROOT
        );
        Capabilities {
            bounding: set,
            effective: set,
            ambient: CapabilitySet::NONE,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_found_by_both_of_its_names_and_prints_the_longer() {
        for capability in Capability::all() {
            let name = capability.to_string();
            assert_eq!(Capability::named(&name), Some(capability));
            assert_eq!(Capability::named(&name[4..]), Some(capability));
        }
        assert_eq!(Capability::named("SYS_ADMIN"), Some(Capability::SYS_ADMIN));
        assert_eq!(Capability::named("SETPCAP"), Some(Capability::SETPCAP));
        for unknown in ["", "CAP_", "sys_admin", "CAP_CAP_KILL", "NOPE"] {
            assert_eq!(Capability::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_list_of_root_has_nothing_that_undoes_a_limit() {
        let names: Vec<String> = Capability::all()
            .filter(|capability| Capabilities::OF_ROOT.bounding.contains(*capability))
            .map(|capability| capability.to_string())
            .collect();
        let expected = [
            "CAP_CHOWN",
            "CAP_DAC_OVERRIDE",
            "CAP_FOWNER",
            "CAP_FSETID",
            "CAP_KILL",
            "CAP_SETGID",
            "CAP_SETUID",
            "CAP_NET_BIND_SERVICE",
            "CAP_SYS_CHROOT",
        ];
        assert_eq!(names, expected);
    }
}
