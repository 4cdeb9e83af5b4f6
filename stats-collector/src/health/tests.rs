use graphite::{SpoolCounters, Value};

use super::*;

/// What was put, as lines.
#[derive(Debug, Default)]
struct Lines(Vec<String>);

impl Put for Lines {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        let along = along.map_or_else(String::new, |along| format!("[{along}]"));
        self.0.push(format!("{}{along} {value:?}", field.name));
    }

    fn put_unknown(&mut self, name: &str, _value: Value) {
        panic!("{name} is in no table");
    }
}

fn view() -> View {
    View {
        turn: Turn::default(),
        totals: Totals::default(),
        outlet: OutletCounters::default(),
        points: 7,
        series: 3,
        over: Over::default(),
        delivered: None,
        deliveries: Vec::new(),
        now: 1000,
        own: None,
    }
}

fn lines(view: &View) -> Vec<String> {
    let mut lines = Lines::default();
    view.put(&mut lines);
    lines.0
}

fn counters(dropped: u64, connections: u64, oldest: Option<u64>) -> Counters {
    Counters {
        pushed: 100,
        written: 50,
        dropped,
        connections,
        spool: SpoolCounters {
            oldest,
            ..SpoolCounters::default()
        },
        ..Counters::default()
    }
}

#[test]
fn a_failed_turn_has_no_zero_of_what_it_does_not_know_and_goes_on_counting() {
    let mut health = Health::default();
    health.failed("containers", "timeout");
    health.failed("state", "timeout");
    let mut view = view();
    view.totals = health.totals;
    let lines = lines(&view);
    for absent in ["scrape_seconds", "containers", "points_lost", "cpu_seconds"] {
        assert!(
            !lines
                .iter()
                .any(|line| line.split(' ').next() == Some(absent)),
            "{absent}"
        );
    }
    for there in [
        "scrape_errors Integer(2)",
        "sources.errors[containers] Integer(1)",
        "errors[timeout] Integer(2)",
        "points Integer(7)",
        "series Integer(3)",
    ] {
        assert!(lines.iter().any(|line| line == there), "{there}: {lines:?}");
    }
}

#[test]
fn several_destinations_are_told_together_and_each_for_itself() {
    let to = |to: &str, counters| Delivery {
        to: to.to_owned(),
        counters,
    };
    let mut view = view();
    view.deliveries = vec![
        to("tcp://a:2003", counters(10, 1, None)),
        to("tcp://b:2003", counters(0, 3, Some(400))),
    ];
    let all = view.deliveries.iter().map(|one| one.counters).sum();
    view.delivered = Some(Delivered {
        counters: all,
        now: 1000,
    });
    let lines = lines(&view);
    for there in [
        "points_lost Integer(10)",
        "points_waiting Integer(90)",
        "spool_age_seconds Integer(600)",
        "destinations.points_lost[a:2003] Integer(10)",
        "destinations.spool_age_seconds[a:2003] Integer(0)",
        "destinations.reconnects[b:2003] Integer(2)",
    ] {
        assert!(lines.iter().any(|line| line == there), "{there}: {lines:?}");
    }
    view.deliveries.pop();
    let alone = self::lines(&view);
    assert!(!alone.iter().any(|line| line.starts_with("destinations")));
}

#[test]
fn this_program_costs_memory_and_time_and_has_files_open() {
    let own = Own::look().unwrap();
    assert!(own.memory_bytes > 100_000, "{own:?}");
    assert!(
        own.cpu_seconds >= 0.0 && own.open_files > Some(2),
        "{own:?}"
    );
}

#[test]
fn no_two_numbers_have_one_name() {
    let mut names: Vec<_> = fields().map(|field| field.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
