//! What `make dist` ships.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

use test_support::binaries;

/// ELF, 64 bits, little endian: the offsets of what is looked at in its header and its program headers (elf(5)).
const TYPE: usize = 16;
const PROGRAM_HEADERS: usize = 32;
const PROGRAM_HEADER_SIZE: usize = 54;
const PROGRAM_HEADER_COUNT: usize = 56;

const SHARED_OBJECT: u16 = 3;
const INTERPRETER: u32 = 3;

fn number<const N: usize>(file: &[u8], at: usize) -> [u8; N] {
    file[at..at + N].try_into().unwrap()
}

#[test]
fn each_program_is_position_independent_and_needs_no_interpreter() {
    for path in [
        binaries::sandbox_executor(),
        binaries::disk_watcher(),
        binaries::stats_collector(),
    ] {
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file[..6], *b"\x7fELF\x02\x01", "{}", path.display());
        assert_eq!(
            u16::from_le_bytes(number(&file, TYPE)),
            SHARED_OBJECT,
            "{}",
            path.display()
        );
        let first = u64::from_le_bytes(number(&file, PROGRAM_HEADERS)) as usize;
        let size = usize::from(u16::from_le_bytes(number(&file, PROGRAM_HEADER_SIZE)));
        let count = usize::from(u16::from_le_bytes(number(&file, PROGRAM_HEADER_COUNT)));
        assert!(count > 0);
        for header in 0..count {
            let kind = u32::from_le_bytes(number(&file, first + header * size));
            assert_ne!(kind, INTERPRETER, "{}", path.display());
        }
    }
}

#[test]
fn each_program_tells_its_version_and_its_use() {
    for (path, name) in [
        (binaries::sandbox_executor(), "mesos-sandbox-executor"),
        (binaries::disk_watcher(), "mesos-disk-watcher"),
        (binaries::stats_collector(), "mesos-stats-collector"),
    ] {
        let said = |argument: &str| {
            let output = Command::new(&path).arg(argument).output().unwrap();
            assert!(output.status.success(), "{name} {argument}");
            String::from_utf8(output.stdout).unwrap()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(said("--version").trim(), format!("{name} {version}"));
        assert!(said("--help").lines().count() > 10, "{name}");
    }
}
