use std::collections::BTreeSet;

use super::*;

const KIND: Kind = Kind::Container;

fn take_in(registry: &mut Registry<u32>, pairs: &[&str], now: u64) {
    let all: Vec<_> = pairs.iter().map(|pair| someone(pair)).collect();
    registry.take_in(KIND, all.iter(), now);
}

/// `app.slot` of one who is there.
fn slot(registry: &mut Registry<u32>, id: &str) -> String {
    let subject = &registry.call(KIND, id).unwrap().subject;
    format!("{}.{}", subject.app, subject.slot.unwrap())
}

/// Writes the slots down and begins anew with them.
fn restarted(registry: &mut Registry<u32>, rest: u64, now: u64) -> Registry<u32> {
    let mut after = super::registry(&settings(), rest);
    after.recall(registry.slots().unwrap(), now);
    after
}

#[test]
fn instances_of_an_app_get_the_lowest_free_slots_and_keep_them() {
    let mut registry = registry(&settings(), 0);
    take_in(
        &mut registry,
        &["a=web-7", "b=web-8", "c=db-1", "d=web-9"],
        0,
    );
    for (id, wanted) in [
        ("a", "web.0"),
        ("b", "web.1"),
        ("c", "db.0"),
        ("d", "web.2"),
    ] {
        assert_eq!(slot(&mut registry, id), wanted);
    }
    take_in(&mut registry, &["d=web-9", "b=web-8", "e=web-1"], 10);
    for (id, wanted) in [("d", "web.2"), ("b", "web.1"), ("e", "web.0")] {
        assert_eq!(slot(&mut registry, id), wanted);
    }
}

#[test]
fn a_slot_rests_for_as_long_as_was_chosen_and_is_then_the_first_to_be_taken() {
    let mut registry = registry(&settings(), 60);
    take_in(&mut registry, &["a=web.1"], 0);
    take_in(&mut registry, &["b=web.2"], 10);
    assert_eq!(slot(&mut registry, "b"), "web.1", "web.0 rests");
    take_in(&mut registry, &["b=web.2", "c=web.3"], 69);
    assert_eq!(slot(&mut registry, "c"), "web.2");
    take_in(&mut registry, &["b=web.2", "c=web.3", "d=web.4"], 70);
    assert_eq!(slot(&mut registry, "d"), "web.0");
}

#[test]
fn without_a_rest_a_replacement_goes_on_with_its_predecessor_s_series() {
    let mut registry = registry(&settings(), 0);
    take_in(&mut registry, &["a=web.1"], 0);
    take_in(&mut registry, &["b=web.2"], 0);
    assert_eq!(slot(&mut registry, "b"), "web.0");
    assert!(registry.call(KIND, "a").is_none());
}

#[test]
fn who_comes_back_has_its_slot_again_unless_somebody_took_it() {
    let mut registry = registry(&settings(), 60);
    take_in(&mut registry, &["a=web.1", "b=web.2"], 0);
    take_in(&mut registry, &[], 10);
    take_in(&mut registry, &["new=web.3", "b=web.2"], 20);
    assert_eq!(slot(&mut registry, "b"), "web.1");
    assert_eq!(slot(&mut registry, "new"), "web.2");
    // Long after it rested, and still free: who comes back is before who is new.
    take_in(&mut registry, &["b=web.2"], 30);
    take_in(&mut registry, &["newer=web.4", "a=web.1", "b=web.2"], 1000);
    assert_eq!(slot(&mut registry, "a"), "web.0");
    assert_eq!(slot(&mut registry, "newer"), "web.2");
}

#[test]
fn slots_are_kept_across_a_restart_though_the_answer_is_in_another_order() {
    let mut before = registry(&settings(), 60);
    take_in(&mut before, &["a=web", "b=web", "c=web"], 0);
    take_in(&mut before, &["b=web", "c=web"], 100);
    let mut after = restarted(&mut before, 60, 110);
    take_in(&mut after, &["new=web", "c=web", "b=web"], 110);
    for (id, wanted) in [("b", "web.1"), ("c", "web.2"), ("new", "web.3")] {
        assert_eq!(slot(&mut after, id), wanted);
    }
}

#[test]
fn who_ended_while_the_collector_was_away_leaves_a_slot_that_rests_from_its_start() {
    let mut before = registry(&settings(), 60);
    take_in(&mut before, &["a=web"], 0);
    let mut after = restarted(&mut before, 60, 5000);
    take_in(&mut after, &["b=web"], 5000);
    assert_eq!(slot(&mut after, "b"), "web.1");
    take_in(&mut after, &["b=web", "c=web"], 5060);
    assert_eq!(slot(&mut after, "c"), "web.0");
}

#[test]
fn slots_are_written_down_when_they_changed_hands_and_only_then() {
    let mut registry = registry(&settings(), 60);
    assert!(registry.slots().is_none());
    take_in(&mut registry, &["a=web"], 0);
    assert_eq!(registry.slots().unwrap().records.len(), 1);
    take_in(&mut registry, &["a=web"], 10);
    assert!(registry.slots().is_none());
    take_in(&mut registry, &[], 20);
    assert_eq!(registry.slots().unwrap().records[0].gone_since, Some(20));
}

