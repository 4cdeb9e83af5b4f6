//! What is the whole host's: the kernel's modules, its clock, its keys, its events.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use super::{NO, NO_CALL, Row};
use crate::attempt::{c_string, errno};
use crate::outcome::{Expected, Gain};
use crate::sys::{Argument, call};

pub(super) const ROWS: &[Row] = &[
    Row::both("load a module", NO_CALL, |_| {
        let nothing = c"";
        call(libc::SYS_init_module, [0.into(), 0.into(), nothing.into()])?;
        Gain::escape("loaded")
    }),
    Row::both("load a module from a file", NO_CALL, |_| {
        let nothing = c"";
        call(
            libc::SYS_finit_module,
            [(-1).into(), nothing.into(), 0.into()],
        )?;
        Gain::escape("loaded")
    }),
    Row::both("unload a module", NO_CALL, |_| {
        let name = c"no-such-module";
        call(
            libc::SYS_delete_module,
            [name.into(), i64::from(libc::O_NONBLOCK).into()],
        )?;
        Gain::escape("unloaded")
    }),
    Row::both("load another kernel", NO_CALL, |_| {
        call(
            libc::SYS_kexec_load,
            [0.into(), 0.into(), 0.into(), 0.into()],
        )?;
        Gain::escape("unloaded the one that was there")
    }),
    Row::both("load another kernel from a file", NO_CALL, |_| {
        call(
            libc::SYS_kexec_file_load,
            [(-1).into(), (-1).into(), 0.into(), 0.into(), 0.into()],
        )?;
        Gain::escape("loaded")
    }),
    Row::both("restart the host", NO, |_| {
        // Numbers that mean nothing.
        call(libc::SYS_reboot, [1.into(), 2.into(), 3.into(), 0.into()])?;
        Gain::escape("restarted")
    }),
    Row::both("make a map of bpf", NO_CALL, |_| {
        const MAP_CREATE: i64 = 0;
        // An array of one entry with a key and a value of four bytes.
        let mut attributes = [0; 72];
        for (at, value) in [(0, 2), (4, 4), (8, 4), (12, 1)] {
            attributes[at] = value;
        }
        call(
            libc::SYS_bpf,
            [
                MAP_CREATE.into(),
                attributes.as_mut_slice().into(),
                72.into(),
            ],
        )?;
        Gain::escape("made")
    }),
    Row::both(
        "count events of a processor",
        Expected::Refused(&[Errno::EPERM, Errno::ENOSYS, Errno::EACCES]),
        |_| {
            // Software, the processor's clock, of this process.
            let mut attributes = [0; 112];
            attributes[0] = 1;
            attributes[4] = 112;
            let arguments: [Argument<'_>; 5] = [
                attributes.as_mut_slice().into(),
                0.into(),
                (-1).into(),
                (-1).into(),
                0.into(),
            ];
            call(libc::SYS_perf_event_open, arguments)?;
            Gain::escape("counted")
        },
    ),
    Row::both("handle page faults of its own", NO_CALL, |_| {
        call(libc::SYS_userfaultfd, [0.into()])?;
        Gain::escape("it does")
    }),
    Row::both("add a key to the kernel's", NO_CALL, |_| {
        const OF_USER: i64 = -4;
        let (kind, name) = (c"user", c"escape");
        let mut payload = *b"secret";
        let arguments: [Argument<'_>; 5] = [
            kind.into(),
            name.into(),
            payload.as_mut_slice().into(),
            6.into(),
            OF_USER.into(),
        ];
        call(libc::SYS_add_key, arguments)?;
        Gain::escape("added")
    }),
    Row::both("ask for a key of the kernel's", NO_CALL, |_| {
        let (kind, name) = (c"user", c"escape");
        call(
            libc::SYS_request_key,
            [kind.into(), name.into(), 0.into(), 0.into()],
        )?;
        Gain::escape("got")
    }),
    Row::both("find its keyring", NO_CALL, |_| {
        const GET_ID: i64 = 0;
        const OF_SESSION: i64 = -3;
        call(
            libc::SYS_keyctl,
            [GET_ID.into(), OF_SESSION.into(), 0.into()],
        )?;
        Gain::escape("found")
    }),
    Row::both("queue operations that no filter sees", NO_CALL, |_| {
        let mut parameters = [0; 120];
        call(
            libc::SYS_io_uring_setup,
            [1.into(), parameters.as_mut_slice().into()],
        )?;
        Gain::escape("it can")
    }),
    Row::both("set the clock", NO, |_| {
        const SET_OFFSET: u32 = 0x100;
        // By no time at all.
        let mut change = [0; 208];
        change[..4].copy_from_slice(&SET_OFFSET.to_ne_bytes());
        call(
            libc::SYS_clock_adjtime,
            [0.into(), change.as_mut_slice().into()],
        )?;
        Gain::escape("set")
    }),
    Row::both("set the clock by its oldest call", NO_CALL, |_| {
        // The time zone alone, to what it is.
        let mut zone = [0; 8];
        call(
            libc::SYS_settimeofday,
            [0.into(), zone.as_mut_slice().into()],
        )?;
        Gain::escape("set")
    }),
    Row::both("set the host's name", NO, |_| {
        let name = nix::unistd::gethostname()?;
        nix::unistd::sethostname(name)?;
        Gain::escape("set")
    }),
    Row::both("swap to a file", NO, |_| {
        let file = c"/no/such/file";
        call(libc::SYS_swapon, [file.into(), 0.into()])?;
        Gain::escape("it does")
    }),
    Row::both("have no swap any more", NO, |_| {
        let file = c"/no/such/file";
        call(libc::SYS_swapoff, [file.into()])?;
        Gain::escape("it does")
    }),
    Row::both("account for processes", NO_CALL, |_| {
        call(libc::SYS_acct, [0.into()])?;
        Gain::escape("it does")
    }),
    Row::both("open a file by its handle", NO, |world| {
        let here = File::open(&world.sandbox).map_err(|error| errno(&error))?;
        let handle = c_string(&world.sandbox);
        // Room for what the kernel gives: its length, its kind, itself.
        let mut bytes = [0; 136];
        bytes[0] = 128;
        let mut mount = [0; 4];
        let arguments: [Argument<'_>; 5] = [
            (-100).into(),
            handle.as_c_str().into(),
            bytes.as_mut_slice().into(),
            mount.as_mut_slice().into(),
            0.into(),
        ];
        // A filter may refuse this already.
        call(libc::SYS_name_to_handle_at, arguments)?;
        let here = i64::from(here.as_raw_fd());
        call(
            libc::SYS_open_by_handle_at,
            [here.into(), bytes.as_mut_slice().into(), 0.into()],
        )?;
        Gain::escape("open")
    }),
    Row::both("watch every file", NO_CALL, |_| {
        const WITH_CONTENT: i64 = 4;
        call(libc::SYS_fanotify_init, [WITH_CONTENT.into(), 0.into()])?;
        Gain::escape("it does")
    }),
    Row::both("speak to ports of the processor's", NO_CALL, |_| {
        call(libc::SYS_iopl, [3.into()])?;
        Gain::escape("it does")
    }),
    Row::both("hang up its terminal", NO, |_| {
        call(libc::SYS_vhangup, [])?;
        Gain::escape("done")
    }),
    Row::both(
        "be another user",
        Expected::Refused(&[Errno::EPERM, Errno::EINVAL]),
        |_| {
            // Root's may, as far as there are any in its user namespace.
            if nix::unistd::getuid().is_root() {
                return Err(Errno::EPERM);
            }
            nix::unistd::setuid(nix::unistd::Uid::from_raw(0))?;
            Gain::escape("it is root")
        },
    ),
];
