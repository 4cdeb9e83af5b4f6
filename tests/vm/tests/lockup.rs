//! A machine whose processors are stuck.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use vm_tests::Machines;

static MACHINE: Machines = Machines::new(env!("CARGO_BIN_EXE_vm-guest"));

#[test]
fn a_test_whose_machine_locks_up_is_run_in_another() {
    let runs = AtomicU32::new(0);
    MACHINE.outlive(|| {
        if runs.fetch_add(1, Ordering::Relaxed) == 0 {
            // Says what the kernel does, and ends as it does then.
            MACHINE.run("echo '<0>softlockup: hung tasks' >/dev/kmsg; echo c >/proc/sysrq-trigger");
            panic!("a machine that crashed gave an answer");
        }
        assert_eq!(MACHINE.succeed("cat /proc/1/comm"), "systemd");
    });
    assert_eq!(runs.into_inner(), 2);
}
