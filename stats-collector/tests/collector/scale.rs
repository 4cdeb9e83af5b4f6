//! Large agents.

use std::collections::HashSet;
use std::fs;

use crate::carbons::Carbon;
use crate::fakes::Agent;
use crate::live;
use crate::program::Program;
use crate::replies::generated;

/// Fields of the real cgroups sample, and what is worked out of it alone.
const POINTS_EACH: usize = 29;

#[test]
fn a_thousand_containers_are_all_shipped() {
    every_container_is_shipped(1000);
}

#[test]
fn ten_thousand_containers_are_all_shipped_in_bounded_memory() {
    every_container_is_shipped(10_000);
}

fn every_container_is_shipped(count: usize) {
    let agent = Agent::saying(generated(count));
    let carbon = Carbon::start();
    let program = Program::start(
        &agent,
        &carbon.place(),
        &["--interval=1hrs", "--timeout=2mins"],
    );
    // The last of a turn.
    carbon.wait_for(|line| line.contains(".collector.reconnects 0 "));
    let peak = peak_bytes(program.id());
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");

    let lines = carbon.container_lines();
    assert_eq!(lines.len(), count * POINTS_EACH);
    let series: HashSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(series.len(), count * POINTS_EACH);
    for slot in 0..4 {
        let path = format!(".containers.group_app0007.{slot}.mem_rss_bytes ");
        let points = lines.iter().filter(|line| line.contains(&path)).count();
        assert_eq!(points, 1, "{path}");
    }
    // The reply alone is 12 MB; what was made of it is never there as a whole.
    assert!(peak < 56 << 20, "{peak} bytes");
}

/// The largest resident size so far.
fn peak_bytes(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[test]
fn series_of_many_apps_wait_for_room_in_a_small_queue() {
    let (agent, carbon) = (live::agent(6000), Carbon::start());
    let options = ["--interval=1mins", "--timeout=1mins", "--queue=1MB"];
    let program = Program::start(&agent, &carbon.place(), &options);
    carbon.wait_for(|line| line.contains(".collector.turns 1 "));
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    let lines = carbon.lines();
    let is_count = |line: &&String| line.contains(".apps.") && line.contains(".mem_rss_bytes.sum ");
    assert_eq!(lines.iter().filter(is_count).count(), 6000);
    let kept = |line: &String| line.contains(".collector.points_lost 0 ");
    assert!(lines.iter().any(kept), "{log}");
}
