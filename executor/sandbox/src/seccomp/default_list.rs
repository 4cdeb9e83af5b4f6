//! The system calls that a task may not make when it does not say otherwise, and why.
//!
//! It is a list of what is denied: a list of what is allowed would have to be complete for every program, and break those
//! of tomorrow. What makes lists of denials leak, system calls that they do not know yet, is closed: a number that is
//! newer than this version does not exist for a task.

use std::collections::BTreeMap;

use super::rules::{Action, Case, Comparison, Condition, Rules};
use super::syscalls;
use crate::capabilities::{Capability, CapabilitySet};

/// System calls that are denied for the same reason.
struct Denied {
    calls: &'static str,
    /// Only when one of the arguments is so.
    only: Option<Condition>,
    /// What they fail with.
    errno: i32,
    /// A task that has one of these capabilities may make them: it asked for what they are for.
    unless: &'static [&'static str],
}

/// Each entry with its reason.
const DENIED: &[Denied] = &[
    // What the task sees of the file system is what its sandbox is made of.
    Denied {
        calls: "mount umount2 pivot_root move_mount fsopen fsconfig fsmount fspick open_tree open_tree_attr \
            mount_setattr",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    // A namespace of its own, above all of users, in which it would be root: most of what has broken out of sandboxes
    // began there. Joining another's leads out of its own.
    Denied {
        calls: "setns",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    Denied {
        calls: "unshare",
        only: Some(any_of(0, NAMESPACES | CLONE_NEWTIME)),
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    Denied {
        calls: "clone",
        only: Some(any_of(0, NAMESPACES)),
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    // Its flags are in memory, where a filter cannot look. Whoever is told that it does not exist uses clone.
    Denied {
        calls: "clone3",
        only: None,
        errno: libc::ENOSYS,
        unless: &["SYS_ADMIN"],
    },
    // Its disk quota counts the files that have its project's id, which is an attribute that the owner of a file may
    // change, by itself or with the flag that hands it on to new files. No capability makes this right.
    Denied {
        calls: "ioctl",
        only: Some(is_command(0x401c_5820)), // FS_IOC_FSSETXATTR
        errno: libc::EPERM,
        unless: &[],
    },
    Denied {
        calls: "ioctl",
        only: Some(is_command(0x4008_6602)), // FS_IOC_SETFLAGS
        errno: libc::EPERM,
        unless: &[],
    },
    Denied {
        calls: "ioctl",
        only: Some(is_command(0x4004_6602)), // FS_IOC32_SETFLAGS
        errno: libc::EPERM,
        unless: &[],
    },
    Denied {
        calls: "file_setattr",
        only: None,
        errno: libc::EPERM,
        unless: &[],
    },
    Denied {
        calls: "quotactl quotactl_fd",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    // They put characters into a terminal as if somebody had typed them: that of whoever started the executor by hand.
    Denied {
        calls: "ioctl",
        only: Some(is_command(0x5412)), // TIOCSTI
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    Denied {
        calls: "ioctl",
        only: Some(is_command(0x541c)), // TIOCLINUX
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    // Keys of the kernel's are in no namespace, and are counted by user across the whole host.
    Denied {
        calls: "keyctl add_key request_key",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    // Programs inside the kernel; where users without rights may load them, that has often been a way to more.
    Denied {
        calls: "bpf",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN", "BPF"],
    },
    // It measures the whole host, neighbours included.
    Denied {
        calls: "perf_event_open",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN", "PERFMON"],
    },
    // It holds the kernel up in the middle of a copy for as long as one likes: what makes races in it easy to win.
    Denied {
        calls: "userfaultfd",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_PTRACE"],
    },
    // What is asked for through its rings is done by the kernel past every filter, and so past this list. Programs that
    // are told that it does not exist use epoll.
    Denied {
        calls: "io_uring_setup io_uring_enter io_uring_register",
        only: None,
        errno: libc::ENOSYS,
        unless: &["SYS_ADMIN"],
    },
    // Where a task shares its processes or its user with others, as under an executor without rights, it would reach
    // into their memory, and into the executor's. A debugger needs the capability, or a profile that allows it.
    Denied {
        calls: "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_PTRACE"],
    },
    // A file by its number instead of by a path: also of those that the sandbox does not show.
    Denied {
        calls: "open_by_handle_at",
        only: None,
        errno: libc::EPERM,
        unless: &["DAC_READ_SEARCH"],
    },
    // The host itself.
    Denied {
        calls: "init_module finit_module delete_module",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_MODULE"],
    },
    Denied {
        calls: "kexec_load kexec_file_load reboot",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_BOOT"],
    },
    Denied {
        calls: "swapon swapoff",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_ADMIN"],
    },
    Denied {
        calls: "acct",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_PACCT"],
    },
    Denied {
        calls: "iopl ioperm",
        only: None,
        errno: libc::EPERM,
        unless: &["SYS_RAWIO"],
    },
    // The kernel's log tells of the host and of its neighbours, and of addresses in the kernel.
    Denied {
        calls: "syslog",
        only: None,
        errno: libc::EPERM,
        unless: &["SYSLOG", "SYS_ADMIN"],
    },
    // Sockets to whoever runs this host as a virtual machine are in no namespace.
    Denied {
        calls: "socket",
        only: Some(equal(0, 40)), // AF_VSOCK
        errno: libc::EAFNOSUPPORT,
        unless: &["SYS_ADMIN"],
    },
    // Nobody has used these for a long time; nobody has looked at them for as long.
    Denied {
        calls: "uselib ustat sysfs _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg \
            afs_syscall tuxcall security vserver lookup_dcookie epoll_ctl_old epoll_wait_old",
        only: None,
        errno: libc::ENOSYS,
        unless: &[],
    },
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
const NAMESPACES: u64 = 0x7e02_0000;
/// Of unshare alone: to clone this bit is part of a signal's number.
const CLONE_NEWTIME: u64 = 0x80;

/// Some of `bits` are set.
const fn any_of(argument: u8, bits: u64) -> Condition {
    Condition {
        argument,
        comparison: Comparison::AnyOf(bits),
    }
}

/// It is this integer of 32 bits, whatever the upper half says, at which the kernel does not look either.
const fn equal(argument: u8, value: u32) -> Condition {
    Condition {
        argument,
        comparison: Comparison::MaskedEqual {
            mask: 0xffff_ffff,
            value: value as u64,
        },
    }
}

const fn is_command(command: u32) -> Condition {
    equal(1, command)
}

/// The list, for a task whose programs can have `capabilities`.
pub(super) fn rules(capabilities: CapabilitySet) -> Rules {
    let mut rules = Rules {
        cases: BTreeMap::new(),
        otherwise: Action::Allow,
        unknown: Action::Errno(libc::ENOSYS as u16),
    };
    let has = |name: &&str| Capability::named(name).is_some_and(|one| capabilities.contains(one));
    for denied in DENIED {
        if denied.unless.iter().any(has) {
            continue;
        }
        for call in denied.calls.split_ascii_whitespace() {
            let Some(number) = syscalls::number(call) else {
                continue;
            };
            rules.cases.entry(number).or_default().push(Case {
                conditions: denied.only.into_iter().collect(),
                action: Action::Errno(denied.errno as u16),
            });
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_is_known() {
        for denied in DENIED {
            for call in denied.calls.split_ascii_whitespace() {
                assert!(syscalls::number(call).is_some(), "{call}");
            }
            for name in denied.unless {
                assert!(Capability::named(name).is_some(), "{name}");
            }
        }
    }
}
