use mesos_proto::paths::{ExecutorPath, Id, RunPath};

use super::*;

fn run() -> RunPath {
    let id = |name: &str| Id::new(name).unwrap();
    RunPath {
        executor: ExecutorPath {
            agent_id: id("A"),
            framework_id: id("F"),
            executor_id: id("E"),
        },
        container_id: id("C"),
    }
}

fn volume() -> Key {
    Key::Volume {
        role: "r".to_owned(),
        persistence_id: "v".to_owned(),
        source: None,
    }
}

#[test]
fn the_ways_depend_on_what_broke_its_limit_and_on_what_is_allowed() {
    use How::{Agent, Executor, Processes};
    let all = [Method::Executor, Method::Agent, Method::Processes];
    let container = Key::Container(run());
    let nested = Key::Nested(run(), Vec::new());
    let task = Key::Task(run(), "t".into());
    for (key, holders, allowed, ways_are) in [
        (&container, 1, &all[..], &[Executor, Agent, Processes][..]),
        (&container, 1, &all[1..], &[Agent, Processes]),
        (&container, 1, &all[2..], &[Processes]),
        (&container, 1, &[], &[]),
        (&nested, 1, &all, &[Agent, Processes]),
        (&task, 1, &all, &[Executor]),
        (&task, 1, &all[1..], &[]),
        (&volume(), 1, &all, &[Executor, Agent, Processes]),
        (&volume(), 2, &all, &[]),
        (&volume(), 0, &all, &[]),
    ] {
        assert_eq!(ways(key, holders, allowed), ways_are, "{key:?} {allowed:?}");
    }
}

fn failed() -> Outcome {
    let why = "no".to_owned();
    Outcome::Failed { why }
}

const ALL: [How; 3] = [How::Executor, How::Agent, How::Processes];
const SECOND: Duration = Duration::from_secs(1);

fn opened(grace: Duration) -> (Case, Instant) {
    let now = Instant::now();
    (Case::open(now, grace, ALL.to_vec()).unwrap(), now)
}

#[test]
fn without_grace_a_confirmed_breach_is_ended_at_once_and_only_once() {
    let (mut case, now) = opened(Duration::ZERO);
    assert_eq!(case.confirmed(now), Step::Act(How::Executor));
    assert_eq!(case.deadline(), None);
    assert_eq!(case.confirmed(now), Step::Wait);
    assert_eq!(case.step(now + SECOND, Reading::Over), Step::Wait);
}

#[test]
fn after_a_grace_nothing_is_done_on_what_was_known_before_it() {
    let (mut case, now) = opened(SECOND);
    assert_eq!(case.confirmed(now), Step::Wait);
    assert_eq!(case.step(now, Reading::Over), Step::Wait);
    let later = now + SECOND;
    assert_eq!(case.deadline(), Some(later));
    assert_eq!(case.step(later, Reading::Over), Step::Look);
    assert_eq!(case.looks_since(), Some(later));
    for reading in [Reading::Stale, Reading::Within, Reading::Stale] {
        assert_eq!(case.step(later, reading), Step::Wait);
        assert_eq!(case.deadline(), Some(later + LOOK_POLL));
    }
    assert_eq!(case.step(later, Reading::Over), Step::Act(How::Executor));
}

#[test]
fn what_has_settled_is_looked_at_again_and_ended_when_it_grows() {
    let (mut case, now) = opened(Duration::ZERO);
    case.confirmed(now);
    case.outcome(now, &Outcome::Done);
    let mut later = case.deadline().unwrap();
    for _ in 0..3 {
        assert_eq!(case.step(later, Reading::Over), Step::Look);
        assert_eq!(case.step(later, Reading::Settled), Step::Wait);
        later = case.deadline().unwrap();
    }
    assert_eq!(case.step(later, Reading::Stale), Step::Look);
    assert_eq!(case.step(later, Reading::Over), Step::Act(How::Agent));
}

#[test]
fn a_way_that_fails_or_ends_nothing_is_followed_by_the_next_after_another_look() {
    let (mut case, now) = opened(Duration::ZERO);
    case.confirmed(now);
    assert_eq!(case.outcome(now, &failed()), Step::Look);
    assert_eq!(case.step(now, Reading::Over), Step::Act(How::Agent));
    assert_eq!(case.outcome(now, &Outcome::Done), Step::Wait);
    assert_eq!(case.step(now + SECOND, Reading::Over), Step::Wait);
    let later = case.deadline().unwrap();
    assert_eq!(later, now + PATIENCE);
    assert_eq!(case.step(later, Reading::Over), Step::Look);
    assert_eq!(case.step(later, Reading::Over), Step::Act(How::Processes));
}

#[test]
fn when_no_way_is_left_all_are_tried_again_after_a_wait_that_grows_to_a_minute() {
    let (mut case, mut now) = opened(Duration::ZERO);
    let mut waits = Vec::new();
    assert_eq!(case.confirmed(now), Step::Act(How::Executor));
    for _ in 0..8 {
        case.outcome(now, &failed());
        for how in [How::Agent, How::Processes] {
            assert_eq!(case.step(now, Reading::Over), Step::Act(how));
            case.outcome(now, &failed());
        }
        let until = case.deadline().unwrap();
        waits.push((until - now).as_secs());
        now = until;
        assert_eq!(case.step(now, Reading::Over), Step::Look);
        assert_eq!(case.step(now, Reading::Over), Step::Act(How::Executor));
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn who_may_be_another_is_not_ended_in_any_other_way_either() {
    let (mut case, now) = opened(Duration::ZERO);
    case.confirmed(now);
    let why = "not listed".to_owned();
    assert_eq!(case.outcome(now, &Outcome::NotNow { why }), Step::Wait);
    assert_eq!(case.deadline(), Some(now + FIRST_BACKOFF));
}

#[test]
fn an_outcome_that_nobody_waits_for_changes_nothing() {
    let (mut case, now) = opened(SECOND);
    assert_eq!(case.outcome(now, &failed()), Step::Wait);
    assert_eq!(case.deadline(), Some(now + SECOND));
}

/// Whatever comes in whatever order, nothing is done without a look that is newer than the last attempt.
#[test]
fn in_no_order_of_things_is_anything_done_on_a_stale_or_lower_reading() {
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..2_000 {
        let (mut case, mut now) = opened(SECOND);
        for _ in 0..50 {
            now += Duration::from_millis(random(5_000));
            let reading = [
                Reading::Stale,
                Reading::Over,
                Reading::Within,
                Reading::Settled,
            ][random(4) as usize];
            let was_looking = case.looks_since().is_some();
            let step = match random(4) {
                0 => {
                    let outcomes = [Outcome::Done, failed()];
                    let step = case.outcome(now, &outcomes[random(2) as usize]);
                    assert!(!matches!(step, Step::Act(_)));
                    step
                }
                _ => case.step(now, reading),
            };
            if let Step::Act(_) = step {
                assert!(was_looking && reading == Reading::Over);
            }
        }
    }
}
