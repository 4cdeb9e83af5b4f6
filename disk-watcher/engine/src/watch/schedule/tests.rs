//! The schedule under a clock moved by hand, in a world of trees that grow.

mod world;

use proptest::prelude::*;

use super::item::SOONEST;
use super::*;
use world::{Tree, World};

const LATEST: Duration = Duration::from_secs(15);
const MB: u64 = 1 << 20;
const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);

#[test]
fn a_thousand_idle_trees_are_looked_at_every_fifteen_seconds_and_no_more() {
    let (mut world, ids) = World::new(0.1, vec![Tree::idle(MB, 10_000 * MB); 1_000]);
    world.run(120);
    assert!(
        world.longest_gap(&ids) <= LATEST,
        "{:?}",
        world.longest_gap(&ids)
    );
    assert!(world.looks() <= 1_000 * (120 / 12 + 1), "{}", world.looks());
    assert!(
        world.reads <= 125,
        "{} readings of the file system",
        world.reads
    );
}

#[test]
fn a_writer_at_full_speed_is_caught_among_a_thousand() {
    let idle = vec![Tree::idle(MB, 10_000 * MB); 1_000];
    let (mut world, _) = World::new(0.1, idle);
    world.run(20);
    let writer = world.add(Tree::writer(0, 1_000 * MB, 200 * MB, 33.0));
    world.run(30);
    assert!(
        world.beyond(writer) <= 10 * MB,
        "{} bytes beyond",
        world.beyond(writer)
    );
}

#[test]
fn a_writer_close_to_its_limit_is_caught_from_rest() {
    let (mut world, ids) = World::new(0.1, [Tree::writer(99 * MB, 100 * MB, 200 * MB, 30.0)]);
    world.run(60);
    assert!(
        world.beyond(ids[0]) <= 25 * MB,
        "{} bytes beyond",
        world.beyond(ids[0])
    );
}

#[test]
fn a_tree_that_rests_close_to_its_limit_is_not_looked_at_while_nothing_grows() {
    let (mut world, ids) = World::new(0.1, [Tree::idle(99 * MB, 100 * MB)]);
    world.run(120);
    assert!(world.seen[&ids[0]].looks <= 11, "{:?}", world.seen[&ids[0]]);
}

#[test]
fn a_hundred_writers_are_all_caught() {
    let writers = (0..100).map(|n| Tree::writer(0, (500 + n * 20) * MB, 10 * MB, 5.0));
    let (mut world, ids) = World::new(0.2, writers);
    world.run(300);
    for id in ids {
        assert!(
            world.beyond(id) <= 5 * MB,
            "{} bytes beyond",
            world.beyond(id)
        );
    }
}

#[test]
fn trees_that_are_dear_to_look_at_delay_no_other() {
    let dear = Tree {
        cost: Duration::from_secs(8),
        ..Tree::writer(0, 100_000 * MB, 50 * MB, 0.0)
    };
    let mut trees = vec![dear; 5];
    trees.extend(vec![Tree::idle(MB, 1_000_000 * MB); 100]);
    trees.push(Tree::writer(0, 500 * MB, 20 * MB, 40.0));
    let (mut world, ids) = World::new(0.1, trees);
    // Once it is known what they cost.
    world.run(30);
    for seen in world.seen.values_mut() {
        seen.longest_gap = Duration::ZERO;
    }
    world.run(120);
    assert!(
        world.longest_gap(&ids[5..]) <= LATEST + MS * 500,
        "{:?}",
        world.longest_gap(&ids[5..])
    );
    assert!(
        world.beyond(ids[105]) <= 10 * MB,
        "{} bytes beyond",
        world.beyond(ids[105])
    );
    assert!(
        ids[..5].iter().all(|id| world.seen[id].looks >= 1),
        "none starves"
    );
}

#[test]
fn what_others_take_away_hides_growth_for_fifteen_seconds_at_most() {
    let (mut world, ids) = World::new(0.1, [Tree::writer(0, 100 * MB, 20 * MB, 20.0)]);
    world.taken_away = (20 * MB) as f64;
    world.run(60);
    let caught = world.beyond(ids[0]);
    assert!(caught <= 15 * 20 * MB, "{caught} bytes beyond");
}

#[test]
fn a_look_that_hangs_stalls_neither_its_own_file_system_nor_another() {
    let dead = Tree {
        hangs: true,
        ..Tree::idle(MB, 100 * MB)
    };
    let elsewhere = Tree {
        dev: 2,
        ..Tree::writer(0, 500 * MB, 100 * MB, 45.0)
    };
    let mut trees = vec![dead; 3];
    trees.push(Tree::writer(0, 500 * MB, 100 * MB, 45.0));
    trees.push(elsewhere);
    let (mut world, ids) = World::new(0.1, trees);
    world.run(60);
    assert_eq!(world.schedule.hanging(), 3);
    for id in &ids[3..] {
        assert!(
            world.beyond(*id) <= 10 * MB,
            "{} bytes beyond",
            world.beyond(*id)
        );
    }
}

