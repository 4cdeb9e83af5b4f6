//! Which parts of the system a task has of its own (namespaces(7)).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::identity::Identity;

/// Which namespaces a task is to have of its own, beside its network ([`Network`]) and its users ([`IdMap`]). What the
/// host or the executor's rights do not give, the task is started without, and that is said ([`crate::Feature`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// It sees no other processes, and when its init dies all of it does.
    pub pid: bool,
    /// Its mounts are not seen outside. With `pid` it gets a `/proc` of its own.
    pub mount: bool,
    /// System V semaphores, queues and shared memory, and POSIX queues.
    pub ipc: bool,
    /// The host name.
    pub uts: bool,
    /// Its own cgroup is the root of what it sees of cgroups: made after it joined that.
    pub cgroup: bool,
}

impl Namespaces {
    /// All of them.
    pub const ALL: Namespaces = Namespaces {
        pid: true,
        mount: true,
        ipc: true,
        uts: true,
        cgroup: true,
    };
    /// None of them.
    pub const NONE: Namespaces = Namespaces {
        pid: false,
        mount: false,
        ipc: false,
        uts: false,
        cgroup: false,
    };
}

/// The network that a task is in. Any but the host's is had, or the task is not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The executor's.
    Host,
    /// One of its own, in which there is a loopback and nothing else.
    Own,
    /// The one that this file stands for, as `ip netns add` makes it: a path on the host. Whoever names it must be
    /// allowed to: it is opened with the executor's rights.
    Join(PathBuf),
}

/// A user namespace of the task's own: which ids in it stand for which of the executor's. All others are nobody's there
/// and cannot be had. [`crate::Plan::identity`] is by the executor's ids, as the owners of files are, and must be among
/// these. It is entered when everything else is made, so that a task that is root in it has no rights over its mounts,
/// its host name or its network.
///
/// Needs root's rights, but for the executor's own user and group alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// Of users; no id twice on either side.
    pub users: Vec<IdRange>,
    /// Of groups. Supplementary groups that are not among them are given up.
    pub groups: Vec<IdRange>,
}

impl IdMap {
    /// Whether a process of this identity has ids inside.
    pub(crate) fn has(&self, uid: u32, gid: u32) -> bool {
        inside(&self.users, uid).is_some() && inside(&self.groups, gid).is_some()
    }

    /// An identity that is in the map, as it is called inside.
    pub(crate) fn inside(&self, identity: &Identity) -> Identity {
        let groups = identity
            .groups
            .iter()
            .filter_map(|gid| inside(&self.groups, *gid));
        Identity {
            // It was looked at that they are; and no process can take this for an id.
            uid: inside(&self.users, identity.uid).unwrap_or(u32::MAX),
            gid: inside(&self.groups, identity.gid).unwrap_or(u32::MAX),
            groups: groups.collect(),
            home: identity.home.clone(),
        }
    }
}

fn inside(ranges: &[IdRange], outside: u32) -> Option<u32> {
    ranges.iter().find_map(|range| {
        let offset = outside.checked_sub(range.outside)?;
        let inside = range.inside.checked_add(offset)?;
        (offset < range.count).then_some(inside)
    })
}

/// `count` ids that follow each other (user_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// The first of them in the namespace.
    pub inside: u32,
    /// The first of them outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The namespaces that pid 1 is made with: what a request to the zygote says. The task makes the others itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) pid: bool,
    pub(crate) mount: bool,
    pub(crate) ipc: bool,
    pub(crate) uts: bool,
    pub(crate) network: bool,
}

impl Own {
    pub(crate) fn of(namespaces: Namespaces, network: &Network) -> Own {
        let Namespaces {
            pid,
            mount,
            ipc,
            uts,
            cgroup: _,
        } = namespaces;
        Own {
            pid,
            mount,
            ipc,
            uts,
            network: *network == Network::Own,
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        let all = [self.pid, self.mount, self.ipc, self.uts, self.network];
        let bits = all.iter().zip(0..).map(|(own, bit)| u8::from(*own) << bit);
        bits.sum()
    }

    pub(crate) fn from_byte(byte: u8) -> Own {
        let [pid, mount, ipc, uts, network] = [0, 1, 2, 3, 4].map(|bit| byte & (1 << bit) != 0);
        Own {
            pid,
            mount,
            ipc,
            uts,
            network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_its_encoding() {
        for byte in 0..32 {
            assert_eq!(Own::from_byte(byte).to_byte(), byte);
        }
        let all = Own::of(Namespaces::ALL, &Network::Own);
        assert_eq!(all, Own::from_byte(31));
        assert_eq!(Own::of(Namespaces::NONE, &Network::Host), Own::from_byte(0));
    }
}
