//! Nobody gets out: the table of escapes, tried from inside.

use escapes::{OWN_NETWORK, TABLE, Task};
use kernel_tests::Stage;
use sandbox::{Network, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");
const ESCAPEE: &str = env!("CARGO_BIN_EXE_escapee");

/// Tries the table in each sandbox that `plan` makes, of root's and of another user's, and rows besides.
fn assert_nobody_gets_out(plan: impl Fn(&Stage) -> Plan, besides: &[escapes::Row]) {
    for task in [Task::Root, Task::User] {
        let mut stage = Stage::new(ESCAPEE, task);
        let plan = plan(&stage);
        let report = stage.report(INIT, None, plan);
        let rows = TABLE.iter().copied().flatten().chain(besides);
        let breaches = report.breaches(rows, task);
        assert!(breaches.is_empty(), "{task:?}\n{}", breaches.join("\n"));
        stage.assert_untouched();
    }
}

#[test]
fn nobody_gets_out_of_a_sandbox_on_the_hosts_files() {
    assert_nobody_gets_out(Stage::plan, &[]);
}

#[test]
fn nobody_gets_out_of_a_sandbox_in_an_image() {
    assert_nobody_gets_out(Stage::plan_in_image, &[]);
}

#[test]
fn nobody_gets_to_the_hosts_network_from_one_of_its_own() {
    let with_network = |stage: &Stage| Plan {
        network: Network::Own,
        ..stage.plan()
    };
    assert_nobody_gets_out(with_network, OWN_NETWORK);
}
