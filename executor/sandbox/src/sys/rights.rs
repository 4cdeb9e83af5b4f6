//! What of root's rights this process has, and which system calls it may make.

use nix::errno::Errno;

use crate::capabilities::{Capability, CapabilitySet};

/// The sets of a process that it can set itself (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnCapabilities {
    pub(crate) effective: CapabilitySet,
    pub(crate) permitted: CapabilitySet,
    pub(crate) inheritable: CapabilitySet,
}

/// `struct __user_cap_header_struct` with the version whose sets have 64 bits (Linux: include/uapi/linux/capability.h).
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

const HEADER: Header = Header {
    version: 0x2008_0522,
    // This process.
    pid: 0,
};

/// `struct __user_cap_data_struct`: the lower halves of the three sets, then the upper ones.
type Data = [[u32; 3]; 2];

pub(crate) fn own_capabilities() -> nix::Result<OwnCapabilities> {
    let (mut header, mut data) = (HEADER, Data::default());
    // SAFETY: both are valid for writing for the duration of the call, and have the kernel's layout: the version names
    // two elements of data.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut data) };
    Errno::result(result)?;
    let set = |at: usize| {
        let halves = data.map(|half| u64::from(half[at]));
        CapabilitySet::from_bits(halves[0] | halves[1] << 32)
    };
    Ok(OwnCapabilities {
        effective: set(0),
        permitted: set(1),
        inheritable: set(2),
    })
}

pub(crate) fn set_own_capabilities(own: OwnCapabilities) -> nix::Result<()> {
    let mut header = HEADER;
    let sets = [own.effective, own.permitted, own.inheritable].map(CapabilitySet::bits);
    // Each half is 32 bits by its mask or its shift.
    let data: Data = [
        sets.map(|bits| (bits & 0xffff_ffff) as u32),
        sets.map(|bits| (bits >> 32) as u32),
    ];
    // SAFETY: both are valid for the duration of the call and have the kernel's layout (see `own_capabilities`). This
    // process has one thread, so that none is left behind with other rights.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const data) };
    Errno::result(result).map(drop)
}

/// Takes it out of the bounding set. EINVAL when the kernel does not know it.
pub(crate) fn drop_from_bounding(number: u8) -> nix::Result<()> {
    prctl(libc::PR_CAPBSET_DROP, number.into(), 0)
}

/// Adds it to the ambient set.
pub(crate) fn raise_ambient(capability: Capability) -> nix::Result<()> {
    let raise = libc::c_ulong::from(libc::PR_CAP_AMBIENT_RAISE.cast_unsigned());
    prctl(libc::PR_CAP_AMBIENT, raise, capability.number().into())
}

/// Has user 0 be a user as any other at an exec, for this process and all that come from it, for good.
pub(crate) fn make_root_a_user() -> nix::Result<()> {
    let bits = libc::SECBIT_NOROOT | libc::SECBIT_NOROOT_LOCKED;
    prctl(
        libc::PR_SET_SECUREBITS,
        libc::c_ulong::from(bits.cast_unsigned()),
        0,
    )
}

fn prctl(option: libc::c_int, second: libc::c_ulong, third: libc::c_ulong) -> nix::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: none of the options that this module passes takes an address.
    let result = unsafe { libc::prctl(option, second, third, zero, zero) };
    Errno::result(result).map(drop)
}

/// A session keyring of our own, in the place of the executor's.
pub(crate) fn leave_session_keyring() -> nix::Result<()> {
    /// Linux: include/uapi/linux/keyctl.h
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null pointer asks for a keyring without a name; nothing is read.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    Errno::result(result).map(drop)
}

/// Has every system call of this process, and of all that come from it, go through `program`, each of whose elements has
/// the bytes of a `struct sock_filter`. Needs CAP_SYS_ADMIN, or that no program gives new rights.
pub(crate) fn filter_system_calls(program: &[u64]) -> nix::Result<()> {
    /// Linux: include/uapi/linux/seccomp.h
    const SET_MODE_FILTER: libc::c_long = 1;
    /// Without it older kernels slow down all of the task to keep it from measuring itself.
    const SPEC_ALLOW: libc::c_ulong = 1 << 2;
    let length = libc::c_ushort::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the pointer is to `length` elements, each as large as a `struct sock_filter` and aligned at least as it is;
    // the kernel copies and checks them and writes nothing there.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            SPEC_ALLOW,
            &raw const program,
        )
    };
    Errno::result(result).map(drop)
}
