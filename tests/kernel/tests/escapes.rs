//! Nobody gets out: the table of escapes, tried from inside.

use escapes::{TABLE, Task};
use kernel_tests::Stage;

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");
const ESCAPEE: &str = env!("CARGO_BIN_EXE_escapee");

/// Tries the table in a sandbox that asks for nothing.
fn assert_nobody_gets_out(task: Task) {
    let mut stage = Stage::new(ESCAPEE, task);
    let plan = stage.plan();
    let report = stage.report(INIT, None, plan);
    let breaches = report.breaches(TABLE.iter().copied().flatten(), task);
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    stage.assert_untouched();
}

#[test]
fn a_task_of_root_does_not_get_out() {
    assert_nobody_gets_out(Task::Root);
}

#[test]
fn a_task_of_another_user_does_not_get_out() {
    assert_nobody_gets_out(Task::User);
}
