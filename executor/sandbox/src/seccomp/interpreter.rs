//! Runs filters as the kernel does, for tests.

use super::rules::Action;
use super::syscalls;

/// A system call as a filter sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) architecture: u32,
    pub(super) arguments: [u64; 6],
}

pub(super) const X86_64: u32 = 0xc000_003e;

/// The call of this name with these first arguments.
pub(super) fn call(name: &str, first: &[u64]) -> Call {
    let mut arguments = [0; 6];
    arguments[..first.len()].copy_from_slice(first);
    Call {
        number: syscalls::number(name).unwrap_or_else(|| panic!("{name}")),
        architecture: X86_64,
        arguments,
    }
}

/// What the program answers. Panics where the kernel would refuse the program: a jump backwards cannot be expressed, one
/// out of it can.
pub(super) fn run(program: &[u64], call: Call) -> Action {
    let mut data = vec![];
    data.extend(call.number.to_ne_bytes());
    data.extend(call.architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(call.arguments.iter().flat_map(|value| value.to_ne_bytes()));
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let instruction = program[at].to_ne_bytes();
        let code = u16::from_ne_bytes([instruction[0], instruction[1]]);
        let value = u32::from_ne_bytes(instruction[4..].try_into().unwrap());
        at += 1;
        let mut jump_if = |holds: bool| at += usize::from(instruction[if holds { 2 } else { 3 }]);
        match code {
            0x20 => {
                let from = value as usize;
                assert!(from.is_multiple_of(4), "unaligned");
                accumulator = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
            }
            0x54 => accumulator &= value,
            0x05 => at += value as usize,
            0x15 => jump_if(accumulator == value),
            0x25 => jump_if(accumulator > value),
            0x35 => jump_if(accumulator >= value),
            0x45 => jump_if(accumulator & value != 0),
            0x06 => return answer(value),
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn answer(value: u32) -> Action {
    match value & 0xffff_0000 {
        0x8000_0000 => Action::KillProcess,
        0 => Action::KillThread,
        0x0003_0000 => Action::Trap,
        0x0005_0000 => Action::Errno((value & 0xffff) as u16),
        0x7ffc_0000 => Action::Log,
        0x7fff_0000 => Action::Allow,
        other => panic!("answer {other:#x}"),
    }
}
