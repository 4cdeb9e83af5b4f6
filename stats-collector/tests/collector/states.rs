//! Agents whose `/state`, which tells whose containers are, is late, wrong or not for us.

use std::time::Duration;

use crate::carbons::Carbon;
use crate::fakes::{Agent, Reply, Says};
use crate::program::Program;
use crate::replies::{body, containers, state_of};

const TAGS: [&str; 3] = ["--host=h", "--interval=1secs", "--names-form=tags"];

fn agent(state: Vec<Reply>) -> Agent {
    let entry = ("c", "web", r#"{"timestamp":1000,"processes":1}"#);
    Agent::saying(Says {
        list: vec![containers(&[entry])],
        state,
        metrics: vec![body("{}")],
    })
}

/// What carbon hears of containers until this many turns were taken.
fn told(state: Vec<Reply>, more: &[&str], turns: usize) -> (Vec<String>, Vec<String>) {
    let (agent, carbon) = (agent(state), Carbon::start());
    let program = Program::start(&agent, &carbon.place(), &[&TAGS, more].concat());
    let last = format!("mesos.collector.turns;host=h {turns} ");
    carbon.wait_for(|line| line.starts_with(&last));
    drop(program);
    let lines = carbon.lines();
    let is_container = |line: &&String| line.starts_with("mesos.containers.processes");
    let of_containers = lines.iter().filter(is_container).cloned().collect();
    (of_containers, lines)
}

/// DC/OS's telegraf sends what it cannot name yet without tags, and so begins a series that ends at once.
#[test]
fn no_point_goes_out_before_its_framework_is_known() {
    let known = state_of([("c", "web")]);
    let (lines, _) = told(vec![Reply::Status(503, "recovering"), known], &[], 4);
    assert!(!lines.is_empty());
    let named = "mesos.containers.processes;app=web;framework=shop;host=h;slot=0 1 1000";
    assert!(lines.iter().all(|line| line == named), "{lines:?}");
}

#[test]
fn a_state_that_is_late_or_wrong_or_forbidden_costs_names_and_no_points() {
    let cases = [
        (Reply::Status(403, ""), "403"),
        (body(r#"{"frameworks":1}"#), "wrong"),
        (body(""), "empty"),
        (Reply::Hang, "late"),
    ];
    std::thread::scope(|scope| {
        for (state, case) in cases {
            scope.spawn(move || {
                let (lines, all) = told(vec![state], &["--timeout=500ms"], 5);
                let is_told =
                    |line: &String| line.contains(";app=web") && line.ends_with(" 1 1000");
                assert!(lines.iter().any(is_told), "{case}: {all:?}");
                let is_counted = |line: &String| {
                    line.starts_with("mesos.collector.sources.errors;host=h;source=state ")
                };
                assert!(all.iter().any(is_counted), "{case}: {all:?}");
            });
        }
    });
}

#[test]
fn a_state_that_takes_its_time_delays_its_turn_and_spoils_none() {
    let known = Box::new(state_of([("c", "web")]));
    let late = Reply::Late(Duration::from_millis(600), known);
    let (lines, all) = told(vec![late], &[], 3);
    assert!(lines.len() >= 2, "{all:?}");
    assert!(lines.iter().all(|line| line.contains(";framework=shop;")));
    assert!(!all.iter().any(|line| line.contains(".sources.errors")));
}
