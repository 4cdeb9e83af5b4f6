//! The whole protocol under a hand-moved clock: an agent that forgets, refuses, repeats and breaks off, tasks that end
//! when they like, in thousands of random orders. A failing seed replays alone with `SEED=n cargo test`.

mod world;

use std::sync::LazyLock;

use world::{Chance, World};

const RUNS: u64 = 1500;

/// Every world that came about under one chance; each is run once, for all tests.
type Worlds = LazyLock<Vec<World>>;

fn run(seed: u64, chance: Chance) -> World {
    let mut world = World::new(seed, chance);
    world.run();
    world
}

fn run_all(chance: Chance) -> Vec<World> {
    // The test's own switch, not the core's configuration.
    #[allow(clippy::disallowed_methods)]
    let only = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse::<u64>().expect("SEED is a number"));
    let seeds = (0..RUNS).filter(|seed| only.is_none_or(|only| only == *seed));
    seeds
        .map(|seed| run(seed, chance).forget_the_way())
        .collect()
}

/// Looks at every world with `check`, naming the seed of the one that fails.
fn each_seed(worlds: &Worlds, check: impl Fn(&World)) {
    for world in worlds.iter() {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(world)));
        if let Err(panic) = outcome {
            let again = run(world.seed, world.chance);
            eprintln!("seed {}:\n{}", again.seed, again.log.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

/// An agent that recovers: whatever happens on the way, it comes back, and nothing asks for a shutdown.
static HEALING: Worlds = LazyLock::new(|| run_all(HEALING_CHANCE));
const HEALING_CHANCE: Chance = Chance {
    checkpoint: true,
    disconnect: 0.03,
    refuse: 0.3,
    shutdown: 0.0,
    agent_dies: false,
    crash: 0.0,
};

/// An agent that may ask for a shutdown at any moment, or go away for good.
static HOSTILE: Worlds = LazyLock::new(|| run_all(HOSTILE_CHANCE));
const HOSTILE_CHANCE: Chance = Chance {
    checkpoint: true,
    disconnect: 0.05,
    refuse: 0.5,
    shutdown: 0.02,
    agent_dies: true,
    crash: 0.0,
};

/// A framework without checkpointing.
static WITHOUT_CHECKPOINT: Worlds = LazyLock::new(|| run_all(WITHOUT_CHECKPOINT_CHANCE));
const WITHOUT_CHECKPOINT_CHANCE: Chance = Chance {
    checkpoint: false,
    ..HOSTILE_CHANCE
};

/// An executor that is killed now and then, and followed by another one with its journal.
static CRASHING: Worlds = LazyLock::new(|| run_all(CRASHING_CHANCE));
const CRASHING_CHANCE: Chance = Chance {
    crash: 0.01,
    ..HEALING_CHANCE
};

#[test]
fn every_delivered_task_gets_exactly_one_terminal_update() {
    for worlds in [&HEALING, &CRASHING] {
        each_seed(worlds, |world| {
            for task in &world.delivered {
                assert_eq!(world.terminal_uuids(task).len(), 1, "task {task}");
            }
        });
    }
}

#[test]
fn an_executor_that_says_it_is_complete_has_lost_nothing() {
    for worlds in [&HEALING, &HOSTILE] {
        each_seed(worlds, |world| {
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
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
            for task in &world.delivered {
                assert!(world.terminal_uuids(task).len() <= 1, "task {task}");
            }
        });
    }
}

#[test]
fn the_agent_first_sees_updates_in_the_order_they_were_made() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
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
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| assert_eq!(world.changed_statuses(), 0));
    }
}

#[test]
fn states_of_a_task_only_go_forward() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
            for task in &world.delivered {
                let ranks = world.state_ranks(task);
                assert!(ranks.is_sorted_by(|a, b| a < b), "task {task}: {ranks:?}");
            }
        });
    }
}

#[test]
fn nothing_is_launched_after_a_shutdown() {
    for worlds in [&HOSTILE, &WITHOUT_CHECKPOINT] {
        each_seed(worlds, |world| assert_eq!(world.launches_after_shutdown, 0));
    }
}

#[test]
fn a_task_whose_launch_was_cancelled_and_did_not_start_is_never_running() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
            for task in world.never_started() {
                let ranks = world.state_ranks(&task);
                assert!(!ranks.contains(&1), "task {task}: {ranks:?}");
            }
        });
    }
}

#[test]
fn every_started_process_is_reaped_and_cleaned_up_before_exit() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
            assert!(world.outcome.is_some(), "the executor exits in the end");
            assert_eq!(world.unreaped(), Vec::<String>::new());
        });
    }
}

#[test]
fn a_task_that_the_agent_still_thinks_is_staging_is_never_left_out_of_a_subscribe() {
    for worlds in [&HEALING, &CRASHING] {
        each_seed(worlds, |world| {
            assert_eq!(world.dropped_by_the_agent, Vec::<String>::new());
        });
    }
}

/// Every update is one that the agent takes, P-19: 16 bytes of uuid, its source, a state that is not staging, a check
/// status that fits its type. The members of a group start together or not at all, P-35, and one that fails takes the
/// others along. A check looks while its task runs, and once at a time. A hook runs at its moment and alone, and nothing is
/// cleaned up beside it. A task that is told to end is ended by force when its grace is over, and never started again.
#[test]
fn nothing_goes_wrong_on_the_way() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| {
            assert_eq!(world.faults, Vec::<String>::new());
        });
    }
}

#[test]
fn the_executor_says_nothing_after_it_has_decided_to_exit() {
    for worlds in [&HEALING, &HOSTILE, &WITHOUT_CHECKPOINT, &CRASHING] {
        each_seed(worlds, |world| assert_eq!(world.actions_after_exit, 0));
    }
}

/// The worlds are as varied as they are meant to be.
#[test]
fn what_the_other_tests_look_for_does_come_about() {
    let any = |worlds: &Worlds, text: &str| worlds.iter().any(|world| world.has_told(text));
    for text in [
        "health check failed 3 times in a row",
        "max_completion_time of 2secs",
        "names no command",
        "of its group is TASK_FAILED",
        "Killed before the command was started: task",
        "Last lines of stderr:\nan end",
        "hook before_start exited with status 1",
        "hook after_start exited with status 1",
        "hook before_stop did not end within",
        "hook deregister was cut off",
        "hook deregister was not run: there was no time for it",
        "hook after_stop exited with status 1",
        "restarted (2 of 2): exited with status 1",
        "restarted (1 of 2): exited with status 1: health check",
        "Command exited with status 0 (restarted 2 times)",
    ] {
        assert!(any(&HEALING, text), "{text}");
    }
    assert!(any(&HOSTILE, "the agent asked for it"));
    assert!(any(&CRASHING, "The executor was killed"));
    assert!(HEALING.iter().any(|world| world.replies > 0));
    assert!(HEALING.iter().any(|world| world.heartbeats > 0));
}
