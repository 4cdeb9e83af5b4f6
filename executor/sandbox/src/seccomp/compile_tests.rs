use std::collections::BTreeMap;

use super::*;
use crate::seccomp::interpreter::{Call, call, run};

fn rules(cases: &[(&str, &[Case])], otherwise: Action) -> Rules {
    let by_number = |(name, cases): &(&str, &[Case])| (call(name, &[]).number, cases.to_vec());
    Rules {
        cases: cases.iter().map(by_number).collect(),
        otherwise,
        unknown: Action::Errno(38),
    }
}

fn always(action: Action) -> Case {
    Case {
        conditions: vec![],
        action,
    }
}

fn when(conditions: &[(u8, Comparison)], action: Action) -> Case {
    let conditions = conditions.iter().map(|(argument, comparison)| Condition {
        argument: *argument,
        comparison: *comparison,
    });
    Case {
        conditions: conditions.collect(),
        action,
    }
}

type Meaning = fn(u64, u64) -> bool;

const DENY: Action = Action::Errno(1);

#[test]
fn each_number_gets_its_own_answer() {
    // Every other one, so that there is no stretch to hide behind.
    let cases: BTreeMap<u32, Vec<Case>> = syscalls::all()
        .filter(|(number, _)| number % 2 == 0)
        .map(|(number, _)| (number, vec![always(Action::Errno(number as u16))]))
        .collect();
    let rules = Rules {
        cases,
        otherwise: Action::Allow,
        unknown: Action::KillThread,
    };
    let program = compile(&rules).unwrap();
    for (number, name) in syscalls::all() {
        let expected = if number % 2 == 0 {
            Action::Errno(number as u16)
        } else {
            Action::Allow
        };
        assert_eq!(run(&program, call(name, &[])), expected, "{name}");
    }
    for unknown in [337, 423, 470, 0x3fff_ffff] {
        let call = Call {
            number: unknown,
            ..call("read", &[])
        };
        assert_eq!(run(&program, call), Action::KillThread, "{unknown}");
    }
}

#[test]
fn calls_of_another_way_of_calling_are_refused_whatever_the_rules() {
    let program = compile(&rules(&[], Action::Allow)).unwrap();
    let read = call("read", &[]);
    assert_eq!(run(&program, read), Action::Allow);
    for architecture in [0x4000_0003, 0, u32::MAX] {
        let call = Call {
            architecture,
            ..read
        };
        assert_eq!(run(&program, call), Action::KillProcess);
    }
    for number in [0x4000_0000, 0x4000_0209, u32::MAX] {
        let call = Call { number, ..read };
        assert_eq!(run(&program, call), Action::Errno(38), "{number:#x}");
    }
}

#[test]
fn arguments_are_compared_with_all_of_their_bits() {
    use Comparison as Is;
    let around = [
        0,
        1,
        0xffff_ffff,
        1 << 32,
        (1 << 32) | 5,
        (5 << 32) | 1,
        u64::MAX,
    ];
    for value in around {
        let comparisons: [(Comparison, Meaning); 8] = [
            (Is::NotEqual(value), |a, b| a != b),
            (Is::Less(value), |a, b| a < b),
            (Is::LessOrEqual(value), |a, b| a <= b),
            (Is::Equal(value), |a, b| a == b),
            (Is::GreaterOrEqual(value), |a, b| a >= b),
            (Is::Greater(value), |a, b| a > b),
            (Is::AnyOf(value), |a, b| a & b != 0),
            (
                Is::MaskedEqual {
                    mask: 0x1_0000_0001,
                    value: value & 0x1_0000_0001,
                },
                |a, b| a & 0x1_0000_0001 == b & 0x1_0000_0001,
            ),
        ];
        for (comparison, holds) in comparisons {
            for argument in 0..6 {
                let case = [when(&[(argument, comparison)], DENY)];
                let program = compile(&rules(&[("ioctl", &case)], Action::Allow)).unwrap();
                for given in around
                    .into_iter()
                    .flat_map(|one| [one, one.wrapping_sub(1), one.wrapping_add(1)])
                {
                    // The other arguments must not matter.
                    let mut call = call("ioctl", &[!given; 6]);
                    call.arguments[usize::from(argument)] = given;
                    let expected = if holds(given, value) {
                        DENY
                    } else {
                        Action::Allow
                    };
                    assert_eq!(run(&program, call), expected, "{given:#x} {comparison:x?}");
                }
            }
        }
    }
}

#[test]
fn all_conditions_of_a_case_have_to_hold_and_the_first_case_counts() {
    let all_six: Vec<_> = (0..6)
        .map(|argument| (argument, Comparison::Equal(argument.into())))
        .collect();
    let cases = [
        when(&all_six, Action::Errno(11)),
        when(
            &[(0, Comparison::Equal(0)), (1, Comparison::Greater(5))],
            Action::Errno(12),
        ),
        when(&[(0, Comparison::Equal(0))], Action::Errno(13)),
        always(Action::Log),
        always(Action::Trap),
    ];
    let program = compile(&rules(&[("mmap", &cases)], Action::Allow)).unwrap();
    let answer = |arguments: &[u64]| run(&program, call("mmap", arguments));
    assert_eq!(answer(&[0, 1, 2, 3, 4, 5]), Action::Errno(11));
    assert_eq!(answer(&[0, 1, 2, 3, 4, 6]), Action::Errno(13));
    assert_eq!(answer(&[0, 6]), Action::Errno(12));
    assert_eq!(answer(&[0, 5]), Action::Errno(13));
    assert_eq!(answer(&[1, 6]), Action::Log);
    assert_eq!(run(&program, call("munmap", &[])), Action::Allow);
}

#[test]
fn answers_further_away_than_a_jump_reaches_are_found() {
    let one = when(
        &[(0, Comparison::Equal(7)), (1, Comparison::Equal(8))],
        DENY,
    );
    let many: Vec<Case> = (0..60).map(|_| one.clone()).collect();
    let names = ["read", "ioctl", "mount", "setns", "file_setattr"];
    let cases: Vec<(&str, &[Case])> = names.iter().map(|name| (*name, &many[..])).collect();
    let program = compile(&rules(&cases, Action::Allow)).unwrap();
    assert!(program.len() > 1024);
    for (_, name) in syscalls::all() {
        let expected = if names.contains(&name) {
            DENY
        } else {
            Action::Allow
        };
        assert_eq!(run(&program, call(name, &[7, 8])), expected, "{name}");
        assert_eq!(run(&program, call(name, &[7, 9])), Action::Allow, "{name}");
    }
}

#[test]
fn a_program_longer_than_the_kernel_takes_is_refused() {
    let many = vec![when(&[(0, Comparison::Equal(7))], DENY); 1000];
    let rules = rules(&[("read", &many)], Action::Allow);
    assert_eq!(compile(&rules), Err(TooLong));
}
