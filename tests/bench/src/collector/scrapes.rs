//! A scrape of many containers: processor time and memory.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::carbon::{Carbon, Heard};
use super::peers::{self, Peer};
use super::program::Program;

/// Longer than anybody needs.
const PATIENCE: Duration = Duration::from_secs(300);

/// Containers, and scrapes that are measured.
const TRIALS: [(usize, u64); 3] = [(100, 30), (1_000, 30), (10_000, 10)];

struct Cost {
    cpu_ms: f64,
    peak_mb: f64,
    points: u64,
}

pub(super) fn measure() {
    let peers = peers::all();
    println!(
        "| containers | program | CPU a scrape, ms | times the floor | peak RSS, MB | points a scrape |\n|---|---|---|---|---|---|"
    );
    for (containers, scrapes) in TRIALS {
        let mut floor = None;
        for peer in &peers {
            let cost = cost(peer, containers, scrapes);
            let floor = *floor.get_or_insert(cost.cpu_ms);
            println!(
                "| {containers} | {} | {:.2} | {:.1} | {:.1} | {} |",
                peer.name,
                cost.cpu_ms,
                cost.cpu_ms / floor,
                cost.peak_mb,
                cost.points
            );
        }
    }
    println!();
}

/// Of one scrape, when the first two are over.
fn cost(peer: &Peer, containers: usize, scrapes: u64) -> Cost {
    let agent = Agent::start(containers);
    let heard = Heard::new(false);
    let carbon = Carbon::start(None, &heard);
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = (peer.command)(&agent.url(), carbon.address(), directory.path());
    let program = Program::start(&mut command);
    let settled = |scrapes: u64| {
        await_scrapes(&agent, scrapes);
        // Until nothing comes any more, which is what the interval leaves room for.
        let mut before = heard.lines();
        loop {
            sleep(Duration::from_millis(150));
            let now = heard.lines();
            if now == before {
                return (program.cpu(), now, agent.scrapes());
            }
            before = now;
        }
    };
    let (cpu_before, lines_before, first) = settled(2);
    let (cpu_after, lines_after, last) = settled(2 + scrapes);
    let many = last - first;
    Cost {
        cpu_ms: (cpu_after - cpu_before).as_secs_f64() * 1000.0 / many as f64,
        peak_mb: program.peak_megabytes(),
        points: (lines_after - lines_before) / many,
    }
}

fn await_scrapes(agent: &Agent, scrapes: u64) {
    let began = Instant::now();
    while agent.scrapes() < scrapes {
        assert!(began.elapsed() < PATIENCE, "nobody scrapes");
        sleep(Duration::from_millis(5));
    }
}
