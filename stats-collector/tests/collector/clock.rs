//! Clocks that are set. That of this machine stays as it is: the schedule's own tests move theirs, and here it is the
//! agent's samples that come from elsewhere in time, and the collector that stands still.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::carbons::Carbon;
use crate::fakes::{Agent, Says};
use crate::program::Program;
use crate::replies::{body, containers, state_of};

#[test]
fn samples_of_a_clock_that_was_set_keep_their_times_and_give_no_impossible_rate() {
    // An hour forward, and back again; a core is used all the time.
    let times = [1000, 1010, 4610, 4620, 1040, 1050];
    let lists = times.iter().enumerate().map(|(turn, at)| {
        let used = 100 + 10 * turn;
        let sample = format!(
            r#"{{"timestamp":{at},"cpus_user_time_secs":{used},"cpus_system_time_secs":0,"net_rx_bytes":{used}}}"#
        );
        containers(&[("c", "web", &sample)])
    });
    let agent = Agent::saying(Says {
        list: lists.chain([body("[]")]).collect(),
        state: vec![state_of([("c", "web")])],
        metrics: vec![body("{}")],
    });
    let carbon = Carbon::start();
    let program = Program::start(&agent, &carbon.place(), &["--host=h", "--interval=1secs"]);
    carbon.wait_for(|line| line.contains(".collector.turns 7 "));
    drop(program);
    let lines = carbon.container_lines();
    let of = |field: &str| -> Vec<(f64, u64)> {
        let series = format!("mesos.h.containers.web.0.{field} ");
        let rest = lines.iter().filter_map(|line| line.strip_prefix(&series));
        let pairs = rest.map(|rest| rest.split_once(' ').unwrap());
        pairs
            .map(|(value, at)| (value.parse().unwrap(), at.parse().unwrap()))
            .collect()
    };
    let told: Vec<u64> = of("net_rx_bytes").iter().map(|(_, at)| *at).collect();
    assert_eq!(told, times);
    let rates = of("cpus_used");
    assert!(
        rates.iter().all(|(rate, _)| (0.0..=1.0).contains(rate)),
        "{rates:?}"
    );
    // Right again in the turn behind each step.
    for at in [1010, 4620, 1050] {
        assert!(rates.contains(&(1.0, at)), "{rates:?}");
    }
}

#[test]
fn a_collector_that_stood_still_counts_the_turns_it_missed_and_goes_on() {
    let entry = ("c", "web", r#"{"timestamp":1000,"processes":1}"#);
    let agent = Agent::saying(Says {
        list: vec![containers(&[entry])],
        state: vec![state_of([("c", "web")])],
        metrics: vec![body("{}")],
    });
    let carbon = Carbon::start();
    let program = Program::start(&agent, &carbon.place(), &["--interval=1secs"]);
    carbon.wait_for(|line| line.contains(".collector.turns 2 "));
    program.signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(3500));
    program.signal(Signal::SIGCONT);
    carbon.wait_for(|line| line.contains(".collector.turns 4 "));
    let lines = carbon.lines();
    let missed = lines.iter().filter_map(|line| {
        let (_, rest) = line.split_once(".collector.overruns ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    });
    assert!(missed.max() >= Some(2));
    let (status, log) = program.terminate();
    assert!(
        status.success() && log.contains("turns were left out"),
        "{log}"
    );
}