#[test]
fn a_dead_file_system_takes_a_bounded_number_of_threads() {
    let dead = Tree {
        hangs: true,
        ..Tree::idle(MB, 100 * MB)
    };
    let (mut world, _) = World::new(0.1, vec![dead; 500]);
    world.run(3_600);
    // The last may be begun in the moment in which the one before it is given up.
    assert!(world.schedule.under_way() <= HANGING_AT_MOST + 2);
}

#[test]
fn where_nothing_tells_of_growth_every_tree_is_polled_at_its_pace() {
    let (mut world, ids) = World::with(
        0.1,
        Hint::Nothing,
        [
            Tree::idle(MB, 10_000 * MB),
            Tree::writer(0, 100 * MB, 200 * MB, 10.0),
        ],
    );
    world.run(12);
    assert!(
        world.beyond(ids[1]) <= 10 * MB,
        "{} bytes beyond",
        world.beyond(ids[1])
    );
    assert!(world.seen[&ids[0]].looks >= 50, "every 200 ms");
}

#[test]
fn what_nobody_tells_of_is_found_by_the_growth_of_the_file_system() {
    let unseen = Tree {
        untold: true,
        ..Tree::writer(0, 100 * MB, 200 * MB, 20.0)
    };
    let (mut world, ids) = World::new(0.1, [unseen, Tree::idle(MB, 10_000 * MB)]);
    world.run(40);
    assert!(
        world.beyond(ids[0]) <= 25 * MB,
        "{} bytes beyond",
        world.beyond(ids[0])
    );
    assert_eq!(world.seen[&ids[1]].doubted, 0);
}

#[test]
fn a_neighbour_that_writes_has_others_looked_at_in_full_only_when_it_could_have_been_them() {
    let quiet = Tree {
        untold: true,
        ..Tree::idle(0, 1_000 * MB)
    };
    let loud = Tree::writer(0, 1_000_000 * MB, 100 * MB, 10.0);
    let (mut world, ids) = World::new(0.1, [quiet, loud]);
    world.run(110);
    let doubted = world.seen[&ids[0]].doubted;
    assert!(
        (8..=10).contains(&doubted),
        "{doubted} in ten times its limit"
    );
}

#[test]
fn a_file_system_that_does_not_tell_has_its_trees_polled() {
    let (mut world, ids) = World::new(0.1, [Tree::idle(MB, 10_000 * MB)]);
    world.run(20);
    let before = world.looks();
    world.schedule.read(world.now, 1, None);
    world.run(10);
    assert!(world.seen[&ids[0]].looks >= before + 40, "every 200 ms");
}

#[test]
fn a_tree_that_nobody_touches_rests_and_one_that_is_touched_is_looked_at_in_time() {
    let (mut world, ids) = World::with(0.1, Hint::Touches, [Tree::idle(99 * MB, 100 * MB)]);
    world.run(60);
    let before = world.seen[&ids[0]].looks;
    assert!(before <= 6, "{before}");
    world.schedule.touched(world.now, ids[0]);
    let asked = world.now;
    world.run(1);
    let seen = &world.seen[&ids[0]];
    assert_eq!(seen.looks, before + 1);
    assert!(seen.last <= asked + SOONEST + MS - world.start);
}

#[test]
fn a_tree_beyond_its_limit_is_looked_at_for_its_recovery() {
    let (mut world, ids) = World::new(0.1, [Tree::idle(200 * MB, 100 * MB)]);
    world.run(10);
    let looks = world.seen[&ids[0]].looks;
    assert!((40..=55).contains(&looks), "{looks} in ten seconds");
}

#[test]
fn a_soft_limit_is_come_to_before_the_hard_one() {
    let mut writer = Tree::writer(0, 1_000 * MB, 100 * MB, 5.0);
    writer.bounds.soft = Some(500 * MB);
    let (mut world, ids) = World::new(0.1, [writer]);
    world.run(10);
    let last = world.schedule.items[&ids[0]].last.unwrap();
    assert!(
        last.bytes >= 498 * MB,
        "looked at when it came to the soft limit"
    );
}

