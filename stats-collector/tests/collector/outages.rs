//! Carbons that are away, slow, silent or break off, and a collector that ends meanwhile: what the agent said is compared
//! with what arrived, number by number.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

use crate::carbons::{Carbon, Manner};
use crate::fakes::{Agent, nowhere};
use crate::live::{agent, arrived, has_all, own, said, turn_of, wait_for_page};
use crate::program::Program;

/// So that a turn is more than what kernels hold of a connection.
const MANY: u64 = 400;

fn start(agent: &Agent, carbon: &str, state_dir: &Path, more: &[&str]) -> Program {
    start_every("1secs", agent, carbon, state_dir, more)
}

fn start_every(
    interval: &str,
    agent: &Agent,
    carbon: &str,
    state_dir: &Path,
    more: &[&str],
) -> Program {
    let state_dir = format!("--state-dir={}", state_dir.display());
    let interval = format!("--interval={interval}");
    let mut options = vec![
        "--host=h",
        &interval,
        "--graphite-spool-hold=1secs",
        "--graphite-spool-replay=1000000",
        &state_dir,
    ];
    options.extend(more);
    Program::start(agent, carbon, &options)
}

/// Ends the collector, and asserts that carbon has all that the agent said until then, and nothing else.
fn assert_all_arrived(program: Program, agent: &Agent, carbon: &Carbon, containers: u64) -> String {
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    let wanted = said(containers, 0..agent.requests().len());
    carbon.wait_until(|lines| has_all(lines, &wanted));
    assert!(arrived(&carbon.lines()) == wanted, "{log}");
    log
}

#[test]
fn all_that_the_agent_said_arrives_although_the_collector_is_restarted_in_the_middle_of_an_outage()
{
    let (agent, place, state) = (agent(20), nowhere(), TempDir::new().unwrap());
    for turns in [2, 4] {
        let program = start(&agent, &place, state.path(), &["--timeout=500ms"]);
        agent.wait_for_requests(turns);
        let (status, log) = program.terminate();
        assert!(status.success(), "{log}");
        assert!(!log.contains("lost"), "{log}");
    }
    let carbon = Carbon::start_at(&place);
    let program = start(&agent, &place, state.path(), &[]);
    let wanted = said(20, 0..agent.requests().len());
    carbon.wait_until(|lines| has_all(lines, &wanted));
    assert_all_arrived(program, &agent, &carbon, 20);
}

#[test]
fn what_was_on_disk_when_the_collector_was_killed_in_an_outage_arrives() {
    let (agent, place, state) = (agent(20), nowhere(), TempDir::new().unwrap());
    let told = nowhere();
    let page = format!("--output-prometheus={told}");
    // Twice as long as points wait in memory while carbon is away.
    let program = start_every("2secs", &agent, &place, state.path(), &[&page]);
    let is_on_disk = |page: &str| {
        own(page, "points_waiting") == Some(0.0) && own(page, "turns_total") >= Some(3.0)
    };
    let page = wait_for_page(&told, is_on_disk);
    program.kill();
    let turns = own(&page, "turns_total").unwrap() as usize;

    let carbon = Carbon::start_at(&place);
    let program = start(&agent, &place, state.path(), &[]);
    // The page was made in the last of these.
    let promised = said(20, 0..turns - 1);
    carbon.wait_until(|lines| has_all(lines, &promised));
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    let wanted = said(20, 0..agent.requests().len());
    for (key, value) in arrived(&carbon.lines()) {
        assert_eq!(wanted.get(&key), Some(&value), "{key:?}");
    }
}

#[test]
fn a_carbon_that_reads_a_thousand_bytes_a_second_delays_points_and_loses_none() {
    let (agent, state) = (agent(MANY), TempDir::new().unwrap());
    let carbon = Carbon::with_manners("127.0.0.1:0", [Manner::ReadsSlowly]);
    let told = nowhere();
    let page = format!("--output-prometheus={told}");
    let program = start(&agent, &carbon.place(), state.path(), &[&page]);
    wait_for_page(&told, |page| own(page, "spool_points") > Some(0.0));
    let before = agent.requests().len();
    agent.wait_for_requests(before + 2);
    carbon.hurry_up();
    wait_for_page(&told, |page| own(page, "spool_points") == Some(0.0));
    let log = assert_all_arrived(program, &agent, &carbon, MANY);
    assert!(!log.contains("turns were left out"), "{log}");
}

