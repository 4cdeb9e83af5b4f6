//! The executor as a service of systemd, which has handed its unit's cgroup over (`Delegate=yes`) or has not.

use vm_tests::{Output, Service};

use crate::MACHINE;

const DELEGATED: &[&str] = &["Delegate=yes"];
/// The executor, as root, then takes a place of its own below the root of the hierarchy.
const NOT_DELEGATED: &[&str] = &[];

/// Four times what it is allowed.
const HOG: &str = "--memory 32MB -- sh -c 'head -c 128M /dev/zero | tail | wc -c'";

fn assert_ended(output: &Output, status: i64, last_words: &str) {
    assert_eq!(output.status, status, "{output:?}");
    assert!(output.stderr.contains(last_words), "{output:?}");
}

fn limit(cgroup: &str, file: &str) -> String {
    MACHINE.succeed(&format!("cat /sys/fs/cgroup{cgroup}/{file}"))
}

#[test]
fn a_delegated_unit_holds_its_tasks_cgroups_and_their_limits() {
    MACHINE.outlive(|| {
        let arguments = "--memory 64MB --pids 20 -- sleep 30001";
        let service = Service::start(&MACHINE, DELEGATED, arguments);
        let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30001"));
        assert!(
            task.starts_with(&format!("{}/", service.cgroup())),
            "{task}"
        );
        assert_eq!(limit(&task, "memory.max"), (64 << 20).to_string());
        assert_eq!(limit(&task, "pids.max"), "20");
        service.stop();
        MACHINE.await_no_process("sleep 30001");
        MACHINE.await_no_cgroup(&service.cgroup());
    });
}

#[test]
fn a_unit_that_is_not_delegated_keeps_its_cgroup_as_systemd_made_it() {
    MACHINE.outlive(|| {
        let arguments = "--memory 64MB --pids 20 -- sleep 30002";
        let service = Service::start(&MACHINE, NOT_DELEGATED, arguments);
        let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30002"));
        assert!(task.starts_with("/mesos-sandbox-executor/"), "{task}");
        assert_eq!(limit(&task, "memory.max"), (64 << 20).to_string());
        assert_eq!(limit(&task, "pids.max"), "20");
        let below = format!(
            "find /sys/fs/cgroup{} -mindepth 1 -type d",
            service.cgroup()
        );
        assert_eq!(MACHINE.succeed(&below), "");
        service.stop();
        MACHINE.await_no_process("sleep 30002");
        MACHINE.await_no_cgroup(&task);
    });
}

#[test]
fn a_task_that_breaks_a_limit_is_told_which() {
    MACHINE.outlive(|| {
        for properties in [DELEGATED, NOT_DELEGATED] {
            let output = Service::output_of(&MACHINE, properties, HOG);
            let reason = "Memory limit exceeded: Requested: 32MB Maximum Used: 32MB";
            assert_ended(&output, 122, reason);
            let bomb = "--pids 8 -- sh -c 'for i in $(seq 20); do sleep 30003 & done'";
            let output = Service::output_of(&MACHINE, properties, bomb);
            assert_ended(&output, 2, "Cannot fork");
            MACHINE.await_no_process("sleep 30003");
        }
    });
}

#[test]
fn an_executor_killed_with_sigkill_leaves_nothing() {
    MACHINE.outlive(|| {
        for properties in [DELEGATED, NOT_DELEGATED] {
            // By the kernel and by the executor's own janitor: systemd is told to keep out of it.
            let properties = [properties, &["KillMode=process"]].concat();
            let arguments = "-- sh -c 'setsid sleep 30005 & trap \"\" TERM HUP; sleep 30006'";
            let service = Service::start(&MACHINE, &properties, arguments);
            let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30006"));
            service.kill_main_process();
            for command in ["sleep 30005", "sleep 30006"] {
                MACHINE.await_no_process(command);
            }
            MACHINE.await_no_cgroup(&task);
            service.await_no_process();
            service.await_no_mount();
        }
    });
}

#[test]
fn systemd_ending_a_unit_after_its_executor_was_killed_leaves_nothing_either() {
    MACHINE.outlive(|| {
        for properties in [DELEGATED, NOT_DELEGATED] {
            let service = Service::start(&MACHINE, properties, "-- sleep 30007");
            let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30007"));
            // systemd tells all that is left of the unit to end, which may come before or after the janitor has swept.
            MACHINE.succeed("pkill -TERM -f -- --cgroup-janitor$");
            service.kill_main_process();
            MACHINE.await_no_process("sleep 30007");
            MACHINE.await_no_cgroup(&task);
            service.await_no_process();
        }
    });
}
