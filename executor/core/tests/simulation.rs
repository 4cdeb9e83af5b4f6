//! The whole protocol under a hand-moved clock: an agent that forgets, refuses, repeats and breaks off, tasks that end
//! when they like, in thousands of random orders. A failing seed replays alone with `SEED=n cargo test`.

mod world;

use world::{Chance, World};

const RUNS: u64 = 1500;

/// Runs every seed through `check`, naming the seed that fails.
fn each_seed(chance: Chance, check: impl Fn(&World)) {
    // The test's own switch, not the core's configuration.
    #[allow(clippy::disallowed_methods)]
    let only = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse::<u64>().expect("SEED is a number"));
    for seed in 0..RUNS {
        if only.is_some_and(|only| only != seed) {
            continue;
        }
        let mut world = World::new(seed, chance);
        world.run();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&world)));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}:\n{}", world.log.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

/// An agent that recovers: whatever happens on the way, it comes back, and nothing asks for a shutdown.
const HEALING: Chance = Chance {
    checkpoint: true,
    disconnect: 0.03,
    refuse: 0.3,
    shutdown: 0.0,
    agent_dies: false,
};

/// An agent that may ask for a shutdown at any moment, or go away for good.
const HOSTILE: Chance = Chance {
    checkpoint: true,
    disconnect: 0.05,
    refuse: 0.5,
    shutdown: 0.02,
    agent_dies: true,
};

/// A framework without checkpointing.
const WITHOUT_CHECKPOINT: Chance = Chance {
    checkpoint: false,
    ..HOSTILE
};

#[test]
fn every_delivered_task_gets_exactly_one_terminal_update() {
    each_seed(HEALING, |world| {
        for task in &world.delivered {
            assert_eq!(world.terminal_uuids(task).len(), 1, "task {task}");
        }
    });
}

#[test]
fn an_executor_that_says_it_is_complete_has_lost_nothing() {
    for chance in [HEALING, HOSTILE] {
        each_seed(chance, |world| {
            if world.is_complete() {
                for uuid in &world.produced {
                    assert!(world.received_order().contains(uuid), "{uuid:?} is lost");
                }
            }
        });
    }
}

#[test]
fn no_task_ever_gets_two_terminal_updates() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| {
            for task in &world.delivered {
                assert!(world.terminal_uuids(task).len() <= 1, "task {task}");
            }
        });
    }
}

#[test]
fn the_agent_first_sees_updates_in_the_order_they_were_made() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| {
            let received = world.received_order();
            let expected: Vec<_> = world
                .produced
                .iter()
                .filter(|uuid| received.contains(uuid))
                .cloned()
                .collect();
            assert_eq!(received, expected);
        });
    }
}

#[test]
fn a_uuid_always_comes_with_the_same_status() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| assert_eq!(world.changed_statuses(), 0));
    }
}

#[test]
fn states_of_a_task_only_go_forward() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| {
            for task in &world.delivered {
                let ranks = world.state_ranks(task);
                assert!(ranks.is_sorted_by(|a, b| a < b), "task {task}: {ranks:?}");
            }
        });
    }
}

#[test]
fn nothing_is_launched_after_a_shutdown() {
    for chance in [HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| assert_eq!(world.launches_after_shutdown, 0));
    }
}

#[test]
fn a_task_whose_launch_was_cancelled_and_did_not_start_is_never_running() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| {
            for task in world.never_started() {
                let ranks = world.state_ranks(&task);
                assert!(!ranks.contains(&1), "task {task}: {ranks:?}");
            }
        });
    }
}

#[test]
fn every_started_process_is_reaped_and_cleaned_up_before_exit() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| {
            assert!(world.outcome.is_some(), "the executor exits in the end");
            assert_eq!(world.unreaped(), Vec::<String>::new());
        });
    }
}

#[test]
fn a_task_that_the_agent_still_thinks_is_staging_is_never_left_out_of_a_subscribe() {
    each_seed(HEALING, |world| {
        assert_eq!(world.dropped_by_the_agent, Vec::<String>::new());
    });
}

#[test]
fn the_executor_says_nothing_after_it_has_decided_to_exit() {
    for chance in [HEALING, HOSTILE, WITHOUT_CHECKPOINT] {
        each_seed(chance, |world| assert_eq!(world.actions_after_exit, 0));
    }
}
