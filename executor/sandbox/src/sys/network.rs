//! The loopback of a network that is our own.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Has the loopback of this process's network work, which in a new one is there and down (netdevice(7)). Its addresses
/// come with that.
pub(crate) fn raise_loopback() -> nix::Result<()> {
    // Of any family: they all know the interfaces.
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    let name = [b'l', b'o'].map(u8::cast_signed);
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
    };
    request.ifr_name[..name.len()].copy_from_slice(&name);
    // SAFETY: the request is a valid `struct ifreq` for the duration of the call, its name ends with a zero, and the
    // kernel fills in the flags.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request)
    })?;
    // SAFETY: the flags are what the call above has filled in, and any bits are a valid integer.
    let now = unsafe { request.ifr_ifru.ifru_flags };
    // Both fit into 16 bits (Linux: include/uapi/linux/if.h).
    request.ifr_ifru.ifru_flags = now | (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: as above; the kernel reads the flags.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    })
    .map(drop)
}
