//! The tests on the real kernel, where cgroup v2 is the only hierarchy.

use vm_tests::{Suite, assert_passed, run_inner_tests};

use crate::MACHINE;

/// Fewer than there are; an empty run is no proof.
const AT_LEAST: usize = 180;

#[test]
fn systemd_runs_and_cgroup_v2_is_the_only_hierarchy() {
    MACHINE.outlive(|| {
        let machine = &MACHINE;
        assert_eq!(machine.succeed("cat /proc/1/comm"), "systemd");
        let mounts = machine.succeed("grep cgroup /proc/mounts");
        assert!(
            mounts.starts_with("cgroup2 /sys/fs/cgroup cgroup2"),
            "{mounts}"
        );
        assert_eq!(mounts.lines().count(), 1, "{mounts}");
        let own = machine.succeed("cat /proc/self/cgroup");
        assert!(own.starts_with("0::/"), "{own}");
        assert_eq!(own.lines().count(), 1, "{own}");
        for controller in ["cpu", "memory", "pids", "io", "cpuset"] {
            let available = machine.succeed("cat /sys/fs/cgroup/cgroup.controllers");
            assert!(available.contains(controller), "{available}");
        }
    });
}

#[test]
fn the_sandbox_holds_on_cgroup_v2_all_that_it_promises() {
    MACHINE.outlive(|| {
        // How often somebody writes to a cgroup.kill.
        MACHINE.succeed(
            "cd /sys/kernel/tracing && echo 'p:kill cgroup_kill_write' > kprobe_events && \
         echo 1 > events/kprobes/kill/enable",
        );
        let outcomes = run_inner_tests(
            &MACHINE,
            Suite {
                package: "kernel-tests",
                programs: &[],
                arguments: &["--test-threads=2"],
                prefix: "",
            },
        );
        assert_passed(&outcomes, AT_LEAST);

        let profile = MACHINE.succeed("cat /sys/kernel/tracing/kprobe_profile");
        let hits = profile
            .split_whitespace()
            .nth(1)
            .and_then(|hits| hits.parse().ok());
        assert!(
            hits > Some(0),
            "nothing was killed by cgroup.kill: {profile}"
        );
    });
}
