//! From rules to a program of the kernel's packet filter (Linux: Documentation/userspace-api/seccomp_filter.rst,
//! include/uapi/linux/bpf_common.h).
//!
//! Numbers of system calls with the same answer are taken together, and found by halving: older kernels run the program
//! at each call, and eight comparisons are cheaper than eighty.

use super::rules::{Action, Case, Comparison, Condition, Rules};
use super::syscalls;

/// The most instructions that the kernel takes (`BPF_MAXINSNS`).
const MOST: usize = 4096;

/// From here on a number is one of the x32 way of calling, which shares the architecture with the ordinary one and would
/// go round every rule (`__X32_SYSCALL_BIT`).
const X32: u32 = 0x4000_0000;

/// Linux: include/uapi/linux/audit.h, `AUDIT_ARCH_X86_64`
const X86_64: u32 = 0xc000_003e;

/// What a filter looks at: `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

// Classes, sizes, modes and operations of instructions, put together.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
const JUMP_IF_ANY_OF: u16 = 0x45;
const RETURN: u16 = 0x06;

/// `struct sock_filter`, in the bytes of this architecture.
fn instruction(code: u16, if_true: u8, if_false: u8, value: u32) -> u64 {
    u64::from(code) | u64::from(if_true) << 16 | u64::from(if_false) << 24 | u64::from(value) << 32
}

fn give(action: Action) -> u64 {
    // Linux: include/uapi/linux/seccomp.h, `SECCOMP_RET_*`
    let value = match action {
        Action::KillProcess => 0x8000_0000,
        Action::KillThread => 0,
        Action::Trap => 0x0003_0000,
        Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    };
    instruction(RETURN, 0, 0, value)
}

/// The program is longer than the kernel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

pub(super) fn compile(rules: &Rules) -> Result<Vec<u64>, TooLong> {
    let mut program = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(JUMP_IF_EQUAL, 1, 0, X86_64),
        // The numbers of another way of calling mean other calls.
        give(Action::KillProcess),
        instruction(LOAD, 0, 0, NUMBER),
    ];
    program.extend(search(&stretches(rules)));
    if program.len() > MOST {
        return Err(TooLong);
    }
    Ok(program)
}

/// Numbers from this one to the next stretch's, and what is to be done with them.
struct Stretch {
    first: u32,
    code: Vec<u64>,
}

fn stretches(rules: &Rules) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut add = |first, code: Vec<u64>| {
        if stretches.last().is_none_or(|last| last.code != code) {
            stretches.push(Stretch { first, code });
        }
    };
    let mut next = 0;
    for (number, _) in syscalls::all() {
        if number > next {
            add(next, vec![give(rules.unknown)]);
        }
        add(number, answer(rules, number));
        next = number + 1;
    }
    add(next, vec![give(rules.unknown)]);
    // As a kernel without them answers.
    add(X32, vec![give(Action::Errno(libc::ENOSYS as u16))]);
    stretches
}

fn answer(rules: &Rules, number: u32) -> Vec<u64> {
    let mut code = Vec::new();
    for case in rules.cases.get(&number).into_iter().flatten() {
        code.extend(try_case(case));
        if case.conditions.is_empty() {
            return code;
        }
    }
    code.push(give(rules.otherwise));
    code
}

/// The code for the number that is loaded.
fn search(stretches: &[Stretch]) -> Vec<u64> {
    let (low, high) = match stretches {
        [] => return Vec::new(),
        [only] => return only.code.clone(),
        several => several.split_at(several.len() / 2),
    };
    let pivot = high[0].first;
    let (low, high) = (search(low), search(high));
    let mut code = match u8::try_from(low.len()) {
        Ok(over_low) => vec![instruction(JUMP_IF_GREATER_OR_EQUAL, over_low, 0, pivot)],
        // Only this jump reaches further, and a program is far shorter than it reaches.
        Err(_) => vec![
            instruction(JUMP_IF_GREATER_OR_EQUAL, 0, 1, pivot),
            instruction(JUMP, 0, 0, low.len() as u32),
        ],
    };
    code.extend(low);
    code.extend(high);
    code
}

