//! The line between the executor and what stays of a sandbox: messages that arrive whole, or not at
//! all, and an end that either side notices when the other is gone.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv,
    recvmsg, send, sendmsg, socketpair,
};

use crate::sys;

/// Two ends.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let ends = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    Ok(ends?)
}

/// Sends a message, and never waits for room.
pub(crate) fn tell(line: &impl AsFd, message: &[u8]) -> io::Result<()> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    send(line.as_fd().as_raw_fd(), message, flags)?;
    Ok(())
}

/// The next message, of `most` bytes at the most, waited for; `None` when the other side is gone.
pub(crate) fn hear(line: &impl AsFd, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut message = vec![0; most];
    let mut resets = 0;
    loop {
        match recv(line.as_fd().as_raw_fd(), &mut message, MsgFlags::empty()) {
            Ok(0) => return Ok(None),
            Ok(length) => {
                message.truncate(length);
                return Ok(Some(message));
            }
            Err(Errno::EINTR) => {}
            // The other side went without having read everything. What it said before it went
            // comes after this.
            Err(Errno::ECONNRESET) if resets == 0 => resets += 1,
            Err(Errno::ECONNRESET) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The next message if it is there already.
pub(crate) fn hear_now(line: &impl AsFd, most: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; most];
    let flags = MsgFlags::MSG_DONTWAIT;
    match recv(line.as_fd().as_raw_fd(), &mut message, flags) {
        Ok(length @ 1..) => {
            message.truncate(length);
            Some(message)
        }
        Ok(0) | Err(_) => None,
    }
}

/// Sends a descriptor, and never waits for room. It travels with a byte, since one at least it must.
pub(crate) fn pass(line: &impl AsFd, byte: u8, descriptor: &impl AsFd) -> io::Result<()> {
    let rights = [descriptor.as_fd().as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&rights)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let bytes = [byte];
    let slices = [IoSlice::new(&bytes)];
    sendmsg::<()>(line.as_fd().as_raw_fd(), &slices, &rights, flags, None)?;
    Ok(())
}

/// Whether an error of this module's means that there is nobody at the other end.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EPIPE | Errno::ECONNRESET))
}

/// Whether the other side has gone, or has said that it will send no more.
pub(crate) fn is_left(line: &impl AsFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(line.as_fd().as_raw_fd(), &mut [0], flags) {
        Ok(length) => length == 0,
        Err(errno) => errno != Errno::EAGAIN,
    }
}

/// Takes `buffer.len()` bytes at the most, and the descriptors that came with them: the number of
/// bytes, which is 0 when the other side is gone.
pub(crate) fn take<const MOST: usize>(
    line: &impl AsFd,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; MOST]);
    let mut slices = [IoSliceMut::new(buffer)];
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    if !wait {
        flags |= MsgFlags::MSG_DONTWAIT;
    }
    let line = line.as_fd().as_raw_fd();
    let message = recvmsg::<()>(line, &mut slices, Some(&mut control), flags)?;
    let mut numbers = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(more) = control {
            numbers.extend(more);
        }
    }
    Ok((message.bytes, sys::own_received(numbers)))
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_message_of_a_side_that_is_gone_is_heard() {
        let (here, there) = pair().unwrap();
        tell(&there, b"last words").unwrap();
        drop(there);
        assert_eq!(hear(&here, 64).unwrap().unwrap(), b"last words");
        assert_eq!(hear(&here, 64).unwrap(), None);
    }

    #[test]
    fn so_it_is_when_that_side_had_not_heard_everything() {
        let (here, there) = pair().unwrap();
        tell(&here, b"anybody?").unwrap();
        tell(&there, b"last words").unwrap();
        drop(there);
        assert_eq!(hear(&here, 64).unwrap().unwrap(), b"last words");
        assert_eq!(hear(&here, 64).unwrap(), None);
    }

    #[test]
    fn it_is_left_once_the_other_side_is_closed_and_everything_heard() {
        let (here, there) = pair().unwrap();
        assert!(!is_left(&here));
        tell(&there, b"last words").unwrap();
        drop(there);
        assert!(!is_left(&here));
        hear(&here, 64).unwrap();
        assert!(is_left(&here));
    }

    #[test]
    fn so_it_is_when_the_other_side_only_listens() {
        let (here, there) = UnixStream::pair().unwrap();
        there.shutdown(Shutdown::Write).unwrap();
        assert!(is_left(&here));
        assert!(!is_left(&there));
    }

    #[test]
    fn a_side_that_does_not_listen_holds_nobody_up() {
        let (here, _there) = pair().unwrap();
        let mut answers = std::iter::repeat_with(|| tell(&here, &[0; 1024]));
        let refused = answers.find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
