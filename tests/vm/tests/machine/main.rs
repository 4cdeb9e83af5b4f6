//! What runs in the virtual machine: one boot for all of it.
#![forbid(unsafe_code)]

mod disk_quotas;
mod disk_watcher;
mod kernel_tests;
mod ordinary_user;
mod project_ids;
mod quotas;
mod stats_collector;
mod systemd;

use vm_tests::Machines;

static MACHINE: Machines = Machines::new(env!("CARGO_BIN_EXE_vm-guest"));
