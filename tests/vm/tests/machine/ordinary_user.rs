//! The executor as a service of a user who is not root: what the kernel gives such a user is used, what lacks is said.

use vm_tests::Service;

use crate::MACHINE;

/// Somebody whom every Debian has.
const BARE: &[&str] = &["User=daemon"];
/// systemd then gives the unit's cgroup to the user.
const DELEGATED: &[&str] = &["User=daemon", "Delegate=yes"];

/// Two processes of a task that hold on to life, and where they must be found no more.
const STUBBORN: &str = "-- sh -c 'setsid sleep 30011 & trap \"\" TERM HUP; sleep 30012'";

#[test]
fn in_a_delegated_unit_its_tasks_have_cgroups_and_limits() {
    MACHINE.outlive(|| {
        let arguments = "--memory 64MB --pids 20 -- sleep 30013";
        let service = Service::start(&MACHINE, DELEGATED, arguments);
        let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30013"));
        assert!(
            task.starts_with(&format!("{}/", service.cgroup())),
            "{task}"
        );
        let limits = format!("cd /sys/fs/cgroup{task} && cat memory.max pids.max");
        assert_eq!(MACHINE.succeed(&limits), format!("{}\n20", 64 << 20));
        drop(service);

        let hog = "--memory 32MB -- sh -c 'head -c 128M /dev/zero | tail | wc -c'";
        let output = Service::output_of(&MACHINE, DELEGATED, hog);
        assert_eq!(output.status, 122, "{output:?}");
        let reason = "Memory limit exceeded: Requested: 32MB Maximum Used: 32MB";
        assert!(output.stderr.contains(reason), "{output:?}");
    });
}

#[test]
fn without_a_cgroup_of_its_own_it_says_so_and_its_tasks_run_in_every_namespace() {
    MACHINE.outlive(|| {
        let script = "-- sh -c 'for n in mnt pid ipc uts user; do readlink /proc/self/ns/$n; done'";
        let output = Service::output_of(&MACHINE, BARE, script);
        assert_eq!(output.status, 0, "{output:?}");
        let said = "no cgroups, so no memory, cpu or process limits for tasks";
        assert!(output.stderr.contains(said), "{output:?}");
        let of_the_host =
            MACHINE.succeed("for n in mnt pid ipc uts user; do readlink /proc/1/ns/$n; done");
        assert_eq!(output.stdout.lines().count(), 5, "{output:?}");
        for (of_the_task, of_the_host) in output.stdout.lines().zip(of_the_host.lines()) {
            assert_ne!(of_the_task, of_the_host);
        }
    });
}

#[test]
fn killed_with_sigkill_it_leaves_nothing() {
    MACHINE.outlive(|| {
        for properties in [DELEGATED, BARE] {
            // By the kernel and by the executor's own janitor: systemd is told to keep out of it.
            let properties = [properties, &["KillMode=process"]].concat();
            let service = Service::start(&MACHINE, &properties, STUBBORN);
            let task = MACHINE.cgroup_of(MACHINE.await_process("sleep 30012"));
            service.kill_main_process();
            for command in ["sleep 30011", "sleep 30012"] {
                MACHINE.await_no_process(command);
            }
            service.await_no_process();
            service.await_no_mount();
            MACHINE.await_no_cgroup(&task);
        }
    });
}