/// Where a comparison goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// The next instruction.
    Next,
    /// The next condition.
    Met,
    /// The next case.
    Failed,
}

/// One instruction of a comparison, with its jumps not yet counted.
enum Draft {
    Plain(u16, u32),
    Jump(u16, u32, To, To),
}

fn try_case(case: &Case) -> Vec<u64> {
    let conditions: Vec<Vec<Draft>> = case.conditions.iter().map(compare).collect();
    // Behind the last condition is the answer, and behind that the next case.
    let end = conditions.iter().map(Vec::len).sum::<usize>() + 1;
    let mut code = Vec::new();
    for condition in conditions {
        let met = code.len() + condition.len();
        for draft in condition {
            let after = code.len() + 1;
            // A condition has six instructions at the most, and a case as many conditions as a call has arguments.
            let distance = |to| match to {
                To::Next => 0,
                To::Met => (met - after) as u8,
                To::Failed => (end - after) as u8,
            };
            code.push(match draft {
                Draft::Plain(operation, value) => instruction(operation, 0, 0, value),
                Draft::Jump(operation, value, if_true, if_false) => {
                    instruction(operation, distance(if_true), distance(if_false), value)
                }
            });
        }
    }
    code.push(give(case.action));
    code
}

/// 64 bits are compared by halves, the upper one first.
fn compare(condition: &Condition) -> Vec<Draft> {
    use Comparison as Is;
    use To::{Failed, Met, Next};
    let at = ARGUMENTS + 8 * u32::from(condition.argument);
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let (load_low, load_high) = (Draft::Plain(LOAD, at), Draft::Plain(LOAD, at + 4));
    let jump = Draft::Jump;
    match condition.comparison {
        Is::Equal(value) => {
            let (high, low) = halves(value);
            vec![
                load_high,
                jump(JUMP_IF_EQUAL, high, Next, Failed),
                load_low,
                jump(JUMP_IF_EQUAL, low, Met, Failed),
            ]
        }
        Is::NotEqual(value) => {
            let (high, low) = halves(value);
            vec![
                load_high,
                jump(JUMP_IF_EQUAL, high, Next, Met),
                load_low,
                jump(JUMP_IF_EQUAL, low, Failed, Met),
            ]
        }
        Is::MaskedEqual { mask, value } => {
            let ((high_mask, low_mask), (high, low)) = (halves(mask), halves(value));
            vec![
                load_high,
                Draft::Plain(AND, high_mask),
                jump(JUMP_IF_EQUAL, high, Next, Failed),
                load_low,
                Draft::Plain(AND, low_mask),
                jump(JUMP_IF_EQUAL, low, Met, Failed),
            ]
        }
        Is::AnyOf(bits) => {
            let (high, low) = halves(bits);
            vec![
                load_high,
                jump(JUMP_IF_ANY_OF, high, Met, Next),
                load_low,
                jump(JUMP_IF_ANY_OF, low, Met, Failed),
            ]
        }
        Is::Greater(value) => ordered(value, JUMP_IF_GREATER, Met, Failed, [load_high, load_low]),
        Is::GreaterOrEqual(value) => ordered(
            value,
            JUMP_IF_GREATER_OR_EQUAL,
            Met,
            Failed,
            [load_high, load_low],
        ),
        // The opposites of these.
        Is::LessOrEqual(value) => {
            ordered(value, JUMP_IF_GREATER, Failed, Met, [load_high, load_low])
        }
        Is::Less(value) => ordered(
            value,
            JUMP_IF_GREATER_OR_EQUAL,
            Failed,
            Met,
            [load_high, load_low],
        ),
    }
}

/// Goes on at `above` when the argument is greater, as `operation` on its lower half means it, and at `below` otherwise.
fn ordered(value: u64, operation: u16, above: To, below: To, loads: [Draft; 2]) -> Vec<Draft> {
    let (high, low) = ((value >> 32) as u32, value as u32);
    let [load_high, load_low] = loads;
    vec![
        load_high,
        Draft::Jump(JUMP_IF_GREATER, high, above, To::Next),
        Draft::Jump(JUMP_IF_EQUAL, high, To::Next, below),
        load_low,
        Draft::Jump(operation, low, above, below),
    ]
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
