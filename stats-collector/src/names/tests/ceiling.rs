use super::*;

static FIELDS: [Field; 10] = {
    const fn field(name: &'static str) -> Field {
        Field {
            name,
            along: None,
            nature: Nature::Gauge,
            unit: Unit::Count,
            help: "One.",
        }
    }
    [
        field("a"),
        field("b"),
        field("c"),
        field("d"),
        field("e"),
        field("f"),
        field("g"),
        field("h"),
        field("i"),
        field("j"),
    ]
};

struct Crowd {
    ceiling: Ceiling,
    all: Vec<(Subject, Head)>,
}

impl Crowd {
    fn new(most: usize, size: u32) -> Self {
        let naming = naming(&settings());
        let all = (0..size).map(|slot| {
            let subject = subject(Kind::Container, "web", Some(slot));
            let head = naming.head(&subject, &Origin::default());
            (subject, head)
        });
        Self {
            ceiling: Ceiling::new(most),
            all: all.collect(),
        }
    }

    /// Which of these fields each of them has in one turn.
    fn turn(&self, fields: &[usize]) -> Vec<Vec<usize>> {
        let of = |(subject, head): &(Subject, Head)| {
            let mut tally = self.ceiling.begin(subject, head);
            let admitted = fields.iter().copied();
            admitted
                .filter(|field| tally.admits(Name::Known(&FIELDS[*field], None)))
                .collect()
        };
        self.all.iter().map(of).collect()
    }
}

#[test]
fn who_is_over_the_ceiling_is_refused_whole_counted_and_told() {
    let crowd = Crowd::new(45, 10);
    let all: Vec<usize> = (0..10).collect();
    for _ in 0..10 {
        crowd.turn(&all);
    }
    assert!(crowd.ceiling.take_over().subjects > 0);
    let admitted = crowd.turn(&all);
    let sizes: Vec<usize> = admitted.iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 10, 10, 0, 0, 0, 0, 0, 0]);
    assert_eq!(crowd.ceiling.used(), 40);
    let over = crowd.ceiling.take_over();
    assert_eq!((over.subjects, over.series), (6, 60));
    assert_eq!(
        over.who,
        (4..9)
            .map(|slot| format!("containers.web.{slot}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(crowd.ceiling.take_over(), Over::default());
}

#[test]
fn who_is_admitted_keeps_the_same_series_though_some_are_absent_for_a_while() {
    let crowd = Crowd::new(8, 1);
    assert_eq!(
        crowd.turn(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        [[0, 1, 2, 3, 4, 5, 6, 7]]
    );
    assert_eq!(crowd.turn(&[0, 2, 8, 9]), [[0, 2]]);
    assert_eq!(
        crowd.turn(&[9, 7, 6, 5, 4, 3, 2, 1, 0]),
        [[7, 6, 5, 4, 3, 2, 1, 0]]
    );
    assert_eq!(crowd.ceiling.used(), 8);
}

#[test]
fn what_a_subject_has_only_in_its_second_turn_has_room_kept_for_it() {
    let crowd = Crowd::new(100, 3);
    crowd.turn(&[0, 1]);
    let admitted = crowd.turn(&[0, 1, 2, 3, 4, 5]);
    assert!(
        admitted
            .iter()
            .filter(|has| !has.is_empty())
            .all(|has| has.len() == 6),
        "{admitted:?}"
    );
}

#[test]
fn room_is_there_again_when_somebody_went() {
    let mut crowd = Crowd::new(20, 3);
    let all: Vec<usize> = (0..10).collect();
    for _ in 0..10 {
        crowd.turn(&all);
    }
    assert_eq!(crowd.turn(&all)[2].len(), 0);
    crowd.all.remove(0);
    assert_eq!(crowd.ceiling.used(), 10);
    crowd.turn(&all);
    assert_eq!(crowd.turn(&all)[1].len(), 10);
    crowd.all.clear();
    assert_eq!(crowd.ceiling.used(), 0);
}

#[test]
fn there_are_never_more_series_than_the_ceiling_whatever_comes() {
    for most in [0, 1, 7, 39, 41, 100] {
        let crowd = Crowd::new(most, 12);
        let mut seen = std::collections::BTreeSet::new();
        for turn in 0..20 {
            let fields: Vec<usize> = (0..10).filter(|field| (field * 7 + turn) % 3 > 0).collect();
            for (who, fields) in crowd.turn(&fields).into_iter().enumerate() {
                seen.extend(fields.into_iter().map(|field| (who, field)));
            }
        }
        assert!(seen.len() <= most, "{} of {most}", seen.len());
        assert_eq!(seen.len(), crowd.ceiling.used());
    }
}

#[test]
fn numbers_along_volumes_and_unknown_ones_are_series_each() {
    let crowd = Crowd::new(100, 1);
    let (subject, head) = &crowd.all[0];
    for _ in 0..2 {
        let mut tally = crowd.ceiling.begin(subject, head);
        for volume in ["a", "b"] {
            assert!(tally.admits(Name::Known(&VOLUME_USED, Some(volume))));
        }
        assert!(tally.admits(Name::Unknown("x")));
        assert!(tally.admits(Name::Unknown("y")));
    }
    assert_eq!(crowd.ceiling.used(), 4);
}

#[test]
fn no_subject_takes_the_room_of_all_others_whatever_it_says() {
    let crowd = Crowd::new(1_000_000, 1);
    let (subject, head) = &crowd.all[0];
    for _ in 0..2 {
        let mut tally = crowd.ceiling.begin(subject, head);
        let names = (0..10_001).map(|number| number.to_string());
        let admitted = names.filter(|name| tally.admits(Name::Unknown(name)));
        assert_eq!(admitted.count(), 10_000);
    }
    assert_eq!(crowd.ceiling.used(), 10_000);
    assert_eq!(crowd.ceiling.take_over().series, 2);
}