#[test]
fn a_half_open_connection_is_left_and_what_it_swallowed_is_sent_again() {
    let (agent, state) = (agent(MANY), TempDir::new().unwrap());
    let manners = [Manner::NeverReads, Manner::Reads];
    let carbon = Carbon::with_manners("127.0.0.1:0", manners);
    let program = start(&agent, &carbon.place(), state.path(), &[]);
    carbon.wait_for(|line| line.contains(".collector.reconnects 1 "));
    let log = assert_all_arrived(program, &agent, &carbon, MANY);
    assert!(log.contains("lost tcp://127.0.0.1"), "{log}");
}

#[test]
fn a_carbon_that_breaks_off_in_the_middle_of_lines_again_and_again_costs_no_point() {
    let (agent, state) = (agent(MANY), TempDir::new().unwrap());
    let manners = [
        Manner::BreaksOffAfter(10_007),
        Manner::BreaksOffAfter(1),
        Manner::BreaksOffAfter(70_001),
        Manner::Reads,
    ];
    let carbon = Carbon::with_manners("127.0.0.1:0", manners);
    let program = start(&agent, &carbon.place(), state.path(), &[]);
    carbon.wait_for(|line| line.contains(".collector.reconnects 3 "));
    assert_all_arrived(program, &agent, &carbon, MANY);
    assert_eq!(carbon.connections(), 4);
}

/// Diamond 28, 458 and 772: each batch of a collector behind such a balancer is lost.
#[test]
fn a_load_balancer_that_closes_idle_connections_costs_no_point() {
    let (agent, state) = (agent(20), TempDir::new().unwrap());
    let idle = Manner::ClosesWhenIdle(Duration::from_millis(300));
    let carbon = Carbon::with_manners("127.0.0.1:0", [idle]);
    let program = start(&agent, &carbon.place(), state.path(), &[]);
    agent.wait_for_requests(4);
    carbon.wait_for(|line| line.contains(".collector.turns 4 "));
    assert!(carbon.connections() >= 3);
    assert_all_arrived(program, &agent, &carbon, 20);
}

/// A disk of memory, which only root can have; gone with the test.
struct Disk(TempDir);

impl Disk {
    fn new(kilobytes: u32) -> Self {
        let at = TempDir::new().unwrap();
        let options = format!("size={kilobytes}k");
        let (none, kind) = (MsFlags::empty(), Some("tmpfs"));
        mount(kind, at.path(), kind, none, Some(options.as_str())).unwrap();
        Self(at)
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let file = self.0.path().join("somebody else's");
        // The error is the end of the room.
        let _ = fs::write(&file, vec![1; 4 << 20]);
        file
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_costs_the_oldest_points_which_are_counted_and_is_used_again_once_there_is_room() {
    let (agent, place, disk) = (agent(1000), nowhere(), Disk::new(4096));
    let filler = disk.fill();
    let told = nowhere();
    let page = format!("--output-prometheus={told}");
    let options = ["--queue=1MB", &page];
    let program = start(&agent, &place, disk.0.path(), &options);
    wait_for_page(&told, |page| {
        own(page, "points_lost_total") > Some(0.0) && own(page, "spool_errors_total") > Some(0.0)
    });
    fs::remove_file(filler).unwrap();
    wait_for_page(&told, |page| own(page, "spool_points") > Some(0.0));
    let carbon = Carbon::start_at(&place);
    let page = wait_for_page(&told, |page| own(page, "spool_points") == Some(0.0));
    let lost = own(&page, "points_lost_total").unwrap() as usize;
    let turns = own(&page, "turns_total").unwrap() as usize;
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    assert!(log.contains("No space left on device"), "{log}");

    let (wanted, arrived) = (
        said(1000, 0..agent.requests().len()),
        arrived(&carbon.lines()),
    );
    assert!(arrived.iter().all(|(key, value)| wanted[key] == *value));
    let missing = wanted.keys().filter(|key| !arrived.contains_key(*key));
    let missing: Vec<_> = missing.collect();
    assert!((1..=lost).contains(&missing.len()), "{lost}, {log}");
    // From when there was no room: none of the last turns'.
    let newest = missing.iter().map(|(_, time)| turn_of(*time)).max();
    assert!(newest < Some(turns as u64 - 1), "{newest:?} {turns}");
}
