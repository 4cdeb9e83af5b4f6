//! A real Mesos where cgroup v2 is the only hierarchy: its posix launcher works there, its linux launcher knows no v2. In a
//! machine of its own, since these tests want nothing of any executor to be left in the whole machine.
#![forbid(unsafe_code)]

use vm_tests::{Machines, Suite, assert_passed, run_inner_tests};

/// Each has a custom executor that a real agent fetches and starts.
const TESTS: [&str; 3] = [
    "a_task_beyond_its_memory_fails_for_memory_and_its_neighbour_runs_on",
    "a_task_that_ignores_sigterm_is_killed_by_force_when_the_calls_grace_is_over",
    "children_that_left_the_tasks_session_end_with_it",
];

static MACHINE: Machines = Machines::new(env!("CARGO_BIN_EXE_vm-guest"));

#[test]
fn its_tasks_are_limited_and_killed_as_on_v1() {
    MACHINE.outlive(|| {
        let outcomes = run_inner_tests(
            &MACHINE,
            Suite {
                package: "mesos-tests",
                programs: &["ends"],
                arguments: &[&["--test-threads=1"], &TESTS[..]].concat(),
                prefix: "MESOS_AGENT_TOOLKIT_LAUNCHERS=posix",
            },
        );
        assert_passed(&outcomes, TESTS.len());
    });
}
