//! The system calls for which there is no safe wrapper. Everything `unsafe` of this crate is here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

/// One instruction of a BPF program (Linux: include/uapi/linux/bpf.h, `struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u8,
    /// The destination in the lower four bits, the source in the upper.
    pub(crate) registers: u8,
    pub(crate) offset: i16,
    pub(crate) immediate: i32,
}

/// `enum bpf_cmd`.
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
/// `enum bpf_prog_type`.
const TYPE_CGROUP_DEVICE: u32 = 15;
/// `enum bpf_attach_type`.
const ATTACH_CGROUP_DEVICE: u32 = 6;

/// The beginning of `union bpf_attr` for [`PROG_LOAD`]; the kernel takes the rest for zero.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The same for [`PROG_ATTACH`] and [`PROG_DETACH`].
#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Gives the kernel a program that decides about the use of devices, which it checks.
///
/// # Errors
/// The kernel's answer, as when this process may not.
pub(crate) fn load_device_program(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        // The longest that the kernel takes is a million.
        insn_cnt: u32::try_from(program.len()).map_err(io::Error::other)?,
        insns: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: `attributes` is a valid beginning of the union for this command, of the size given, and
    // both pointers in it are to memory that outlives the call: `program` with as many instructions as
    // it says, and a string with a NUL at its end. The kernel only reads them.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_LOAD,
            &raw const attributes,
            size_of::<Load>(),
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it. It fits:
    // descriptors are ints.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// Has `program` decide in the cgroup whose directory is `cgroup` and in all below it, in the place
/// of one that did so before; those of cgroups above it are asked as well. It stays for as long as
/// the cgroup is.
///
/// # Errors
/// The kernel's answer.
pub(crate) fn attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
) -> io::Result<()> {
    command(PROG_ATTACH, cgroup, program.as_raw_fd().cast_unsigned())
}

/// Takes such a program away again.
///
/// # Errors
/// The kernel's answer; `ENOENT` when there is none.
pub(crate) fn detach_device_program(cgroup: BorrowedFd<'_>) -> io::Result<()> {
    command(PROG_DETACH, cgroup, 0)
}

fn command(command: libc::c_long, cgroup: BorrowedFd<'_>, program: u32) -> io::Result<()> {
    let attributes = Attach {
        target_fd: cgroup.as_raw_fd().cast_unsigned(),
        attach_bpf_fd: program,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: 0,
    };
    // SAFETY: `attributes` is a valid beginning of the union for these commands, of the size given;
    // it holds no pointer, and the kernel only reads it. Its descriptors are open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw const attributes,
            size_of::<Attach>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
