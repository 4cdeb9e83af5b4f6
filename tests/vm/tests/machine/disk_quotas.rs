//! The executor where the file system itself holds a task to its quota of disk.

use std::sync::atomic::{AtomicU32, Ordering};

use vm_tests::{Output, Service};

use crate::MACHINE;

/// A kind of file system, how it is made, and what it says of a write beyond a limit.
const FILE_SYSTEMS: [(&str, &str, &str); 2] = [
    ("xfs", "mkfs.xfs -q", "No space left on device"),
    (
        "ext4",
        "mkfs.ext4 -q -O quota,project -E quotatype=prjquota",
        "Disk quota exceeded",
    ),
];

/// What all executors of this machine give out.
const ASSIGN: &str = "Environment=MESOS_SANDBOX_EXECUTOR_DISK_QUOTA=assign:8000-8009";

/// A mounted file system with project quotas, and a directory in it for a task.
struct Place {
    directory: String,
}

impl Place {
    fn new(kind: &str, make: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = format!("/srv/quotas-{kind}-{number}");
        MACHINE.succeed(&format!(
            "modprobe -a loop xfs quota_v2 && truncate -s 320M {directory}.img && {make} {directory}.img && \
             mkdir {directory} && mount -o loop,prjquota {directory}.img {directory} && \
             mkdir -m 777 {directory}/task"
        ));
        Self { directory }
    }

    fn task(&self) -> String {
        format!("{}/task", self.directory)
    }

    /// What the kernel keeps of projects: each with its use and limits, in KiB.
    fn projects(&self) -> String {
        MACHINE.succeed(&format!(
            "repquota -P -n -v {} | grep '^#800' || true",
            self.directory
        ))
    }

    fn run(&self, arguments: &str, script: &str) -> Output {
        let arguments = format!(
            "--directory {} {arguments} -- sh -c '{script}'",
            self.task()
        );
        Service::output_of(&MACHINE, &[ASSIGN], &arguments)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let directory = &self.directory;
        let _ = MACHINE.run_if_up(&format!(
            "umount -l {directory}; rm -r {directory} {directory}.img"
        ));
    }
}

/// Of a project, in KiB: what is used, and the hard limit.
fn used_and_hard(place: &Place) -> (u64, u64) {
    let projects = place.projects();
    let mut columns = projects
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let mut number = |skip: usize| columns.nth(skip).and_then(|text| text.parse().ok());
    let used = number(2);
    let hard = number(1);
    let known = used.zip(hard);
    known.unwrap_or_else(|| panic!("no project is told of in {projects:?}"))
}

#[test]
fn the_kernel_refuses_a_tasks_write_beyond_its_quota_and_nothing_of_that_stays() {
    MACHINE.outlive(|| {
        for (kind, make, refusal) in FILE_SYSTEMS {
            let place = Place::new(kind, make);
            let fill = "head -c 30M /dev/zero > f; sleep 0.3; exit 7";
            for user in ["root", "daemon"] {
                let limits = format!("--user {user} --disk 10MB --disk-in-kernel");
                let output = place.run(&limits, fill);
                assert_eq!(output.status, 7, "{kind}, {user}: {output:?}");
                assert!(
                    output.stderr.contains(refusal),
                    "{kind}, {user}: {output:?}"
                );
                let told = "is refused to write more: its directory may hold 10MB";
                assert!(output.stderr.contains(told), "{kind}, {user}: {output:?}");
                let (used, hard) = used_and_hard(&place);
                assert!((9 << 10..=10 << 10).contains(&used), "{kind}: {used} KiB");
                assert_eq!(hard, 0, "{kind}: the limit is there still");
                MACHINE.succeed(&format!("rm {}/f", place.task()));
            }
            // Without it the same ends for its disk, by the kernel's account.
            let output = place.run(
                "--user daemon --disk 10MB",
                "head -c 30M /dev/zero > f; sleep 60",
            );
            assert_eq!(output.status, 123, "{kind}: {output:?}");
            let reason = "exceeds quota (10MB)";
            assert!(output.stderr.contains(reason), "{kind}: {output:?}");
        }
    });
}

#[test]
fn an_executor_that_was_killed_leaves_no_limit_to_who_comes_next_and_its_id_is_given_back() {
    MACHINE.outlive(|| {
        for (kind, make, _) in FILE_SYSTEMS {
            let place = Place::new(kind, make);
            let arguments = format!(
                "--directory {} --disk 10MB --disk-in-kernel -- sh -c 'touch f; exec sleep 30021'",
                place.task()
            );
            let service = Service::start(&MACHINE, &[ASSIGN, "KillMode=process"], &arguments);
            MACHINE.await_process("sleep 30021");
            assert_eq!(used_and_hard(&place).1, 10 << 10, "{kind}");
            service.kill_main_process();
            MACHINE.await_no_process("sleep 30021");
            service.await_no_process();
            drop(service);

            // Who is watched there next is held to its own quota.
            let output = place.run(
                "--user daemon --disk 40MB",
                "sleep 0.5; head -c 20M /dev/zero > h",
            );
            assert_eq!(output.status, 0, "{kind}: {output:?}");
            assert_eq!(used_and_hard(&place).1, 0, "{kind}");

            let id = "lsattr -p -d";
            let before = MACHINE.succeed(&format!("{id} {}", place.task()));
            assert!(before.trim_start().starts_with("800"), "{kind}: {before}");
            MACHINE.succeed(&format!(
                "rm -r {0} && sync && mkdir -m 777 {0}",
                place.task()
            ));
            let output = place.run("--disk 40MB", "sleep 0.5");
            assert_eq!(output.status, 0, "{kind}: {output:?}");
            let after = MACHINE.succeed(&format!("{id} {}", place.task()));
            assert!(after.trim_start().starts_with("800"), "{kind}: {after}");
        }
    });
}

#[test]
fn a_task_whose_quota_the_kernel_cannot_hold_does_not_start() {
    MACHINE.outlive(|| {
        let arguments = "--disk 10MB --disk-in-kernel -- touch started";
        let output = Service::output_of(&MACHINE, &[ASSIGN], arguments);
        assert_ne!(output.status, 0, "{output:?}");
        let reason = "no quota of disk in the kernel";
        assert!(output.stderr.contains(reason), "{output:?}");
        assert_eq!(MACHINE.run("ls /tmp/service-*/started").stdout, "");
    });
}
