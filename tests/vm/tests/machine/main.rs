//! What runs in the virtual machine: one boot for all of it.
#![forbid(unsafe_code)]

mod disk_quotas;
mod disk_watcher;
mod kernel_tests;
mod ordinary_user;
mod project_ids;
mod quotas;
mod systemd;

use std::sync::LazyLock;

use vm_tests::Machine;

/// A machine that did not boot fails every test at once.
static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::boot(env!("CARGO_BIN_EXE_vm-guest")));
