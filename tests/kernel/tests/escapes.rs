//! Nobody gets out: the table of escapes, tried from inside.

use escapes::{OWN_NETWORK, Outcome, TABLE, Task};
use kernel_tests::Stage;
use kernel_tests::guests::nobody;
use sandbox::{Filesystem, IdMap, IdRange, Network, Plan, Privileges};

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

#[test]
fn nobody_gets_out_of_a_sandbox_that_an_executor_without_rights_makes() {
    let mut stage = Stage::new(ESCAPEE, Task::User);
    let plan = Plan {
        identity: None,
        ..stage.plan()
    };
    let report = stage.report(INIT, Some(&nobody()), plan);
    let breaches = report.breaches(TABLE.iter().copied().flatten(), Task::User);
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    stage.assert_untouched();
}

#[test]
fn nobody_gets_out_of_a_sandbox_with_users_of_its_own() {
    let with_users = |stage: &Stage| {
        let all = vec![IdRange {
            inside: 0,
            outside: 0,
            count: 65_536,
        }];
        Plan {
            users: Some(IdMap {
                users: all.clone(),
                groups: all,
            }),
            ..stage.plan()
        }
    };
    assert_nobody_gets_out(with_users, &[]);
}

#[test]
fn the_ways_out_are_found_where_nothing_is_in_the_way() {
    let mut stage = Stage::new(ESCAPEE, Task::User);
    let plan = Plan {
        filesystem: Filesystem::Host,
        privileges: Privileges::UNCONFINED,
        ..stage.plan()
    };
    let report = stage.report(INIT, None, plan);
    for row in [
        "make a file where everybody may on the host",
        "read files of others: a task's, the executor's, the agent's",
        "connect to a socket of the agent's or of a daemon's",
        "have a user namespace of its own",
        "have a user namespace by the call of 32-bit programs",
        "queue operations that no filter sees",
        "add a key to the kernel's",
        "change a file's flags by a number that is cut off",
        "connect to the host's loopback",
        "connect to an abstract socket of the host's",
        "write to a mount that is not the sandbox's",
    ] {
        let outcome = &report.outcomes[row];
        assert!(matches!(outcome, Outcome::Escaped(_)), "{row}: {outcome}");
    }
}
