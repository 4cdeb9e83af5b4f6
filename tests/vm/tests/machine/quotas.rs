//! The disk engine where the kernel counts by project and holds to limits: what the host's own kernel may not do.

use vm_tests::{Suite, assert_passed, run_inner_tests};

use crate::MACHINE;

/// Fewer than there are; an empty run is no proof.
const AT_LEAST: usize = 45;

#[test]
fn the_engine_counts_and_limits_by_project_on_xfs_and_ext4() {
    MACHINE.outlive(|| {
        let outcomes = run_inner_tests(
            &MACHINE,
            Suite {
                package: "disk-engine",
                programs: &["quotas"],
                // With what is measured on the way.
                arguments: &["--test-threads=2", "--show-output"],
                prefix: "",
            },
        );
        assert_passed(&outcomes, AT_LEAST);
    });
}