#[test]
fn a_tree_removed_while_it_is_looked_at_is_forgotten_when_that_is_over() {
    let (mut world, ids) = World::new(0.1, vec![Tree::idle(MB, 100 * MB); 2]);
    let taken = world.schedule.take(world.now).unwrap().tree;
    world.schedule.remove(taken);
    world.schedule.remove(taken);
    assert_eq!(world.schedule.under_way(), 1);
    world.schedule.done(world.now, taken, None);
    assert_eq!(world.schedule.under_way(), 0);
    let other = ids.iter().find(|id| **id != taken).unwrap();
    assert_eq!(world.schedule.take(world.now).unwrap().tree, *other);
    world.schedule.remove(*other);
    world.schedule.done(world.now, *other, None);
    assert!(world.schedule.items.is_empty() && world.schedule.file_systems.is_empty());
    assert_eq!(world.schedule.next(), None);
}

#[test]
fn a_tree_that_can_be_looked_at_at_once_is_not_slept_over() {
    let (mut world, _) = World::new(0.1, [Tree::idle(MB, 100 * MB)]);
    assert!(world.schedule.next().is_some_and(|next| next <= world.now));
    world.schedule.take(world.now).unwrap();
    assert!(
        world.schedule.next().is_none_or(|next| next > world.now)
            || !world.schedule.to_read(world.now).is_empty()
    );
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let size = 1u64..2_000;
    let cost = prop_oneof![20u64..200, 200u64..20_000, 20_000u64..1_000_000];
    (size.clone(), size, 0u64..300, 0.0..60.0, cost, 1u64..3).prop_map(
        |(bytes, limit, rate, from, cost, dev)| Tree {
            dev,
            cost: US * u32::try_from(cost).unwrap(),
            ..Tree::writer(bytes * MB, limit * MB, rate * MB, from)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_budget_holds_and_nobody_starves(
        trees in prop::collection::vec(any_tree(), 1..40),
        budget in 0.02f64..1.0,
        poll in any::<bool>(),
    ) {
        let hint = if poll { Hint::Nothing } else { Hint::FileSystem };
        // A first look is made before anybody knows what it costs.
        let unknown: Duration = trees.iter().map(|tree| tree.cost).sum();
        let dearest = trees.iter().map(|tree| tree.cost).max().unwrap();
        let weights = 8.0 * trees.len() as f64;
        let (mut world, ids) = World::with(budget, hint, trees);
        world.run(200);
        let allowed = Duration::from_secs_f64(budget * (200.0 + SAVED)) + unknown;
        prop_assert!(world.spent <= allowed + dearest, "{:?} of {allowed:?}", world.spent);
        for id in ids {
            let cost = world.trees[&id].cost;
            let turn = (cost * 2).as_secs_f64() * weights / budget;
            let allowed = LATEST.as_secs_f64() + turn + (unknown * 2).as_secs_f64() + 1.0;
            let gap = world.seen[&id].longest_gap.as_secs_f64();
            prop_assert!(gap <= allowed, "{gap} s between two looks, {allowed} allowed");
        }
    }

    #[test]
    fn a_cheap_tree_at_200_mb_a_second_is_caught_whatever_goes_on_beside_it(
        others in prop::collection::vec(any_tree(), 0..20),
        limit in 200u64..4_000,
        from in 0.0..20.0,
    ) {
        let writer = Tree::writer(0, limit * MB, 200 * MB, from);
        let (mut world, ids) = World::new(1.0, others.into_iter().chain([writer]));
        world.run(45);
        let beyond = world.beyond(*ids.last().unwrap());
        // Others have looks of up to a second under way, of which the slots hold one at first.
        prop_assert!(beyond <= 50 * MB, "{beyond} bytes beyond");
    }

    #[test]
    fn whatever_is_asked_of_it_the_schedule_comes_to_rest(
        asked in prop::collection::vec((0u8..7, 0usize..6, 0u64..3_000), 1..200),
    ) {
        let (mut world, mut ids) = World::new(0.1, vec![Tree::idle(MB, 100 * MB); 3]);
        for (what, which, later) in asked {
            let id = ids[which % ids.len()];
            match what {
                0 => ids.push(world.add(Tree::idle(MB, 50 * MB))),
                1 => world.schedule.urge(world.now, id),
                2 => world.schedule.touched(world.now, id),
                3 => world.schedule.change(world.now, id, Hint::FileSystem, Bounds::default()),
                4 if ids.len() > 1 => {
                    world.schedule.remove(id);
                    ids.retain(|other| *other != id);
                }
                5 => world.schedule.change(world.now, id, Hint::Touches, world.trees[&id].bounds),
                _ => {
                    let end = later.div_ceil(1_000);
                    world.run(end);
                }
            }
        }
        world.run(30);
        for id in ids {
            prop_assert!(world.seen[&id].looks > 0);
        }
    }
}

/// What the budget saves, in its seconds.
const SAVED: f64 = 10.0;
