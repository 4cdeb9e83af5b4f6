//! A seccomp profile of an operator's: a byte that says under which circumstances, then JSON.

use sandbox::CapabilitySet;
use sandbox::seccomp::{Circumstances, Profile};

/// The most instructions that the kernel takes (Linux: include/uapi/linux/bpf_common.h, `BPF_MAXINSNS`).
const MOST: usize = 4096;

/// Whatever it is, there is a reason why it is no profile, or a filter that the kernel takes (Linux: net/core/filter.c,
/// `bpf_check_classic`; kernel/seccomp.c, `seccomp_check_filter`).
pub(crate) fn run(bytes: &[u8]) {
    let Some((around, text)) = bytes.split_first() else {
        return;
    };
    let around = Circumstances {
        capabilities: if around & 1 == 0 {
            CapabilitySet::NONE
        } else {
            CapabilitySet::ALL
        },
        kernel: (u32::from(around >> 1), 0),
    };
    match Profile::parse(text, around) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(profile) => check(profile.instructions()),
    }
}

fn check(program: &[u64]) {
    assert!(
        (1..=MOST).contains(&program.len()),
        "{} long",
        program.len()
    );
    for (at, instruction) in program.iter().enumerate() {
        let code = instruction & 0xffff;
        let (if_true, if_false) = (instruction >> 16 & 0xff, instruction >> 24 & 0xff);
        let value = instruction >> 32;
        let is_inside = |distance: u64| ((at + 1) as u64 + distance) < program.len() as u64;
        let is_sound = match code {
            // Load one of the words of `struct seccomp_data`.
            0x20 => value < 64 && value.is_multiple_of(4),
            // And.
            0x54 => true,
            // Jumps, which go forward alone.
            0x05 => is_inside(value),
            0x15 | 0x25 | 0x35 | 0x45 => is_inside(if_true) && is_inside(if_false),
            // Return.
            0x06 => true,
            _ => false,
        };
        assert!(is_sound, "instruction {at}: {instruction:#018x}");
    }
    let last = program.last().map(|last| last & 0xffff);
    assert_eq!(last, Some(0x06), "it ends without an answer");
}
