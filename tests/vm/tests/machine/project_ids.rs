//! File systems that count by project, which is how a kernel holds a directory to a quota: what a task could change of
//! its files' project would no longer count as its own.

use vm_tests::Service;

use crate::MACHINE;

/// How each is made and mounted.
const FILE_SYSTEMS: [(&str, &str); 2] = [
    ("xfs", "mkfs.xfs -q"),
    (
        "ext4",
        "mkfs.ext4 -q -O quota,project -E quotatype=prjquota",
    ),
];

#[test]
fn a_task_cannot_change_the_project_of_its_files() {
    MACHINE.outlive(|| {
        MACHINE.succeed("modprobe -a loop xfs quota_v2");
        for (kind, make) in FILE_SYSTEMS {
            let directory = format!("/srv/{kind}");
            MACHINE.succeed(&format!(
                "truncate -s 320M {directory}.img && {make} {directory}.img && mkdir -m 777 {directory} && \
                 mount -o loop,prjquota {directory}.img {directory} && chmod 777 {directory} && \
                 mkdir -m 777 {directory}/task && chattr +P -p 42 {directory}/task"
            ));
            for user in ["root", "daemon"] {
                let script = format!(
                    "--directory {directory}/task --user {user} -- \
                     sh -c 'touch own-{user} && chattr -p 7 own-{user}; chattr -p 7 .; lsattr -p own-{user}'"
                );
                let output = Service::output_of(&MACHINE, &[], &script);
                assert_eq!(output.status, 0, "{kind}, {user}: {output:?}");
                assert_eq!(
                    output.stderr.matches("Operation not permitted").count(),
                    2,
                    "{kind}, {user}: {output:?}"
                );
                let project = output.stdout.split_whitespace().next();
                assert_eq!(project, Some("42"), "{kind}, {user}: {output:?}");
            }
            // Outside of a sandbox the same succeeds.
            let outside =
                format!("chattr -p 7 {directory}/task/own-root && lsattr -p {directory}/task/own-root");
            assert!(MACHINE.succeed(&outside).starts_with("    7"), "{kind}");
            MACHINE.succeed(&format!(
                "umount {directory} && rm -r {directory} {directory}.img"
            ));
        }
    });
}
