//! System calls by their numbers, as whoever wants to get out makes them. Everything `unsafe` of this crate is here.

use std::arch::asm;
use std::ffi::CStr;

use nix::errno::Errno;

/// An argument of a call.
#[derive(Debug)]
pub(crate) enum Argument<'a> {
    /// A number, flag or descriptor.
    Number(i64),
    /// A text that the kernel reads.
    Text(&'a CStr),
    /// Memory that the kernel reads or writes, as much of it as this at the most.
    Memory(&'a mut [u8]),
}

impl Argument<'_> {
    fn word(&mut self) -> i64 {
        match self {
            Argument::Number(number) => *number,
            Argument::Text(text) => text.as_ptr() as i64,
            Argument::Memory(memory) => memory.as_mut_ptr() as i64,
        }
    }
}

impl From<i64> for Argument<'_> {
    fn from(number: i64) -> Self {
        Argument::Number(number)
    }
}

impl<'a> From<&'a CStr> for Argument<'a> {
    fn from(text: &'a CStr) -> Self {
        Argument::Text(text)
    }
}

impl<'a> From<&'a mut [u8]> for Argument<'a> {
    fn from(memory: &'a mut [u8]) -> Self {
        Argument::Memory(memory)
    }
}

/// The system call of this number.
pub(crate) fn call<const N: usize>(
    number: i64,
    mut arguments: [Argument<'_>; N],
) -> Result<i64, Errno> {
    let mut words = [0; 6];
    for (word, argument) in words.iter_mut().zip(&mut arguments) {
        *word = argument.word();
    }
    let [a, b, c, d, e, f] = words;
    // SAFETY: what is a pointer among the arguments points to memory that lives until the return, and every caller in
    // this crate gives a call as much of it as that call reads or writes. None of the calls changes this process's own
    // memory otherwise: the table asks for none that maps, and nothing here shares memory with another thread.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    Errno::result(returned)
}

/// The system call of this number of 32-bit programs, which any program can make. None of its arguments may be a
/// pointer.
pub(crate) fn call_of_32_bit(number: u32, a: u32, b: u32) -> Result<i64, Errno> {
    let returned: i64;
    // SAFETY: the kernel returns to here with the answer in rax and every other register as it was but r8 to r11, which
    // are named. rbx, which the compiler keeps for itself, is put back. No argument points to memory.
    unsafe {
        asm!(
            "xchg {a}, rbx",
            "int 0x80",
            "xchg {a}, rbx",
            a = inout(reg) u64::from(a) => _,
            inlateout("rax") i64::from(number) => returned,
            in("rcx") u64::from(b),
            in("rdx") 0_u64,
            in("rsi") 0_u64,
            in("rdi") 0_u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if (-4095..0).contains(&returned) {
        // Between -4095 and -1.
        return Err(Errno::from_raw(-(returned as i32)));
    }
    Ok(returned)
}

/// Ignores every signal that can be ignored.
pub(crate) fn ignore_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler is installed, only the disposition changes. Those that cannot be ignored are refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
