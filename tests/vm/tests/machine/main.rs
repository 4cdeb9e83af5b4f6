//! What runs in the virtual machine: one boot for all of it.
#![forbid(unsafe_code)]

mod kernel_tests;
mod real_mesos;
mod systemd;

use std::sync::LazyLock;

use vm_tests::{Machine, Outcome};

/// A machine that did not boot fails every test at once.
static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::boot(env!("CARGO_BIN_EXE_vm-guest")));

/// That so many tests ran, and all of them passed.
fn assert_passed(outcomes: &[Outcome], at_least: usize) {
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() >= at_least, "only {} ran", outcomes.len());
}
