//! A real Mesos where cgroup v2 is the only hierarchy. Its posix launcher works there; its linux launcher knows no v2.

use vm_tests::{Suite, run_inner_tests};

use crate::{MACHINE, assert_passed};

/// Each has a custom executor that a real agent fetches and starts.
const TESTS: &[&str] = &[
    "a_task_beyond_its_memory_fails_for_memory_and_its_neighbour_runs_on",
    "a_task_that_ignores_sigterm_is_killed_by_force_when_the_calls_grace_is_over",
    "children_that_left_the_tasks_session_end_with_it",
];

#[test]
fn under_a_real_mesos_tasks_are_limited_and_killed_as_on_v1() {
    let outcomes = run_inner_tests(
        &MACHINE,
        Suite {
            package: "mesos-tests",
            programs: &["ends"],
            tests: TESTS,
            prefix: "MESOS_AGENT_TOOLKIT_LAUNCHERS=posix",
        },
    );
    assert_passed(&outcomes, TESTS.len());
}
