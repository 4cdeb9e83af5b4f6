//! The kernel's account, the engine's walk and GNU du agree on any tree.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::filesystem::{FileSystem, Kind, Sandbox, await_agreement};
use crate::tree::changes::{Model, Operation, operation};
use crate::tree::du;

/// Trees on each file system, and changes to each.
const TREES: u32 = 8;
const CHANGES: usize = 150;
/// GNU du is started after so many changes: most of its time in the machine is its start.
const SELDOM: usize = 75;

#[test]
fn the_kernel_the_walk_and_du_agree_after_each_of_thousands_of_changes() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let config = ProptestConfig {
            cases: TREES,
            max_shrink_iters: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let changes = prop::collection::vec(operation(), CHANGES);
        let next = AtomicU32::new(5_001);
        TestRunner::new(config)
            .run(&changes, |changes| {
                agree(
                    filesystem.sandbox(next.fetch_add(1, Ordering::Relaxed)),
                    changes,
                );
                Ok(())
            })
            .unwrap_or_else(|error| panic!("on {kind:?}: {error}"));
    }
}

fn agree(sandbox: Sandbox, changes: Vec<Operation>) {
    let Sandbox { tree, quota, id } = sandbox;
    let model = Model { tree };
    for (number, change) in changes.into_iter().enumerate() {
        // Whether it works out is no matter.
        let _ = model.apply(change);
        let counted = await_agreement(model.tree.path(), &quota, id);
        if number % SELDOM == SELDOM - 1 {
            assert_eq!(counted.bytes, du(model.tree.path(), &[]));
        }
    }
}
