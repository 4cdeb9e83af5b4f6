//! The program by which v2 decides who may use which device: our rules, assembled (Linux:
//! Documentation/bpf/standardization/instruction-set.rst).
//!
//! The kernel calls it with a `struct bpf_cgroup_dev_ctx` whenever a node is opened or made: what is
//! to be done and the device's kind in one number, its major, its minor. It answers 1 for yes. Each
//! rule is a run of comparisons that end in yes, or jump to the next rule at the first that fails.

use super::{DeviceKind, DeviceRule};
use crate::sys::Instruction;

/// Registers: the answer, the context that it is called with, and what is taken from that.
const R0: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// `*(u32 *)`, from memory.
const LOAD_WORD: u8 = 0x61;
const COPY: u8 = 0xbf;
const COPY_NUMBER: u8 = 0xb7;
const AND_NUMBER: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_IF_NOT: u8 = 0x55;
/// If any of the bits is set.
const JUMP_IF_ANY: u8 = 0x45;
const EXIT: u8 = 0x95;

/// `BPF_DEVCG_DEV_*`.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
/// `BPF_DEVCG_ACC_*`.
const MAKE: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

fn instruction(code: u8, destination: u8, source: u8, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: source << 4 | destination,
        offset: 0,
        immediate,
    }
}

fn load(register: u8, offset: i16) -> Instruction {
    Instruction {
        offset,
        ..instruction(LOAD_WORD, register, CONTEXT, 0)
    }
}

fn answer(yes: bool) -> [Instruction; 2] {
    [
        instruction(COPY_NUMBER, R0, 0, i32::from(yes)),
        instruction(EXIT, 0, 0, 0),
    ]
}

/// The program for these rules.
pub(super) fn of(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        load(KIND, 0),
        load(MAJOR, 4),
        load(MINOR, 8),
        // What is to be done is in the upper half of the first number, the kind in the lower.
        instruction(COPY, ACCESS, KIND, 0),
        instruction(SHIFT_RIGHT, ACCESS, 0, 16),
        instruction(AND_NUMBER, KIND, 0, 0xffff),
    ];
    for rule in rules {
        program.extend(one(rule));
    }
    program.extend(answer(false));
    program
}

fn one(rule: &DeviceRule) -> Vec<Instruction> {
    let kind = match rule.kind {
        DeviceKind::Block => BLOCK,
        DeviceKind::Character => CHARACTER,
    };
    let all = [(rule.make, MAKE), (rule.read, READ), (rule.write, WRITE)];
    let refused = all.iter().filter(|(is_allowed, _)| !is_allowed);
    let refused = refused.map(|(_, access)| access).sum();
    let mut comparisons = vec![instruction(JUMP_IF_NOT, KIND, 0, kind)];
    if refused != 0 {
        comparisons.push(instruction(JUMP_IF_ANY, ACCESS, 0, refused));
    }
    comparisons.push(instruction(JUMP_IF_NOT, MAJOR, 0, rule.major.cast_signed()));
    if let Some(minor) = rule.minor {
        comparisons.push(instruction(JUMP_IF_NOT, MINOR, 0, minor.cast_signed()));
    }
    let yes = answer(true);
    let mut left = comparisons.len() + yes.len();
    for comparison in &mut comparisons {
        // Counted from the instruction behind the jump. A rule has six at the most.
        left -= 1;
        comparison.offset = left as i16;
    }
    comparisons.extend(yes);
    comparisons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Devices;

    /// What the kernel would answer: an interpreter of the instructions used here.
    fn decides(program: &[Instruction], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let context = [(access << 16 | kind).cast_unsigned(), major, minor];
        let mut registers = [0_u64; 11];
        let mut at = 0;
        loop {
            let Instruction {
                code,
                registers: both,
                offset,
                immediate,
            } = program[at];
            let (destination, source) = (usize::from(both & 15), usize::from(both >> 4));
            // A 64-bit comparison extends the sign of its number.
            let number = i64::from(immediate).cast_unsigned();
            at += 1;
            let jumps = match code {
                LOAD_WORD => {
                    assert_eq!(source, usize::from(CONTEXT));
                    registers[destination] = u64::from(context[offset as usize / 4]);
                    false
                }
                COPY => {
                    registers[destination] = registers[source];
                    false
                }
                COPY_NUMBER => {
                    registers[destination] = number;
                    false
                }
                AND_NUMBER => {
                    registers[destination] &= number;
                    false
                }
                SHIFT_RIGHT => {
                    registers[destination] >>= number;
                    false
                }
                JUMP_IF_NOT => registers[destination] != number,
                JUMP_IF_ANY => registers[destination] & number != 0,
                EXIT => return registers[0] == 1,
                code => panic!("instruction {code:#x}"),
            };
            if jumps {
                at += usize::try_from(offset).unwrap();
            }
        }
    }

    fn rules(devices: Devices) -> Vec<DeviceRule> {
        match devices {
            Devices::Only(rules) => rules,
            Devices::Any => panic!("no rules"),
        }
    }

    #[test]
    fn without_rules_nothing_can_be_used() {
        assert!(!decides(&of(&[]), CHARACTER, READ, 1, 3));
    }

    #[test]
    fn the_standard_ones_can_be_used_and_not_made_and_no_disk_can_be_either() {
        let program = of(&rules(Devices::standard([])));
        for (kind, access, major, minor, yes) in [
            (CHARACTER, READ, 1, 3, true),
            (CHARACTER, READ | WRITE, 1, 9, true),
            (CHARACTER, READ | WRITE, 136, 4711, true),
            (CHARACTER, MAKE, 1, 3, false),
            (CHARACTER, READ | MAKE, 1, 3, false),
            (CHARACTER, READ, 1, 1, false),
            (CHARACTER, READ, 10, 200, false),
            (BLOCK, READ, 1, 3, false),
            (BLOCK, MAKE, 8, 0, false),
        ] {
            let decided = decides(&program, kind, access, major, minor);
            assert_eq!(decided, yes, "{kind} {access} {major}:{minor}");
        }
    }

    #[test]
    fn a_rule_allows_what_it_says_and_no_more() {
        let disk = DeviceRule {
            kind: DeviceKind::Block,
            major: 8,
            minor: Some(1),
            read: true,
            write: false,
            make: true,
        };
        let program = of(&rules(Devices::standard([disk])));
        for (access, minor, yes) in [
            (READ, 1, true),
            (MAKE, 1, true),
            (WRITE, 1, false),
            (READ | WRITE, 1, false),
            (READ, 0, false),
        ] {
            let decided = decides(&program, BLOCK, access, 8, minor);
            assert_eq!(decided, yes, "{access} 8:{minor}");
        }
    }
}
