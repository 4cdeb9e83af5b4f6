//! The network: what no task may do, and what none can reach that has a network of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use nix::errno::Errno;

use super::{NO, Row};
use crate::attempt::{Attempt, errno};
use crate::outcome::{Expected, Gain};
use crate::sys::call;

pub(super) const ROWS: &[Row] = &[
    Row::both("have a raw socket", NO, |_| {
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)
    }),
    Row::both("have a socket of packets", NO, |_| {
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
    }),
    Row::both("change an interface", NO, |_| {
        const SIOCSIFFLAGS: i64 = 0x8914;
        let socket = open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        // Of one that is not there.
        let mut request = [0; 40];
        request[..7].copy_from_slice(b"escape0");
        call(
            libc::SYS_ioctl,
            [
                socket.into(),
                SIOCSIFFLAGS.into(),
                request.as_mut_slice().into(),
            ],
        )?;
        Gain::escape("changed")
    }),
];

/// What holds besides for a task with a network of its own. One that shares the host's has its loopback and its
/// abstract sockets: that is what sharing it means.
pub const OWN_NETWORK: &[Row] = &[
    Row::both(
        "connect to an abstract socket of the host's",
        REFUSED,
        |world| {
            let address = SocketAddr::from_abstract_name(&world.abstract_socket);
            let connected = address.and_then(|address| UnixStream::connect_addr(&address));
            connected.map_err(|error| errno(&error))?;
            Gain::escape("connected")
        },
    ),
    Row::both(
        "connect to the host's loopback",
        Expected::Refused(&[Errno::ECONNREFUSED, Errno::ENETUNREACH]),
        |world| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, world.port)).map_err(|error| errno(&error))?;
            Gain::escape("connected")
        },
    ),
    Row::both(
        "see an interface of the host's",
        Expected::Contained,
        |_| {
            let devices = fs::read_to_string("/proc/net/dev").map_err(|error| errno(&error))?;
            let names = devices
                .lines()
                .filter_map(|line| Some(line.split_once(':')?.0.trim()));
            match names.into_iter().find(|name| *name != "lo") {
                Some(other) => Gain::escape(other),
                None => Gain::contained("its own loopback"),
            }
        },
    ),
];

const REFUSED: Expected = Expected::Refused(&[Errno::ECONNREFUSED]);

fn open(family: i32, kind: i32, protocol: i32) -> Result<i64, Errno> {
    call(
        libc::SYS_socket,
        [
            i64::from(family).into(),
            i64::from(kind).into(),
            i64::from(protocol).into(),
        ],
    )
}

fn socket(family: i32, kind: i32, protocol: i32) -> Attempt {
    open(family, kind, protocol)?;
    Gain::escape("open")
}