#[test]
fn slots_of_a_file_go_through_the_file_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("slots");
    let mut before = registry(&settings(), 60);
    take_in(&mut before, &["a=web", "b\n\"=web", "c=db"], 0);
    let written = before.slots().unwrap();
    written.write(&path).unwrap();
    assert_eq!(SlotFile::read(&path).unwrap().unwrap(), written);
}

#[test]
fn other_names_after_a_restart_begin_with_slots_of_their_own() {
    let mut before = registry(&settings(), 60);
    take_in(&mut before, &["a=web", "b=web"], 0);
    let mut after = registry(&tagged(), 60);
    after.recall(before.slots().unwrap(), 10);
    take_in(&mut after, &["b=web"], 10);
    assert_eq!(slot(&mut after, "b"), "web.0");
}

#[test]
fn a_clock_that_is_put_back_makes_no_slot_rest_for_longer() {
    let mut registry = registry(&settings(), 60);
    take_in(&mut registry, &["a=web"], 2_000_000_000);
    take_in(&mut registry, &[], 2_000_000_000);
    take_in(&mut registry, &[], 1_000_000_000);
    take_in(&mut registry, &["b=web"], 1_000_000_060);
    assert_eq!(slot(&mut registry, "b"), "web.0");
}

#[test]
fn nothing_is_remembered_for_long_of_who_is_gone() {
    let mut registry = registry(&settings(), 60);
    for round in 0..2000_u64 {
        let app = format!("a{round}=only{round}x");
        take_in(&mut registry, &[&app, "stays=web"], round * 10);
    }
    let (pools, claims) = registry.remembered(KIND);
    assert!((300..=362).contains(&claims), "an hour's worth: {claims}");
    assert_eq!(pools, claims + 2);
    take_in(&mut registry, &[], 1_000_000);
    take_in(&mut registry, &[], 2_000_000);
    assert_eq!(registry.remembered(KIND), (0, 0));
}

#[test]
fn those_who_are_called_alike_share_slots_whatever_their_ids_and_frameworks() {
    let long = "x".repeat(300);
    let mut registry = registry(&settings(), 60);
    let all = [
        "a=grp.app",
        "b=grp_app",
        "c=grp/app",
        &format!("d={long}"),
        &format!("e={long}"),
    ];
    take_in(&mut registry, &all, 0);
    let names: BTreeSet<_> = ["a", "b", "c", "d", "e"]
        .map(|id| {
            let entry = registry.call(KIND, id).unwrap();
            series(&entry.head, Name::Known(&USED, None))
        })
        .into();
    assert_eq!(names.len(), 5, "{names:?}");
}

#[test]
fn an_id_is_called_once_an_answer_and_an_empty_one_never() {
    let mut registry = registry(&settings(), 0);
    take_in(&mut registry, &["a=web", "a=other", "=web"], 0);
    assert_eq!(registry.call(KIND, "a").unwrap().subject.app, "web".into());
    take_in(&mut registry, &["a=web", "a=other", "=web"], 0);
    assert!(registry.call(KIND, "a").is_some());
    assert!(registry.call(KIND, "a").is_none());
    assert!(registry.call(KIND, "").is_none());
    assert!(registry.call(KIND, "b").is_none());
    take_in(&mut registry, &["a=web"], 0);
    assert_eq!(slot(&mut registry, "a"), "web.0");
}

#[test]
fn what_becomes_known_later_renames_and_keeps_memory_and_slot() {
    let settings = NamesSettings {
        form: Form::Tags,
        ..settings()
    };
    let mut registry = super::registry(&settings, 60);
    let mut web = someone("a=web");
    web.is_complete = false;
    registry.take_in(KIND, [&web].into_iter(), 0);
    registry.call(KIND, "a").unwrap().memory = 7;
    web.origin.framework = Some("marathon".into());
    web.is_complete = true;
    registry.take_in(KIND, [&web].into_iter(), 10);
    let entry = registry.call(KIND, "a").unwrap();
    assert_eq!((entry.memory, entry.subject.slot), (7, Some(0)));
    assert!(
        entry
            .head
            .labels()
            .any(|label| label == ("framework", "marathon"))
    );
}

#[test]
fn kinds_have_slots_of_their_own() {
    let mut registry = registry(&settings(), 60);
    let web = someone("a=web");
    for kind in [Kind::Container, Kind::DiskContainer] {
        registry.take_in(kind, [&web].into_iter(), 0);
        assert_eq!(registry.call(kind, "a").unwrap().subject.slot, Some(0));
    }
}

#[test]
fn a_group_is_kept_while_it_is_asked_for() {
    let mut registry = registry(&settings(), 60);
    let app: Arc<str> = "web".into();
    for turn in 0..10 {
        take_in(&mut registry, &[], turn);
        registry.group(&app).memory += 1;
    }
    assert_eq!(registry.group(&app).memory, 10);
    for turn in 10..20 {
        take_in(&mut registry, &[], turn);
    }
    assert_eq!(registry.group(&app).memory, 0);
    assert_eq!(registry.single(Kind::Agent).subject.kind, Kind::Agent);
}
